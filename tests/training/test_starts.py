"""Several starts: what the outside asks of all of them reaches each."""

import pytest

from fathom.training.history import Epoch, Event
from fathom.training.monitor import Monitor
from fathom.training.starts import _run_all, _Watched


class Outside(Monitor):
    def __init__(self):
        self.heard, self.stops = [], False

    def on_epoch(self, start, epoch):
        self.heard.append((start, epoch))

    def on_event(self, start, event):
        self.heard.append((start, event))

    def should_stop(self):
        return self.stops


def test_who_watches_hears_all_and_may_ask_to_stop():
    outside = Outside()
    watched = _Watched(outside)
    epoch = Epoch(epoch=1, train_loss=0.5, train_score=0.5, learning_rate=0.1, seconds=1.0)
    event = Event(epoch=1, kind="stopped", text="enough")
    watched.on_epoch(0, epoch)
    watched.on_event(1, event)
    assert outside.heard == [(0, epoch), (1, event)]
    assert not watched.should_stop()
    outside.stops, outside.stop_reason = True, "enough"
    assert watched.should_stop()
    assert watched.stop_reason == "enough"


def test_an_interruption_ends_all_starts():
    watched = _Watched(Monitor())
    with watched.ending():
        assert not watched.should_stop()
    assert not watched.should_stop()
    with pytest.raises(KeyboardInterrupt), watched.ending():
        raise KeyboardInterrupt
    assert watched.should_stop()


def test_what_comes_of_each_start_is_given_in_order_and_a_failure_ends_the_others():
    assert _run_all(lambda start: start**2, 5, 2, _Watched(Monitor())) == [0, 1, 4, 9, 16]
    watched = _Watched(Monitor())

    def fail(start):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _run_all(fail, 2, 2, watched)
    assert watched.should_stop()
