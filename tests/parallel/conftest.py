"""Tasks that other processes can import, and a place for them."""

import pytest

from fathom.parallel.executor import Placed, Task

SOURCE = '''
import os, time
from fathom.parallel.executor import Result

def double(value, config, seed):
    return Result(str(value * 2 + int(config) + seed).encode())

def chat(value, config, seed):
    print("a line that nobody asked for" * 1000, flush=True)
    return Result(b"said")

def slow(value, config, seed):
    time.sleep(0.05)
    with open(value, "a") as file:  # one line for each time it is done
        file.write(config + chr(10))
    return Result(config.encode())

def fail(value, config, seed):
    raise ValueError("this one is bad")

def die(value, config, seed):
    if config == "die":
        os._exit(3)
    return Result(config.encode())

def hang(value, config, seed):
    """Never answer the first time it is done."""
    if not os.path.exists(value + config):
        open(value + config, "w").close()
        time.sleep(600)
    return Result(config.encode())
'''


@pytest.fixture
def works(tmp_path, monkeypatch):
    """Return the folder of a module of tasks."""
    folder = tmp_path / "works"
    folder.mkdir()
    (folder / "works_of_tests.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def make(works):
    """Return what makes tasks of one of its functions, and their data."""

    def make_tasks(name, configs, value=10, key="ten"):
        placed = Placed(key, value)
        tasks = [Task(f"works_of_tests:{name}", key, str(one), 0) for one in configs]
        return placed, tasks

    return make_tasks
