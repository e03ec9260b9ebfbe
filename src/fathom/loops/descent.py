"""Gradient descent: a run of steps down the error surface, for one network."""

import math
from typing import NamedTuple

import numpy as np

from fathom.loops.chain import add_shortcut, backward_layer, forward, gather
from fathom.loops.compiling import loop
from fathom.loops.denormals import flush, restore
from fathom.loops.losses import compare
from fathom.loops.meeting import meet_all
from fathom.loops.moving import LINE, add, copy
from fathom.loops.numerics import reciprocal
from fathom.loops.registers import address

BETA_1, EPSILON = 0.9, 1e-8  # of Adam
EXPONENT = np.int32(0x7F800000)  # its bits in a number of 32


class Known(NamedTuple):
    """Examples as arrays.

    Attributes
    ----------
    x : numpy.ndarray
        Inputs, shape (rows, columns), float32.
    classes : numpy.ndarray
        Number of each example's class, int32; empty where targets are values.
    values : numpy.ndarray
        Targets, shape (rows, outputs), float32; empty where targets are classes.
    weight : numpy.ndarray
        Weight of each example, float32.
    """

    x: np.ndarray
    classes: np.ndarray
    values: np.ndarray
    weight: np.ndarray


class Rules(NamedTuple):
    """How a network learns.

    Attributes
    ----------
    loss, output : int
        Codes of the loss, and of the output layer's activation function.
    counts_right : bool
        Whether the score is a share of right answers.
    is_mean : bool
        Whether the loss of a batch is the mean over its examples rather than their total.
    smoothing, decay : float
        Label smoothing and weight decay.
    is_decoupled : bool
        Whether decay acts on the weights themselves rather than through the gradient.
    beta_2 : float
        Share of the running mean of squares that is kept each step.
    """

    loss: int
    output: int
    counts_right: bool
    is_mean: bool
    smoothing: float
    decay: float
    is_decoupled: bool
    beta_2: float


class Learner(NamedTuple):
    """What changes as a network learns.

    Attributes
    ----------
    parameters : numpy.ndarray
        Those of the network.
    statistics : numpy.ndarray or None
        What no optimizer touches; see `fathom.loops.chain.forward`.
    mean, square : numpy.ndarray
        Adam's running means of g and of g².
    """

    parameters: np.ndarray
    statistics: np.ndarray | None
    mean: np.ndarray
    square: np.ndarray


class Room(NamedTuple):
    """Memory that steps work in: nothing in it outlasts a step."""

    work: np.ndarray
    aside: np.ndarray
    inputs: np.ndarray
    error: np.ndarray
    back: np.ndarray
    gradient: np.ndarray


class Pace(NamedTuple):
    """How far a step goes, and what it makes up for.

    Attributes
    ----------
    rate : float
        The learning rate.
    correct, correct_root : float
        Factors of Adam's means of g, and of the root of that of g², which begin with 0.
    """

    rate: float
    correct: float
    correct_root: float


@loop
def pace_of(rules, rate, n_steps):  # type: ignore[no-untyped-def]
    """Return the pace of a step: 1 / (1 - β₁ᵗ) makes up for a mean of t numbers."""
    correct_square = 1.0 / (1.0 - rules.beta_2**n_steps)
    return Pace(rate, 1.0 / (1.0 - BETA_1**n_steps), math.sqrt(correct_square))


