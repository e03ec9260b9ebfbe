"""Rows of columns, texts and pictures, looked into: what is remembered, opened and explained.

The networks have their weights as drawn: what is asked is whether figures agree, not whether they
are good.
"""

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from PIL import Image

from fathom import BatchNorm, Conv2D, FathomClassifier, GlobalAveragePool
from fathom.data.columns import infer_columns
from fathom.data.illustrated import RowEncoding
from fathom.data.parsing import parse_table
from fathom.data.schema import Schema, TableInput, Target
from fathom.estimators.explaining import explain_row, stretches
from fathom.estimators.reporting import gather_report
from fathom.estimators.reporting.asking import read_rows
from fathom.estimators.trunks import encode_parsed, open_trunk
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.search.illustrating import illustrated_entries
from fathom.training.history import Epoch, History, StartHistory

N = 24
LAYERS = [BatchNorm(), Conv2D(channels=4), GlobalAveragePool()]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Return a frame whose photos are there but for two, and the class of each row."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    paths = []
    for number in range(N):
        Image.fromarray(rng.integers(0, 256, (8, 8)).astype(np.uint8)).save(
            folder / f"{number}.png"
        )
        paths.append(str(folder / f"{number}.png"))
    paths[3] = paths[9] = None
    frame = pl.DataFrame({
        "photo": pl.Series(paths, dtype=pl.String),
        "words": ["a bright room with a view", "a wet cellar, and dark"] * (N // 2),
        "size": [str(k * k) for k in range(N)],
        "town": ["Ulm", "Bonn", "Kiel"] * (N // 3),
    })  # fmt: skip
    return frame, np.array(["no", "yes", "yes"] * (N // 3))


@pytest.fixture(scope="module")
def model(rows):
    kinds = {"photo": "text", "words": "text", "size": "number", "town": "category"}
    photo, *others = infer_columns(rows[0], kinds)[0]
    photo = photo.model_copy(update={"kind": "picture", "shape": (8, 8, 1), "n_missing": 2})
    columns = (photo, *others)
    parsed = parse_table(rows[0], columns)
    y = (rows[1] == "yes").astype(int)
    encoding, _ = RowEncoding.fit(parsed, np.arange(N), y, 2, 0)
    with pytest.MonkeyPatch.context() as patch:  # convolutions that are soon compiled
        patch.setattr("fathom.search.illustrating.picture_layers", lambda *_: LAYERS)
        output = Dense(units=2, activation="softmax")
        entry = illustrated_entries(encoding, 4, output, "cross_entropy", N, 0, 60.0)[0]
    network = build(entry.architecture, jax.random.key(0))
    epoch = Epoch(
        epoch=1, train_loss=0.7, train_score=0.5, validation_loss=0.7, validation_score=0.5,
        learning_rate=1e-3, seconds=1.0,
    )  # fmt: skip
    history = History(
        starts=(StartHistory(epochs=(epoch,), best_epoch=1),), kept=(0,), score_name="accuracy",
        seconds=1.0,
    )  # fmt: skip
    target = Target(task="classes", classes=("no", "yes"), names=("sold",))
    schema = Schema(input=TableInput(columns=columns), target=target)
    return FathomClassifier().restore(
        schema, entry.architecture, entry.recipe, history, (network,), encoding, None
    )


def test_pictures_that_are_remembered_answer_as_those_that_are_read_again(model, rows):
    frame = rows[0]
    asker = read_rows(model, frame)
    np.testing.assert_allclose(asker.outputs(), model.predict_proba(frame), atol=1e-5)
    order = np.random.default_rng(1).permutation(N)
    table = asker.table(np.arange(N))
    for name in ("photo", "words", "size", "town"):
        changed = frame.with_columns(frame[name][order])
        asked = table.with_columns(table[name][order])
        np.testing.assert_allclose(asker.answer(asked), model.predict_proba(changed), atol=1e-5)


def test_a_trunk_computes_on_what_its_way_in_made(model, rows):
    opened = open_trunk(model, rows[0], rows[1])
    np.testing.assert_allclose(
        opened.network(jnp.asarray(opened.x)), model.predict_proba(rows[0]), atol=1e-5
    )
    assert opened.y.tolist() == (rows[1] == "yes").astype(int).tolist()
    assert len(opened.input_names) == opened.x.shape[1] == opened.architecture.input_shape[0]
    assert {name.split()[0] for name in opened.input_names} == {"columns", "text", "photo"}


def test_parts_of_a_row_are_explained_each_with_the_others_as_they_are(model, rows):
    parsed = model._parse_rows(rows[0])
    found = explain_row(model, parsed.take(np.array([4])), 1, parsed)
    network, whole = model.networks_[0], encode_parsed(model, parsed.take(np.array([4])))

    def z(row):
        return float(network.combine(jnp.asarray(row))[0, 1])

    assert found.z == pytest.approx(z(whole), abs=1e-5)
    columns, text, photo = found.parts
    assert [part.kind for part in found.parts] == ["columns", "text", "picture"]
    silent = whole.copy()
    width = model.encoding_.table.layout.width
    length = model.encoding_.text.length
    silent[:, width + length : width + 2 * length] = 0
    assert text.without == pytest.approx(z(silent), abs=1e-4)
    assert sum(word.share for word in text.words) == pytest.approx(found.z - z(silent), abs=1e-3)
    assert "".join(piece for piece, _ in stretches(text)) == text.text == rows[0]["words"][4]
    flat = whole.copy()
    flat[:, -64:] = flat[:, -64:].mean()
    assert float(photo.places.sum()) == pytest.approx(found.z - z(flat), abs=1e-3)
    assert photo.picture.shape == (8, 8, 1)
    shares = columns.columns.contributions
    assert float(shares.sum()) == pytest.approx(found.z - columns.without, abs=1e-3)
    assert len(columns.columns.names) == width
    blind = explain_row(model, parsed.take(np.array([3])), 1).parts[-1]
    assert blind.picture is None


def test_a_report_shows_the_mistaken_rows_with_their_pictures_and_words(model, rows):
    with pytest.MonkeyPatch.context() as patch:  # what is inside is looked at elsewhere
        patch.setattr("fathom.estimators.reporting.gathering.look_inside", lambda *_: {})
        contents = gather_report(model, *rows, data_name="rows.csv", seed=0)
    p = model.predict_proba(rows[0])
    wrong = np.flatnonzero(model.predict(rows[0]) != rows[1])
    assert len(wrong)
    losses = -np.log(p[np.arange(N), (rows[1] == "yes").astype(int)])
    worst = [mistake.row - 1 for mistake in contents.mistakes]
    assert worst == sorted(wrong, key=lambda row: -losses[row])[: len(worst)]
    for mistake in contents.mistakes:
        has_photo = rows[0]["photo"][mistake.row - 1] is not None
        assert (mistake.picture is not None) == (mistake.because is not None) == has_photo
        assert "".join(piece for piece, _ in mistake.words) == rows[0]["words"][mistake.row - 1]
        cells = dict(mistake.cells)
        assert set(cells) == {"photo", "size", "town"}
        assert "/" not in cells["photo"]  # of the folder a page that is passed on says nothing
    assert {one.column for one in contents.importance.columns} == set(rows[0].columns)
    assert contents.metrics[0].value == pytest.approx(1 - len(wrong) / N)
    assert {column.name: column.missing for column in contents.columns}["photo"] == 2 / N
