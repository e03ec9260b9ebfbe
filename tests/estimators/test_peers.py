"""Every system takes the same mixed table, whichever library it is of."""

import importlib.util

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier

from fathom.data.schema import Column
from fathom.errors import InputError
from fathom.estimators import peers
from fathom.estimators.peers import OPTIONAL, PEER_NAMES, make_peers

INSTALLED = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            name in OPTIONAL and importlib.util.find_spec(OPTIONAL[name]) is None,
            reason=f"needs {OPTIONAL.get(name)}: pip install 'fathom-dnn[compare]'",
        ),
    )
    for name in PEER_NAMES
]
COLUMNS = (
    Column(name="id", kind="identifier"),
    Column(name="size", kind="number"),
    Column(name="colour", kind="category"),
    Column(name="is_new", kind="yes_no", categories=("no", "yes")),
    Column(name="day", kind="date", style="%Y-%m-%d"),
    Column(name="remark", kind="text"),
    Column(name="empty", kind="number"),
)


def make_table(n, seed=0):
    """Return a mixed table, a class that its columns tell, and a number."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n)
    colour = rng.choice(["red", "green", "blue"], n)
    score = size + 2.0 * (colour == "red")
    table = {
        "id": [f"row {i}" for i in range(n)],
        "size": [None if rng.random() < 0.1 else float(v) for v in size],
        "colour": [None if rng.random() < 0.1 else str(v) for v in colour],
        "is_new": [str(v) for v in rng.choice(["no", "yes"], n)],
        "day": [f"2024-{m:02}-{d:02}" for m, d in rng.integers(1, 13, size=(n, 2))],
        "remark": [" ".join(rng.choice(["fine", "bad", "well"], 3)) for _ in range(n)],
        "empty": [None] * n,
    }
    frame = pl.DataFrame(table, schema_overrides={"empty": pl.Float64})
    return frame, np.where(score > 0.5, "high", "low"), 1e5 * score


@pytest.fixture(scope="module")
def table():
    return make_table(400)


@pytest.mark.parametrize("name", INSTALLED)
def test_classes(name, table):
    frame, y, _ = table
    peer = make_peers("classes", COLUMNS, [name])[name].fit(frame[:300], y[:300])
    unseen = frame[300:].with_columns(colour=pl.col("colour").replace("blue", "mauve"))
    assert (peer.predict(frame[300:]) == y[300:]).mean() > 0.75
    p = peer.predict_proba(unseen)
    assert peer.classes_.tolist() == ["high", "low"]
    assert p.shape == (100, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", INSTALLED)
def test_numbers(name, table):
    frame, _, y = table
    peer = make_peers("numbers", COLUMNS, [name])[name].fit(frame[:300], y[:300])
    error = peer.predict(frame[300:]) - y[300:]
    assert (error**2).mean() < 0.5 * y[300:].var()
    with pytest.raises(InputError, match="classes"):
        peer.predict_proba(frame)


@pytest.mark.parametrize("name", INSTALLED)
def test_several_classes_of_whole_numbers(name, table):
    frame, _, score = table
    y = np.digitize(score, [0, 1e5]) * 10
    peer = make_peers("classes", COLUMNS, [name])[name].fit(frame[:300], y[:300])
    assert peer.predict(frame[300:]).dtype == y.dtype
    assert (peer.predict(frame[300:]) == y[300:]).mean() > 0.6
    assert peer.predict_proba(frame[300:]).shape == (100, 3)


@pytest.mark.parametrize("name", INSTALLED)
def test_several_numbers(name, table):
    frame, _, y = table
    both = np.stack([y, -y], axis=1)
    peer = make_peers("numbers", COLUMNS, [name])[name].fit(frame[:300], both[:300])
    assert peer.predict(frame[300:]).shape == (100, 2)


@pytest.mark.parametrize("name", INSTALLED)
def test_numbers_alone(name):
    x = np.random.default_rng(0).normal(size=(60, 2))
    frame = pd.DataFrame(x, columns=["a", "b"])
    columns = tuple(Column(name=name, kind="number") for name in "ab")
    y = x[:, 0] > 0
    peer = make_peers("classes", columns, [name])[name].fit(frame, y)
    assert (peer.predict(frame) == y).mean() > 0.9


@pytest.mark.parametrize("name", ["linear", "gradient boosting"])
def test_the_library_of_the_table_changes_nothing(name, table):
    frame, y, _ = table
    others = [
        pd.DataFrame(frame.to_dict(as_series=False)),
        frame.with_columns(day=pl.col("day").str.to_datetime("%Y-%m-%d")),
        frame.with_columns(pl.all().cast(pl.String)),
    ]
    peer = make_peers("classes", COLUMNS, [name])[name].fit(frame, y)
    for other in others:
        again = clone(peer).fit(other, y)
        np.testing.assert_allclose(again.predict_proba(other), peer.predict_proba(frame))


def test_dates_become_days_months_weekdays_and_hours():
    days = np.array([0.0, np.nan, 19782.75])  # a Thursday; Thursday 29 February 2024, 18:00
    parts = np.stack(peers._parts_of_dates(days), axis=1)
    assert parts[0].tolist() == [0, 0, 3, 0]
    assert np.isnan(parts[1]).all()
    assert parts[2].tolist() == [19782.75, 1, 3, 18]


def test_categories_reach_histogram_gradient_boosting_as_its_own_from_dtype(table):
    frame, y, _ = table
    columns = tuple(Column(name=name, kind="category") for name in ("colour", "is_new"))
    peer = make_peers("classes", columns, ["gradient boosting"])["gradient boosting"]
    ours = peer.fit(frame, y).predict_proba(frame)
    other = frame.select("colour", "is_new").to_dict(as_series=False)
    other = pd.DataFrame(other).astype("category")
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    theirs = model.fit(other, y == "low").predict_proba(other)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_more_categories_than_bins():
    frame = pl.DataFrame({"c": [f"city {i % 400}" for i in range(8000)]})
    y = np.arange(8000) % 400 < 200
    columns = (Column(name="c", kind="category"),)
    peer = make_peers("classes", columns, ["gradient boosting"])["gradient boosting"]
    assert (peer.fit(frame, y).predict(frame) == y).mean() > 0.7


def test_many_rows_for_support_vectors_are_sampled_and_said(table, monkeypatch):
    monkeypatch.setattr(peers, "MOST_FOR_SVM", 100)
    frame, y, _ = table
    peer = make_peers("classes", COLUMNS, ["SVM"])["SVM"].fit(frame, y)
    assert "100 rows" in peer.notes_[0]
    assert (peer.predict(frame) == y).mean() > 0.7


def test_a_class_of_one_row_for_support_vectors(table):
    frame, y, _ = table
    y = np.where(np.arange(len(y)) == 0, "rare", y)
    peer = make_peers("classes", COLUMNS, ["SVM"])["SVM"].fit(frame, y)
    assert set(np.unique(peer.predict_proba(frame))) == {0.0, 1.0}


def test_what_is_left_out_or_unfinished_is_said(table):
    frame, y, _ = table
    boosted = make_peers("classes", COLUMNS, ["gradient boosting"])["gradient boosting"]
    assert boosted.fit(frame, y).notes_ == ("1 column of text left out",)
    network = make_peers("classes", COLUMNS, ["MLP"])["MLP"].fit(frame, y)
    assert network.notes_ == ("did not converge",)


def test_all_that_are_installed():
    found = make_peers("classes", COLUMNS)
    assert list(found)[:6] == list(PEER_NAMES[:6])
    assert {name: peer.name for name, peer in found.items()} == {name: name for name in found}


def test_refusals(monkeypatch):
    with pytest.raises(InputError, match="random forest"):
        make_peers("classes", COLUMNS, ["forest"])
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install xgboost"):
        make_peers("classes", COLUMNS, ["XGBoost"])
    assert "XGBoost" not in make_peers("classes", COLUMNS)
    frame = pl.DataFrame({"x": [1.0, 2.0]})
    columns = (Column(name="x", kind="number"),)
    with pytest.raises(InputError, match="two classes"):
        make_peers("classes", columns, ["linear"])["linear"].fit(frame, ["a", "a"])
    with pytest.raises(InputError, match="column other"):
        make_peers("classes", (Column(name="other", kind="number"),), ["linear"])["linear"].fit(
            frame, ["a", "b"]
        )
    words = (Column(name="x", kind="text"),)
    with pytest.raises(InputError, match="can use"):
        make_peers("classes", words, ["gradient boosting"])["gradient boosting"].fit(
            frame, ["a", "b"]
        )
