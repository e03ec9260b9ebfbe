"""Models of tables that name pictures as tensors: back to the bit, or refused."""

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from fathom import BatchNorm, Conv2D, FathomRegressor, GlobalAveragePool
from fathom.data.columns import infer_columns
from fathom.data.encoding import Standardization
from fathom.data.illustrated import RowEncoding
from fathom.data.parsing import parse_table
from fathom.data.schema import Schema, TableInput, Target
from fathom.deployment.archive import restore, to_bytes
from fathom.deployment.illustrated import illustrated_tensors, restore_illustrated
from fathom.errors import InputError, ModelFileError
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.nn.stems import Stems
from fathom.search.illustrating import illustrated_entries, illustrated_network
from fathom.training.history import History, StartHistory

N = 12
FRAME = pl.DataFrame({
    "photo": pl.Series([None] * N, dtype=pl.String),
    "words": ["a bright room", "a wet cellar"] * (N // 2),
    "size": [str(k * k) for k in range(N)],
    "town": ["Ulm", "Bonn", "Kiel"] * (N // 3),
})  # fmt: skip
LAYERS = [BatchNorm(), Conv2D(channels=4), GlobalAveragePool()]
Y = np.linspace(-3, 5, N)[:, None]
LEVELS = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 1)).astype(np.uint8)


def columns_of(frame):
    kinds = {"photo": "text", "words": "text", "size": "number"}
    photo, *others = infer_columns(frame, kinds)[0]
    photo = photo.model_copy(update={"kind": "picture", "shape": (8, 8, 1), "n_missing": 1})
    return (photo, *others)


@pytest.fixture(scope="module")
def model():
    """Return a regressor of words, a number, a category and a picture, its weights as drawn."""
    columns = columns_of(FRAME)
    parsed = parse_table(FRAME, columns)
    pictures = np.empty(N, object)
    pictures[:-1] = list(LEVELS[:-1])  # the last row has none
    parsed = type(parsed)(
        columns, (pictures, *parsed.values[1:]), N, (), np.zeros(N, bool)
    )  # fmt: skip
    scale = Standardization.fit(Y)
    encoding, _ = RowEncoding.fit(parsed, np.arange(N), scale.encode(Y).astype(float), 0, 0)
    output = Dense(units=1, activation="identity")
    with pytest.MonkeyPatch.context() as patch:  # convolutions that are soon compiled
        patch.setattr("fathom.search.illustrating.picture_layers", lambda *_: LAYERS)
        entry = illustrated_entries(encoding, 4, output, "squared_error", N, 0, 60.0)[0]
    networks = tuple(build(entry.architecture, jax.random.key(seed)) for seed in (0, 1))
    history = History(starts=(StartHistory(),), kept=(0,), score_name="r2", seconds=1.0)
    target = Target(task="numbers", names=("price",))
    schema = Schema(input=TableInput(columns=columns), target=target)
    found = FathomRegressor().restore(
        schema, entry.architecture, entry.recipe, history, networks, encoding, scale
    )
    return found, parsed


def test_networks_and_encodings_come_back_to_the_bit(model):
    estimator, parsed = model
    whole = b"".join(to_bytes(estimator))
    again = restore(whole)
    assert b"".join(to_bytes(again)) == whole
    outputs = again._predict_outputs(parsed)
    np.testing.assert_array_equal(outputs, estimator._predict_outputs(parsed))
    assert again.predict(FRAME.head(3)).shape == (3,)
    np.testing.assert_array_equal(
        again.encoding_.encode_rows(parsed), estimator.encoding_.encode_rows(parsed)
    )


def test_two_networks_are_averaged_as_one_by_one(model):
    estimator, parsed = model
    rows = jnp.asarray(estimator.encoding_.encode_rows(parsed))
    outputs_of = jax.jit(lambda network: network(rows))
    each = [np.asarray(outputs_of(network)) for network in estimator.networks_]
    np.testing.assert_allclose(
        estimator._predict_outputs(parsed), np.mean(each, axis=0), rtol=1e-5, atol=1e-6
    )


def restored(model, *, schema=None, architecture=None, **changed):
    estimator = model[0]
    tensors = {**illustrated_tensors(estimator), **changed}
    tensors = {name: array for name, array in tensors.items() if array is not None}
    return restore_illustrated(
        architecture or estimator.architecture_, schema or estimator.schema_, 2, tensors
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("network.0", lambda a: a[:-1]),
        ("network.1", lambda a: None),
        ("network.2", lambda a: np.zeros(3, np.float32)),
        ("encoding.0.lengths", lambda a: a + 1),
        ("encoding.hashes", lambda a: a[::-1].copy()),
        ("encoding.rarity", lambda a: -a),
        ("target_encoding.scale", lambda a: 0 * a),
        ("target_encoding.center", lambda a: np.zeros(2)),
    ],
)
def test_tensors_other_than_the_card_describes_are_refused(model, name, change):
    array = illustrated_tensors(model[0]).get(name)
    with pytest.raises(ModelFileError):
        restored(model, **{name: change(array)})


def with_stems(architecture, change):
    first, *rest = architecture.layers
    stems = tuple(change(stem) for stem in first.stems)
    return architecture.model_copy(update={"layers": (Stems(stems=stems), *rest)})


def test_stems_that_read_other_parts_of_a_row_are_refused(model):
    architecture = model[0].architecture_

    def moved(stem):
        is_last = stem.name == "photo"
        return stem.model_copy(update={"first": stem.first - 1}) if is_last else stem

    with pytest.raises(ModelFileError, match="stems that read the columns"):
        restored(model, architecture=with_stems(architecture, moved))

    def coded(stem):
        if stem.name != "columns":
            return stem
        columns = stem.layers[0].model_copy(update={"codes": (9,)})
        return stem.model_copy(update={"layers": (columns, *stem.layers[1:])})

    with pytest.raises(ModelFileError):
        restored(model, architecture=with_stems(architecture, coded))
    output = Dense(units=2, activation="identity")
    other = illustrated_network(model[0].encoding_, 4, output, "squared_error")
    with pytest.raises(ModelFileError, match="1 identity"):
        restored(model, architecture=other)


def test_columns_without_a_size_factors_and_far_too_many_weights_are_refused(model):
    schema = model[0].schema_
    first, *others = schema.input.columns
    unsized = TableInput(columns=(first.model_copy(update={"shape": None}), *others))
    with pytest.raises(ModelFileError, match="of a known size"):
        restored(model, schema=schema.model_copy(update={"input": unsized}))
    plain = TableInput(columns=tuple(others))
    with pytest.raises(ModelFileError, match="of a known size"):
        restored(model, schema=schema.model_copy(update={"input": plain}))
    twice = TableInput(columns=(first, *others, others[0]))
    with pytest.raises(ModelFileError, match="a name given twice"):
        restored(model, schema=schema.model_copy(update={"input": twice}))

    def widened(stem):
        layers = [
            layer.model_copy(update={"units": 100_000}) if layer.kind == "dense" else layer
            for layer in stem.layers
        ]
        return stem.model_copy(update={"layers": tuple(layers)})

    with pytest.raises(ModelFileError, match="weights of its card"):
        restored(model, architecture=with_stems(model[0].architecture_, widened))


def test_a_search_on_columns_refuses_pictures():
    frame = FRAME.with_columns(photo=pl.lit("a.png")).drop("words")
    kinds = {"photo": "picture"}
    model = FathomRegressor(time_limit=1, column_kinds=kinds, warm_start=True, random_state=0)
    with pytest.raises(InputError, match="column photo of pictures"):
        model.fit(frame, Y[:, 0])
