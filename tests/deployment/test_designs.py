"""The model file of designed ensembles: what is saved comes back, hostile files are refused."""

import copy
import dataclasses
import hashlib
import json
import time

import jax
import numpy as np
import pandas as pd
import polars as pl
import pytest
from safetensors.numpy import load_file

from fathom import FathomClassifier, FathomRegressor
from fathom.data import trees
from fathom.data.frames import to_frame
from fathom.deployment.archive import load, save
from fathom.deployment.card import CARD_BYTES
from fathom.deployment.container import MAX_TENSORS, pack, unpack
from fathom.errors import FathomError, InputError, ModelFileError
from fathom.estimators.designing import Given, search_on
from fathom.search.report import Candidate
from fathom.search.space import INPUT_FORMS, Genes
from fathom.training.history import Epoch, History, StartHistory
from fathom.training.monitor import Deadline

N = 200
HOSTILE = '<script>alert("1")</script>\n\t../../a'
WORDS = ["deep", "sea", "anchor", "rope", "salty", "wave", "ship", "storm", "captain", "lost"]


@pytest.fixture(autouse=True, scope="module")
def _few_trees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "N_FOREST", 5)
        patch.setattr(trees, "N_ROUNDS", {True: 5, False: 5})
        yield


def make_table(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 2))
    table = pd.DataFrame({
        "a": np.where(np.arange(N) % 11 == 0, np.nan, x[:, 0]),
        HOSTILE: 1e9 * x[:, 1],
        "n" * 10_000: rng.choice(["x", "y <b>", "不"], N),
        "many": [f"k{k}" for k in rng.integers(0, 20, N)],
        "day": pd.to_datetime("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, N), "D"),
        "is": rng.choice(["yes", "no"], N),
        "text": [" ".join(rng.choice(WORDS, 8)) for _ in range(N)],
        "words": [" ".join(rng.choice(WORDS, 6)) + f" {k}" for k in range(N)],
        "constant": "c",
    })  # fmt: skip
    return table, x


TABLE, X = make_table()
OTHER, _ = make_table(1)
TARGETS = {
    "classes": np.where(X[:, 0] + X[:, 1] > 0, "ja <b>", "nein 不"),
    "three": np.digitize(X[:, 0], [-0.5, 0.5]),
    "labels": (X > 0).astype(int),
    "numbers": np.exp(2 * X[:, 0]) + 1,
    "pairs": X @ np.array([[1, 2], [3, 4]]),
}


def make_genes(kind, has_trees):
    genes = [
        Genes(input_form=form, depth=depth, width=8, has_trees=has_trees and depth == 1)
        for depth, form in enumerate(INPUT_FORMS)
        if depth < 5
    ]
    genes.append(Genes(input_form="thermometer", depth=0, has_trees=has_trees))
    return [*genes, Genes(width=4, is_log_target=True)] if kind == "numbers" else genes


@pytest.fixture(scope="module")
def crafted(craft):
    """Return a function that makes a fitted estimator of many members without any training."""

    def make(kind, columns=None, n_folds=2, *, is_complete=False):
        table = TABLE if columns is None else TABLE[columns]
        choose = lambda has_trees: make_genes(kind, has_trees)
        return craft(table, TARGETS[kind], choose, n_folds, is_complete=is_complete)

    return make


def require_same(model, again, table):
    """Require that two estimators are the same to the bit."""
    assert type(again) is type(model)
    if isinstance(model, FathomClassifier):
        np.testing.assert_array_equal(again.predict_proba(table), model.predict_proba(table))
    np.testing.assert_array_equal(again.predict(table), model.predict(table))
    names = ("schema_", "architecture_", "recipe_", "history_", "report_", "leaderboard_",
             "encoding_", "n_features_in_", "time_limit", "column_kinds")  # fmt: skip
    for name in names:
        assert getattr(again, name) == getattr(model, name)
    ours, theirs = (
        dataclasses.asdict(dataclasses.replace(m.design_, members=())) for m in (again, model)
    )
    jax.tree.map(
        np.testing.assert_array_equal, without_thresholds(ours), without_thresholds(theirs)
    )
    for mine, other in zip(again.design_.members, model.design_.members, strict=True):
        assert (mine.genes, mine.weight, mine.folds) == (other.genes, other.weight, other.folds)
        assert mine.architecture == other.architecture
        assert jax.tree.structure(mine.networks) == jax.tree.structure(other.networks)
        jax.tree.map(np.testing.assert_array_equal, mine.networks, other.networks)


def without_thresholds(found):
    """Leave out what stands at the leaves of trees, which nothing asks for."""
    for view in found["trees"]:
        for kind in ("forest", "boosted"):
            if view[kind] is not None:
                trees = view[kind]
                is_leaf = trees["left"] == np.arange(len(trees["left"]))
                trees["threshold"] = np.where(is_leaf, 0, trees["threshold"])
    return found


@pytest.mark.parametrize("kind", TARGETS)
def test_every_form_of_member_comes_back(kind, crafted, tmp_path):
    model = crafted(kind, None if kind == "classes" else ["a", "many", "day", "is"])
    path = save(model, tmp_path / "a.fathom")
    again = load(path)
    require_same(model, again, OTHER)
    assert save(again, tmp_path / "b.fathom").read_bytes() == path.read_bytes()
    assert len(load_file(path)) == len(unpack(path.read_bytes())[0])


@pytest.mark.parametrize("columns", [["a"], ["is"], ["many"], ["text", "words"], ["a", "constant"]])
def test_tables_of_one_kind_of_column(columns, crafted, tmp_path):
    model = crafted("classes", columns)
    require_same(model, load(save(model, tmp_path / "a.fathom")), OTHER[columns])


COLUMNS_FITTED = ["a", HOSTILE, "many", "is"]


@pytest.fixture(scope="module")
def fitted():
    kinds = {"many": "category"}
    frame = pl.DataFrame({"a": TABLE["a"].to_numpy(), "is": TABLE["is"].to_list()})
    return {
        "classes": FathomClassifier(
            time_limit=2, random_state=0, class_weight={"ja <b>": 2.0}, column_kinds=kinds
        ).fit(TABLE[COLUMNS_FITTED], TARGETS["classes"]),
        "numbers": FathomRegressor(time_limit=1.5, random_state=0).fit(frame, TARGETS["numbers"]),
        "array": FathomRegressor(time_limit=1.5, random_state=0).fit(X, TARGETS["pairs"]),
    }


@pytest.mark.parametrize("kind", ["classes", "numbers", "array"])
def test_what_a_search_found_comes_back(kind, fitted, tmp_path):
    model = fitted[kind]
    again = load(save(model, tmp_path / "a.fathom"))
    rows = {"classes": OTHER[COLUMNS_FITTED], "numbers": OTHER[["a", "is"]], "array": X[::-1]}[kind]
    require_same(model, again, rows)
    assert again.get_params()["architecture"] is None
    names = [list(getattr(m, "feature_names_in_", ())) for m in (model, again)]
    assert names[0] == names[1]


def test_parameters_come_back(fitted, crafted, tmp_path):
    again = load(save(fitted["classes"], tmp_path / "a.fathom"))
    assert again.class_weight == {"ja <b>": 2.0}
    assert again.column_kinds == {"many": "category"}
    model = crafted("three", ["a"])
    for asked, kept in [
        ("balanced", "balanced"), (None, None), ({np.int64(1): np.float32(2)}, {1: 2.0})
    ]:  # fmt: skip
        model.class_weight = asked
        assert load(save(model, tmp_path / "a.fathom")).class_weight == kept
    model.class_weight = {1: -1}
    with pytest.raises(InputError, match="class_weight"):
        save(model, tmp_path / "a.fathom")


def test_a_search_goes_on_from_a_file(crafted, tmp_path):
    model = crafted("numbers", ["a", "many"], is_complete=True)
    again = load(save(model, tmp_path / "a.fathom"))
    given = Given(model.schema_.target, TARGETS["numbers"][:, None], np.ones(N))
    first, second = (
        search_on(
            to_frame(TABLE), given, one.schema_, one.design_, monitor=None, deadline=Deadline(1.0)
        ).design
        for one in (model, again)
    )
    before = model.report_.candidates
    losses = [[c.loss for c in d.report.candidates[: len(before)]] for d in (first, second)]
    assert losses[0] == losses[1]
    assert second.n_rows == N
    on = FathomRegressor().restore_design(again.schema_, second)
    require_same(on, load(save(on, tmp_path / "b.fathom")), OTHER[["a", "many"]])


def test_a_long_search_is_thinned_until_it_fits(crafted, tmp_path):
    model = crafted("three", ["a"])
    epochs = tuple(
        Epoch(epoch=n, train_loss=n / 7, train_score=n / 11, validation_loss=n / 13,
              validation_score=n / 17, learning_rate=n / 19, seconds=n / 23)
        for n in range(1, 40_001)
    )  # fmt: skip
    history = History(
        starts=(StartHistory(epochs=epochs, best_epoch=39_999),), kept=(0,),
        score_name="accuracy", seconds=1,
    )  # fmt: skip
    report = model.report_
    rest = tuple(
        Candidate(number=n, genes=Genes(learning_rate=n / 1e4), origin="x", status="cut")
        for n in range(len(report.candidates), 9000)
    )
    report = report.model_copy(update={"candidates": report.candidates + rest})
    design = dataclasses.replace(model.design_, report=report, history=history)
    model.restore_design(model.schema_, design)
    again = load(save(model, tmp_path / "a.fathom"))
    assert again.report_ == report
    assert again.history_.starts[0].best == epochs[39_998]
    assert 1 < again.history_.n_epochs <= 2001


def test_words_too_many_for_a_header_are_refused_in_one_line(crafted, tmp_path):
    model = crafted("three", ["a", "many"])
    report = model.report_.model_copy(update={"notes": ("x" * 10_000,) * 900})
    model.design_ = dataclasses.replace(model.design_, report=report)
    with pytest.raises(ModelFileError, match="8 MiB"):
        save(model, tmp_path / "a.fathom")
    assert CARD_BYTES < 8 * 2**20
    assert MAX_TENSORS == 10_000


# Hostile files


@pytest.fixture(scope="module")
def small(crafted, tmp_path_factory):
    """Return the content of a small file that has something of everything."""
    model = crafted("numbers", ["a", "many", "day", "text"], n_folds=2)
    return save(model, tmp_path_factory.mktemp("small") / "a.fathom").read_bytes()


def remade(content, change_card=None, change_tensors=None):
    """Return a file's content with its card or tensors changed and all else made right."""
    tensors, metadata, _ = unpack(content)
    card = json.loads(metadata["card"])
    text = json.dumps(change_card(copy.deepcopy(card)) if change_card else card)
    if change_tensors:
        tensors = change_tensors(dict(tensors))

    def describe(data):
        digest = hashlib.sha256(text.encode() + data).hexdigest()
        return {"format": "fathom/1", "card": text, "sha256": digest}

    return b"".join(pack(tensors, describe))


def refused(path, content, message=None):
    path.write_bytes(content)
    began = time.process_time()
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path)
    assert time.process_time() - began < 10
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 3000


