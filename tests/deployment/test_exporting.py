"""A model as an ONNX graph and as a program of NumPy: each says what Fathom says."""

import datetime
import json
import subprocess
import sys
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from scipy.stats import norm

from fathom import (
    Activation,
    Architecture,
    AveragePool,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    FathomClassifier,
    FathomRegressor,
    Flatten,
    Gain,
    GlobalAveragePool,
    LayerNorm,
    MaxPool,
    Recipe,
    Residual,
)
from fathom.data.encoding import Standardization
from fathom.data.schema import Column, ImageInput, NumbersInput, Schema, Target
from fathom.data.views import NumberViews
from fathom.deployment.inputs import spelled_codes
from fathom.deployment.onnx import encode_rows, export_onnx, exporting
from fathom.deployment.onnx.columns import _date_parts
from fathom.deployment.onnx.graph import DOUBLE, OPSET, Graph
from fathom.deployment.onnx.layers import _ONE_NODE
from fathom.deployment.onnx.numbers import _normal, show_numbers
from fathom.deployment.source import export_source
from fathom.errors import InputError
from fathom.nn.activations import ACTIVATIONS
from fathom.nn.network import draw
from fathom.search.space import INPUT_FORMS, Genes
from fathom.training.history import History, StartHistory

N = 200
MANY = [f"kind {k}" for k in range(20)]


def make_table(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 2))
    table = pd.DataFrame({
        "a": np.where(np.arange(N) % 11 == 0, np.nan, x[:, 0]),
        "prediction": 1e9 * x[:, 1],
        "few": rng.choice(["Red", "y <b>", "不"], N),
        "many": rng.choice(MANY, N),
        "day": pd.to_datetime("2024-01-01") + pd.to_timedelta(rng.integers(0, 2000, N) * 6, "h"),
        "is\tit": rng.choice(["yes", "no"], N),
        "constant": "c",
    })  # fmt: skip
    table.loc[::13, ["day", "few"]] = None
    return table, x


TABLE, X = make_table()
OTHER, _ = make_table(1)
LINES = np.random.default_rng(0).choice(["deep", "sea", "anchor", "rope", "salty"], (N, 8))
WORDED = TABLE.assign(note=[" ".join(line) for line in LINES])
TARGETS = {
    "classes": np.where(X[:, 0] + X[:, 1] > 0, "ja <b>", "nein 不"),
    "three": np.digitize(X[:, 0], [-0.5, 0.5]),
    "labels": (X > 0).astype(int),
    "numbers": np.exp(2 * X[:, 0]) + 1,
    "pairs": X @ np.array([[1, 2], [3, 4]]),
}


def make_genes(kind, has_trees):
    """Return a member of every form."""
    genes = [
        Genes(input_form=form, depth=place % 3, width=8, has_trees=has_trees and place % 2 > 0)
        for place, form in enumerate(INPUT_FORMS)
    ]
    return genes + [Genes(width=4, is_log_target=True)] * (kind == "numbers")


@pytest.fixture(scope="module")
def crafted(craft):
    """Return a function that gives a fitted estimator, made once without any training."""

    @cache
    def make(kind, columns=None):
        table = TABLE if columns is None else WORDED[list(columns)]
        n_folds = 1 if columns or kind not in ("classes", "numbers") else 2
        return craft(table, TARGETS[kind], lambda has_trees: make_genes(kind, has_trees), n_folds)

    return make


def days(series):
    return ((series - pd.Timestamp("1970-01-01")) / pd.Timedelta("1D")).to_numpy()[:, None]


def fed(table):
    """Return a table as another program would hand it over."""
    return {
        "a": table["a"].to_numpy()[:, None],
        "prediction": table["prediction"].to_numpy()[:, None],
        "few": table["few"].fillna("").to_numpy(object)[:, None],
        "many": table["many"].to_numpy(object)[:, None],
        "day": days(table["day"]),
        "column_6": table["is\tit"].to_numpy(object)[:, None],
    }


def run(path, feed):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feed), strict=True))


