"""Spread: bands and distances of predicted numbers, by hand and by what chance makes of them."""

import numpy as np
import pytest

from fathom.errors import InputError
from fathom.inspection.spread import Spread, check_spread

RNG = np.random.default_rng(0)


def codes(found):
    return [finding.code for finding in found.findings]


def test_bands_are_what_counting_gives():
    a = RNG.permutation(np.repeat(np.arange(6.0), 20))
    y = a + RNG.normal(0, 1, len(a))
    found = check_spread(a, y)
    assert [(one.low, one.high, one.n_rows) for one in found.bands] == [
        (n, n, 20) for n in range(6)
    ]
    for n, one in enumerate(found.bands):
        right = y[a == n]
        assert (one.predicted, one.right) == (n, pytest.approx(right.mean()))
        reach = 1.96 * np.std(right, ddof=1) / np.sqrt(20)
        assert one.right_high - one.right == pytest.approx(reach, rel=1e-4)
        inside = (right >= one.inner_low) & (right <= one.inner_high)
        assert inside.sum() == 16  # eight of ten
    off = np.sort(np.abs(y - a))
    assert (off <= found.half).sum() == 60
    assert (off <= found.most).sum() == 108
    assert codes(found) == ["spread_within", "means_hold"]
    assert str(found).startswith("predicted")
    assert Spread.model_validate_json(found.model_dump_json()) == found


def test_what_is_twice_as_large_as_said_is_not_taken_at_its_word():
    a = RNG.uniform(1, 2, 400)
    found = check_spread(a, 2 * a)
    assert codes(found)[1] == "means_stray"
    assert (found.findings[1]["n_held"], found.findings[1]["n_bands"]) == (0, 10)


def test_the_same_prediction_of_all_rows_is_one_band():
    found = check_spread(np.ones(100), RNG.normal(1, 1, 100))
    assert [one.n_rows for one in found.bands] == [100]
    (one,) = check_spread([3.0], [5.0]).bands
    assert (one.right_low, one.right_high) == (5, 5)


@pytest.mark.parametrize(("a", "y"), [([1.0], [1.0, 2.0]), ([], []), ([np.nan], [1.0])])
def test_what_does_not_fit_is_refused(a, y):
    with pytest.raises(InputError):
        check_spread(a, y)
