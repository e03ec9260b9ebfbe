"""A network on many devices: the steps of the compiled program, each batch divided among them.

Devices lie in a row. Every one has a part of each batch, so a part of the activations; XLA adds up
the gradients of all. The equations, the order of rows and every random number are those of one
device, so that the weights are too, up to rounding.
"""

import math
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache, partial
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Key

from fathom.errors import InputError
from fathom.nn.layer import AbstractLayer, partition
from fathom.nn.network import Network
from fathom.nn.tree import join
from fathom.nn.xla import Array, Mesh, NamedSharding, PyTree, jax, jnp
from fathom.training.devices import Sharded
from fathom.training.history import EngineName
from fathom.training.optimizers import make_optimizer
from fathom.training.plan import Examples, Knobs, Plan, Sums
from fathom.training.program import Layout, State, evaluate_chunks, in_products, take_steps

AXIS = "batch"


def make_mesh(n_devices: int | None = None) -> Mesh:
    """Return devices in a row, of all processes.

    Parameters
    ----------
    n_devices : int, optional
        How many; all there are where left out.

    Raises
    ------
    InputError
        If there are fewer.
    """
    found = jax.devices()
    if n_devices is not None and n_devices > len(found):
        raise InputError(
            f"at most {len(found)} device{'s' * (len(found) != 1)}, all that this process has",
            got=f"{n_devices}",
            hint=f"processes:{n_devices} makes as many of the processor's cores; or have "
            f"XLA make {n_devices} of this processor (XLA_FLAGS, before Python starts)",
        )
    return jax.sharding.Mesh(np.array(found[:n_devices]), (AXIS,))


