"""Every test runs with strict promotion of types and ranks, and never touches the user's cache.

Nor does what it sees depend on what else the machine does, or on which tests ran before it.
"""

import importlib.util
import os
import subprocess
import sys
import time
import zlib
from importlib.metadata import version
from pathlib import Path

# Threads of scikit-learn's trees that have nothing to do leave the processor to other workers.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# What is compiled for a test runs once or twice: two thirds of the compiler's time are saved, and a
# quarter of the rest by its older way of fusing, in versions that are known to have it.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=1"
    + " --xla_cpu_use_fusion_emitters=false" * version("jaxlib").startswith("0.10."),
)

import jax
import numpy as np
import pytest
from filelock import FileLock

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
LAST_LOOPS = {"rows": "descent.advance", "pictures": "pictures.advance_pictures"}
TIMED = (  # what plans with the time there is
    "data.trees", "inspection.depth.run", "inspection.descent_study", "inspection.space_study",
    "search.design", "search.prose", "training.loop", "training.monitor", "training.population",
    "training.starts",
)  # fmt: skip
OTHERS_WORK = {"parallel", "test_rounds.py", "test_workers.py"}  # folders and files of tests
COMPILE = "from fathom.training.engines import compile_alone; compile_alone({!r})"


@pytest.fixture(autouse=True, scope="session")
def _strict():
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    os.environ["FATHOM_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True, scope="session")
def _compiled_loops(tmp_path_factory):
    """Have the loops compiled before any test, once a machine, and read where they are used.

    Which engine a training takes depends on whether they are: so tests do not depend on how far
    another process has come with it, and the first search does not spend its time reading them.
    """
    with FileLock(of_this_run(tmp_path_factory) / "loops.lock"):
        compiling = [
            subprocess.Popen([sys.executable, "-c", COMPILE.format(name)])
            for name, last in LAST_LOOPS.items()
            if not is_kept(last)
        ]
        for process in compiling:
            process.wait()  # where they cannot be kept, each process compiles for itself
    if "fathom.training.engines" in sys.modules:
        sys.modules["fathom.training.engines"].warm_up()


class ProcessorTime:
    """The module `time` with a clock that stands still while other programs have the processor.

    Who has four seconds gets four seconds' work done, however busy the machine is. Only where other
    processes do the work, which this one waits for, the clock is the machine's.
    """

    monotonic = staticmethod(time.process_time)

    def __getattr__(self, name):
        return getattr(time, name)


PROCESSOR_TIME = ProcessorTime()


def set_clocks(item):
    clock = time if OTHERS_WORK.intersection(item.path.parts) else PROCESSOR_TIME
    for name in TIMED:
        module = sys.modules.get(f"fathom.{name}")
        if getattr(module, "time", None) in (time, PROCESSOR_TIME):
            module.time = clock


def draw_anew(item, stage):
    """Have what a test draws from its file's RNG not depend on which tests ran before it."""
    rng = getattr(getattr(item, "module", None), "RNG", None)
    if isinstance(rng, np.random.Generator):
        rng.bit_generator.state = np.random.PCG64(zlib.crc32(stage.encode())).state


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    set_clocks(item)
    draw_anew(item, item.path.name)  # for what the file's fixtures draw


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    draw_anew(item, f"{item.path.name}::{item.name}")


def of_this_run(tmp_path_factory):
    """Return the folder that all workers of a run share, and no other run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def is_kept(name):
    """Tell whether a loop is kept compiled and newer than all loops; without loading any."""
    found = importlib.util.find_spec("fathom.loops")
    (folder,) = map(Path, found.submodule_search_locations)
    written = max(place.stat().st_mtime for place in folder.glob("*.py"))
    kept = (folder / "__pycache__").glob(f"{name}-*.nbi")
    return any(place.stat().st_mtime > written for place in kept)


@pytest.fixture
def float64():
    """Compute in float64 inside the test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def shared():
    """Return the folder of real data, or skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the data folder {SHARED}")
    return SHARED