@pytest.mark.parametrize("kind", TARGETS)
def test_every_form_of_member_says_the_same_as_a_graph(crafted, kind, tmp_path):
    model, path = crafted(kind), tmp_path / "m.onnx"
    made = export_onnx(model, path)
    onnx.checker.check_model(path, full_check=True)
    graph = onnx.load(path)
    assert {o.domain: o.version for o in graph.opset_import}[""] == made.opset == OPSET
    assert "NaN" in made.inputs["a"]
    assert "1970" in made.inputs["day"]
    found = run(path, fed(OTHER))
    if kind in ("numbers", "pairs"):
        wanted = model.predict(OTHER).reshape(N, -1)
        scale = model.design_.scales[False].scale
        np.testing.assert_allclose(found["prediction_"] / scale, wanted / scale, atol=1e-6)
    else:
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(OTHER), atol=1e-6)
        np.testing.assert_array_equal(found["prediction_"], model.predict(OTHER))
    one = run(path, {name: array[:1] for name, array in fed(OTHER).items()})
    assert len(one["prediction_"]) == 1


@pytest.mark.parametrize("kind", TARGETS)
def test_every_form_of_member_says_the_same_as_a_program(crafted, kind, tmp_path):
    model = crafted(kind)
    export_source(model, tmp_path / "m.py")
    values = {name: OTHER[name].to_numpy() for name in OTHER}
    values["few"] = [None if word != word else f" {word.upper()} " for word in values["few"]]
    values["day"] = [None if day != day else str(day)[:19] for day in values["day"]]
    (tmp_path / "given.json").write_text(json.dumps({n: list(v) for n, v in values.items()}))
    isolated = "import json, pathlib, m; t = json.loads(pathlib.Path('given.json').read_text())\n"
    isolated += "print(json.dumps([m.predict(t).tolist(), getattr(m, 'predict_proba', m.predict)"
    isolated += "(t).tolist()]))\nimport sys\n"
    isolated += "print(not {'fathom', 'jax', 'scipy'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", isolated], cwd=tmp_path, capture_output=True,
        text=True, env={"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stderr == ""
    found, is_alone = done.stdout.splitlines()
    assert is_alone == "True"
    predictions, probabilities = json.loads(found)
    if kind in ("numbers", "pairs"):
        scale = model.design_.scales[False].scale
        difference = (np.array(predictions) - model.predict(OTHER)) / scale
        np.testing.assert_allclose(difference, 0, atol=1e-5)
    else:
        assert predictions == model.predict(OTHER).tolist()
        np.testing.assert_allclose(probabilities, model.predict_proba(OTHER), atol=1e-6)


def test_encoded_rows_where_columns_cannot_be_said(crafted, tmp_path):
    model, path = crafted("classes", ("a", "note")), tmp_path / "m.onnx"
    table = WORDED[["a", "note"]]
    with pytest.raises(InputError, match="text in column note — give --encoded"):
        export_onnx(model, path)
    with pytest.raises(InputError, match=r"text in note — write an \.onnx file with --encoded"):
        export_source(model, path)
    assert not path.exists()
    made = export_onnx(model, path, is_encoded=True)
    assert "robust_1" in made.inputs
    found = run(path, encode_rows(model, table))
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(table), atol=1e-6)


# Networks that were described


def restored(architecture, described, target, n_networks=2):
    """Make an estimator with random weights and statistics, without training."""
    rng = np.random.default_rng(0)
    networks = tuple(
        jax.tree.map(
            lambda leaf: jnp.asarray(0.5 * rng.random(leaf.shape) + 0.01, jnp.float32)
            if leaf.ndim == 1 else jnp.asarray(0.4 * rng.normal(size=leaf.shape), jnp.float32),
            draw(architecture, jax.random.key(n)),
        )
        for n in range(n_networks)
    )  # fmt: skip
    n = 1 if isinstance(described, ImageInput) else described.n_features
    is_linear = target.task == "numbers" and architecture.output_activation == "identity"
    goal = Standardization(np.full(target.n_outputs, 1e3), np.full(target.n_outputs, 20.0))
    model = (FathomRegressor if target.task == "numbers" else FathomClassifier)()
    return model.restore(
        Schema(input=described, target=target), architecture, Recipe(),
        History(starts=(StartHistory(),), kept=(0,), score_name="r2", seconds=1), networks,
        Standardization(rng.normal(size=n), rng.random(n) + 0.5), goal if is_linear else None,
    )  # fmt: skip


CLASSES = Target(task="classes", classes=(False, True))
THREE = Target(task="classes", classes=(1.5, 2.5, 3.5))
PAIR = Target(task="numbers", n_outputs=2, is_flat=False)
SOFT = Dense(units=3, activation="softmax")


