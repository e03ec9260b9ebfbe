"""The machine: its cores, its memory, and in how many parts a batch is worked through there."""

import importlib.util
import math
import os
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import TrainingError
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Residual
from fathom.nn.layer import Shape
from fathom.nn.stems import Stems
from fathom.nn.xla import is_loaded, jax
from fathom.parallel.cores import n_cores

BYTES = 4  # of a number in float32
# Measured (benchmarks/step_memory.py): at most 3.6 numbers a value, 10.7 a parameter.
PER_VALUE = 4  # a value of a layer, its node error, and what a layer works with meanwhile
PER_PARAMETER = 11  # weights old, new and best, gradient, Adam's two means old and new, the step
SHARE = 0.7  # of the memory that is free, for the steps of all networks that train at once
SMALL = 2**27  # bytes of a step for which nobody needs to ask what there is
MOST_EVALUATED = 2**26  # numbers a layer may make of the examples that are evaluated at once


def platform() -> str:
    """Return where networks train: ``"cpu"``, or an accelerator as `jax.default_backend` has it.

    JAX is not loaded for it where no accelerator's package is installed.
    """
    return jax.default_backend() if is_loaded() or _may_be_accelerated() else "cpu"


def place(numbers: np.ndarray) -> Any:
    """Return numbers where networks train: on an accelerator once, for all that learn from them."""
    return numbers if platform() == "cpu" else jax.device_put(numbers)


def devices_in_words() -> str:
    """Say what networks train on: how many devices there are, and of which kind."""
    if platform() == "cpu" and not is_loaded():
        return "1 × cpu"
    devices = jax.devices()
    return f"{len(devices)} × {devices[0].device_kind}"


@cache
def _may_be_accelerated() -> bool:
    if os.environ.get("JAX_PLATFORMS") == "cpu":
        return False
    packages = (importlib.util.find_spec(name) for name in ("jax_plugins", "libtpu"))
    return any(packages) or bool(entry_points(group="jax_plugins"))


def step_bytes(architecture: Architecture, batch: int) -> int:
    """Estimate the memory of one step of training.

    Parameters
    ----------
    architecture : Architecture
        The network.
    batch : int
        Examples of the step.

    Returns
    -------
    int
        Bytes: 4 · (`PER_VALUE` · batch · values of one example in all layers + `PER_PARAMETER` ·
        parameters).

    Examples
    --------
    >>> from fathom import Architecture, Dense
    >>> layers = (Dense(units=8), Dense(units=3, activation="softmax"))
    >>> step_bytes(Architecture(input_shape=(4,), layers=layers, loss="cross_entropy"), 10)
    5348
    """
    values = batch * _values(architecture)
    return BYTES * (PER_VALUE * values + PER_PARAMETER * architecture.n_parameters)


def _values(architecture: Architecture) -> int:
    """Return how many numbers one example is in all layers, the input among them."""
    return sum(map(math.prod, _every_shape(architecture)))


def _every_shape(architecture: Architecture) -> list[Shape]:
    """Return the shapes of one example at the input and after every layer, inner ones too."""
    shapes = list(architecture.shapes)
    for layer, shape in zip(architecture.layers, architecture.shapes[:-1], strict=True):
        shapes += _inner_shapes(layer, shape)
    return shapes


def _inner_shapes(layer: object, shape: Shape) -> list[Shape]:
    if isinstance(layer, Residual):
        return layer.shapes(shape)[1:]
    found: list[Shape] = []
    for stem in layer.stems if isinstance(layer, Stems) else ():
        shapes = stem.shapes()
        found += shapes
        for inner, given in zip(stem.layers, shapes[:-1], strict=True):
            found += _inner_shapes(inner, given)
    return found


def free_bytes() -> int | None:
    """Return the memory that is free where networks train; None where nothing says."""
    if platform() != "cpu":
        told: dict[str, Any] = jax.local_devices()[0].memory_stats() or {}
        limit = told.get("bytes_limit")
        return None if limit is None else int(limit) - int(told.get("bytes_in_use", 0))
    found = [free for free in (_free_of_machine(), _free_of_group()) if free is not None]
    return min(found) if found else None


def _free_of_machine() -> int | None:
    """Return what the machine has left, or all it has where it does not say what is left."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _free_of_group(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return what is left to the control group this process runs in, as containers limit it."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            return max(0, int((folder / limit).read_text()) - int((folder / used).read_text()))
        except (OSError, ValueError):  # none, or "max"
            continue
    return None


def parts_for(architecture: Architecture, batch: int, free: int | None) -> int:
    """Choose in how many parts a batch is worked through, so that its step fits into memory.

    The gradients of the parts are added up before the step, which is then that of the whole batch;
    only batch normalization sees the statistics of each part.

    Parameters
    ----------
    architecture : Architecture
        The network.
    batch : int
        Examples of a step.
    free : int or None
        Bytes there are; None where that is not known.

    Returns
    -------
    int
        The fewest parts of equal size that fit: 1 where the whole batch does, a divisor of the
        batch in any case.

    Raises
    ------
    TrainingError
        If not even a single example fits.
    """
    if free is None or step_bytes(architecture, batch) <= free:
        return 1
    for parts in range(2, batch + 1):
        if batch % parts == 0 and step_bytes(architecture, batch // parts) <= free:
            return parts
    needed = _size(step_bytes(architecture, 1))
    raise TrainingError(
        "memory for a step with one example at a time",
        got=f"{_size(free)} free for a network that needs some {needed}",
        hint="use fewer neurons or smaller pictures, or close what else takes memory",
    )  # fmt: skip


def room_for_steps(cores: int) -> int | None:
    """Return the bytes a network may take for its steps; None where that is not known.

    Parameters
    ----------
    cores : int
        Cores that it has to itself, while other networks train on the others.
    """
    free = free_bytes()
    share = min(1.0, cores / n_cores()) if platform() == "cpu" else 1.0
    return None if free is None else int(SHARE * share * free)


def evaluated_at_once(architecture: Architecture, most: int) -> int:
    """Return how many examples are evaluated at once: ``most``, halved until they are small."""
    largest = max(map(math.prod, _every_shape(architecture)))
    while most > 1 and most * largest > MOST_EVALUATED:
        most //= 2
    return most


def tell_parts(architecture: Architecture, batch: int, parts: int) -> str:
    """Say in words why a batch is worked through in parts."""
    needed = _size(step_bytes(architecture, batch))
    return (
        f"a step of {batch:,} examples would need some {needed}, more than its share of the free "
        f"memory: it is worked through in {parts} parts of {batch // parts:,}, whose gradients are "
        "added up"
    )


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"
