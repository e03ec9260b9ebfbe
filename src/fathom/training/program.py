"""The compiled part of training: one step, a run of steps, and an evaluation."""

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int, Key, Num

from fathom.nn.activations import ACTIVATIONS
from fathom.nn.layer import partition
from fathom.nn.losses import LOSSES, reduce_loss
from fathom.nn.network import Network
from fathom.nn.tree import join
from fathom.nn.xla import Array, PyTree, jax, jnp
from fathom.training.augmentation import augment
from fathom.training.history import EngineName
from fathom.training.metrics import score_sums, sign_score_sums
from fathom.training.optimizers import BY_MATRIX, Rule, make_optimizer, rate_factors
from fathom.training.plan import EVALUATION_BATCH, Examples, Inputs, Knobs, Plan, Sums
from fathom.training.recipe import DECOUPLED, Augmentation


class State(NamedTuple):
    """All that changes in training."""

    network: Network
    optimizer: PyTree


class _Walk(NamedTuple):
    """A state within the compiled program: parameters packed, everything else beside them."""

    packed: PyTree
    others: PyTree
    memory: PyTree


class _Roles(NamedTuple):
    """What each parameter, packed, is multiplied by."""

    decay: PyTree
    rate: PyTree | None


class Layout(NamedTuple):
    """How the arrays of a step lie: packed on one device, or spread over several.

    Attributes
    ----------
    pack : callable
        parameters → what steps change, and the function that undoes it.
    learn : callable
        network, inputs, key → sums z of its output layer while learning, and the network with its
        statistics moved on.
    share : callable
        Gradient, or what an optimizer remembers → the same, lying where its update is worked out.
    settle : callable
        What steps change → the same, lying where it is between steps.
    """

    pack: Callable[[PyTree], tuple[PyTree, Callable[[PyTree], PyTree]]]
    learn: Callable[..., tuple[Float[Array, "batch *time out"], Network]] = Network.train
    share: Callable[[PyTree], PyTree] = lambda arrays: arrays
    settle: Callable[[PyTree], PyTree] = lambda arrays: arrays


class Program(NamedTuple):
    """The compiled functions of one plan.

    Attributes
    ----------
    name : str
        What the engine is called in a history.
    evaluation_batch : int
        Examples are evaluated in multiples of so many.
    start : callable
        network → state.
    fresh : callable
        state, and one that nobody needs any more or None → state that `advance` may overwrite.
    draw : callable
        seed, number of the start, number of the call → what a call's random choices come from.
    advance : callable
        state, examples, rows (steps, batch), key, learning rates (steps,), knobs → state, sums,
        and whether everything is still finite.
    evaluate : callable
        network, examples (a multiple of `EVALUATION_BATCH`) → sums.
    combine : callable
        network, inputs (a multiple of `EVALUATION_BATCH`) → sums z of the output layer.
    weights : callable
        state → what `evaluate`, `combine` and `network` take; it outlasts later steps.
    network : callable
        weights → network.

    Notes
    -----
    `fathom.training.compiled.LoopProgram` has the same functions for networks that loops can train.
    """

    name: EngineName
    evaluation_batch: int
    start: Callable[[Network], State]
    advance: Callable[..., tuple[State, Sums, Bool[Array, ""]]]
    evaluate: Callable[[Network, Examples], Sums]
    combine: Callable[[Network, Inputs], Float[Array, "rows out"]]
    fresh: Callable[[State, State | None], State]
    weights: Callable[[State], Network]
    network: Callable[[Network], Network]
    draw: Callable[[int, int, int], Key[Array, ""]]


@lru_cache(maxsize=128)
def make_program(plan: Plan) -> Program:
    """Make the compiled functions for a plan; the same plan gives the same functions."""
    optimizer = make_optimizer(plan.optimizer, plan.momentum, plan.gradient_clip, plan.beta_2)

    layout = Layout(lambda parameters: _pack(plan, parameters))

    def start(network: Network) -> State:
        return State(network, optimizer.init(layout.pack(partition(network)[0])[0]))

    def advance(
        state: State,
        examples: Examples,
        rows: Int[Array, "steps batch"],
        key: Key[Array, ""],
        rates: Float[Array, " steps"],
        knobs: Knobs,
    ) -> tuple[State, Sums, Bool[Array, ""]]:
        # The examples of all steps at once: cheaper than step by step on CPU.
        batches = jax.tree.map(lambda part: part[rows], examples)
        if plan.moments is not None:
            batches = batches._replace(x=batches.x[:, :, : plan.moments])
        return take_steps(plan, optimizer, layout, state, batches, key, rates, knobs)

    def evaluate(network: Network, examples: Examples) -> Sums:
        chunks = jax.tree.map(
            lambda part: part.reshape(-1, plan.evaluated, *part.shape[1:]), examples
        )
        return evaluate_chunks(plan, network, chunks)

    def combine(network: Network, x: Inputs) -> Float[Array, "rows out"]:
        chunks = jax.tree.map(lambda part: part.reshape(-1, plan.evaluated, *part.shape[1:]), x)
        z = jax.lax.map(lambda chunk: network.combine(join_parts(chunk)), chunks)
        return z.reshape(z.shape[0] * z.shape[1], -1)

    return Program(
        "xla", EVALUATION_BATCH, start, jax.jit(in_products(plan, advance)), jax.jit(evaluate),
        jax.jit(combine), fresh=lambda state, spare: state, weights=lambda state: state.network,
        network=lambda network: network, draw=_draw,
    )  # fmt: skip