def chain(*layers, shape=(5,), loss="cross_entropy"):
    return Architecture(input_shape=shape, layers=layers, loss=loss)


MIXED = chain(
    Gain(), LayerNorm(), Dense(units=7, activation="gelu", has_bias=False), BatchNorm(),
    Activation(activation="mish"), Dropout(rate=0.5),
    Residual(layers=(Dense(units=6), Dense(units=4))), SOFT,
)  # fmt: skip
PICTURES = chain(
    Conv2D(channels=3, kernel=(3, 2), stride=2, activation="elu"), BatchNorm(),
    Residual(layers=(Conv2D(channels=4, kernel=2, has_bias=False), LayerNorm())),
    MaxPool(size=2), Conv2D(channels=5, kernel=2, padding="valid"), AveragePool(size=2),
    Flatten(), SOFT, shape=(19, 22, 2),
)  # fmt: skip
AVERAGED = chain(Conv2D(channels=3, kernel=5), GlobalAveragePool(), SOFT, shape=(6, 7, 1))
SQUARED = {"loss": "squared_error"}
DESCRIBED = {
    "mixed": (MIXED, NumbersInput(n_features=5), THREE),
    "named": (MIXED, NumbersInput(n_features=5, names=tuple("abcde")), THREE),
    "unnameable": (MIXED, NumbersInput(n_features=5, names=("a", "b", "", "\n", "e")), THREE),
    "pictures": (PICTURES, ImageInput(height=19, width=22, channels=2), THREE),
    "averaged": (AVERAGED, ImageInput(height=6, width=7, channels=1, is_ink=True), THREE),
    "flat": (chain(SOFT, shape=(6,)), ImageInput(height=2, width=3, channels=1), THREE),
    "single": (
        chain(Dense(units=1, activation="sigmoid"), loss="binary_cross_entropy"),
        NumbersInput(n_features=5), CLASSES,
    ),
    "two sigmoids": (
        chain(Dense(units=2, activation="sigmoid"), **SQUARED), NumbersInput(n_features=5), CLASSES,
    ),
    "linear": (chain(Dense(units=2, activation="identity"), **SQUARED),
               NumbersInput(n_features=5), PAIR),
}  # fmt: skip
EVERY = [name for name in ACTIVATIONS if name not in ("softmax", "identity")]
DESCRIBED["activations"] = (
    chain(*(Dense(units=9, activation=name) for name in EVERY),
          Dense(units=2, activation="softplus"), **SQUARED),
    NumbersInput(n_features=5), PAIR,
)  # fmt: skip


@pytest.mark.parametrize("kind", DESCRIBED)
def test_every_layer_says_the_same(kind, tmp_path):
    model = restored(*DESCRIBED[kind])
    path = tmp_path / "m.onnx"
    export_onnx(model, path)
    described = model.schema_.input
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, *described.shape))
    if described.kind == "image":
        x = (x > 0).astype(np.float32)
        feed, rows = {"pictures": x}, x
    elif kind == "unnameable":
        rows = pd.DataFrame(x, columns=list(described.names))
        feed = {"rows": x}
    elif described.names:
        rows = pd.DataFrame(x, columns=list(described.names))
        feed = {name: x[:, [place]] for place, name in enumerate(described.names)}
    else:
        feed, rows = {"rows": x}, x
    found = run(path, feed)
    program = export_source(model, tmp_path / "m.py")
    assert program.difference < 1e-5
    if model.schema_.target.task == "numbers":
        np.testing.assert_allclose(found["prediction"], model.predict(rows), rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(rows), atol=1e-5)
        np.testing.assert_array_equal(found["prediction"], model.predict(rows))


def test_every_activation_function_is_known():
    written = {"identity", "softmax", "gelu", "silu", "mish"}
    assert set(EVERY) | {"identity", "softmax"} == set(ACTIVATIONS)
    assert written | set(_ONE_NODE) == set(ACTIVATIONS)


# The parts, against other libraries


def evaluate(make, x):
    graph = Graph()
    term = make(graph.give("x", DOUBLE, x.shape[1:], ""))
    model = graph.model([("y", term, [None] * (x.ndim - 1))], "")
    return exporting.run(model.SerializeToString(), {"x": x})[0]