def at(*path, value):
    def changed(card):
        place = card
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        return card

    return changed


def test_remaking_without_a_change_still_loads(small, tmp_path):
    (tmp_path / "a").write_bytes(remade(small))
    load(tmp_path / "a")


COLUMN = {"name": "a", "kind": "category", "categories": ["x"]}
MEMBER = ("design", "members", 1)
CANDIDATES = ("design", "report", "candidates")
COLUMNS = ("model_schema", "input", "columns")
NETWORK = {"number": 0, "fold": 0}
RECORD = {"rows": "0" * 64, "networks": [NETWORK]}
CHANGED_CARDS = [
    at("design", value=None), at("design", value={}), at("design", "secret\nx", value=1),
    at("design", "members", value=[]), at(*MEMBER, "weight", value=0.9),
    at(*MEMBER, "weight", value=0), at(*MEMBER, "weight", value=-1),
    at(*MEMBER, "folds", value=[]), at(*MEMBER, "folds", value=[0]),
    at(*MEMBER, "folds", value=[1, 0]), at(*MEMBER, "folds", value=[0, 0]),
    at(*MEMBER, "folds", value=[0, 2]), at(*MEMBER, "folds", value=[-1, 0]),
    at(*MEMBER, "genes", "width", value=9), at(*MEMBER, "genes", "width", value=10**9),
    at(*MEMBER, "genes", "depth", value=5), at(*MEMBER, "genes", "input_form", value="eval"),
    at(*MEMBER, "genes", "has_trees", value=False),
    at("design", "sharpness", value=0), at("design", "sharpness", value=100),
    at("design", "log_offset", value=None), at("design", "log_offset", value=-1),
    at("design", "seed", value=-1), at("design", "seed", value=10**18 * 10),
    at("design", "n_rows", value=-1),
    at("design", "column_kinds", value={"a\nb": "code"}),
    at("design", "feature_names", value=["a"] * 3),
    *(at("design", "record", value=value) for value in ({}, {"rows": "x", "networks": [NETWORK]},
      RECORD | {"networks": []}, RECORD | {"secret": 1}, RECORD | {"networks": [NETWORK] * 10_001},
      RECORD | {"made_with": ["x" * 201]}, RECORD | {"networks": [NETWORK | {"growth": [1, 2]}]})),
    at("design", "feature_names", value=["a"] * 200_000),
    at("design", "report", "n_folds", value=1), at("design", "report", "n_folds", value=3),
    at("design", "report", "n_folds", value=10**9),
    at(*CANDIDATES, value=[]), at(*CANDIDATES, 0, "number", value=1),
    at(*CANDIDATES, 1, "status", value="cut"), at(*CANDIDATES, 1, "genes", value=3),
    lambda card: at(*CANDIDATES, value=card["design"]["report"]["candidates"] * 2000)(card),
    at("architecture", "layers", 2, "units", value=3), at("n_networks", value=1),
    at("recipe", "epochs", value=3), at("estimator", value="classifier"),
    at("class_weight", value="balanced"), at("class_weight", value=[["a", 1]]),
    at("model_schema", "target", value={"task": "numbers", "n_outputs": 2}),
    at("model_schema", "target", value={"task": "classes", "classes": ["a", "b"]}),
    at("model_schema", "input", value={"kind": "numbers", "n_features": 4}),
    at(*COLUMNS, value=[]), at(*COLUMNS, value=[COLUMN] * 4),
    at(*COLUMNS, value=[{"name": str(n), "kind": "category"} for n in range(100_000)]),
    at(*COLUMNS, 0, "kind", value="date"), at(*COLUMNS, 0, "kind", value="constant"),
    at(*COLUMNS, 0, "n_missing", value=0), at(*COLUMNS, 0, "name", value="many"),
    at(*COLUMNS, 0, "low", value=1e300), at(*COLUMNS, 2, "low", value=-1e30),
    at(*COLUMNS, 1, "categories", value=["a"] * 30), at(*COLUMNS, 1, "categories", value=[]),
    at(*COLUMNS, 3, "kind", value="category"), at(*COLUMNS, 1, "kind", value="text"),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGED_CARDS, ids=range(len(CHANGED_CARDS)))
