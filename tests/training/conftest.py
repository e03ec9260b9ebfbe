"""A clock on which every machine is equally fast."""

import itertools
from types import SimpleNamespace

import pytest

from fathom.training import monitor


@pytest.fixture
def ticking(monkeypatch):
    """Have a millisecond pass whenever a training asks for the time, and at no other moment."""
    ticks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: next(ticks) / 1000)
    monkeypatch.setattr(monitor, "time", clock)