def test_parts_of_dates_against_the_calendar():
    given = np.random.default_rng(0).integers(-171_000, 193_000, 5000)
    given = np.concatenate([given, np.arange(-800, 800), np.arange(10_900, 11_100)])
    calendar = [datetime.date(1970, 1, 1) + datetime.timedelta(int(day)) for day in given]
    wanted = {
        "month": [date.month % 12 for date in calendar],
        "day": [date.day for date in calendar],
        "weekday": [date.weekday() for date in calendar],
        "hour": np.full(len(given), 18.0),
    }
    for name, numbers in wanted.items():
        found = evaluate(lambda x, name=name: _date_parts(x)[name], given + 0.75)
        found = found % 12 if name == "month" else found
        moved = (np.array(numbers) - 1) % 12 if name == "month" else numbers
        np.testing.assert_array_equal(found, moved)


def test_normal_quantiles_against_scipy():
    share = np.concatenate([np.geomspace(1e-7, 0.5, 999), 1 - np.geomspace(1e-7, 0.5, 999)])
    np.testing.assert_allclose(evaluate(_normal, share), norm.ppf(share), rtol=1e-9, atol=1e-14)


COLUMNS = [
    np.random.default_rng(0).normal(size=400), np.repeat([1.0, 2, 5], [300, 50, 50]),
    np.full(400, 3.0), 1e12 + np.arange(400.0), np.geomspace(1e-200, 1e307, 400),
    np.array([0.0] * 380 + [1e-5] * 20), np.full(400, np.nan),
]  # fmt: skip


@pytest.mark.parametrize("view", ["robust", "quantile", "bins", "tree_bins"])
def test_views_of_extreme_columns(view):
    y = np.arange(400) % 2
    numbers = [NumberViews.fit(x, y, is_classes=True, seed=0) for x in COLUMNS]
    edges = [np.nan, 0, 1e-300, -1e-5, 1, 2, 5, 1e12, 1e12 + 200.5, 1e300, -1e308, 1.7e308]
    x = np.concatenate([np.stack(COLUMNS, axis=1), np.tile(edges, (len(COLUMNS), 1)).T])
    found = evaluate(lambda term: show_numbers(term, numbers, view), x)
    shown = [one.show(column, view) for one, column in zip(numbers, x.T, strict=True)]
    np.testing.assert_allclose(found, np.stack(shown, axis=1), rtol=1e-6, atol=1e-6)


def test_words_have_the_codes_that_fathom_gives_them():
    column = Column(name="c", kind="category", categories=("Red", "a", "A", "straße", "1"))
    codes = spelled_codes(column)
    assert [codes[word] for word in ("Red", "red", "RED", "a", "A", "1", "1.0")] == [
        1, 1, 1, 2, 3, 5, 5,
    ]  # fmt: skip
    assert (codes["red "], codes[" RED"]) == (1, 1)
    assert "STRASSE" not in codes
    yes = spelled_codes(Column(name="c", kind="yes_no", categories=("no", "yes")))
    assert [yes[word] for word in ("no", "YES", "True", "0", "y")] == [1, 2, 2, 1, 2]


def test_nothing_in_a_model_becomes_code(tmp_path):
    hostile = '""";raise SystemExit("hostile");r"""'
    names = (hostile, "'", "\\", '"', "a\n")
    target = Target(task="classes", classes=(hostile, "'''\\", "\n"))
    model = restored(MIXED, NumbersInput(n_features=5, names=names), target)
    program = export_source(model, tmp_path / "m.py")
    assert hostile not in program.text.split("import math")[0]
    space = {}
    exec(program.text, space)
    assert set(space["CLASSES"]) == set(target.classes)


# What is refused


def test_a_graph_that_differs_is_not_written(crafted, tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"before")
    monkeypatch.setattr("fathom.deployment.onnx.numbers.CLIP", 2.5)
    with pytest.raises(InputError, match=r"within 0.0001 of Fathom's — got .* rows tried"):
        export_onnx(crafted("three"), path)
    monkeypatch.setattr("fathom.deployment.source.program.MIDDLE", ((1.0,), (1.0,)))
    with pytest.raises(InputError, match=r"within 0.0001"):
        export_source(crafted("three"), path)
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    for export in (export_onnx, export_source):
        with pytest.raises(InputError, match="call fit first"):
            export(FathomClassifier(), tmp_path / "m.onnx")
    model = restored(*DESCRIBED["mixed"])
    with pytest.raises(InputError, match="--encoded"):
        export_onnx(model, tmp_path / "m.onnx", is_encoded=True)
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'fathom-dnn\[onnx\]'"):
        export_onnx(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
