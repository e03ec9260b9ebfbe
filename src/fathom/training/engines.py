"""Engines: loops compiled once for all networks, or XLA, which compiles every structure anew."""

import contextlib
import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import threadpoolctl

from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.network import Network, build
from fathom.training.history import EngineName
from fathom.training.monitor import Deadline
from fathom.training.program import Examples, Knobs, Plan, make_program

COMPILE_S = 40.0  # time there has to be left for the loops to be compiled first, once a machine
_WARM_UP = (
    "import os; getattr(os, 'nice', int)(10)\n"  # behind whatever trains meanwhile
    "from fathom.training.engines import warm_up; warm_up()"
)


class _Preparation:
    """What is known of the compiled loops in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_ready = False
        self.process: subprocess.Popen[bytes] | None = None


_PREPARATION = _Preparation()


def choose_program(
    plan: Plan,
    network: Network,
    x: Any,
    *,
    engine: EngineName | None = None,
    deadline: Deadline | None = None,
) -> Any:
    """Return the functions that train a network.

    Parameters
    ----------
    plan : Plan
        What changes the equations.
    network : Network
        The network.
    x : array
        Inputs it is to learn from.
    engine : {"loops", "xla"}, optional
        The engine; loops where they know all the plan asks for, on a processor, and are compiled or
        there is time for that.
    deadline : Deadline, optional
        When training has to be over.

    Returns
    -------
    Program or LoopProgram
        Whose functions are the same.
    """
    from fathom.training.compiled import can_loop, make_loop_program

    is_known = jax.default_backend() == "cpu" and can_loop(plan, network, x)
    if engine is None and is_known and not are_loops_ready():
        seconds = (deadline or Deadline(None)).remaining()
        engine = "loops" if seconds > COMPILE_S else "xla"
        if engine == "xla":
            prepare()
        else:
            warm_up()
    return (
        make_program(plan)
        if engine == "xla" or not is_known
        else make_loop_program(plan, x.shape[1:])
    )


def are_loops_ready() -> bool:
    """Tell whether networks can be trained by loops that are compiled already."""
    return jax.default_backend() == "cpu" and _is_compiled()


def _steps() -> Any:
    """Return the loop that calls all others; who only predicts need not wait for its compiler."""
    from fathom.loops.descent import advance

    return advance


def _is_compiled() -> bool:
    """Tell whether the newest loops are kept compiled; an older version's do not count."""
    if not _PREPARATION.is_ready:
        kept = _steps().stats.cache_path
        if kept is None:  # nowhere to keep them: compiled by each process that has the time
            return bool(_steps().signatures)
        places = Path(kept).glob("descent.advance-*.nbi")
        _PREPARATION.is_ready = any(place.stat().st_mtime > _written() for place in places)
    return _PREPARATION.is_ready


def _written() -> float:
    """Return when the newest of the loops was written."""
    folder = Path(inspect.getfile(_steps().py_func)).parent
    return max(place.stat().st_mtime for place in folder.glob("*.py"))


def _drop_older() -> None:
    """Remove what was compiled of earlier loops: it would be taken for that of a changed callee."""
    kept = _steps().stats.cache_path
    for place in Path(kept).glob("*.nb[ic]") if kept else ():
        if place.stat().st_mtime < _written():
            with contextlib.suppress(OSError):
                place.unlink()


def prepare() -> None:
    """See to it that the loops are compiled, by a process of its own where they are not.

    Compiling takes some ten seconds of one core, once a machine. A process of its own neither
    holds up this one nor ends with it.
    """
    with _PREPARATION.lock:
        if _is_compiled() or _PREPARATION.process is not None:
            return
        with contextlib.suppress(OSError):  # without it XLA trains
            _PREPARATION.process = subprocess.Popen(
                [sys.executable, "-c", _WARM_UP], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, "JAX_PLATFORMS": "cpu"},
            )  # fmt: skip


def warm_up() -> None:
    """Compile the loops, or read them, by training a network of two neurons for a step."""
    from fathom.training.compiled import make_loop_program

    if not _is_compiled():
        _drop_older()
    layers = (Dense(units=2), Dense(units=2, activation="softmax"))
    described = Architecture(input_shape=(2,), layers=layers, loss="cross_entropy")
    plan = Plan("cross_entropy", "mean", "softmax", "adam", 0.9, 0.999, "equal", None, None, True)
    program = make_loop_program(plan, (2,))
    state = program.start(build(described, jax.random.key(0)))
    examples = Examples(
        jnp.zeros((2, 2), jnp.float32), jnp.zeros(2, jnp.int32), jnp.ones(2, jnp.float32)
    )
    knobs = Knobs(jnp.float32(0), jnp.float32(0))
    rows = np.zeros((1, 2), np.int32)
    state, _, _ = program.advance(state, examples, rows, 0, np.zeros(1, np.float32), knobs)
    program.evaluate(program.weights(state), examples)


@contextlib.contextmanager
def cores_each(cores: int) -> Iterator[None]:
    """Have a matrix product use so many cores, whatever else goes on.

    With one, networks that train side by side do not get in each other's way; how many there are
    decides the order of its sums, and so the last bits of everything.
    """
    with threadpoolctl.threadpool_limits(cores, user_api="blas"):
        yield
