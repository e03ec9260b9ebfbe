"""What the descent and the depth page are told: as the rooms below say, and within limits."""

import threading

import numpy as np
import pytest
from pydantic import ValidationError

from fathom.errors import FathomError, InputError
from fathom.inspection.planes import draw_points
from fathom.studio import depth
from fathom.studio.bending import bend
from fathom.studio.depth_messages import BendAsk, DepthWish
from fathom.studio.descent import curve, run_race, scene, survey
from fathom.studio.descent_messages import CurveAsk, MapAsk, RaceAsk, SceneAsk
from fathom.studio.networks import answer, example
from fathom.studio.turns import Turns


@pytest.fixture(scope="module")
def outlier():
    return scene(SceneAsk(name="outlier"))


def loss_at(network, one, two):
    """Return the loss of a sigmoid neuron of two weights, written down once more."""
    rows = np.array([(*shown.x, *shown.target) for shown in network.examples])
    said = 1 / (1 + np.exp(-(rows[:, 0] * one + rows[:, 1] * two)))
    return float(np.mean(0.5 * (said - rows[:, 2]) ** 2))


def test_the_map_is_the_loss(outlier):
    found = survey(MapAsk(network=outlier.network, weights=outlier.weights, span=outlier.span))
    for row, column in ((0, 0), (7, 31), (48, 20), (24, 24)):
        expected = loss_at(outlier.network, found.x[column], found.y[row])
        assert found.losses[row][column] == pytest.approx(expected, rel=1e-5)
    heights, losses = np.array(found.heights).ravel(), np.array(found.losses).ravel()
    order = np.argsort(losses)
    assert (np.diff(heights[order]) >= 0).all()
    assert (heights.min(), heights.max()) == (0, 1)
    assert found.lowest[2] == losses.min()
    levels = [band.level for band in found.bands]
    assert levels == sorted(levels)
    assert all(band.path for band in found.bands)


def test_starts_end_in_valleys_of_different_depth(outlier):
    found = run_race(
        RaceAsk(
            network=outlier.network, weights=outlier.weights, span=outlier.span,
            starts=outlier.starts, learning_rate=outlier.learning_rate,
        )
    )  # fmt: skip
    assert len(found.basins) >= 3
    assert [basin.loss for basin in found.basins] == sorted(basin.loss for basin in found.basins)
    for racer in found.racers:
        assert racer.losses[-1] == pytest.approx(
            loss_at(outlier.network, racer.x[-1], racer.y[-1]), rel=1e-4
        )
    shares = found.share_seen
    assert list(shares) == sorted(shares)
    assert shares[-1] == pytest.approx((np.array(found.seen) >= 0).mean(), abs=1e-4)
    assert list(found.lowest_seen) == sorted(found.lowest_seen, reverse=True)


def test_steps_along_a_weight_are_told_with_a_rate_that_suits():
    given = scene(SceneAsk(name="ravine"))
    asked = CurveAsk(network=given.network, weight=given.weights[0], start=-2.0, span=4.0)
    found = curve(asked)
    assert found.verdict == "right"
    assert found.learning_rate == found.rates.right
    first, second = found.steps[:2]
    assert second.at == pytest.approx(first.at - found.learning_rate * first.slope)
    large = asked.model_copy(update={"learning_rate": found.rates.too_large})
    assert curve(large).verdict in ("too large", "leaps", "diverges")
    small = asked.model_copy(update={"learning_rate": found.rates.too_small})
    assert curve(small).verdict == "too small"
    drawn = curve(CurveAsk(network=given.network, weight=given.weights[0], span=4.0))
    assert drawn.steps[0].loss > drawn.lowest.loss


def test_ones_own_network_is_descended_on_from_where_it_is():
    network = example("hand_worked")
    found = scene(SceneAsk(network=network))
    assert set(found.weights) < set(found.names)
    assert len(found.names) == 18
    told = survey(MapAsk(network=network, weights=found.weights, span=found.span))
    middle = np.array(told.losses)[24, 24]
    assert middle == pytest.approx(answer(network).numbers.loss, rel=1e-5)
    for wish in ({}, {"name": "chain", "network": network}):
        with pytest.raises(FathomError):
            scene(SceneAsk(**wish))


def test_limits_hold(outlier):
    common = {"network": outlier.network, "weights": outlier.weights, "span": 3.0}
    for wrong in (
        {"starts": [(0.0, 0.0)] * 9}, {"starts": [(1e9, 0.0)]}, {"span": 0.0},
        {"radius": 5.0}, {"learning_rate": -1.0}, {"optimizer": "magic"}, {"n_starts": 100},
    ):  # fmt: skip
        with pytest.raises((FathomError, ValidationError)):
            RaceAsk(**{**common, **wrong})
    for wrong in (
        {"depths": [1]}, {"depths": [1, 99]}, {"seconds": 1e6}, {"width": 10_000},
    ):  # fmt: skip
        with pytest.raises((FathomError, ValidationError)):
            DepthWish(material="spirals", **wrong)
    with pytest.raises((FathomError, ValidationError)):
        BendAsk(points="moons", widths=[2] * 50)


def test_one_computation_at_a_time():
    turns, inside, leave = Turns(wait_s=0.05), threading.Event(), threading.Event()

    def slow(asked):
        inside.set()
        assert leave.wait(30)
        return asked

    thread = threading.Thread(target=lambda: turns.take(slow, 1))
    thread.start()
    assert inside.wait(30)
    with pytest.raises(InputError, match="one computation at a time"):
        turns.take(lambda asked: asked, 2)
    leave.set()
    thread.join(30)
    assert turns.take(lambda asked: asked, 3) == 3


def test_layers_bend_the_plane_until_a_line_divides_it():
    found = bend(BendAsk(points="circles", widths=(4, 2)))
    first, *_, last = found.stages
    assert [stage.n_neurons for stage in found.stages] == [2, 4, 2]
    np.testing.assert_allclose(first.at, draw_points("circles", noise=0.05).x, atol=1e-3)
    assert first.probe.value < 0.7 < 0.95 < last.probe.value
    assert last.share == 1
    wrong = [
        (last.line.across * x + last.line.up * y + last.line.bias > 0) != kind
        for (x, y), kind in zip(last.at, found.classes, strict=True)
    ]
    assert np.mean(wrong) == pytest.approx(1 - last.line.accuracy, abs=0.011)  # `at` is rounded
    assert found.n_parameters == (2 + 1) * 4 + (4 + 1) * 2 + (2 + 1) * 2


def test_one_study_at_a_time_which_ends_when_asked(monkeypatch):
    is_in = threading.Event()

    def endless(data, *, monitor, **options):
        monitor.on_stage("training from 3 starts", 3)
        is_in.set()
        while not monitor.should_stop():
            threading.Event().wait(0.005)
        raise InputError("time enough", got="a wish to stop")

    monkeypatch.setattr(depth, "study_depth", endless)
    room = depth.DepthRoom()
    assert room.news().state == "none"
    room.start(DepthWish(material="spirals"))
    assert is_in.wait(30)
    assert room.news().state == "running"
    assert room.news().stage == "starts"
    with pytest.raises(InputError, match="one study at a time"):
        room.start(DepthWish(material="spirals"))
    room.close()
    news = room.news()
    assert news.state == "failed"
    assert "time enough" in news.problem.en
    assert [line.depth for line in news.lines] == [1, 2, 4]
    parameters = [line.n_parameters for line in news.lines]
    assert max(parameters) < 1.1 * min(parameters)
    with pytest.raises(InputError, match="two different depths"):
        room.start(DepthWish(material="spirals", depths=(2, 2)))