def test_hostile_cards(small, tmp_path, change):
    refused(tmp_path / "a", remade(small, change))


def test_a_thousand_folds_of_a_hundred_thousand_columns_cost_nothing(small, tmp_path):
    def changed(card):
        columns = [{"name": str(n), "kind": "category"} for n in range(100_000)]
        card = at(*COLUMNS, value=columns)(card)
        return at("design", "report", "n_folds", value=1000)(card)

    refused(tmp_path / "a", remade(small, changed))


def test_each_tensor_is_needed_and_none_besides(small, tmp_path):
    names = list(unpack(small)[0])
    shown = {".".join(part for part in name.split(".") if not part.isdigit()) for name in names}
    assert {"encoding.lengths", "encoding.numbers", "encoding.means", "encoding.text_weight",
            "encoding.text_parts", "trees.shown", "trees.forest.nodes", "network",
            "target.range", "target.scale", "target.log_scale"} <= shown  # fmt: skip
    may_be_absent = ("text_parts", "nodes")
    for place, name in enumerate(names):
        array = unpack(small)[0][name]
        changes = {
            "more": lambda t, name=name, a=array: t | {f"{name}.more": a},
            "flat": lambda t, name=name, a=array: t | {name: a[None]},
            "longer": lambda t, name=name, a=array: t | {name: np.concatenate([a, a[-1:]])},
            "wider": lambda t, name=name, a=array: t | {name: np.stack([a, a], axis=-1)},
            "type": lambda t, name=name, a=array: t | {
                name: a.astype(np.float64 if a.dtype == np.float32 else np.float32)
            },
            "scalar": lambda t, name=name, a=array: t | {name: a.ravel()[0]},
        }  # fmt: skip
        if not name.endswith(may_be_absent):
            changes["absent"] = lambda t, name=name: {k: v for k, v in t.items() if k != name}
        for change in list(changes.values())[place % 2 :: 2]:  # all of them at each second tensor
            refused(tmp_path / "a", remade(small, change_tensors=change))