def in_products(plan: Plan, advance: Callable[..., Any]) -> Callable[..., Any]:
    """Have the products of a function take the numbers that a plan wants."""
    if plan.products == "float32":
        return advance

    def advance_in_fewer_bits(*given: Any) -> Any:
        with jax.default_matmul_precision("BF16_BF16_F32"):
            return advance(*given)

    return advance_in_fewer_bits


def _draw(seed: int, start: int, call: int) -> Key[Array, ""]:
    """Return the key of a call of a start."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), start), call)


def take_steps(
    plan: Plan,
    optimizer: Rule,
    layout: Layout,
    state: State,
    batches: Examples,
    key: Key[Array, ""],
    rates: Float[Array, " steps"],
    knobs: Knobs,
) -> tuple[State, Sums, Bool[Array, ""]]:
    """Take a step for each batch; return the state, sums, and whether everything is finite.

    Parameters
    ----------
    plan : Plan
        What changes the equations.
    optimizer : optax.GradientTransformation
        The rule, as the plan names it.
    layout : Layout
        How arrays lie.
    state : State
        Where the steps begin.
    batches : Examples
        The examples of each step, shape (steps, batch, ...).
    key, rates, knobs
        As `Program.advance` takes them.
    """
    batches = _prepare(batches, jax.random.fold_in(key, 0), plan.augmentation)
    keys = jax.random.split(jax.random.fold_in(key, 1), rates.shape[0])
    parameters, others = partition(state.network)
    packed, unpack = layout.pack(parameters)
    roles = _roles(plan, layout, parameters)
    step = lambda walk, now: _step(  # noqa: E731
        plan, optimizer, layout, knobs, roles, unpack, walk, *now
    )
    walk = _Walk(packed, others, state.optimizer)
    if plan.is_scanned:
        walk, sums = jax.lax.scan(step, walk, (batches, keys, rates))
        sums = jax.tree.map(lambda part: jnp.sum(part, axis=0), sums)
    else:  # XLA's gradient of a convolution is far slower inside a scan than on its own
        first = jax.tree.map(lambda part: part[0], (batches, keys, rates))
        walk, sums = step(walk, first)
    network = join(unpack(walk.packed), walk.others)
    return State(network, walk.memory), sums, _is_finite((walk.packed, walk.others), sums.loss)


def _prepare(batches: Examples, key: Key[Array, ""], augmentation: Augmentation | None) -> Examples:
    """Bring the inputs of all steps to float32, augmented, each example in one array."""
    steps, batch = batches.weight.shape
    flat = jax.tree.map(lambda part: part.reshape(steps * batch, *part.shape[2:]), batches.x)
    x = join_parts(jax.tree.map(lambda part: _change(part, key, augmentation), flat))
    return batches._replace(x=x.reshape(steps, batch, *x.shape[1:]))


def _change(
    x: Num[Array, "rows *shape"], key: Key[Array, ""], augmentation: Augmentation | None
) -> Float[Array, "rows *shape"]:
    """Return inputs as float32, pictures and sequences among them augmented."""
    x = x.astype(jnp.float32)
    if augmentation is None or x.ndim == 2:
        return x
    is_sequence = x.ndim == 3  # seen as pictures of one channel
    x = augment(x[..., None] if is_sequence else x, key, augmentation)
    return x[..., 0] if is_sequence else x


def join_parts(x: Inputs) -> Float[Array, "rows *shape"]:
    """Return inputs as float32, those in several arrays laid side by side in one row each."""
    if not isinstance(x, tuple):
        return x.astype(jnp.float32)
    return jnp.concatenate([part.reshape(len(part), -1).astype(jnp.float32) for part in x], axis=1)


def _step(
    plan: Plan,
    optimizer: Rule,
    layout: Layout,
    knobs: Knobs,
    roles: _Roles,
    unpack: Callable[[PyTree], Network],
    walk: _Walk,
    batch: Examples,
    key: Key[Array, ""],
    rate: Float[Array, ""],
) -> tuple[_Walk, Sums]:
    """Take one step down the error surface: W ← W - η d(∂E/∂W)."""
    gradient, sums, others = _gradient(plan, layout, knobs, unpack, walk, batch, key)
    walk = walk._replace(others=others)
    return _move(plan, optimizer, layout, knobs, roles, walk, gradient, rate), sums


def _move(
    plan: Plan,
    optimizer: Rule,
    layout: Layout,
    knobs: Knobs,
    roles: _Roles,
    walk: _Walk,
    gradient: PyTree,
    rate: Float[Array, ""],
) -> _Walk:
    """Move the weights by a gradient, as the optimizer says."""
    gradient = layout.share(gradient)
    decay = jax.tree.map(lambda p, w: knobs.weight_decay * w * p, walk.packed, roles.decay)
    if plan.optimizer not in DECOUPLED:
        gradient = jax.tree.map(jnp.add, gradient, decay)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes the types of its counters
        direction, memory = optimizer.update(gradient, walk.memory, walk.packed)
    if roles.rate is not None:
        direction = jax.tree.map(jnp.multiply, roles.rate, direction)
    if plan.optimizer in DECOUPLED:
        direction = jax.tree.map(jnp.add, direction, decay)
    packed = jax.tree.map(lambda p, d: p - rate * d, walk.packed, direction)
    return _Walk(layout.settle(packed), walk.others, layout.share(memory))


@lru_cache(maxsize=16)
def make_halves(plan: Plan) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Make the two halves of a step, of which the first can be taken elsewhere.

    The first takes network, examples of a batch, key and knobs, and returns the gradient as one row
    of numbers, and sums; the second takes state, that row, rate and knobs, and returns the state,
    and whether all of it is finite.
    """
    optimizer = make_optimizer(plan.optimizer, plan.momentum, plan.gradient_clip, plan.beta_2)
    layout = Layout(lambda parameters: _pack(plan, parameters))

    def slope(
        network: Network, batch: Examples, key: Key[Array, ""], knobs: Knobs
    ) -> tuple[Float[Array, " numbers"], Sums]:
        parameters, others = partition(network)
        packed, unpack = layout.pack(parameters)
        one = jax.tree.map(lambda part: part[None], batch)
        one = _prepare(one, jax.random.fold_in(key, 0), plan.augmentation)
        batch, key = jax.tree.map(lambda part: part[0], one), jax.random.fold_in(key, 1)
        known = plan, layout, knobs, unpack, _Walk(packed, others, None)
        gradient, sums, _ = _gradient(*known, batch, key)
        return jax.flatten_util.ravel_pytree(gradient)[0], sums

    def move(
        state: State, row: Float[Array, " numbers"], rate: Float[Array, ""], knobs: Knobs
    ) -> tuple[State, Bool[Array, ""]]:
        parameters, others = partition(state.network)
        packed, unpack = layout.pack(parameters)
        roles, gradient = (
            _roles(plan, layout, parameters),
            jax.flatten_util.ravel_pytree(packed)[1](row),
        )
        walk = _Walk(packed, others, state.optimizer)
        walk = _move(plan, optimizer, layout, knobs, roles, walk, gradient, rate)
        network = join(unpack(walk.packed), walk.others)
        return State(network, walk.memory), _is_finite(walk.packed, jnp.sum(row))

    return jax.jit(in_products(plan, slope)), jax.jit(move)


