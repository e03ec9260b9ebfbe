"""The controller: every task done once, whatever an executor loses, doubles or brings too late."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fathom.errors import ExecutorError
from fathom.parallel import controller as controlling
from fathom.parallel.controller import Controller
from fathom.parallel.executor import Executor, Node, Outcome, Result, call
from fathom.parallel.here import Here
from fathom.parallel.journal import Journal


class Unreliable(Executor):
    """Loses tasks, answers twice, and answers after it was told to cancel."""

    def __init__(self, seed, p_lost=0.3, p_twice=0.3, p_late=0.3, slots=3):
        self.rng, self.slots = np.random.default_rng(seed), slots
        self.p_lost, self.p_twice, self.p_late = p_lost, p_twice, p_late
        self.held, self.later, self.n_submitted, self.n_run = [], [], 0, 0

    def submit(self, task, placed):
        self.n_submitted += 1
        self.held.append((self.n_submitted, task, placed))
        return self.n_submitted

    def wait(self, timeout_s):
        outcomes, self.later = self.later, []
        self.rng.shuffle(self.held)
        held, self.held = self.held, []
        for ticket, task, placed in held:
            chance = self.rng.random()
            if chance < 0.4:
                self.held.append((ticket, task, placed))  # not yet
            elif chance < 0.4 + 0.6 * self.p_lost:
                outcomes.append(Outcome(ticket, node="far", seconds=1.0))
            else:
                self.n_run += 1
                outcome = Outcome(ticket, call(task, placed.value)[0], "", "far", 1.0)
                outcomes.append(outcome)
                if self.rng.random() < self.p_twice:
                    self.later.append(outcome)
        return outcomes

    def cancel(self, ticket):
        kept = [one for one in self.held if one[0] == ticket and self.rng.random() < self.p_late]
        self.held = [one for one in self.held if one[0] != ticket] + kept

    def nodes(self):
        return (Node("far", self.slots),)

    def close(self):
        self.held.clear()


def payloads(journal, tasks):
    return [found and found.payload for found in (journal.find(task.key) for task in tasks)]


@pytest.mark.parametrize("seed", range(8))
def test_an_executor_that_loses_doubles_and_is_late_changes_nothing(
    make, tmp_path, seed, monkeypatch
):
    monkeypatch.setattr(controlling, "MOST_ATTEMPTS", 100)
    placed, tasks = make("double", range(20))
    journal, heard = Journal(tmp_path / "j", placed.key), []
    executor = Unreliable(seed)
    control = Controller(executor, placed, journal)
    done = control.run(tasks, heard.append)
    assert done == tuple(tasks)
    assert sorted(map(id, heard)) == sorted(map(id, tasks))  # each once
    assert payloads(journal, tasks) == [str(20 + n).encode() for n in range(20)]
    assert control.tally.n_done == 20
    assert control.tally.n_lost == executor.n_submitted - 20 > 0
    journal.close()
    lines = (tmp_path / "j" / "journal.jsonl").read_text().splitlines()
    done = [json.loads(line) for line in lines if '"done"' in line]
    assert len(done) == len({line["task"] for line in done}) == 20
    assert {line["config"] for line in done} == {str(n) for n in range(20)}


def test_late_answers_are_counted_and_ignored(make):
    placed, tasks = make("double", range(10))
    control = Controller(Unreliable(1, p_lost=0, p_twice=1), placed, Journal(None, placed.key))
    assert control.run(tasks) == tuple(tasks)
    assert control.tally.n_done == 10
    assert control.tally.n_late >= 7  # those of the last round are not waited for


def test_a_task_that_outlives_its_deadline_is_begun_again_and_its_late_answer_taken(make):
    class Slow(Unreliable):
        """Answers the first submission only after the second was made."""

        def wait(self, timeout_s):
            time.sleep(0.01)
            if self.n_submitted < 2:
                return []
            (ticket, task, placed), *self.held = sorted(self.held, key=lambda one: one[0])
            return [Outcome(ticket, call(task, placed.value)[0], "", "slow", 1.0)]

        def cancel(self, ticket):
            self.canceled = [*getattr(self, "canceled", []), ticket]

    placed, tasks = make("double", [5])
    executor, journal = Slow(0), Journal(None, placed.key)
    control = Controller(executor, placed, journal, task_seconds=0.001)
    assert control.run(tasks) == tuple(tasks)
    assert payloads(journal, tasks) == [b"25"]
    assert (control.tally.n_overdue >= 1, control.tally.n_done) == (True, 1)
    assert 1 in executor.canceled
    assert executor.canceled[-1] > 1  # the one that is no longer needed


class Clocked(Unreliable):
    """Takes for a task the seconds that are its config, in a time that passes in jumps of 10 s."""

    def __init__(self, hangs=()):
        super().__init__(0, slots=4)
        self.now, self.hangs, self.ends = 0.0, set(hangs), {}
        self.canceled = []

    def submit(self, task, placed):
        ticket = super().submit(task, placed)
        is_hung = ticket in self.hangs
        self.ends[ticket] = float("inf") if is_hung else self.now + float(task.config)
        return ticket

    def wait(self, timeout_s):
        self.now += 10.0
        told = [(t, task) for t, task, _ in self.held if self.ends[t] <= self.now]
        self.held = [one for one in self.held if self.ends[one[0]] > self.now]
        canceled, self.canceled = self.canceled, []
        answers = [Outcome(t, Result(b"x"), "", "n", float(task.config)) for t, task in told]
        return answers + [Outcome(t, node="n", seconds=self.now) for t in canceled]

    def cancel(self, ticket):
        self.held = [one for one in self.held if one[0] != ticket]
        self.canceled.append(ticket)


def test_what_is_much_work_is_not_late_because_small_tasks_were_quick(make):
    placed, tasks = make("double", [10, 5000])
    executor = Clocked()
    control = Controller(executor, placed, Journal(None, placed.key), clock=lambda: executor.now)
    assert control.run(tasks, work=lambda task: float(task.config)) == tuple(tasks)
    assert (control.tally.n_overdue, control.tally.n_done) == (0, 2)
    blind = Controller(executor, placed, Journal(None, placed.key), clock=lambda: executor.now)
    blind.run(tasks)  # as if both were the same work
    assert blind.tally.n_overdue > 0


def test_what_hangs_is_begun_again_and_its_time_lost_is_counted_once(make):
    placed, tasks = make("double", [100, 200, 201])
    executor = Clocked(hangs=[2])
    control = Controller(executor, placed, Journal(None, placed.key), clock=lambda: executor.now)
    assert control.run(tasks, work=lambda task: float(task.config)) == tuple(tasks)
    tally = control.tally
    assert (tally.n_overdue, tally.n_lost, tally.n_done) == (1, 0, 3)
    limit = controlling.TIMES_EXPECTED * 201
    assert limit < tally.seconds_lost < limit + 40  # once, though its end was told as well
    assert tally.seconds == 501


def test_what_is_lost_again_and_again_is_given_up_and_the_rest_done(make):
    class Picky(Unreliable):
        def wait(self, timeout_s):
            held, self.held = self.held, []
            return [
                Outcome(t, None if task.config == "3" else call(task, p.value)[0], "", "n", 1.0)
                for t, task, p in held
            ]

    placed, tasks = make("double", range(6))
    control = Controller(Picky(0), placed, Journal(None, placed.key))
    assert [task.config for task in control.run(tasks)] == ["0", "1", "2", "4", "5"]
    assert (control.tally.n_abandoned, control.tally.n_lost) == (1, controlling.MOST_ATTEMPTS)


def test_an_error_in_a_task_is_told(make):
    placed, tasks = make("fail", [0])
    with pytest.raises(ExecutorError, match="ValueError: this one is bad"):
        Controller(Here(), placed, Journal(None, placed.key)).run(tasks)


def test_without_any_node_it_ends_with_an_error(make, monkeypatch):
    monkeypatch.setattr(controlling, "MOST_IDLE_S", 0.0)
    placed, tasks = make("double", range(3))
    with pytest.raises(ExecutorError, match="a node that does tasks"):
        Controller(Unreliable(0, slots=0), placed, Journal(None, placed.key)).run(tasks)


def test_the_end_of_the_time_and_a_stop_cut_it_off(make):
    placed, tasks = make("double", range(5))
    heard = []
    journal = Journal(None, placed.key)
    stopped = Controller(Here(), placed, journal, should_stop=lambda: len(heard) >= 2)
    assert stopped.run(tasks, heard.append) == tuple(tasks[:2])
    late = Controller(Here(), placed, journal, remaining=lambda: 0.0)
    assert late.run(tasks) == tuple(tasks[:2])  # what is known costs no time


DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fathom.parallel.controller import Controller
from fathom.parallel.executor import Placed, Task
from fathom.parallel.here import Here
from fathom.parallel.journal import Journal
placed = Placed("k", sys.argv[2])
tasks = [Task("works_of_tests:slow", "k", str(n), 0) for n in range(12)]
journal = Journal(Path(sys.argv[3]), "k")
Controller(Here(), placed, journal).run(tasks)
"""


def test_a_driver_that_is_killed_goes_on_from_its_journal(make, works, tmp_path):
    said, folder = str(tmp_path / "said.txt"), tmp_path / "j"
    placed, tasks = make("slow", range(12), value=said, key="k")
    command = [sys.executable, "-c", DRIVER, str(works), said, str(folder)]
    for n_wanted in (3, 6):  # killed twice
        driver = subprocess.Popen(command)
        place = folder / "journal.jsonl"
        while driver.poll() is None:
            text = place.read_text() if place.exists() else ""
            if text.count('"done"') >= n_wanted:
                break
            time.sleep(0.01)
        driver.kill()
        driver.wait()
    journal = Journal(folder, "k")
    control = Controller(Here(), placed, journal)
    assert control.run(tasks) == tuple(tasks)
    assert control.tally.n_known >= 6
    assert control.tally.n_known + control.tally.n_done == 12
    assert payloads(journal, tasks) == [str(n).encode() for n in range(12)]
    journal.close()
    done = [int(line) for line in Path(said).read_text().split()]
    assert sorted(set(done)) == list(range(12))
    assert len(done) <= 12 + 2  # at most the one that was being done at each kill, once more
