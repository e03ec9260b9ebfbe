"""Engines: loops compiled once for all networks, or XLA, which compiles every structure anew."""

import contextlib
import inspect
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import threadpoolctl
from filelock import BaseFileLock, FileLock, Timeout

from fathom.loading import load
from fathom.nn.architecture import Architecture, Layer
from fathom.nn.blocks import Flatten
from fathom.nn.dense import Dense
from fathom.nn.keys import host_key
from fathom.nn.layer import Shape
from fathom.nn.network import Network, build
from fathom.nn.normalization import BatchNorm
from fathom.nn.spread import TILE, blas_alone, multiply_address
from fathom.training.history import EngineName
from fathom.training.machine import platform
from fathom.training.monitor import Deadline
from fathom.training.plan import Examples, Knobs, Plan
from fathom.training.program import make_program

COMPILE_S = 40.0  # time there has to be left for the loops to be compiled first, once a machine
LoopsName: TypeAlias = Literal["rows", "pictures"]
"""Loops of networks on rows of numbers, or also of those with layers for pictures or normalization;
the latter contain the former and are compiled on their own."""
_WARM_UP = "from fathom.training.engines import compile_alone; compile_alone({!r})"
_MAKING = threading.Lock()


class _Preparation:
    """What is known of the compiled loops of one name in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_ready = False
        self.were_ready: bool | None = None  # when first asked for
        self.process: subprocess.Popen[bytes] | None = None


_PREPARATIONS: dict[LoopsName, _Preparation] = {"rows": _Preparation(), "pictures": _Preparation()}


def choose_program(
    plan: Plan,
    network: Network,
    x: Any,
    *,
    engine: EngineName | None = None,
    deadline: Deadline | None = None,
    cores: int = 1,
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
    cores : int, default 1
        Cores that the network has to itself.

    Returns
    -------
    Program or LoopProgram
        Whose functions are the same.

    Notes
    -----
    Loops for pictures are not waited for here: XLA's first steps come far sooner, and who has the
    time to begin again asks `expected_loops`. Where no clock ends the training, what this process
    found when it first asked holds for all it trains, so that the same comes out twice.
    """
    from fathom.training.compiled import can_loop, make_loop_program

    is_known = platform() == "cpu" and can_loop(plan, network, x)
    if engine is None and is_known:
        engine = _choose(loops_for(network), deadline or Deadline(None))
    if engine == "xla" or not is_known:
        with _MAKING:  # of threads that ask at once, each would get a program of its own
            return make_program(plan)
    return make_loop_program(plan, x.shape[1:], cores)


def loops_for(network: Network) -> LoopsName:
    """Return which loops a network needs."""
    from fathom.training.packing import needs_pictures

    return "pictures" if needs_pictures(network) else "rows"


def _choose(name: LoopsName, deadline: Deadline) -> EngineName:
    """Return the engine for a network that loops could train; see to it that they can."""
    is_timed = math.isfinite(deadline.remaining())
    if are_loops_ready(name) if name == "rows" or is_timed else _are_settled():
        return "loops"
    if name == "rows" and deadline.remaining() > COMPILE_S:
        _wait_for(name, min(deadline.remaining() / 2, COMPILE_S))  # rather than compile them twice
        warm_up()
        return "loops"
    prepare(name)
    return "xla"


def expected_loops(plan: Plan, network: Network, x: Any) -> LoopsName | None:
    """Return the loops that could train a network once they are compiled, and see that they are.

    Parameters
    ----------
    plan : Plan
        What changes the equations.
    network : Network
        The network.
    x : array
        Inputs it is to learn from.

    Returns
    -------
    str or None
        None where they are compiled already, and where no loops are to be expected.
    """
    from fathom.training.compiled import can_loop

    if platform() != "cpu" or not can_loop(plan, network, x):
        return None
    name = loops_for(network)
    if are_loops_ready(name) or not _steps(name).stats.cache_path:
        return None
    prepare(name)
    return name


def _wait_for(name: LoopsName, seconds: float) -> None:
    """Wait for the process that compiles loops, where this one has begun one."""
    process = _PREPARATIONS[name].process
    if process is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


def are_loops_ready(name: LoopsName = "rows") -> bool:
    """Tell whether networks can be trained by loops that are compiled already."""
    return platform() == "cpu" and _is_compiled(name)


def are_loops_loaded() -> bool:
    """Tell whether this process has loops to train by; who only predicts need not load them."""
    return _PREPARATIONS["rows"].is_ready


def _are_settled() -> bool:
    """Tell whether loops for pictures were compiled when that was first asked for."""
    found = _PREPARATIONS["pictures"]
    if found.were_ready is None:
        found.were_ready = are_loops_ready("pictures")
    return found.were_ready


def _steps(name: LoopsName) -> Any:
    """Return the loop that calls all others; who only predicts need not wait for its compiler."""
    if name == "rows":
        from fathom.loops.descent import advance

        return advance
    from fathom.loops.pictures import advance_pictures

    return advance_pictures


