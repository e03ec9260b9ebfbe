"""Compiled loops: on every kind of network, loss and rule they take XLA's steps."""

import itertools
import threading

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.errors import TrainingError
from fathom.loops.descent import n_broken
from fathom.loops.matrix_unit import may_use_unit
from fathom.nn.activations import ACTIVATIONS
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Activation, Dropout, Flatten, Residual
from fathom.nn.combination import Combination
from fathom.nn.convolution import AveragePool, Conv2D, GlobalAveragePool, MaxPool
from fathom.nn.dense import Dense
from fathom.nn.embedding import Columns, Gain
from fathom.nn.keys import host_key
from fathom.nn.network import build
from fathom.nn.normalization import BatchNorm, LayerNorm
from fathom.training import packing, sharing
from fathom.training.compiled import LoopProgram, can_loop, make_loop_program
from fathom.training.loop import make_plan, pad_for_evaluation, train
from fathom.training.packing import pack
from fathom.training.plan import Examples, Knobs
from fathom.training.program import make_program
from fathom.training.recipe import Augmentation, Recipe

ROWS, STEPS, BATCH = 90, 5, 17
RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(ROWS, 9)).astype(np.float32)
BINS, CODES = 4 * np.abs(RNG.normal(size=(ROWS, 5))), RNG.integers(0, (4, 30), (ROWS, 2))
COLUMNS = np.concatenate([BINS, NUMBERS[:, :2], CODES], axis=1).astype(np.float32)
PICTURES = RNG.normal(size=(ROWS, 11, 10, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 4, ROWS).astype(np.int32)
VALUES = RNG.normal(size=(ROWS, 2)).astype(np.float32)
LABELS = (VALUES > 0).astype(np.float32)
WEIGHT = RNG.uniform(0.5, 1.5, ROWS).astype(np.float32)
SOFTMAX = Dense(units=4, activation="softmax")
needs_unit = pytest.mark.skipif(not may_use_unit(), reason="needs a processor with AMX")


def described(*layers, loss="cross_entropy", reduction="mean", shape=(9,)):
    return Architecture(input_shape=shape, layers=layers, loss=loss, reduction=reduction)


def columns(form):
    return Columns(n_numbers=5, n_plain=2, codes=(4, 30), form=form, spread=0.5)


def examples(x, y):
    return Examples(jnp.asarray(x), jnp.asarray(y), jnp.asarray(WEIGHT))


def steps_of_xla(plan, network, known, rows, rates, knobs, hurries):
    """Return the network after XLA's steps, their sums, its sums z and its evaluation.

    All as one program compiled as fast as it can be, where that hurries: here it is what loops are
    held against. Its sums are then rounded otherwise, which a kink may make much of.
    """
    program = make_program(plan)

    def take(network, known, padded):
        state = program.start(network)
        state, sums, _ = program.advance(state, known, rows, jax.random.key(0), rates, knobs)
        z = program.combine(state.network, padded.x)[:ROWS]
        return state.network, sums, z, program.evaluate(state.network, padded)

    given = network, known, pad_for_evaluation(known)
    if not hurries:
        return take(*given)
    quickly = {"xla_backend_optimization_level": 0}
    return jax.jit(take).lower(*given).compile(compiler_options=quickly)(*given)


def assert_same_steps(architecture, recipe, x, y, atol=2e-5, *, hurries=True, batch=BATCH):
    """Take the same steps by loops and by XLA, and compare everything that comes of them."""
    network = build(architecture, jax.random.key(0))
    plan, known = make_plan(architecture, recipe), examples(x, y)
    assert can_loop(plan, network, known.x)
    rng = np.random.default_rng(1)
    rows = rng.integers(0, ROWS, (STEPS, batch)).astype(np.int32)
    rates = rng.uniform(0.005, 0.02, STEPS).astype(np.float32)
    knobs = Knobs(jnp.float32(recipe.weight_decay), jnp.float32(recipe.label_smoothing))
    loops = make_loop_program(plan, known.x.shape[1:])
    by_xla, sums, z, judged = steps_of_xla(plan, network, known, rows, rates, knobs, hurries)
    by_loops, ours, is_finite = loops.advance(loops.start(network), known, rows, (0,), rates, knobs)
    assert is_finite
    np.testing.assert_allclose(ours.loss, sums.loss, rtol=1e-4)
    np.testing.assert_allclose(ours.score, sums.score, rtol=1e-4, atol=1e-3)
    weights = loops.weights(by_loops)
    pairs = zip(jax.tree.leaves(loops.network(weights)), jax.tree.leaves(by_xla), strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=atol)
    np.testing.assert_allclose(loops.combine(weights, known.x), z, rtol=1e-3, atol=15 * atol)
    found = loops.evaluate(weights, known)
    np.testing.assert_allclose(found.loss, judged.loss, rtol=1e-3)
    np.testing.assert_allclose(found.score, judged.score, rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(found.weight, judged.weight, rtol=1e-5)


@pytest.fixture
def wide(monkeypatch):
    """Have every network of dense layers taken for one whose neurons are shared among cores."""
    for name in ("WIDE", "FEWEST_SHARED", "FEWEST_ALONE"):
        monkeypatch.setattr(sharing, name, 0)


@pytest.fixture
def divided(monkeypatch):
    """Have every batch divided among cores."""
    for name in ("FEWEST_IN_PART", "WORK_OF_PART"):
        monkeypatch.setattr(sharing, name, {False: 1, True: 1})


WIDE_ONE = described(
    Dropout(rate=0.0), Dense(units=70, activation="selu"), Activation(activation="tanh"),
    Dense(units=45, activation="mish", has_bias=False), SOFTMAX,
)  # fmt: skip


OF_PARTS = described(
    Dense(units=30), Dense(units=5, activation="identity"),
    Combination(
        factors=(2, 3), seen=((0, 0), (0, 2), (1, 1), (1, 2)), offsets=(-1, -2, -1, -3)
    ),
)  # fmt: skip
WITH_DROPOUT = described(Dense(units=70), Dropout(rate=0.3), Dense(units=45), SOFTMAX)


def test_neurons_shared_among_cores_take_xlas_steps(wide):
    recipe = Recipe(optimizer="adamw", weight_decay=0.1, label_smoothing=0.05)
    assert_same_steps(WIDE_ONE, recipe, NUMBERS, CLASSES)


def test_any_number_of_cores_takes_the_same_steps_to_the_bit(wide):
    network = build(WITH_DROPOUT, jax.random.key(0))
    known, rows = examples(NUMBERS, CLASSES), RNG.integers(0, ROWS, (3, BATCH)).astype(np.int32)
    rates, knobs = np.full(3, 0.01, np.float32), Knobs(jnp.float32(0.1), jnp.float32(0.1))
    found, z = [], []
    for cores in (1, 2, 3):
        loops = make_loop_program(make_plan(WITH_DROPOUT, Recipe()), (9,), cores)
        state, sums, _ = loops.advance(loops.start(network), known, rows, (5,), rates, knobs)
        found.append((state.learner.parameters.tobytes(), float(sums.loss)))
        z.append(loops.combine(loops.weights(state), NUMBERS))
    assert found == [found[0]] * 3
    np.testing.assert_allclose(z[1:], [z[0]] * 2, rtol=1e-4, atol=1e-4)


def without_unit(monkeypatch):
    """Have layers worked out as where a processor has no matrix unit."""
    monkeypatch.setattr(packing, "may_use_unit", lambda: False)


@pytest.mark.parametrize("is_wide", [False, True])
@pytest.mark.parametrize("has_unit", [False, True])
def test_layers_that_a_matrix_unit_works_out_take_xlas_steps(
    is_wide, has_unit, monkeypatch, request
):
    """Adam's steps are as large where a gradient is next to nothing, and of another sign."""
    if is_wide:
        request.getfixturevalue("wide")
    if not has_unit:
        without_unit(monkeypatch)
    x = np.tile(NUMBERS, 4)
    layers = (Dense(units=70, activation="tanh"), Dense(units=45, activation="mish"))
    architecture = described(*layers, SOFTMAX, shape=(36,))
    assert_same_steps(architecture, Recipe(), x, CLASSES, 1e-4, batch=37)


@needs_unit
def test_a_matrix_unit_works_out_wide_layers_of_batches(monkeypatch):
    network = build(described(Dense(units=24), Dense(units=23), SOFTMAX, shape=(30,)), host_key(0))
    chosen = packing.pack(network, (30,), is_by_role=False).chain.layers["splits"]
    assert chosen.tolist() == [1, 0, 0]
    without_unit(monkeypatch)
    chosen = packing.pack(network, (30,), is_by_role=False).chain.layers["splits"]
    assert chosen.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("units", "batch", "cores", "is_shared"),
    [(128, 256, 2, False), (512, 256, 2, True), (512, 256, 1, False), (1024, 64, 1, True),
     (1024, 2, 2, False)],
)  # fmt: skip
def test_neurons_are_shared_where_that_is_quicker(units, batch, cores, is_shared):
    packed = pack(build(described(Dense(units=units), Dense(units=units), SOFTMAX), host_key(0)),
                   (9,), is_by_role=False)  # fmt: skip
    assert sharing.is_wide(packed, batch, cores) == is_shared


@pytest.mark.parametrize("way", ["wide", "divided"])
@pytest.mark.parametrize("n_started", [0, 1])
def test_a_core_without_a_thread_is_an_error_and_not_waited_for(
    way, request, monkeypatch, n_started
):
    request.getfixturevalue(way)
    loops = make_loop_program(make_plan(WITH_DROPOUT, Recipe()), (9,), 3)
    known, rows = examples(NUMBERS, CLASSES), np.zeros((3, BATCH), np.int32)
    knobs = Knobs(jnp.float32(0), jnp.float32(0))
    state = loops.start(build(WITH_DROPOUT, jax.random.key(0)))
    starts, start = iter(range(3)), threading.Thread.start

    def start_some(thread):
        if next(starts) == n_started:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    with pytest.raises(TrainingError, match=r"a thread for each core.*can't start new thread"):
        loops.advance(state, known, rows, (0,), np.zeros(3, np.float32), knobs)
    monkeypatch.undo()
    request.getfixturevalue(way)
    loops.advance(state, known, rows, (0,), np.zeros(3, np.float32), knobs)  # threads are back


HIDDEN = [name for name in ACTIVATIONS if name != "softmax"]


@pytest.mark.parametrize("first", range(0, len(HIDDEN), 2))
def test_every_activation_function(first):
    """Two of them in a network, since what takes the time is XLA's compiler."""
    pair = HIDDEN[first], HIDDEN[(first + 1) % len(HIDDEN)]
    layers = (Dense(units=n, activation=name) for n, name in zip((16, 12), pair, strict=True))
    assert_same_steps(described(*layers, SOFTMAX), Recipe(optimizer="adam"), NUMBERS, CLASSES)


@pytest.mark.parametrize("form", ["as_is", "piecewise", "thermometer", "periodic"])
def test_every_form_of_numbers(form):
    architecture = described(columns(form), Gain(), Dense(units=11, activation="selu"), SOFTMAX)
    recipe = Recipe(rates="by_role", beta_2=0.95, weight_decay=0.1, label_smoothing=0.05)
    assert_same_steps(architecture, recipe, COLUMNS, CLASSES)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_factors_joined_to_combinations(optimizer):
    recipe = Recipe(optimizer=optimizer, weight_decay=0.2, rates="by_role")
    assert_same_steps(OF_PARTS, recipe, NUMBERS, CLASSES)


@pytest.mark.parametrize("is_other", [False, True])
@pytest.mark.parametrize(
    ("loss", "activation", "y", "rules"),
    [
        ("binary_cross_entropy", "sigmoid", LABELS, ("adam mean", "adamw total")),
        ("squared_error", "identity", VALUES, ("adam total", "adamw mean")),
        ("squared_error", "sigmoid", LABELS, ("adam mean", "adamw total")),
        ("squared_error", "tanh", VALUES, ("adam total", "adamw mean")),
    ],
)
def test_every_loss_and_rule(loss, activation, y, rules, is_other):
    """Every loss with both optimizers and both reductions, and each of these with the others."""
    optimizer, reduction = rules[is_other].split()
    layers = (
        Gain(), Dense(units=8, activation="identity", has_bias=False),
        Activation(activation="mish"), Dense(units=2, activation=activation),
    )  # fmt: skip
    architecture = described(*layers, loss=loss, reduction=reduction)
    recipe = Recipe(optimizer=optimizer, weight_decay=0.2, label_smoothing=0.1)
    assert_same_steps(architecture, recipe, NUMBERS, y)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "before"),
    [((3, 3), 1, "same", ()), ((2, 3), 1, "same", (BatchNorm(),)), ((5, 1), 2, "same", ()),
     ((3, 2), 2, "valid", (BatchNorm(),)), ((9, 9), 1, "same", (BatchNorm(),)),
     ((2, 2), 3, "same", (BatchNorm(),)), ((5, 8), 3, "same", (BatchNorm(),)),
     ((4, 9), 2, "valid", ())],
)  # fmt: skip
def test_convolutions(kernel, stride, padding, before):
    """Of the inputs, also where these are normalized first."""
    how = {"kernel": kernel, "stride": stride, "padding": padding}
    layers = (
        *before, Conv2D(channels=6, activation="tanh", **how),
        Conv2D(channels=5, kernel=(3, 3), activation="selu", has_bias=False), Flatten(), SOFTMAX,
    )  # fmt: skip
    architecture = described(*layers, shape=PICTURES.shape[1:])
    assert_same_steps(architecture, Recipe(weight_decay=0.1), PICTURES, CLASSES)


