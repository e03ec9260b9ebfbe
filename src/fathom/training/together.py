"""Networks alike that train at the same time take their steps together, as accelerators like it.

Each network is still trained by a loop of its own, in a thread of its own; only where loops call
the compiled program at the same time, one call is made for all: the same equations, with one more
axis, so that a hundred small matrix products become one large one.
"""

import contextlib
import threading
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from fathom.nn.network import Network
from fathom.nn.xla import jax, jnp
from fathom.training.plan import Examples, Knobs, Sums
from fathom.training.program import Program, State

MOST = 32  # networks that train at once on an accelerator
SIZES = (1, 4, 16, MOST)

Advanced: TypeAlias = tuple[State, Sums, Any]


@dataclass(eq=False)
class _Call:
    """What one network asks of the program, and what it gets."""

    asked: tuple[State, Examples, np.ndarray, Any, np.ndarray, Knobs]
    answered: threading.Event = field(default_factory=threading.Event)
    answer: Advanced | None = None
    failure: BaseException | None = None


class _Group:
    """Networks alike, learning from examples of one form, that are being trained now."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.n_members = 0
        self.waiting: list[_Call] = []

    def advance(self, program: Program, *asked: Any) -> Advanced:
        """Take steps once every member has asked for its own."""
        call, group = _Call(asked), []
        with self.changed:
            self.waiting.append(call)
            self.changed.notify_all()
            self.changed.wait_for(lambda: call not in self.waiting or self._is_complete())
            if call in self.waiting:  # the first to see it calls for all
                group, self.waiting = self.waiting, []
                self.changed.notify_all()
        if group:
            _answer(program, group)
        call.answered.wait()
        if call.failure is not None:
            raise call.failure
        assert call.answer is not None
        return call.answer

    def _is_complete(self) -> bool:
        return len(self.waiting) >= self.n_members


class Together:
    """Where networks that train at the same time meet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: dict[Hashable, _Group] = {}

    @contextlib.contextmanager
    def join(
        self, program: Program, network: Network, examples: Examples, shape: tuple[int, int]
    ) -> Iterator[Program]:
        """Return a program whose steps are taken together with those of all networks alike.

        Parameters
        ----------
        program : Program
            The program of the network's plan.
        network : Network
            The network.
        examples : Examples
            What it learns from. Networks alike may learn from other arrays of the same shapes, such
            as those of other folds: of each only the rows of the steps are laid side by side.
        shape : tuple of int
            Steps a call, and examples a step.

        Yields
        ------
        Program
            To be used until the context ends, from one thread.

        Notes
        -----
        A call waits for those of all other members, so that which networks are taken together does
        not depend on chance: all that have joined and not left. A sum over one more axis is formed
        in another order, so that the last bits of a network's weights depend on its company.
        """
        with self._lock:
            group = self._groups.setdefault(_likeness(program, network, examples, shape), _Group())
        with group.changed:
            group.n_members += 1

        def advance(
            state: State, known: Examples, rows: Any, key: Any, rates: Any, knobs: Knobs
        ) -> Advanced:
            return group.advance(program, state, known, rows, key, rates, knobs)

        try:
            yield program._replace(advance=advance)
        finally:
            with group.changed:
                group.n_members -= 1
                group.changed.notify_all()


def _likeness(
    program: Program, network: Network, examples: Examples, shape: tuple[int, int]
) -> Hashable:
    """Return what networks have in common that one call can serve."""
    leaves, structure = jax.tree.flatten((network, examples))
    shapes = tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)
    return program.advance, structure, shapes, shape


def padded_size(n: int) -> int:
    """Return for how many networks a call of so many is made.

    Every size is a program to compile; the last network is taken again to fill one up.

    Examples
    --------
    >>> [padded_size(n) for n in (1, 2, 5, 17)]
    [1, 4, 16, 32]
    """
    return next((size for size in SIZES if size >= n), n)


def _answer(program: Program, group: list[_Call]) -> None:
    """Make one call of several, and give each its part."""
    try:
        if len(group) == 1:
            group[0].answer = program.advance(*group[0].asked)
            return
        calls = [group[min(k, len(group) - 1)].asked for k in range(padded_size(len(group)))]
        answers = _several(program.advance)(*(tuple(part) for part in zip(*calls, strict=True)))
        for call, answer in zip(group, answers, strict=False):
            call.answer = answer
    except BaseException as error:
        for call in group:
            call.failure = error
    finally:
        for call in group:
            call.answered.set()


@lru_cache(maxsize=128)
def _several(advance: Callable[..., Advanced]) -> Callable[..., list[Advanced]]:
    """Return the program that takes the steps of several networks as one."""

    def several(
        states: Any, examples: Any, rows: Any, keys: Any, rates: Any, knobs: Any
    ) -> list[Advanced]:
        batches = [
            jax.tree.map(lambda part, at=own: part[at.reshape(-1)], known)
            for known, own in zip(examples, rows, strict=True)
        ]
        order = jnp.arange(rows[0].size, dtype=rows[0].dtype).reshape(rows[0].shape)
        stacked = [jax.tree.map(_stack, *part) for part in (states, batches, keys, rates, knobs)]
        found = jax.vmap(advance, in_axes=(0, 0, None, 0, 0, 0))(*stacked[:2], order, *stacked[2:])
        return [jax.tree.map(lambda part, k=k: part[k], found) for k in range(len(states))]

    return jax.jit(several)


def _stack(*parts: Any) -> Any:
    return jnp.stack(parts)
