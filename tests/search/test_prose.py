"""How many networks for texts there is time for, whatever the clock says."""

import math

import pytest

from fathom.search.prose import MOST_STARTS, _affordable
from fathom.training.monitor import Deadline


@pytest.mark.parametrize(("seconds", "longest", "least", "most"), [
    (None, 9.0, MOST_STARTS, MOST_STARTS), (1000.0, 1.0, MOST_STARTS, MOST_STARTS),
    (9.0, 10.0, 1, 1), (5.0, 10.0, 0, 0), (-60.0, 10.0, 0, 0),
])  # fmt: skip
def test_as_many_networks_as_time_allows_and_never_fewer_than_none(seconds, longest, least, most):
    deadline = Deadline(seconds)
    assert math.isinf(deadline.remaining()) == (seconds is None)
    assert least <= _affordable(deadline, longest) <= most
