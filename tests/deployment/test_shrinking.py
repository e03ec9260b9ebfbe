"""Models made smaller: what is claimed is what is there, and nothing is hidden."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from fathom import Architecture, Dense, FathomClassifier, FathomRegressor, Recipe, build, load, save
from fathom.compression.storage import narrow
from fathom.data.encoding import Standardization
from fathom.data.schema import NumbersInput, Schema, Target
from fathom.data.trees import Growth, TreeView
from fathom.deployment.shrinking import compress
from fathom.deployment.shrinking.goals import Goal, parse_goal
from fathom.deployment.shrinking.groves import (
    _first_trees,
    _of_one_leaf,
    count_trees,
    forest_bytes,
    with_fewer_trees,
    without_forests,
)
from fathom.deployment.shrinking.rows import part_rows, predictions
from fathom.deployment.shrinking.search import Rated, Search, Way
from fathom.deployment.shrinking.steps import size_of, stored
from fathom.deployment.shrinking.students import Student
from fathom.deployment.shrinking.units import open_units, trimmed, with_units
from fathom.errors import InputError
from fathom.training.history import History, StartHistory
from fathom.training.monitor import Deadline, Monitor

RNG = np.random.default_rng(0)
N = 600


def made(n_networks=2, width=64):
    """Make a classifier of described networks without any training."""
    architecture = Architecture(
        input_shape=(10,),
        layers=(
            Dense(units=width, activation="tanh"), Dense(units=width, activation="relu"),
            Dense(units=3, activation="softmax"),
        ),
        loss="cross_entropy",
    )  # fmt: skip
    networks = tuple(build(architecture, jax.random.key(n)) for n in range(n_networks))
    networks = tuple(jax.tree.map(lambda leaf: 1.5 * leaf, network) for network in networks)
    schema = Schema(
        input=NumbersInput(n_features=10), target=Target(task="classes", classes=("a", "b", "c"))
    )
    history = History(
        starts=(StartHistory(),) * n_networks, kept=tuple(range(n_networks)),
        score_name="accuracy", seconds=1.0,
    )  # fmt: skip
    encoding = Standardization(np.zeros(10), np.ones(10))
    return FathomClassifier(architecture, Recipe(), time_limit=5).restore(
        schema, architecture, Recipe(), history, networks, encoding, None
    )


X = RNG.normal(size=(N, 10))
MODEL = made()
Y = MODEL.predict(X)


@pytest.mark.parametrize("storage", ["int8", "float16"])
def test_without_rows_weights_are_kept_in_fewer_bits_alone(storage, tmp_path):
    small = compress(MODEL, to=0.7 if storage == "float16" else 0.45)
    story = small.compression_
    assert (story.storage, story.is_met, story.lost) == (storage, True, None)
    assert "NOT JUDGED" in " ".join(story.words())
    path = save(small, tmp_path / "small.fathom")
    assert path.stat().st_size == story.steps[-1].bytes == size_of(small)
    assert story.steps[0].bytes == size_of(MODEL)
    assert path.stat().st_size <= (0.7 if storage == "float16" else 0.45) * size_of(MODEL)
    back = load(path)
    np.testing.assert_array_equal(back.predict_proba(X), small.predict_proba(X))
    assert back.compression_ == story
    by_hand = [narrow(network, storage) for network in MODEL.networks_]
    shares = [np.asarray(network(jnp.asarray(X, jnp.float32))) for network in by_hand]
    np.testing.assert_allclose(small.predict_proba(X), np.mean(shares, axis=0), atol=1e-5)


def test_what_cannot_be_reached_is_said(tmp_path):
    small = compress(MODEL, to="1kB")
    story = small.compression_
    assert not story.is_met
    assert any("NOT REACHED" in line for line in story.words())
    assert story.steps[-1].bytes < story.steps[0].bytes


def test_with_rows_a_tenth_is_reached_and_judged():
    told = []
    small = compress(MODEL, X, Y, to=0.2, time_limit=None, tell=told.append)
    story = small.compression_
    assert story.is_met
    assert story.steps[-1].bytes == size_of(small) <= 0.2 * size_of(MODEL)
    assert story.n_rows == 120
    assert story.steps[0].score == 1.0  # what the model itself says is the truth here
    assert story.steps[-1].n_parameters < story.steps[0].n_parameters
    assert {way.fits for way in told} == {True, False}
    ways = " ".join(way.way for way in told)
    for what in ("float16", "int8", "1 network kept", "left out", "taught"):
        assert what in ways, what
    assert story.is_worse == (story.lost > 0.005)
    assert any("WORSE" in line for line in story.words()) == story.is_worse
    assert all(step.row_seconds for step in (story.steps[0], story.steps[-1]))


class Countdown(Monitor):
    """Asks to stop once it was asked so often whether to."""

    def __init__(self, n):
        self.left = n

    def should_stop(self):
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("n", [0, 3, 40, 90])
def test_what_was_found_is_the_result_where_there_is_no_time_for_more(n):
    told, monitor = [], Countdown(n)
    small = compress(MODEL, X, Y, to=0.2, time_limit=None, tell=told.append, monitor=monitor)
    assert -6 <= monitor.left < 0  # it is asked within the steps, and heeded at once
    story = small.compression_
    best = min(told, key=lambda way: (not way.fits, way.loss if way.fits else way.bytes))
    assert story.is_met >= best.fits
    assert story.steps[-1].bytes == size_of(small) <= best.bytes
    assert small.predict(X[:5]).shape == (5,)


class Frozen(Deadline):
    """A deadline in a hundred seconds, whatever the clock says."""

    def remaining(self):
        return 100.0


def test_trying_ends_in_time_for_judging_and_fewer_rows_judge_where_each_takes_long(monkeypatch):
    parts = part_rows(MODEL, X, Y, 0)
    monkeypatch.setattr("fathom.deployment.shrinking.search.FEWEST_JUDGES", 10)
    for seconds, n_judges in ((1e-6, 120), (0.1, 75)):  # 4 models at 0.1 s in 30 of 100 s
        monkeypatch.setattr(
            "fathom.deployment.shrinking.search.row_seconds", lambda *_, each=seconds: each
        )
        rest = (lambda tried: None, None)
        search = Search(MODEL, parts, Goal(100_000, None, ""), Frozen(None), 0, *rest)
        assert len(search.parts.judge.y) == n_judges
        needed = 4 * seconds * n_judges + 4 * (1 + 256 * seconds)
        assert 0 <= 100 - min(needed, 50) - search.deadline.remaining() < 20
        search.deadline = Deadline(0.0)
        assert search._affordable_rows() == 0


def test_a_time_for_a_row_can_be_asked_for():
    slow = compress(MODEL, X, Y, latency="100s", time_limit=10).compression_
    assert slow.is_met
    none = compress(MODEL, X, Y, latency=1e-12, time_limit=3).compression_
    assert not none.is_met


def test_where_no_way_is_fast_enough_the_fastest_is_taken():
    goal = parse_goal(None, "1us", 1000)
    search = Search(MODEL, None, goal, Deadline(None), 0, lambda tried: None, None)
    way = Way((("as it was", MODEL),))
    search.rated = [Rated(way, 9, 0.3, None, False), Rated(way, 99, 0.2, None, False)]
    assert search._best() is search.rated[1]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "a size or a time"), ({"to": "2"}, "between 0 and 1"), ({"to": "x"}, "between"),
        ({"to": "5 parsecs"}, "a size in"), ({"to": "0B"}, "a size in"), ({"to": -1}, "between"),
        ({"latency": "5 years"}, "a time in"), ({"latency": "50us"}, "rows, to take the time"),
        ({"to": 0.5, "tolerance": 2}, "tolerance"), ({"to": "1e999"}, "between"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for(asked, message):
    with pytest.raises(InputError, match=message):
        compress(MODEL, **asked)


def test_rows_that_do_not_go_with_the_model():
    with pytest.raises(InputError, match="or neither"):
        compress(MODEL, X, to=0.5)
    with pytest.raises(InputError, match="at least 40 rows"):
        compress(MODEL, X[:9], Y[:9], to=0.5)
    with pytest.raises(InputError, match="classes that the model knows"):
        compress(MODEL, X, np.full(N, "z"), to=0.5)
    with pytest.raises(InputError, match="call fit first"):
        compress(FathomClassifier(), to=0.5)


def test_goals():
    assert parse_goal("200kB", None, 9).most_bytes == 200_000
    assert parse_goal("1.5 MiB", None, 9).most_bytes == 1_572_864
    assert parse_goal(0.5, 0.002, 1000).most_seconds == 0.002
    assert parse_goal(None, "3ms", 1000).most_seconds == pytest.approx(0.003)


@pytest.fixture(scope="module", params=["classes", "numbers"])
def searched(request):
    """Search shortly for networks for a table with words and gaps in it."""
    rng = np.random.default_rng(1)
    n = 700
    a, b = rng.normal(size=n), rng.normal(size=n)
    kind = rng.choice(["red", "green", "blue"], n)
    table = pd.DataFrame({"a": np.where(rng.random(n) < 0.1, np.nan, a), "b": b, "kind": kind})
    z = a + np.where(kind == "red", b, -b)
    if request.param == "classes":
        model, y = FathomClassifier(time_limit=3, random_state=0), np.where(z > 0, "yes", "no")
    else:
        model, y = FathomRegressor(time_limit=3, random_state=0), 3 * z + 50
    return model.fit(table, y), table, y


def test_leaving_out_what_no_network_looks_at_changes_nothing(searched, tmp_path):
    model, table, _ = searched
    lean = trimmed(model)
    assert size_of(lean) < size_of(model)
    say = lambda one: one.predict(table) if one is not None else None
    np.testing.assert_array_equal(say(lean), say(model))
    units = open_units(model)
    one = with_units(model, units[:1])
    assert len(one.networks_) == 1
    assert len(one.report_.kept) == 1
    path = save(one, tmp_path / "one.fathom")
    np.testing.assert_array_equal(load(path).predict(table), one.predict(table))


def test_a_student_says_what_the_ensemble_and_the_truth_say(searched, tmp_path):
    model, table, y = searched
    parts = part_rows(model, table, y, 0)
    student = Student(model, parts.learn, parts.choose, 0)
    assert student.widest_within(1e9) == 512
    assert student.widest_within(100) is None
    made = student.learned(16, Deadline(None), None)
    assert len(made.networks_) == 1
    assert made.architecture_.layers[2].units == 16
    part = parts.judge
    said, taught = predictions(made, part.x), predictions(model, part.x)
    truth = np.eye(2)[part.y] if isinstance(model, FathomClassifier) else part.y
    assert np.corrcoef(said[:, -1], (0.7 * taught + 0.3 * truth)[:, -1])[0, 1] > 0.7
    path = save(made, tmp_path / "student.fathom")
    np.testing.assert_array_equal(load(path).predict(table), made.predict(table))


def test_an_ensemble_becomes_small_and_stays_what_it_is_told_to_be(searched, tmp_path):
    model, table, y = searched
    told = []
    small = compress(model, table, y, to=0.3, time_limit=15, tell=told.append)
    story = small.compression_
    path = save(small, tmp_path / "small.fathom")
    assert path.stat().st_size == story.steps[-1].bytes
    assert story.is_met == (path.stat().st_size <= 0.3 * size_of(model))
    back = load(path)
    np.testing.assert_array_equal(back.predict(table), small.predict(table))
    assert back.compression_ == story
    assert {way.loss is None for way in told} == {False}
    assert story.score_name == ("accuracy" if isinstance(model, FathomClassifier) else "R²")
    back.warm_start = True
    with pytest.raises(InputError, match="compressed afterwards"):
        back.fit(table, y)
    back.warm_start = False
    assert not hasattr(back.set_params(time_limit=1).fit(table, y), "compression_")


def test_a_forest_of_fewer_trees_is_the_mean_of_those_and_none_says_the_mean(tmp_path):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(120, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5)
    for n_classes, aim in ((2, (y > 0).astype(int)), (3, y), (0, x[:, 0] * 2)):
        growth = Growth(8, 3, 5)
        view, _ = TreeView.fit(x, aim, n_classes, 0, growth=growth)
        few = _first_trees(view.forest, 3)
        n = len(view.forest.roots)  # by hand: in the whole forest each tree counts one of so many
        alone = [replace(view.forest, roots=view.forest.roots[k : k + 1]) for k in range(3)]
        wanted = n / 3 * np.sum([tree.predict(x) for tree in alone], axis=0)
        np.testing.assert_allclose(few.predict(x), wanted, atol=1e-12)
        assert len(few.feature) < len(view.forest.feature) / 2
        none = replace(view, forest=_of_one_leaf(view))
        np.testing.assert_allclose(none.show(x)[:, : max(n_classes - 1, 1)][:, :1], 0, atol=1e-9)


def test_a_model_that_looks_at_trees_becomes_small_by_fewer_of_them(tmp_path):
    folder = Path(__file__).parent / "models"
    model = load(folder / "0.1.0-designed.fathom")
    rows = pd.DataFrame(json.loads((folder / "0.1.0.json").read_text())["designed"]["rows"])
    small, bare = with_fewer_trees(model, 2), without_forests(model)
    assert [count_trees(one) for one in (model, small, bare)] == [3, 2, 1]
    assert forest_bytes(small) < 0.8 * forest_bytes(model)
    for made in (small, bare):
        gone = forest_bytes(model) - forest_bytes(made)
        assert abs(size_of(model) - size_of(made) - gone) < 300  # of the header
        path = save(made, tmp_path / "m.fathom")
        np.testing.assert_array_equal(load(path).predict(rows), made.predict(rows))
        assert not np.array_equal(made.predict(rows), model.predict(rows))
    np.testing.assert_array_equal(with_fewer_trees(model, 3).predict(rows), model.predict(rows))


def test_as_many_trees_as_fit_are_tried_and_none_where_none_fit(monkeypatch):
    model = load(Path(__file__).parent / "models" / "0.1.0-designed.fathom")
    monkeypatch.setattr("fathom.deployment.shrinking.search.FEWEST_TREES", 2)
    monkeypatch.setattr("fathom.deployment.shrinking.search.STORY_BYTES", 0)
    for n, tried in ((2, ["2 trees of 3 in forests, then weights as int8"]), (1, [])):
        small = stored(with_fewer_trees(model, n), "int8", None)
        goal, told = Goal(size_of(small) + 800, None, ""), []
        search = Search(model, None, goal, Deadline(None), 0, told.append, None)
        search._fewer_trees(Way((("as it was", model),)))
        assert [one.way for one in told] == tried
        assert all(one.fits for one in told)
