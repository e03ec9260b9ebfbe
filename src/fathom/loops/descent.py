"""Gradient descent: a run of steps down the error surface, for one network."""

import math
from typing import NamedTuple

import numpy as np

from fathom.loops.chain import LEARNING, add_shortcut, backward_layer, forward, gather
from fathom.loops.compiling import loop
from fathom.loops.denormals import flush, restore
from fathom.loops.losses import compare
from fathom.loops.meeting import meet
from fathom.loops.moving import LINE, add, copy
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


@loop
def advance(  # type: ignore[no-untyped-def]
    share, n_shares, counter, at_once, gradients, chain, pieces, rules, origin, learner, room,
    known, rows, rates, seeds, n_before, sums,
):  # fmt: skip
    """Take steps: each example forward, errors back, and every weight a little down the slope.

    Several cores divide the examples of each batch, as long as no example looks at the others. The
    gradient of a batch is the sum of those of its parts; when all are found, each core adds up and
    updates some of the parameters.

    Parameters
    ----------
    share, n_shares : int
        Which core's share this is, from 0, and how many there are; all have to be taken at the same
        time.
    counter : numpy.ndarray
        Where they meet, see `fathom.loops.meeting.meet`. Where that is called off, no further step
        is begun, and none of the weights means anything any more.
    at_once : int
        Examples that are worked through together, as their activations stay near the core.
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
        What changes.
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
    n = len(learner.parameters)
    first, last = _bounds(rows.shape[1], share, n_shares, 1)
    begin, end = _bounds(n, share, n_shares, LINE)
    weight, n_met = np.float32(1.0 / rows.shape[1] if rules.is_mean else 1.0), 0
    before, now = flush(), origin
    for step in range(len(rows)):
        chosen, own = rows[step][first:last], gradients[share][:n]
        _add_gradients(
            chain, rules, now, room, known, chosen, first, at_once, weight, seeds[step], own, sums
        )
        n_met += n_shares
        if not meet(counter, n_met):
            break
        total = gradients[0][begin:end]
        for other in range(1, n_shares):
            add(gradients[other][begin:end], total)
        update(pieces, rules, now, learner, total, begin, rates[step], n_before + step + 1)
        now, n_met = learner, n_met + n_shares
        if not meet(counter, n_met):
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
def _add_gradients(  # type: ignore[no-untyped-def]
    chain, rules, learner, room, known, part, first, at_once, weight, seed, total, sums
):
    """Write the gradient of a part of a batch, found for so many examples at once."""
    into = Room(room.work, room.aside, room.inputs, room.error, room.back, total)
    for begin in range(0, len(part), at_once):
        place, few = room if begin else into, part[begin : begin + at_once]
        find_gradient(chain, rules, learner, place, known, few, first + begin, weight, seed, sums)
        if begin:
            add(room.gradient, total)


@loop
def find_gradient(chain, rules, learner, room, known, chosen, first, share, seed, sums):  # type: ignore[no-untyped-def]
    """Send a batch forward, compare with the truth, and pass the errors of the output layer back.

    Parameters
    ----------
    chain, rules, learner, known, sums
        As for `advance`.
    room : Room
        Memory to work in; the gradient is left there.
    chosen, first : numpy.ndarray, int
        Which examples, int32; and the number of the first one in its batch.
    share : numpy.float32
        What the loss of one of them counts.
    seed : numpy.uint32
        Seed of the dropout.
    """
    batch = len(chosen)
    n_outputs = chain.layers[len(chain.layers) - 1].n_out
    gather(chain, known.x, chosen, room.inputs, room.aside)
    z = forward(
        chain,
        learner.parameters,
        learner.statistics,
        room.inputs,
        batch,
        room.work,
        room.aside,
        seed,
        first,
        LEARNING,
    )
    error = room.error[: batch * n_outputs].reshape(batch, n_outputs)
    compare_chosen(rules, z, known, chosen, share, error, sums)
    spare, other = room.back, room.error
    for k in range(len(chain.layers) - 1, -1, -1):
        layer = chain.layers[k]
        back = spare[: batch * layer.n_in].reshape(batch, layer.n_in)
        backward_layer(
            chain,
            k,
            learner.parameters,
            learner.statistics,
            room.inputs,
            batch,
            room.work,
            room.aside,
            error,
            back,
            room.gradient,
        )
        if not layer.passes_back:
            break
        add_shortcut(
            chain, k, learner.parameters, learner.statistics, batch, room.work, room.aside, back
        )
        error, spare, other = back, other, spare


@loop
def compare_chosen(rules, z, known, chosen, share, error, sums):  # type: ignore[no-untyped-def]
    """Compare the sums of the output layer with what is known of the chosen examples."""
    batch = len(chosen)
    classes = np.zeros(batch, np.int32)
    values = np.zeros((batch, known.values.shape[1]), np.float32)
    weight = np.empty(batch, np.float32)
    for r in range(batch):
        weight[r] = known.weight[chosen[r]]
        if len(known.classes):
            classes[r] = known.classes[chosen[r]]
        else:
            copy(known.values[chosen[r]], values[r])
    compare(rules, z, classes, values, weight, share, error, sums)


@loop
def update(pieces, rules, now, learner, gradient, begin, rate, n_steps):  # type: ignore[no-untyped-def]
    """Take Adam's step with the parameters from `begin` on that there is a gradient of."""
    for k in range(len(pieces)):
        first = max(pieces[k].begin, begin)
        last = min(pieces[k].end, begin + len(gradient))
        if first < last:
            g = gradient[first - begin : last - begin]
            update_piece(pieces[k], rules, now, learner, g, first, rate, n_steps)


@loop
def update_piece(piece, rules, now, learner, g, begin, rate, n_steps):  # type: ignore[no-untyped-def]
    """Take Adam's step: m ← β₁ m + (1-β₁) g, v ← β₂ v + (1-β₂) g², W ← W - η m̂ / (√v̂ + ε).

    Of a piece, or of the part of it from `begin` that `g` is the gradient of; from where the
    learner is `now`, which is elsewhere in a first step.
    """
    one = np.float32(1.0)
    beta_1, beta_2 = np.float32(BETA_1), np.float32(rules.beta_2)
    new_1, new_2 = one - beta_1, one - beta_2
    correct = np.float32(1.0 / (1.0 - BETA_1**n_steps))
    correct_root = np.float32(math.sqrt(1.0 / (1.0 - rules.beta_2**n_steps)))
    epsilon, size = np.float32(EPSILON), np.float32(rate * piece.rate) * correct
    decay = np.float32(rules.decay * piece.decays)
    through = np.float32(0.0) if rules.is_decoupled else decay
    beside = np.float32(rate) * decay if rules.is_decoupled else np.float32(0.0)
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
        parameters[i] -= size * mean[i] / (root + epsilon) + beside * parameters[i]