def _is_compiled(name: LoopsName) -> bool:
    """Tell whether the newest loops are kept compiled; an older version's do not count."""
    found, steps = _PREPARATIONS[name], _steps(name)
    if not found.is_ready:
        kept = steps.stats.cache_path
        if kept is None:  # nowhere to keep them: compiled by each process that has the time
            return bool(steps.signatures)
        places = Path(kept).glob(f"*.{steps.py_func.__name__}-*.nbi")
        found.is_ready = any(place.stat().st_mtime > _written() for place in places)
    return found.is_ready


def _written() -> float:
    """Return when the newest of the loops was written."""
    folder = Path(inspect.getfile(_steps("rows").py_func)).parent
    return max(place.stat().st_mtime for place in folder.glob("*.py"))


def _drop_older() -> None:
    """Remove what was compiled of earlier loops: it would be taken for that of a changed callee."""
    kept = _steps("rows").stats.cache_path
    for place in Path(kept).glob("*.nb[ic]") if kept else ():
        if place.stat().st_mtime < _written():
            with contextlib.suppress(OSError):
                place.unlink()


def prepare(name: LoopsName = "rows") -> None:
    """See to it that loops are compiled, by a process of its own where they are not.

    Compiling takes 45 (rows) to 65 seconds (pictures) of one core, once a machine. A process of its
    own neither holds up this one nor ends with it. It stands behind nothing: what trains meanwhile
    is several times slower than it will be.
    """
    found = _PREPARATIONS[name]
    with found.lock:
        if found.process is not None or _is_compiled(name) or not _steps(name).stats.cache_path:
            return
        with contextlib.suppress(OSError, Timeout):  # without it, or while another does, XLA trains
            with _lock(name, timeout=0.0):
                pass
            found.process = subprocess.Popen(
                [sys.executable, "-c", _WARM_UP.format(name)], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, "JAX_PLATFORMS": "cpu"},
            )  # fmt: skip


def compile_alone(name: LoopsName) -> None:
    """Compile loops, unless another process is at it."""
    with contextlib.suppress(Timeout), _lock(name, timeout=0.0):
        warm_up(name)
        if name == "rows":  # who finds what is above need not wait for what few networks ask for
            from fathom.training.sharing import FEWEST_ALONE, WIDE

            units = math.isqrt(FEWEST_ALONE) + 1
            hidden, softmax = Dense(units=units), Dense(units=2, activation="softmax")
            _take_a_step((2,), (hidden, hidden, softmax), batch=-(-WIDE // units**2))


def _lock(name: LoopsName, timeout: float) -> BaseFileLock:
    """Return the lock that who compiles these loops holds, beside where they are kept."""
    return FileLock(Path(_steps(name).stats.cache_path) / f"fathom-{name}.lock", timeout=timeout)


def warm_up(name: LoopsName = "rows") -> None:
    """Compile loops, or read them, by training a network of two neurons for a step."""
    if not _is_compiled(name):
        _drop_older()
    if name == "rows":
        _predict_a_row()
    shape = (2,) if name == "rows" else (2, 2, 1)
    softmax = Dense(units=2, activation="softmax")
    _take_a_step(shape, (softmax,) if name == "rows" else (Flatten(), BatchNorm(), softmax))
    found = _PREPARATIONS[name]
    found.is_ready = found.were_ready = True


def _take_a_step(shape: Shape, layers: tuple[Layer, ...], batch: int = 2) -> None:
    """Train a network for a step by loops, which compiles what that takes."""
    from fathom.training.compiled import make_loop_program

    described = Architecture(input_shape=shape, layers=layers, loss="cross_entropy")
    plan = Plan("cross_entropy", "mean", "softmax", "adam", 0.9, 0.999, "equal", None, None, True)
    program = make_loop_program(plan, shape)
    state = program.start(build(described, host_key(0)))
    examples = Examples(
        np.zeros((2, *shape), np.float32), np.zeros(2, np.int32), np.ones(2, np.float32)
    )
    knobs = Knobs(np.float32(0), np.float32(0))
    rows = np.zeros((1, batch), np.int32)
    program.evaluate(program.weights(state), examples)  # first: who finds steps has all
    program.advance(state, examples, rows, (0,), np.zeros(1, np.float32), knobs)


def _predict_a_row() -> None:
    """Have a row of either type go through a neuron by loops, which compiles what that takes."""
    from fathom.loops.prediction import chain_of, sums_of

    multiply = multiply_address()
    if multiply is not None:
        layers = [(np.zeros((2, 2), np.float32), 1, "identity")]
        chain = chain_of(multiply, 1.0, layers, block=TILE, tile=TILE)
        for kind in (np.float32, np.float64):
            sums_of(chain, np.zeros(1), np.zeros((1, 1), kind))


@contextlib.contextmanager
def cores_each(cores: int) -> Iterator[None]:
    """Have a matrix product use so many cores, whatever else goes on.

    With one, networks that train side by side do not get in each other's way; how many there are
    decides the order of its sums, and so the last bits of everything.
    """
    load("scipy.linalg.cython_blas")  # which the loops call; what is not there cannot be limited
    if cores == 1:  # counted, so that nobody who predicts meanwhile gives threads back too early
        with blas_alone():
            yield
        return
    with threadpoolctl.threadpool_limits(cores, user_api="blas"):
        yield