def _gradient(
    plan: Plan,
    layout: Layout,
    knobs: Knobs,
    unpack: Callable[[PyTree], Network],
    walk: _Walk,
    batch: Examples,
    key: Key[Array, ""],
) -> tuple[PyTree, Sums, PyTree]:
    """Return the gradient of a batch's loss, its totals, and all else of the network afterwards."""

    def loss_of(
        packed: PyTree, others: PyTree, part: Examples, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Sums, PyTree]]:
        whole: Any = join(unpack(packed), others)
        z, network = layout.learn(whole, part.x, key)
        target = _as_target(plan, part.y, z, knobs.label_smoothing)
        values = LOSSES[plan.loss](z, target, plan.activation)
        sums = _sums(plan, values, z, target, part.weight)
        loss = reduce_loss(values, part.weight, plan.reduction)
        return loss, (sums, partition(network)[1])

    slope = jax.grad(loss_of, has_aux=True)
    if plan.parts == 1:
        gradient, (sums, others) = slope(walk.packed, walk.others, batch, key)
        return gradient, sums, others

    def add(found: PyTree, now: tuple[Examples, Key[Array, ""]]) -> tuple[PyTree, None]:
        others, *before = found
        # One after another: what is added to is there before the next part is begun.
        (part, part_key), before = jax.lax.optimization_barrier((now, before))
        gradient, (sums, others) = slope(walk.packed, others, part, part_key)
        return (others, *jax.tree.map(jnp.add, before, [gradient, sums])), None

    divided = jax.tree.map(lambda all_: all_.reshape(plan.parts, -1, *all_.shape[1:]), batch)
    work = divided, jax.random.split(key, plan.parts)
    shapes = jax.eval_shape(
        slope, walk.packed, walk.others, *jax.tree.map(operator.itemgetter(0), work)
    )
    gradient, (sums, _) = jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), shapes)
    found = (walk.others, gradient, sums)
    if plan.is_scanned:
        found, _ = jax.lax.scan(add, found, work)
    else:  # as for steps
        for number in range(plan.parts):
            found, _ = add(found, jax.tree.map(operator.itemgetter(number), work))
    others, gradient, sums = found
    share = plan.parts if plan.reduction == "mean" else 1
    return jax.tree.map(lambda whole: whole / share, gradient), sums, others


