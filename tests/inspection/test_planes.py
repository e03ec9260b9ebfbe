"""Points in a plane and how they are divided, against what is known of them."""

import numpy as np
import pytest

from fathom.inspection.planes import (
    boosted_regions,
    dividing_line,
    draw_points,
    machine_regions,
)


@pytest.mark.parametrize("name", ["moons", "circles", "exclusive_or", "spirals", "checkerboard"])
def test_points_are_of_two_classes_alike_and_near_the_middle(name):
    points = draw_points(name, 100, seed=3)
    assert points.x.shape == points.x_test.shape == (100, 2)
    assert points.y.sum() == points.y_test.sum() == 50
    assert np.abs(points.x).max() < 1.5
    assert not np.array_equal(points.x, points.x_test)
    again = draw_points(name, 100, seed=3)
    np.testing.assert_array_equal(points.x, again.x)


def test_classes_lie_as_their_names_say():
    points = draw_points("exclusive_or", 100, noise=0.0)
    np.testing.assert_array_equal(points.x.prod(axis=1) < 0, points.y == 1)
    points = draw_points("checkerboard", 100, noise=0.0)
    cells = np.floor((points.x + 1) * 1.5).astype(int)
    np.testing.assert_array_equal(cells.sum(axis=1) % 2, points.y)


def test_a_line_divides_what_a_line_can():
    rng = np.random.default_rng(0)
    at = rng.uniform(-1, 1, (200, 2)) * [1.0, 50.0]
    y = (at[:, 0] + at[:, 1] / 50 > 0.2).astype(int)
    line = dividing_line(at, y)
    assert line.accuracy >= 0.99
    assert line.across / line.up == pytest.approx(50, rel=0.1)
    circles = draw_points("circles", 100)
    assert dividing_line(circles.x, circles.y).accuracy < 0.7


def test_a_kernel_divides_what_a_line_cannot():
    points = draw_points("circles", 100)
    found = machine_regions(points)
    assert found["rbf"].score.value > 0.95 > 0.7 > found["linear"].score.value
    assert found["rbf"].path.startswith("M")
    staged = boosted_regions(points)
    for stages in staged.values():
        assert [one.n_stages for one in stages] == sorted(one.n_stages for one in stages)
        assert stages[-1].region.score.value > 0.85
    assert staged["stumps"][0].region.score.value < staged["stumps"][-1].region.score.value