def put(name, where, value):
    def changed(tensors):
        tensors[name] = tensors[name].copy()
        tensors[name][where] = value
        return tensors

    return changed


NODES, TEXT = "trees.0.forest.nodes", "encoding.1.text_parts"
CHANGED_TENSORS = [
    put("encoding.0.lengths", (0, 0), 9.5), put("encoding.0.lengths", (0, 0), -1),
    put("encoding.0.lengths", (0, 0), 1e300), put("encoding.0.lengths", (0, 1), 0),
    put("encoding.0.lengths", (0, 0), 11), put("encoding.0.lengths", (0, 2), 16),
    put("encoding.0.numbers", 1, -1.0), put("encoding.0.numbers", 2, 1e300),
    put("encoding.1.numbers", slice(2, None), 0.0),
    put(TEXT, (0, 0), -1), put(TEXT, (0, 0), 0.5), put(TEXT, (-1, 0), 2**14),
    put(TEXT, (1, 0), 1e300), put(TEXT, (slice(None), 0), 3),
    put("target.range", (0, 0), 1e300), put("target.scale", (1, 0), 0),
    put("target.log_scale", (1, 0), -1), put("trees.0.shown", (1, 0), 0),
    put(NODES, (0, 2), 0), put(NODES, (0, 3), 0), put(NODES, (5, 2), 1),  # a way without an end
    put(NODES, (0, 2), 1e9), put(NODES, (0, 0), -1), put(NODES, (0, 1), 1e6),
    put(NODES, (0, 1), 0.5), put(NODES, (slice(None), 0), 0), put(NODES, (-1, 0), 1e300),
    put("trees.1.forest.roots", 0, 1e300), put("trees.1.forest.roots", 1, 0),
    put("trees.1.forest.roots", 1, 1.5), put("trees.1.forest.roots", 0, -1),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGED_TENSORS, ids=range(len(CHANGED_TENSORS)))