def _pack(plan: Plan, parameters: PyTree) -> tuple[PyTree, Callable[[PyTree], PyTree]]:
    """Lay all parameters out as one long row, and say how to undo it.

    One row is a fraction of the kernels to compile and to call. Optimizers that look at a matrix
    as a whole get the parameters as they are.
    """
    if plan.optimizer in BY_MATRIX:
        return parameters, lambda packed: packed
    return jax.flatten_util.ravel_pytree(parameters)


def _roles(plan: Plan, layout: Layout, parameters: PyTree) -> _Roles:
    """Return, packed as parameters are, which of them decay and what multiplies their steps."""
    decay = jax.tree.map(lambda p: jnp.full_like(p, float(p.ndim > 1)), parameters)
    rate = None
    if plan.rates == "by_role":
        factors = rate_factors(parameters)
        rate = layout.pack(jax.tree.map(jnp.full_like, parameters, factors))[0]
    return _Roles(layout.pack(decay)[0], rate)


def evaluate_chunks(plan: Plan, network: Network, chunks: Examples) -> Sums:
    """Return the totals over examples in chunks, shape (chunks, examples, ...)."""
    sums = jax.lax.map(lambda chunk: _evaluate_batch(plan, network, chunk), chunks)
    return jax.tree.map(lambda part: jnp.sum(part, axis=0), sums)


def _evaluate_batch(plan: Plan, network: Network, batch: Examples) -> Sums:
    z = network.combine(join_parts(batch.x))
    target = _as_target(plan, batch.y, z, jnp.zeros((), z.dtype))
    return _sums(plan, LOSSES[plan.loss](z, target, plan.activation), z, target, batch.weight)


def _sums(
    plan: Plan,
    values: Float[Array, " batch"],
    z: Float[Array, "batch *time out"],
    target: Num[Array, "batch width"],
    weight: Float[Array, " batch"],
) -> Sums:
    if plan.loss == "ctc":
        parts = sign_score_sums(values, target, weight)
        return Sums(jnp.sum(weight * values), parts, jnp.sum(weight))
    a = ACTIVATIONS[plan.activation](z)
    parts = score_sums(a, target, weight, plan.activation)
    return Sums(jnp.sum(weight * values), parts, jnp.sum(weight))


def _as_target(
    plan: Plan,
    y: Int[Array, " batch"] | Num[Array, "batch width"],
    z: Float[Array, "batch *time out"],
    smoothing: Float[Array, ""],
) -> Num[Array, "batch width"]:
    """Return targets as the outputs should be, smoothed where they are probabilities."""
    if y.ndim == 2:
        is_probability = plan.loss == "binary_cross_entropy"
        return (1 - smoothing) * y + smoothing / 2 if is_probability else y
    target = jax.nn.one_hot(y, z.shape[1], dtype=z.dtype)
    return (1 - smoothing) * target + smoothing / z.shape[1]


def _is_finite(arrays: PyTree, loss: Float[Array, ""]) -> Bool[Array, ""]:
    leaves = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(arrays)]
    return jnp.all(jnp.stack([jnp.isfinite(loss), *leaves]))
