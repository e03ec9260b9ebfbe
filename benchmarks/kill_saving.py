"""A process killed while it saves: what is in place is always a whole file, the older or the newer.

python benchmarks/kill_saving.py --times 200

A process writes two files of different size in turn to one place; it is killed (SIGKILL) at a
random moment, and what is there is compared with both. Each time another begins where it left off.
"""

import argparse
import importlib.util
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import ModuleType

SIZES = (300_000, 2_000_000)  # bytes
LONGEST = 0.03  # seconds a process has


def find_container() -> ModuleType:
    """Return the writer alone, so that a process begins at once."""
    package = importlib.util.find_spec("fathom")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "deployment" / "container.py"
    spec = importlib.util.spec_from_file_location("container", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_for_ever(container: ModuleType, path: Path, contents: list[bytes], began: int) -> None:
    """Write one after the other until killed; tell when the first is there."""
    turn = 0
    while True:
        container.write_file(path, contents[turn % len(contents)])
        if turn == 0:
            os.write(began, b"x")
        turn += 1


def kill_once(container: ModuleType, path: Path, contents: list[bytes], seconds: float) -> None:
    """Begin a process that writes, and kill it after a time."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write_for_ever(container, path, contents, write)
        finally:
            os._exit(1)
    os.close(write)
    os.read(read, 1)
    os.close(read)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it ended by itself"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    container, rng = find_container(), random.Random(asked.seed)
    contents = [rng.randbytes(size) for size in SIZES]
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.fathom"
        for _ in range(asked.times):
            kill_once(container, path, contents, rng.uniform(0, LONGEST))
            there = path.read_bytes()
            found[f"whole, {len(there):,} bytes" if there in contents else "broken"] += 1
            left = [one for one in Path(folder).iterdir() if one != path]
            found["with a part of a file beside it"] += len(left) > 0
            for one in left:
                one.unlink()
    print(f"killed {asked.times} times: {dict(sorted(found.items()))}")
    sys.exit(found["broken"] > 0)


if __name__ == "__main__":
    main()