@loop
def advance(  # type: ignore[no-untyped-def]
    company, at_once, gradients, chain, pieces, rules, origin, learner, room, known, rows, rates,
    seeds, n_before, sums,
):  # fmt: skip
    """Take steps: each example forward, errors back, and every weight a little down the slope.

    Several cores divide the examples of each batch. The gradient of a batch is the sum of those of
    its parts; when all are found, each core adds up and updates some of the parameters. A core by
    itself updates those of a layer as soon as it has passed errors back through it, while they and
    their gradient are near.

    Parameters
    ----------
    company : Company
        Which core's share this is; all have to be taken at the same time. Where meeting is called
        off, no further step is begun, and none of the weights means anything any more.
    at_once : int
        Examples that are worked through together, as their activations stay near the core; all of a
        share where examples look at each other.
    gradients : numpy.ndarray
        Room for the gradient of each part, shape (shares, parameters or more), the
        same for all.
    chain : Chain
        The network.
    pieces : numpy.ndarray
        Parameters that take steps of one size, dtype `PIECE`, in their order.
    rules : Rules
        How it learns.
    origin : Learner
        From where the first step is taken; it stays as it is, unless it is the learner itself.
    learner : Learner
        What changes; with statistics of this share alone.
    room : Room
        Memory to work in, of this share alone; with a gradient if that has more than `at_once`.
    known : Known
        All examples.
    rows : numpy.ndarray
        Which examples each step learns from, shape (steps, batch), int32.
    rates : numpy.ndarray
        Learning rate of each step.
    seeds : numpy.ndarray
        Seed of each step's dropout, uint32.
    n_before : int
        Steps taken before.
    sums : numpy.ndarray
        Added to: loss, weight, and the parts of the score of this share.

    Returns
    -------
    int
        How many of the parameters are infinite or NaN afterwards, of those this share looks at.
    """
    n, share, n_shares = len(learner.parameters), company.share, company.n_shares
    first, last = _bounds(rows.shape[1], share, n_shares, 1)
    begin, end = _bounds(n, share, n_shares, LINE)
    weight = np.float32(1.0 / rows.shape[1] if rules.is_mean else 1.0)
    # A shortcut needs the weights of its block's end when errors are back at its beginning.
    is_alone = n_shares == 1 and learner.statistics is None
    before, now = flush(), origin
    for step in range(len(rows)):
        chosen, own = rows[step][first:last], gradients[share][:n]
        pace = pace_of(rules, rates[step], n_before + step + 1)
        _walk_through(
            chain, pieces, rules, now, learner, room, known, chosen, first, at_once, weight,
            seeds[step], own, pace, is_alone, company, sums,
        )  # fmt: skip
        if not meet_all(company):
            break
        if not is_alone:
            total = gradients[0][begin:end]
            for other in range(1, n_shares):
                add(gradients[other][begin:end], total)
            update(pieces, rules, now, learner, total, begin, pace)
        now = learner
        if not meet_all(company):
            break
    restore(before)
    return n_broken(learner.parameters, share, n_shares)


@loop
def n_broken(parameters, share, n_shares):  # type: ignore[no-untyped-def]
    """Return how many parameters are infinite or NaN: those whose exponent has every bit."""
    begin, end = _bounds(len(parameters), share, n_shares, LINE)
    bits, n = parameters[begin:end].view(np.int32), 0
    for i in range(len(bits)):
        n += bits[i] & EXPONENT == EXPONENT
    return n


