"""What can wait: begun once, found by whoever asks, errors included."""

import sys
import threading

import pytest

from fathom.loading import Later, load


def test_work_is_done_once_whoever_asks_and_whoever_began():
    threads = []
    later = Later(lambda: threads.append(threading.current_thread()) or len(threads))
    later.begin()
    later.begin()
    assert [later.result(), later.result()] == [1, 1]
    assert threads[0] is not threading.current_thread()


def test_an_error_comes_to_who_asks():
    later = Later(lambda: 1 / 0)
    later.begin()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            later.result()


def test_loading_waits_for_another_thread_that_loads(tmp_path, monkeypatch):
    # Each of the two imports the other, which in two threads at once gives a part of a module.
    (tmp_path / "one_of_two.py").write_text("import time\ntime.sleep(0.05)\nimport other_of_two\n")
    (tmp_path / "other_of_two.py").write_text("import time\ntime.sleep(0.05)\nimport one_of_two\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen = []

    def ask(name, end):
        load(name)
        seen.append(vars(sys.modules[name]).get(end) is not None)

    pairs = [("one_of_two", "other_of_two"), ("other_of_two", "one_of_two")]
    threads = [threading.Thread(target=ask, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True, True]
