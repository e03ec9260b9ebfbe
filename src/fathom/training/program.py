"""The compiled part of training: one step, a run of steps, and an evaluation."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, Key, Num, PyTree

from fathom.nn.activations import ACTIVATIONS
from fathom.nn.layer import partition
from fathom.nn.losses import LOSSES, reduce_loss
from fathom.nn.network import Network
from fathom.training.augmentation import augment
from fathom.training.history import EngineName
from fathom.training.metrics import score_sums, sign_score_sums
from fathom.training.optimizers import BY_MATRIX, DECOUPLED, make_optimizer, rate_factors
from fathom.training.recipe import Augmentation

EVALUATION_BATCH = 512  # examples evaluated at once


class Examples(NamedTuple):
    """Examples as arrays on the device.

    Attributes
    ----------
    x : jax.Array
        Inputs, in the narrowest type that holds them exactly; steps turn them into float32.
    y : jax.Array
        Numbers of the classes, shape (rows,), or target values, shape (rows, outputs); of texts the
        numbers of their signs, filled up with 0.
    weight : jax.Array
        Weight of each example.
    """

    x: Num[Array, "rows *shape"]
    y: Int[Array, " rows"] | Num[Array, "rows out"]
    weight: Float[Array, " rows"]


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


class Knobs(NamedTuple):
    """Numbers of a recipe that are handed to the program rather than compiled into it."""

    weight_decay: Float[Array, ""]
    label_smoothing: Float[Array, ""]


class Sums(NamedTuple):
    """Totals over the examples seen, from which loss and score are worked out."""

    loss: Float[Array, ""]
    score: Float[Array, "parts"]
    weight: Float[Array, ""]


@dataclass(frozen=True)
class Plan:
    """What is compiled into a program: everything that changes its equations."""

    loss: str
    reduction: str
    activation: str
    optimizer: str
    momentum: float
    beta_2: float
    rates: str
    gradient_clip: float | None
    augmentation: Augmentation | None
    is_scanned: bool
    products: Literal["float32", "bfloat16"] = "float32"
    """What matrix products take; they add up in float32, and weights are kept in it."""
    parts: int = 1
    """Parts a batch is worked through in, where it would not fit into memory as a whole."""
    evaluated: int = EVALUATION_BATCH
    """Examples evaluated at once; divides `EVALUATION_BATCH`."""


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
        state → state that `advance` may overwrite.
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
    combine: Callable[[Network, Num[Array, "rows *shape"]], Float[Array, "rows out"]]
    fresh: Callable[[State], State]
    weights: Callable[[State], Network]
    network: Callable[[Network], Network]
    draw: Callable[[int, int, int], Key[Array, ""]]


@lru_cache(maxsize=128)
def make_program(plan: Plan) -> Program:
    """Make the compiled functions for a plan; the same plan gives the same functions."""
    optimizer = make_optimizer(plan.optimizer, plan.momentum, plan.gradient_clip, plan.beta_2)

    def start(network: Network) -> State:
        return State(network, optimizer.init(_pack(plan, partition(network)[0])[0]))

    def advance(
        state: State,
        examples: Examples,
        rows: Int[Array, "steps batch"],
        key: Key[Array, ""],
        rates: Float[Array, " steps"],
        knobs: Knobs,
    ) -> tuple[State, Sums, Bool[Array, ""]]:
        batches = _gather(examples, rows, jax.random.fold_in(key, 0), plan.augmentation)
        keys = jax.random.split(jax.random.fold_in(key, 1), rows.shape[0])
        parameters, others = partition(state.network)
        packed, unpack = _pack(plan, parameters)
        roles = _roles(plan, parameters)
        step = lambda walk, now: _step(plan, optimizer, knobs, roles, unpack, walk, *now)  # noqa: E731
        walk = _Walk(packed, others, state.optimizer)
        if plan.is_scanned:
            walk, sums = jax.lax.scan(step, walk, (batches, keys, rates))
            sums = jax.tree.map(lambda part: jnp.sum(part, axis=0), sums)
        else:  # XLA's gradient of a convolution is far slower inside a scan than on its own
            first = jax.tree.map(lambda part: part[0], (batches, keys, rates))
            walk, sums = step(walk, first)
        network = eqx.combine(unpack(walk.packed), walk.others)
        return State(network, walk.memory), sums, _is_finite((walk.packed, walk.others), sums.loss)

    def evaluate(network: Network, examples: Examples) -> Sums:
        chunks = jax.tree.map(
            lambda part: part.reshape(-1, plan.evaluated, *part.shape[1:]), examples
        )
        sums = jax.lax.map(lambda chunk: _evaluate_batch(plan, network, chunk), chunks)
        return jax.tree.map(lambda part: jnp.sum(part, axis=0), sums)

    def combine(network: Network, x: Num[Array, "rows *shape"]) -> Float[Array, "rows out"]:
        chunks = x.reshape(-1, plan.evaluated, *x.shape[1:])
        z = jax.lax.map(lambda chunk: network.combine(chunk.astype(jnp.float32)), chunks)
        return z.reshape(x.shape[0], -1)

    return Program(
        "xla", EVALUATION_BATCH, start, jax.jit(_in_products(plan, advance)), jax.jit(evaluate),
        jax.jit(combine), fresh=lambda state: state, weights=lambda state: state.network,
        network=lambda network: network, draw=_draw,
    )  # fmt: skip


def _in_products(plan: Plan, advance: Callable[..., Any]) -> Callable[..., Any]:
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


def _gather(
    examples: Examples,
    rows: Int[Array, "steps batch"],
    key: Key[Array, ""],
    augmentation: Augmentation | None,
) -> Examples:
    """Collect the examples of all steps at once, augmented: cheaper than step by step on CPU."""
    x = examples.x[rows.reshape(-1)].astype(jnp.float32)
    if augmentation is not None:
        is_sequence = x.ndim == 3  # seen as pictures of one channel
        x = augment(x[..., None] if is_sequence else x, key, augmentation)
        x = x[..., 0] if is_sequence else x
    return Examples(x.reshape(*rows.shape, *x.shape[1:]), examples.y[rows], examples.weight[rows])


def _step(
    plan: Plan,
    optimizer: optax.GradientTransformation,
    knobs: Knobs,
    roles: _Roles,
    unpack: Callable[[PyTree], Network],
    walk: _Walk,
    batch: Examples,
    key: Key[Array, ""],
    rate: Float[Array, ""],
) -> tuple[_Walk, Sums]:
    """Take one step down the error surface: W ← W - η d(∂E/∂W)."""
    gradient, sums, others = _gradient(plan, knobs, unpack, walk, batch, key)
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
    return _Walk(packed, others, memory), sums


def _gradient(
    plan: Plan,
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
        whole: Any = eqx.combine(unpack(packed), others)
        z, network = whole.train(part.x, key)
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
    return ravel_pytree(parameters)


def _roles(plan: Plan, parameters: PyTree) -> _Roles:
    """Return, packed as parameters are, which of them decay and what multiplies their steps."""
    decay = jax.tree.map(lambda p: jnp.full_like(p, float(p.ndim > 1)), parameters)
    rate = None
    if plan.rates == "by_role":
        factors = rate_factors(parameters)
        rate = _pack(plan, jax.tree.map(jnp.full_like, parameters, factors))[0]
    return _Roles(_pack(plan, decay)[0], rate)


def _evaluate_batch(plan: Plan, network: Network, batch: Examples) -> Sums:
    z = network.combine(batch.x.astype(jnp.float32))
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