@loop
def _bounds(n, share, n_shares, multiple):  # type: ignore[no-untyped-def]
    """Return where a share of n begins and ends: multiples of a number, but for the last."""
    whole = (n + multiple - 1) // multiple
    return (
        min(n, whole * share // n_shares * multiple),
        min(n, whole * (share + 1) // n_shares * multiple),
    )


@loop
def _walk_through(  # type: ignore[no-untyped-def]
    chain, pieces, rules, now, learner, room, known, part, first, at_once, weight, seed, total,
    pace, descends, company, sums,
):  # fmt: skip
    """Write the gradient of a part of a batch, found for so many examples at once.

    Where it `descends`, which it does with all of them at once, take Adam's step with every layer.
    """
    into = Room(room.work, room.aside, room.inputs, room.error, room.back, total)
    for begin in range(0, len(part), at_once):
        place, few = room if begin else into, part[begin : begin + at_once]
        _compare_batch(
            chain, rules, now, place, known, few, first + begin, weight, seed, company, sums
        )
        for k in range(len(chain.layers) - 1, -1, -1):
            layer = chain.layers[k]
            _pass_back(chain, k, now, place, len(few), company)
            if descends:
                gradient = place.gradient[layer.begin : layer.end]
                update(pieces, rules, now, learner, gradient, layer.begin, pace)
            if not layer.passes_back:
                break
        if begin:
            add(room.gradient, total)


@loop
def _compare_batch(  # type: ignore[no-untyped-def]
    chain, rules, learner, room, known, chosen, first, share, seed, company, sums
):
    """Send a batch forward and compare it with the truth; the node errors are left in the room.

    Parameters
    ----------
    chain, rules, learner, room, known, company, sums
        As for `advance`.
    chosen, first : numpy.ndarray, int
        Which examples, int32; and the number of the first one in its batch.
    share : numpy.float32
        What the loss of one of them counts.
    seed : numpy.uint32
        Seed of the dropout.
    """
    batch, inputs, aside = len(chosen), room.inputs, room.aside
    n_outputs = chain.layers[len(chain.layers) - 1].n_out
    gather(chain, known.x, chosen, inputs, aside)
    parameters, statistics = learner.parameters, learner.statistics
    z = forward(
        chain, parameters, statistics, inputs, batch, room.work, aside, seed, first, company
    )
    error = room.error[: batch * n_outputs].reshape(batch, n_outputs)
    compare_chosen(rules, z, known, chosen, share, error, sums)


@loop
def _pass_back(chain, k, learner, room, batch, company):  # type: ignore[no-untyped-def]
    """Pass node errors back through one layer, and leave its gradient in the room.

    Errors of one layer and of the one before take turns in two places.
    """
    layer, n_after = chain.layers[k], len(chain.layers) - 1 - k
    place, other = (room.back, room.error) if n_after % 2 else (room.error, room.back)
    error = place[: batch * layer.n_out].reshape(batch, layer.n_out)
    back = other[: batch * layer.n_in].reshape(batch, layer.n_in)
    parameters, statistics, work, aside = (
        learner.parameters, learner.statistics, room.work, room.aside
    )  # fmt: skip
    backward_layer(
        chain, k, parameters, statistics, room.inputs, batch, work, aside, error, back,
        room.gradient, company,
    )  # fmt: skip
    if layer.passes_back:
        add_shortcut(chain, k, parameters, statistics, batch, work, aside, back)


@loop
def compare_chosen(rules, z, known, chosen, share, error, sums):  # type: ignore[no-untyped-def]
    """Compare the sums of the output layer with what is known of the chosen examples."""
    batch = len(chosen)
    classes, weight = np.zeros(batch, np.int32), np.empty(batch, np.float32)
    values = np.zeros((batch, known.values.shape[1]), np.float32)
    for r in range(batch):
        weight[r] = known.weight[chosen[r]]
    if len(known.classes):
        for r in range(batch):
            classes[r] = known.classes[chosen[r]]
    else:
        for r in range(batch):
            copy(known.values[chosen[r]], values[r])
    compare(rules, z, classes, values, weight, share, error, sums)


@loop
def update(pieces, rules, now, learner, gradient, begin, pace):  # type: ignore[no-untyped-def]
    """Take Adam's step with the parameters from `begin` on that there is a gradient of."""
    for k in range(len(pieces)):
        first = max(pieces[k].begin, begin)
        last = min(pieces[k].end, begin + len(gradient))
        if first < last:
            g = gradient[first - begin : last - begin]
            update_piece(pieces[k], rules, now, learner, g, first, pace)


@loop
def update_piece(piece, rules, now, learner, g, begin, pace):  # type: ignore[no-untyped-def]
    """Take Adam's step: m ← β₁ m + (1-β₁) g, v ← β₂ v + (1-β₂) g², W ← W - η m̂ / (√v̂ + ε).

    Of a piece, or of the part of it from `begin` that `g` is the gradient of; from where the
    learner is `now`, which is elsewhere in a first step. A processor's divider has enough to do
    with the roots, so that quotients are worked out beside it.
    """
    one = np.float32(1.0)
    beta_1, beta_2 = np.float32(BETA_1), np.float32(rules.beta_2)
    new_1, new_2 = one - beta_1, one - beta_2
    correct_root = np.float32(pace.correct_root)
    epsilon, size = np.float32(EPSILON), np.float32(pace.rate * piece.rate * pace.correct)
    decay = np.float32(rules.decay * piece.decays)
    through = np.float32(0.0) if rules.is_decoupled else decay
    beside = np.float32(pace.rate) * decay if rules.is_decoupled else np.float32(0.0)
    end = begin + len(g)
    parameters = learner.parameters[begin:end]
    mean, square = learner.mean[begin:end], learner.square[begin:end]
    if address(now.parameters) != address(learner.parameters):
        copy(now.parameters[begin:end], parameters)
        copy(now.mean[begin:end], mean)
        copy(now.square[begin:end], square)
    for i in range(len(parameters)):
        slope = g[i] + through * parameters[i]
        mean[i] = beta_1 * mean[i] + new_1 * slope
        square[i] = beta_2 * square[i] + new_2 * slope * slope
        root = np.sqrt(square[i]) * correct_root
        parameters[i] -= size * mean[i] * reciprocal(root + epsilon) + beside * parameters[i]