@pytest.mark.parametrize(
    ("layers", "finds_both"),
    [((BatchNorm(), Conv2D(channels=2)), True),
     ((BatchNorm(), Activation(), Conv2D(channels=2)), False),
     ((BatchNorm(), Dropout(rate=0.5), Conv2D(channels=2)), False),
     ((BatchNorm(), Residual(layers=(Conv2D(channels=2),))), False),
     ((Residual(layers=(BatchNorm(), Conv2D(channels=2))),), False),
     ((Conv2D(channels=2), BatchNorm(), Conv2D(channels=2)), False)],
)  # fmt: skip
def test_only_of_inputs_normalized_right_before_it_a_convolution_finds_the_gradient(
    layers, finds_both
):
    shape = PICTURES.shape[1:]
    architecture = described(*layers, Flatten(), SOFTMAX, shape=shape)
    packed = pack(build(architecture, jax.random.key(0)), shape, is_by_role=False)
    assert packed.chain.layers["for_norm"].any() == finds_both


@pytest.mark.parametrize(
    ("pool", "end"),
    [(MaxPool(), GlobalAveragePool()), (AveragePool(size=3), Flatten()),
     (MaxPool(size=3), GlobalAveragePool())],
)  # fmt: skip
def test_pictures_normalized_and_pooled(pool, end):
    layers = (
        Conv2D(channels=7, activation="identity", has_bias=False), BatchNorm(momentum=0.7),
        Activation(activation="relu"), pool, Conv2D(channels=4, activation="tanh"),
        BatchNorm(epsilon=0.01), end, Dense(units=8, activation="tanh"), BatchNorm(), SOFTMAX,
    )  # fmt: skip
    architecture = described(*layers, shape=PICTURES.shape[1:])
    # As bytes: a program turns pictures into float32 itself.
    x = np.round(2 * np.abs(PICTURES)).astype(np.uint8)
    assert_same_steps(architecture, Recipe(), x, CLASSES, atol=2e-4, hurries=False)