def test_hostile_tensors(small, tmp_path, change):
    refused(tmp_path / "a", remade(small, change_tensors=change))


def places(value, path=()):
    """Yield the place of every value in a card, of lists those of the first and last alone."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list) and value:
        for at_ in sorted({0, len(value) - 1}):
            yield from places(value[at_], (*path, at_))


ODD = [None, True, -1, 0, 1, 2**62, 0.5, 1e308, -1e308, "", "x\n\x00y", [], [0], {}, {"a": 1}]


@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_any_value_anywhere_is_refused_or_harmless(small, tmp_path, part):
    """Every twelfth value at every place, other ones at the next."""
    card, table = json.loads(unpack(small)[1]["card"]), OTHER[["a", "many", "day", "text"]][:5]
    found = [place for place in places(card) if place]
    changes = [(place, odd) for n, place in enumerate(found) for odd in ODD[n % 12 :: 12]][part::2]
    n_loaded = 0
    for place, odd in changes:
        (tmp_path / "a").write_bytes(remade(small, at(*place, value=odd)))
        try:
            model = load(tmp_path / "a")
            n_loaded += 1
            model.predict(table)
            assert f"{model.report_} {model.history_} {model.leaderboard_}"
        except FathomError:
            pass
    assert 0 < n_loaded < len(changes) / 2
