"""Work spread over cores."""

import threading

import pytest

from fathom.parallel.cores import for_each, n_cores, own_cores


def test_cores_are_counted():
    assert n_cores() == len(own_cores()) >= 1


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("tasks", [(), (1,), tuple(range(20))])
def test_what_comes_of_tasks_comes_in_their_order(n_threads, tasks):
    assert for_each(lambda task: task**2, tasks, n_threads) == [task**2 for task in tasks]


@pytest.mark.parametrize("n_started", [0, 1])
def test_who_asks_does_what_no_thread_is_to_be_had_for(monkeypatch, n_started):
    starts, start = iter(range(100)), threading.Thread.start

    def start_some(thread):
        if next(starts) >= n_started:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    assert for_each(lambda task: task**2, range(20), 4) == [task**2 for task in range(20)]


def test_what_fails_is_told():
    with pytest.raises(RuntimeError, match="of a task"):
        for_each(lambda task: (_ for _ in ()).throw(RuntimeError("of a task")), range(4), 2)