@pytest.mark.parametrize("shape", [PICTURES.shape[1:], (9,)])
def test_blocks_with_a_shortcut(shape):
    """Blocks on the inputs and later, with a projection and without."""
    is_picture = len(shape) == 3
    layer = (lambda n: Conv2D(channels=n, activation="tanh")) if is_picture else (
        lambda n: Dense(units=n, activation="tanh")
    )  # fmt: skip
    layers = (
        Residual(layers=(layer(5), BatchNorm(), layer(shape[-1]))),
        Residual(layers=(BatchNorm(), layer(7))),
        Residual(layers=(layer(7), Activation(activation="selu"), layer(7))), Flatten(), SOFTMAX,
    )  # fmt: skip
    x = PICTURES if is_picture else NUMBERS
    recipe = Recipe(weight_decay=0.1, rates="by_role")
    architecture = described(*layers, shape=shape)
    assert_same_steps(architecture, recipe, x, CLASSES, atol=1e-4, hurries=False)


def test_pools_come_first_too():
    layers = MaxPool(), AveragePool(), Flatten(), Dense(units=5), SOFTMAX
    architecture = described(*layers, shape=PICTURES.shape[1:])
    assert_same_steps(architecture, Recipe(), PICTURES, CLASSES, hurries=False)


def test_many_pictures_are_convolved_part_by_part():
    """So large that a batch takes several products, with kernel rows that see few and many.

    Smooth all through: where roundings fall to either side of a kink, Adam's first steps differ.
    """
    x = RNG.normal(size=(ROWS, 32, 28, 3)).astype(np.float32)
    layers = (
        Conv2D(channels=24, activation="tanh"), AveragePool(),
        Conv2D(channels=8, kernel=(3, 2), stride=2, activation="tanh"), GlobalAveragePool(),
        SOFTMAX,
    )  # fmt: skip
    assert_same_steps(described(*layers, shape=x.shape[1:]), Recipe(), x, CLASSES)