class MeshProgram:
    """The functions of one plan, on many devices; see `fathom.training.program.Program`.

    Parameters
    ----------
    plan : Plan
        What changes the equations.
    mesh : Mesh
        The devices.
    sharded : {"nothing", "optimizer", "weights"}
        What is divided among the devices beside the batch: what the optimizer remembers; or also
        the weights, which are then brought together layer by layer when they are needed.
    rematerialize : bool
        Whether activations inside the network are worked out once more on the way back, rather than
        kept: about √layers of them are kept instead of all, for a third more work.

    Notes
    -----
    A state that is handed to `advance` is overwritten. On a processor XLA keeps what was to be
    worked out twice, so that there `rematerialize` saves nothing.

    References
    ----------
    Chen et al. (2016). Training deep nets with sublinear memory cost. arXiv:1604.06174. Rajbhandari
    et al. (2020). ZeRO. arXiv:1910.02054.
    """

    name: ClassVar[EngineName] = "xla"

    def __init__(
        self,
        plan: Plan,
        mesh: Mesh,
        *,
        sharded: Sharded = "nothing",
        rematerialize: bool = False,
    ) -> None:
        self.plan, self.mesh, self.sharded = plan, mesh, sharded
        self.rematerialize = rematerialize or sharded == "weights"
        self.evaluation_batch = math.ceil(plan.evaluated / mesh.size) * mesh.size
        self._optimizer = make_optimizer(
            plan.optimizer, plan.momentum, plan.gradient_clip, plan.beta_2
        )

    def start(self, network: Network) -> State:
        """Return the state in which a network begins, on the devices."""
        parameters, others = partition(network)
        placed = self.place(parameters, self._settled)
        shapes = jax.eval_shape(self._optimizer.init, parameters)
        begin = jax.jit(self._optimizer.init, out_shardings=jax.tree.map(self._shared, shapes))
        return State(join(placed, self.place(others, self._whole)), begin(placed))

    def fresh(self, state: State, spare: State | None = None) -> State:
        """Return a copy that `advance` may overwrite."""
        return jax.tree.map(jnp.copy, state)

    def weights(self, state: State) -> Network:
        """Return what the network is now."""
        return state.network

    def network(self, weights: Network) -> Network:
        """Return a network on one device."""
        leaves, structure = jax.tree.flatten(weights)
        return jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in self.gather(leaves)])

    def draw(self, seed: int, start: int, call: int) -> np.ndarray:
        """Return the key of a call, as every process can hand it over."""
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), start), call)
        return np.asarray(jax.random.key_data(key))

    def advance(
        self,
        state: State,
        examples: Examples,
        rows: np.ndarray,
        key: np.ndarray,
        rates: np.ndarray,
        knobs: Knobs,
    ) -> tuple[State, Sums, bool]:
        """Take steps; the state is overwritten, and each process takes its rows of every batch."""
        if rows.shape[1] % self.mesh.size:
            raise refuse_batch(rows.shape[1], self.mesh.size)
        batches = Examples(*(self._deal(part, rows) for part in examples))
        numbers = jax.tree.map(np.asarray, knobs)
        state, sums, is_finite = self._advance(state, batches, key, rates, numbers)
        return state, jax.tree.map(np.asarray, sums), bool(is_finite)

    def evaluate(self, network: Network, examples: Examples) -> Sums:
        """Return the totals over examples."""
        rows = np.arange(len(examples.weight)).reshape(-1, self.evaluation_batch)
        sums = self._evaluate(network, Examples(*(self._deal(part, rows) for part in examples)))
        totals: Sums = jax.tree.map(np.asarray, sums)
        return totals

    def place(self, arrays: PyTree, layout: Callable[[Any], NamedSharding]) -> PyTree:
        """Lay arrays that every process has out on the devices, each where its layout says."""

        def lay(array: Any) -> Array:
            known = array if isinstance(array, np.ndarray) else np.asarray(array)
            return jax.make_array_from_callback(  # copies, which steps may overwrite
                known.shape, layout(known), lambda index: np.array(known[index])
            )

        return jax.tree.map(lay, arrays)

    def place_like(self, arrays: list[np.ndarray], like: PyTree) -> PyTree:
        """Lay arrays out as those of a tree lie."""
        leaves, structure = jax.tree.flatten(like)
        placed = [
            self.place(array, partial(_lying_as, leaf))
            for array, leaf in zip(arrays, leaves, strict=True)
        ]
        return jax.tree.unflatten(structure, placed)

    def gather(self, arrays: list[Array]) -> Iterator[np.ndarray]:
        """Bring arrays from the devices to every process, one after another."""
        for array in arrays:
            is_whole = array.is_fully_replicated
            yield np.asarray(array if is_whole else self._bring_together(array))

    def _deal(self, part: Any, rows: np.ndarray) -> Array:
        """Lay the rows of batches out, shape (steps, batch, ...)."""
        known = np.asarray(part)
        return jax.make_array_from_callback(
            (*rows.shape, *known.shape[1:]), self._spread(None, AXIS),
            lambda index: known[rows[index[:2]]] if index else known,
        )  # fmt: skip

    def _spread(self, *axes: str | None) -> NamedSharding:
        """Return how an array lies whose axes are divided, or not, as named."""
        return jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec(*axes))

    @property
    def _everywhere(self) -> NamedSharding:
        return self._spread()

    def _whole(self, _: Any) -> NamedSharding:
        return self._everywhere

    def _divided(self, array: Any) -> NamedSharding:
        """Divide an array along the first axis that goes; small ones that do not are everywhere."""
        for axis, length in enumerate(array.shape):
            if length and length % self.mesh.size == 0:
                return self._spread(*(None,) * axis, AXIS)
        return self._everywhere

    def _shared(self, array: Any) -> NamedSharding:
        return self._everywhere if self.sharded == "nothing" else self._divided(array)

    def _settled(self, array: Any) -> NamedSharding:
        return self._divided(array) if self.sharded == "weights" else self._everywhere

    @cached_property
    def _layout(self) -> Layout:
        return Layout(
            pack=lambda parameters: (parameters, lambda packed: packed),
            learn=self._learn if self.rematerialize else Network.train,
            share=partial(_constrain, layout=self._shared),
            settle=partial(_constrain, layout=self._settled),
        )

    def _learn(
        self, network: Network, x: Float[Array, "batch *shape"], key: Key[Array, ""]
    ) -> tuple[Float[Array, "batch *time out"], Network]:
        """Compute z while learning, keeping no activations but those between stretches of layers.

        What comes back of the layers are their statistics.
        """
        hidden, after = network.layers[:-1], []
        length = max(1, math.isqrt(len(hidden)))
        for first in range(0, len(hidden), length):
            stretch = jax.checkpoint(partial(self._through, first))
            x, learned = stretch(hidden[first : first + length], x, key)
            after += learned
        output = _constrain(network.output, self._whole)
        return output.combine(x), Network((*after, network.output))

    def _through(
        self,
        first: int,
        layers: tuple[AbstractLayer, ...],
        x: Float[Array, "batch *shape"],
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "batch *shape_out"], list[Any]]:
        """Run a batch through neighboring layers, as `train_through` does."""
        after = []
        for position, layer in enumerate(_constrain(layers, self._whole), first):
            x, learned = layer.train(x, jax.random.fold_in(key, position))
            after.append(partition(learned)[1])
        return x, after

    @cached_property
    def _advance(self) -> Callable[..., tuple[State, Sums, Array]]:
        def advance(
            state: State, batches: Examples, key: Array, rates: Array, knobs: Knobs
        ) -> tuple[State, Sums, Array]:
            state, sums, is_finite = take_steps(
                self.plan, self._optimizer, self._layout, state, batches,
                jax.random.wrap_key_data(key), rates, knobs,
            )  # fmt: skip
            parameters, others = partition(state.network)
            others = _constrain(others, self._whole)
            return State(join(parameters, others), state.optimizer), *_constrain(
                (sums, is_finite), self._whole
            )

        return jax.jit(in_products(self.plan, advance), donate_argnums=0)

    @cached_property
    def _evaluate(self) -> Callable[[Network, Examples], Sums]:
        return jax.jit(partial(evaluate_chunks, self.plan), out_shardings=self._everywhere)

    @cached_property
    def _bring_together(self) -> Callable[[Array], Array]:
        return jax.jit(lambda array: array, out_shardings=self._everywhere)


@lru_cache(maxsize=16)
def make_mesh_program(plan: Plan, mesh: Mesh, sharded: Sharded, rematerialize: bool) -> MeshProgram:
    """Make the functions for a plan and a mesh; the same are compiled once."""
    return MeshProgram(plan, mesh, sharded=sharded, rematerialize=rematerialize)


def _lying_as(leaf: Any, _: Any) -> NamedSharding:
    lies: NamedSharding = leaf.sharding
    return lies


def refuse_batch(batch: int, n_devices: int) -> InputError:
    """Return the error for a batch that cannot be divided."""
    below = batch // n_devices * n_devices
    return InputError(
        f"a batch that divides evenly among {n_devices} devices", got=f"{batch} examples",
        hint=f"give batch_size={below or n_devices}" + (f" or {below + n_devices}" * (below > 0)),
    )  # fmt: skip


def _constrain(arrays: PyTree, layout: Callable[[Any], NamedSharding]) -> PyTree:
    """Have arrays of a compiled program lie as a layout says."""
    return jax.tree.map(
        lambda array: jax.lax.with_sharding_constraint(array, layout(array)), arrays
    )
