"""Tasks that need each other: all are done at once, or all begin again."""

import json

import pytest

from fathom.errors import ExecutorError
from fathom.parallel.executor import Executor, Node, Outcome, Placed, Result, Task
from fathom.parallel.gang import Gang
from fathom.parallel.journal import Journal

PLACED = Placed("data", None)


class Scripted(Executor):
    """Answers as it is told: for each task a result, a failure in words, or None for a loss."""

    open_now = 0

    def __init__(self, answers):
        self.answers, self.waiting = answers, []
        Scripted.open_now += 1

    def submit(self, task, placed):
        assert placed is PLACED
        self.waiting.append(task)
        return 10 + len(self.waiting)

    def wait(self, timeout_s):
        if not self.waiting:
            return []
        number = len(self.answers) - len(self.waiting)
        task, answer = self.waiting.pop(0), self.answers[number]
        ticket, node = 11 + number, f"process {number + 1}"
        if answer is None:
            return [Outcome(ticket, node=node)]
        if answer.startswith("ValueError"):
            return [Outcome(ticket, failure=answer, node=node)]
        return [Outcome(ticket, Result(f"{answer} {task.seed}".encode()), node=node)]

    def cancel(self, ticket):
        raise AssertionError("a gang ends with its workers")

    def nodes(self):
        return tuple(Node(f"{n}", 1) for n in range(len(self.answers)))

    def close(self):
        Scripted.open_now -= 1


def gang(tries, reached=None, journal=None, **more):
    """Return a gang whose tries get these answers, and that has come so far before each."""
    script, far = iter(tries), iter(reached or [0] * 99)
    return Gang(
        lambda: Scripted(next(script)), PLACED, journal or Journal(None, "data"),
        reached=lambda: next(far), **{"most_restarts": 2, **more},
    )  # fmt: skip


def two_tasks(attempt):
    return [Task("a:b", "data", str(n), attempt) for n in range(2)]


def test_results_come_in_the_order_of_the_tasks():
    looks = []
    found = gang([["a", "b"]], look=lambda: looks.append(1)).run(two_tasks)
    assert [one.payload for one in found] == [b"a 0", b"b 0"]
    assert looks


def test_where_one_is_lost_all_begin_again_with_new_workers(tmp_path):
    journal = Journal(tmp_path / "kept", "data")
    one = gang([["a", None], [None, "b"], ["a", "b"]], journal=journal)
    assert [result.payload for result in one.run(two_tasks)] == [b"a 2", b"b 2"]
    assert (one.n_restarts, Scripted.open_now) == (2, 0)
    journal.close()
    lines = (tmp_path / "kept" / "journal.jsonl").read_text().splitlines()
    whys = [json.loads(line)["why"] for line in lines[1:]]
    assert whys == ["process 2 was lost", "process 1 was lost"]


def test_it_is_said_who_was_lost_rather_than_who_failed_by_it():
    with pytest.raises(ExecutorError, match="got process 2 was lost, and no way on in 0 restarts"):
        gang([["ValueError: connection reset", None]], most_restarts=0).run(two_tasks)


def test_what_fails_by_itself_is_named(monkeypatch):
    monkeypatch.setattr("fathom.parallel.gang.GRACE_S", 0.0)
    with pytest.raises(ExecutorError, match="got process 1: ValueError: no room, and no way on"):
        gang([["ValueError: no room\nmore", "b"]] * 3).run(two_tasks)
    assert Scripted.open_now == 0


def test_it_gives_up_only_where_nothing_is_reached_any_more():
    tries = [["a", None]] * 6
    with pytest.raises(ExecutorError, match="no way on in 2 restarts"):
        gang(tries, reached=[0, 0, 0, 0]).run(two_tasks)
    one = gang([*tries[:4], ["a", "b"]], reached=[0, 1, 1, 2, 2])
    one.run(two_tasks)
    assert one.n_restarts == 4