OF_PICTURES = described(
    Conv2D(channels=6, activation="tanh"), MaxPool(), Flatten(), SOFTMAX, shape=PICTURES.shape[1:]
)  # fmt: skip


NORMALIZED_ROWS = described(
    BatchNorm(), Dense(units=70, activation="tanh"), BatchNorm(), Dense(units=45), SOFTMAX
)
NORMALIZED_PICTURES = described(
    Conv2D(channels=6, activation="identity", has_bias=False), BatchNorm(),
    Activation(activation="tanh"), AveragePool(),
    Residual(layers=(Conv2D(channels=9, activation="tanh"), BatchNorm())), Flatten(),
    Dense(units=8, activation="tanh"), BatchNorm(), SOFTMAX, shape=PICTURES.shape[1:],
)  # fmt: skip


@pytest.mark.parametrize("cores", [2, 3])
@pytest.mark.parametrize(
    ("architecture", "x"),
    [
        (OF_PICTURES, PICTURES), (WIDE_ONE, NUMBERS), (WITH_DROPOUT, NUMBERS),
        (NORMALIZED_ROWS, NUMBERS), (NORMALIZED_PICTURES, PICTURES),
    ],
    ids=["pictures", "rows", "dropout", "normalized rows", "normalized pictures"],
)  # fmt: skip
def test_a_batch_divided_among_cores_gives_the_same_step(divided, architecture, x, cores):
    network, known = build(architecture, jax.random.key(0)), examples(x, CLASSES)
    plan = make_plan(architecture, Recipe(weight_decay=0.1))
    rows = RNG.integers(0, ROWS, (STEPS, BATCH)).astype(np.int32)
    rates, knobs = np.full(STEPS, 0.01, np.float32), Knobs(jnp.float32(0.1), jnp.float32(0))
    one, several = (make_loop_program(plan, x.shape[1:], n) for n in (1, cores))
    alone, expected, _ = one.advance(one.start(network), known, rows, (0,), rates, knobs)
    shared, found, _ = several.advance(several.start(network), known, rows, (0,), rates, knobs)
    assert len(shared.rooms) == cores
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-5)
    assert found.score == expected.score
    np.testing.assert_allclose(
        shared.learner.parameters, alone.learner.parameters, rtol=1e-4, atol=1e-5
    )
    if alone.learner.statistics is not None:
        np.testing.assert_allclose(
            shared.learner.statistics, alone.learner.statistics, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("architecture", [WITH_DROPOUT, NORMALIZED_ROWS])
def test_a_batch_divided_among_cores_gives_the_same_bytes_each_time(divided, architecture):
    network, known = build(architecture, jax.random.key(0)), examples(NUMBERS, CLASSES)
    rows, knobs = RNG.integers(0, ROWS, (20, BATCH)), Knobs(jnp.float32(0), jnp.float32(0))
    rows, rates = rows.astype(np.int32), np.full(20, 0.01, np.float32)
    found = set()
    for _ in range(5):
        loops = make_loop_program(make_plan(architecture, Recipe()), (9,), 2)
        state, sums, _ = loops.advance(loops.start(network), known, rows, (3,), rates, knobs)
        found.add((state.learner.parameters.tobytes(), float(sums.loss)))
    assert len(found) == 1


def test_examples_of_another_call_are_not_taken_for_those_before():
    architecture = described(Dense(units=5), SOFTMAX)
    loops = make_loop_program(make_plan(architecture, Recipe()), (9,))
    rows, rates = np.arange(34, dtype=np.int32).reshape(2, BATCH), np.zeros(2, np.float32)
    state, losses, knobs = loops.start(build(architecture, host_key(0))), [], Knobs(0.0, 0.0)
    each = [examples(NUMBERS, CLASSES), examples(NUMBERS[::-1].copy(), CLASSES)]
    for known in (*each, *each):
        state, sums, _ = loops.advance(loops.fresh(state), known, rows, (0,), rates, knobs)
        losses.append(float(sums.loss))
    assert losses[:2] == losses[2:]
    assert losses[0] != losses[1]


def test_what_is_dropped_comes_of_seed_start_and_call():
    architecture = described(Dense(units=50), Dropout(rate=0.5), SOFTMAX)
    loops = make_loop_program(make_plan(architecture, Recipe()), (9,))
    network, known = build(architecture, host_key(0)), examples(NUMBERS, CLASSES)
    rows, rates = np.arange(BATCH, dtype=np.int32)[None], np.zeros(1, np.float32)
    losses = {
        (seed, start, call): float(
            loops.advance(
                loops.start(network), known, rows, loops.draw(seed, start, call), rates,
                Knobs(0.0, 0.0),
            )[1].loss
        )
        for seed, start, call in itertools.product(range(2), repeat=3)
    }  # fmt: skip
    assert len(set(losses.values())) == len(losses)


def test_parts_of_a_batch_drop_what_the_whole_does(divided):
    layers = Dense(units=40, activation="identity"), Dropout(rate=0.5), SOFTMAX
    architecture = described(*layers, shape=(1,))
    x, y, rows = np.ones((16, 1), np.float32), np.zeros(16, np.int32), np.arange(16, dtype=np.int32)
    rates, knobs = np.zeros(1, np.float32), Knobs(jnp.float32(0), jnp.float32(0))
    kept = []
    for cores in (1, 2):
        loops = make_loop_program(make_plan(architecture, Recipe()), (1,), cores)
        state = loops.start(build(architecture, jax.random.key(0)))
        state, _, _ = loops.advance(state, examples(x, y), rows[None], (0,), rates, knobs)
        place, n = int(state.packing.chain.layers[0]["slope"]), 16 // cores
        kept.append([room.work[place * n : (place + 40) * n] for room in state.rooms])
    whole, parts = (np.concatenate(each) for each in kept)
    assert set(np.unique(whole)) == {0, 2}
    assert np.array_equal(parts, whole)


@pytest.mark.parametrize(
    ("units", "batch", "cores", "n"),
    [(64, 256, 1, (1, 1)), (64, 32, 2, (1, 1)), (64, 512, 2, (2, 2)), (128, 128, 8, (4, 2)),
     (500, 32, 8, (2, 1)), (500, 512, 8, (8, 8))],
)  # fmt: skip
@pytest.mark.parametrize("has_unit", [False, True])
def test_a_batch_is_divided_where_that_is_quicker(units, batch, cores, n, has_unit, monkeypatch):
    monkeypatch.setattr(packing, "may_use_unit", lambda: has_unit)
    packed = pack(build(described(Dense(units=units), Dense(units=units), SOFTMAX), host_key(0)),
                   (9,), is_by_role=False)  # fmt: skip
    assert sharing.n_parts(packed, batch, cores) == n[has_unit]


def test_augmented_pictures_are_those_of_the_same_seed():
    changes = Augmentation(shift=2, rotate=10)
    architecture = described(Conv2D(channels=3), Flatten(), SOFTMAX, shape=(10, 10, 1))
    plan = make_plan(architecture, Recipe(augmentation=changes))
    x = PICTURES[:, :10, :10, :1]
    loops = make_loop_program(plan, x.shape[1:])
    network, known = build(architecture, jax.random.key(0)), examples(x, CLASSES)
    assert can_loop(plan, network, known.x)
    rows, rates = np.arange(20, dtype=np.int32).reshape(2, 10), np.full(2, 0.01, np.float32)
    knobs = Knobs(jnp.float32(0), jnp.float32(0))
    losses = [
        float(loops.advance(loops.start(network), known, rows, (key,), rates, knobs)[1].loss)
        for key in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
def test_classes_where_the_loss_compares_outputs(loss):
    output = Dense(units=4, activation="sigmoid")
    recipe = Recipe(label_smoothing=0.2)
    assert_same_steps(described(Dense(units=8), output, loss=loss), recipe, NUMBERS, CLASSES)


@pytest.mark.parametrize("is_wide", [False, True])
def test_what_is_dropped_where_it_lies_is_dropped_as_by_a_layer_of_its_own(is_wide, request):
    if is_wide:
        request.getfixturevalue("wide")
    first, drops, rest = Dense(units=20, activation="mish"), Dropout(rate=0.4), Dense(units=9)
    at_once = described(first, drops, rest, SOFTMAX)
    apart = described(first, Dropout(rate=0.0), drops, rest, SOFTMAX)  # a second one is a layer
    known, rates = examples(NUMBERS, CLASSES), np.full(3, 0.01)
    rows = RNG.integers(0, ROWS, (3, BATCH)).astype(np.int32)
    found, weights, n_layers = [], None, []
    for architecture, before in ((at_once, 0), (apart, 1)):
        loops = make_loop_program(make_plan(architecture, Recipe()), (9,))
        state = loops.start(build(architecture, jax.random.key(0)))
        n_layers.append(len(state.packing.chain.layers))
        weights = state.learner.parameters.copy() if weights is None else weights
        state.learner.parameters[:] = weights
        rules, seeds = loops._rules(0.0, 0.0), np.arange(50, 53, dtype=np.uint32) - before
        given = loops._as_known(known, 4, 0.0)[0]
        loops._take_steps(state, rules, given, rows, rates, seeds, np.zeros(4))
        found.append((state.learner.parameters, loops.combine(loops.weights(state), NUMBERS)))
    assert n_layers == [3, 4]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert not np.allclose(found[0][0], weights, atol=1e-3)


def test_dropout_drops_its_share_and_keeps_the_mean():
    architecture = described(Dropout(rate=0.25), Dense(units=9, activation="identity"),
                             loss="squared_error")  # fmt: skip
    network = build(architecture, jax.random.key(0))
    weight = jnp.eye(9, dtype=jnp.float32)
    network = eqx.tree_at(lambda n: n.layers[1].weight, network, weight)
    plan = make_plan(architecture, Recipe(optimizer="adam"))
    loops = make_loop_program(plan, (9,))
    n = 4000
    ones = np.ones((n, 9), np.float32)
    known = Examples(jnp.asarray(ones), jnp.zeros((n, 9)), jnp.ones(n))
    rows = np.arange(n, dtype=np.int32)[None]
    knobs = Knobs(jnp.float32(0), jnp.float32(0))
    losses = []
    for key in (0, 0, 1):
        _, sums, _ = loops.advance(
            loops.start(network), known, rows, (key,), np.zeros(1, np.float32), knobs
        )
        losses.append(float(sums.loss))
    assert losses[0] == losses[1] != losses[2]  # the same seed drops the same
    # ½ Σ (m / ¾)² over 9 values kept with probability ¾ has the mean ½ · 9 · 4/3.
    assert losses[0] / n == pytest.approx(6.0, abs=0.06)


def test_what_the_loops_do_not_know_is_left_to_xla():
    x = jnp.asarray(NUMBERS)
    plain = described(Dense(units=3), SOFTMAX)

    def can(architecture=plain, x=x, **recipe):
        recipe = Recipe(**recipe)
        return can_loop(make_plan(architecture, recipe), build(architecture, jax.random.key(0)), x)

    assert can()
    assert not can(optimizer="muon")
    assert not can(gradient_clip=1.0)
    assert not can(x=x.astype(jnp.int32))
    assert not can(described(Dense(units=3), LayerNorm(), SOFTMAX))
    assert not can(described(SOFTMAX, loss="squared_error"))


def test_a_loss_that_is_not_finite_is_told():
    architecture = described(Dense(units=3), SOFTMAX)
    program = make_loop_program(make_plan(architecture, Recipe()), (9,))
    x = NUMBERS.copy()
    x[3, 4] = np.nan
    rows = np.arange(BATCH, dtype=np.int32)[None]
    knobs = Knobs(jnp.float32(0), jnp.float32(0))
    state = program.start(build(architecture, jax.random.key(0)))
    known, rates = examples(x, CLASSES), np.full(1, 0.1, np.float32)
    kept = program.weights(state).parameters.copy()
    after, _, is_finite = program.advance(program.fresh(state), known, rows, (0,), rates, knobs)
    assert not is_finite
    assert after is not state
    np.testing.assert_array_equal(program.weights(state).parameters, kept)


@pytest.mark.parametrize("engine", ["loops", "xla"])
def test_the_loop_trains_by_either_engine_and_says_by_which(engine):
    architecture = described(Dense(units=8, activation="tanh"), Dropout(rate=0.1), SOFTMAX)
    recipe = Recipe(epochs=40, learning_rate=0.05)
    y = (NUMBERS[:, 0] > 0).astype(np.int32)

    def run():
        network = build(architecture, jax.random.key(1))
        return train(network, architecture, recipe, examples(NUMBERS, y), None, engine=engine)

    (first, history), (second, _) = run(), run()
    assert history.steps.engine == engine
    assert history.epochs[-1].train_score > 0.9
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("architecture", "x", "way"),
    [
        (WITH_DROPOUT, NUMBERS, None),
        (WITH_DROPOUT, NUMBERS, "wide"),
        (WITH_DROPOUT, NUMBERS, "divided"),
        (OF_PARTS, NUMBERS, None),
        (OF_PARTS, NUMBERS, "wide"),
        (described(Dense(units=6), BatchNorm(), SOFTMAX), NUMBERS, None),
        (described(Dense(units=6), BatchNorm(), SOFTMAX), NUMBERS, "divided"),
        (
            described(Conv2D(channels=3), Flatten(), SOFTMAX, shape=PICTURES.shape[1:]), PICTURES,
            "divided",
        ),
    ],
)  # fmt: skip
def test_steps_from_a_state_that_stays_are_those_that_overwrite_it(architecture, x, way, request):
    if way:
        request.getfixturevalue(way)
    program = make_loop_program(make_plan(architecture, Recipe()), x.shape[1:], 2 if way else 1)
    first, other = (build(architecture, jax.random.key(number)) for number in range(2))
    known, rates = examples(x, CLASSES), np.full(3, 0.01, np.float32)
    rows, knobs = RNG.integers(0, ROWS, (3, 40)).astype(np.int32), Knobs(0.0, 0.0)

    def taken(state):
        for key in range(2):
            state, sums, is_finite = program.advance(state, known, rows, (key,), rates, knobs)
            assert is_finite
        return state, float(sums.loss)

    def bytes_of(state):
        return [part.tobytes() for part in state.learner if part is not None]

    state, spare = program.start(first), program.start(other)
    begun, _ = taken(state)
    before, memory = bytes_of(begun), spare.learner.parameters
    fresh = program.fresh(begun, spare)
    assert program.weights(fresh).parameters.tobytes() == before[0]
    after, loss = taken(program.fresh(fresh, spare))
    assert after.learner.parameters is memory
    assert bytes_of(begun) == before
    here, same_loss = taken(begun)
    n = int(here.packing.pieces["end"].max())
    assert loss == same_loss
    assert program.weights(after).parameters.tobytes() == program.weights(here).parameters.tobytes()
    for one, same in zip(after.learner, here.learner, strict=True):
        assert one is None or one[:n].tobytes() == same[:n].tobytes()


@pytest.mark.parametrize("way", [None, "wide", "divided"])
def test_weights_that_are_not_finite_are_told_where_the_loss_is(way, request):
    if way:
        request.getfixturevalue(way)
    program = make_loop_program(make_plan(WITH_DROPOUT, Recipe()), (9,), 2 if way else 1)
    known, rows = examples(NUMBERS, CLASSES), np.arange(40, dtype=np.int32)[None]
    for rate, is_sound in ((1e30, True), (np.inf, False)):
        state = program.start(build(WITH_DROPOUT, jax.random.key(0)))
        rates, knobs = np.full(1, rate, np.float32), Knobs(0.0, 0.0)
        _, sums, is_finite = program.advance(state, known, rows, (0,), rates, knobs)
        assert np.isfinite(sums.loss)
        assert is_finite == is_sound


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_every_parameter_is_looked_at_by_one_share(broken):
    for place in range(70):
        parameters = np.full(70, np.finfo(np.float32).max)
        parameters[place] = broken
        assert sum(n_broken(parameters, share, 3) for share in range(3)) == 1


@pytest.mark.parametrize("is_tried_again", [False, True])
def test_memory_that_is_used_again_changes_no_result(monkeypatch, is_tried_again):
    architecture = described(Dense(units=16), Dense(units=16), SOFTMAX)
    recipe = Recipe(epochs=60, learning_rate=0.02, patience=30)
    known = examples(NUMBERS, CLASSES)  # by chance, so that the best epoch is an early one
    held_out = examples(NUMBERS[::-1] + 0.1, CLASSES)
    taken, left = LoopProgram.advance, LoopProgram.fresh
    reused, n_calls = [], itertools.count(1)

    def advance(self, state, *rest):
        """Take steps; now and then something is not finite after them."""
        after, sums, is_finite = taken(self, state, *rest)
        return after, sums, is_finite and not (is_tried_again and next(n_calls) % 12 == 0)

    def run(fresh):
        nonlocal n_calls
        n_calls = itertools.count(1)
        monkeypatch.setattr(LoopProgram, "fresh", fresh)
        network = build(architecture, jax.random.key(1))
        return train(network, architecture, recipe, known, held_out, engine="loops")

    def again(self, state, spare=None):
        reused.append(spare is not None)
        return left(self, state, spare)

    monkeypatch.setattr(LoopProgram, "advance", advance)
    (first, history), (second, _) = run(again), run(lambda self, state, _: left(self, state))
    assert 0 < history.best_epoch < len(history.epochs)
    assert sum(reused) > len(history.epochs) - 5
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(one, other)
