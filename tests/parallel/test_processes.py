"""Processes of this machine: the same results, and no end with one of them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from fathom.errors import ExecutorError, InputError
from fathom.parallel.controller import Controller
from fathom.parallel.here import Here
from fathom.parallel.journal import Journal
from fathom.parallel.opening import open_executor, require_address
from fathom.parallel.processes import Processes


def run(executor, placed, tasks, **more):
    journal = Journal(None, placed.key)
    with executor:
        control = Controller(executor, placed, journal, **more)
        done = control.run(tasks)
    return [journal.find(task.key).payload for task in done], control.tally


@pytest.mark.parametrize("count", [1, 2, 4])
def test_any_number_of_processes_does_what_this_one_does(make, count):
    placed, tasks = make("double", range(9))
    assert run(Processes(count), placed, tasks)[0] == run(Here(), placed, tasks)[0]


def test_what_a_task_prints_does_not_come_among_the_answers(make):
    placed, tasks = make("chat", range(2))
    assert run(Processes(1), placed, tasks)[0] == [b"said", b"said"]


def test_a_task_that_kills_its_worker_is_given_up_and_the_rest_is_done(make):
    placed, tasks = make("die", ["a", "die", "b", "c"])
    found, tally = run(Processes(2), placed, tasks)
    assert found == [b"a", b"b", b"c"]
    assert (tally.n_lost, tally.n_abandoned) == (3, 1)


def test_a_task_that_hangs_is_ended_and_begun_again(make, tmp_path):
    placed, tasks = make("hang", ["a"], value=str(tmp_path / "mark-"))
    found, tally = run(Processes(1), placed, tasks, task_seconds=0.5)
    assert found == [b"a"]
    assert tally.n_overdue >= 1


def test_a_worker_killed_from_outside_is_replaced(make):
    placed, tasks = make("double", range(2))
    with Processes(1) as executor:
        (before,) = executor.process_ids()
        os.kill(before, signal.SIGKILL)
        control = Controller(executor, placed, Journal(None, placed.key))
        assert control.run(tasks) == tuple(tasks)
        assert executor.process_ids() != (before,)


def test_workers_that_never_begin_are_an_error_that_says_why(make, monkeypatch):
    placed, tasks = make("double", range(2))
    monkeypatch.setattr("fathom.parallel.processes._START", "raise SystemExit('no room')")
    with pytest.raises(ExecutorError, match="exit code 1: no room"):
        run(Processes(1), placed, tasks)


DRIVER = """
import time
from fathom.parallel.processes import Processes
executor = Processes(2)
print(*executor.process_ids(), flush=True)
time.sleep(600)
"""


def test_workers_do_not_outlive_a_driver_that_is_killed():
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True)
    pids = [int(word) for word in driver.stdout.readline().split()]
    driver.kill()
    driver.wait()
    driver.stdout.close()
    assert len(pids) == 2
    while any(_is_alive(pid) for pid in pids):  # ends, or the test never does
        time.sleep(0.02)


def _is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("address", ["here", "processes", "processes:3", "auto", "10.0.0.1:6379",
                                     "head.lan:6379", "[::1]:6379", "ray://h:10001"])  # fmt: skip
def test_addresses_are_known(address):
    assert require_address(address) == address


@pytest.mark.parametrize(
    "address", ["", "process", "processes:0", "processes:-1", "processes:x", "processes:9999999",
                "host", "host:", ":6379", "host:port", "host:6379 --x", "a;b:1"],
)  # fmt: skip
def test_other_addresses_are_refused(address):
    with pytest.raises(InputError, match="expected"):
        require_address(address)


def test_this_process_is_an_executor_too():
    with open_executor("here") as executor:
        assert executor.wait(0.0) == []
