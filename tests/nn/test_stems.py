"""Stems: the joined network is what NumPy makes of its parts, and nothing else reaches a stem."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate2d

from fathom.errors import ArchitectureError
from fathom.nn.architecture import Architecture
from fathom.nn.bag import Bag
from fathom.nn.blocks import Dropout, Residual
from fathom.nn.convolution import Conv2D, GlobalAveragePool
from fathom.nn.dense import Dense
from fathom.nn.embedding import Gain
from fathom.nn.network import build
from fathom.nn.normalization import BatchNorm
from fathom.nn.stems import Stem, Stems

COLUMNS = Stem(name="columns", shape=(3,), layers=(Gain(), Dense(units=5, activation="tanh")))
TEXT = Stem(name="text", first=3, shape=(4,), layers=(Bag(codes=6, units=2),))
PHOTO = Stem(
    name="photo",
    first=7,
    shape=(4, 5, 2),
    layers=(Conv2D(channels=3, kernel=(3, 3), activation="relu"), GlobalAveragePool()),
)
WIDTH = 7 + 4 * 5 * 2


def architecture(*stems, width=WIDTH):
    layers = (Stems(stems=stems), Dense(units=2, activation="softmax"))
    return Architecture(input_shape=(width,), layers=layers, loss="cross_entropy")


@pytest.fixture(scope="module")
def network():
    drawn = build(architecture(COLUMNS, TEXT, PHOTO), jax.random.key(3))
    gains = jnp.array([0.5, -1.0, 2.0], jnp.float32)
    return eqx.tree_at(lambda n: n.layers[0].stems[0][0].gain, drawn, gains)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, WIDTH)).astype(np.float32)
    x[:, 3:5] = rng.integers(0, 6, (6, 2))
    return x


def by_hand(network, rows):
    """Return the outputs as the textbooks write them, float64."""
    (gain, dense), (bag,), (conv, _) = network.layers[0].stems
    made = []
    for row in rows.astype(np.float64):
        columns = np.tanh(dense.weight @ (gain.gain * row[:3]) + dense.bias)
        words = sum(
            w * np.asarray(bag.table[int(c)]) for c, w in zip(row[3:5], row[5:7], strict=True)
        )
        picture = row[7:].reshape(4, 5, 2)
        means = []
        for k in range(3):
            z = sum(
                correlate2d(picture[:, :, c], np.asarray(conv.kernel[:, :, c, k]), mode="same")
                for c in range(2)
            )
            means.append(np.maximum(z + conv.bias[k], 0).mean())
        made.append(np.concatenate([columns, words, means]))
    output = network.layers[1]
    z = np.array(made) @ np.asarray(output.weight, np.float64).T + np.asarray(output.bias)
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def test_the_joined_network_is_what_numpy_makes_of_it(network, rows):
    np.testing.assert_allclose(network(jnp.asarray(rows)), by_hand(network, rows), atol=1e-6)


def test_learning_reaches_each_stem_through_its_own_part_alone(network, rows):
    def output(x):
        return jnp.sum(network.layers[0](x)[:, 7:])  # what the picture's stem makes

    slopes = np.asarray(jax.grad(output)(jnp.asarray(rows)))
    assert not slopes[:, :7].any()
    assert slopes[:, 7:].any()


def test_parts_may_overlap_and_what_none_reads_changes_nothing(rows):
    again = Stem(name="again", first=2, shape=(2,), layers=(Dense(units=2, activation="tanh"),))
    drawn = build(architecture(COLUMNS, again), jax.random.key(0))
    moved = rows.copy()
    moved[:, 4:] += 1
    np.testing.assert_array_equal(drawn(jnp.asarray(rows)), drawn(jnp.asarray(moved)))
    moved[:, 3] += 1
    assert not np.array_equal(drawn(jnp.asarray(rows)), drawn(jnp.asarray(moved)))


def test_statistics_inside_a_stem_move_on_while_it_learns(rows):
    stem = Stem(name="columns", shape=(3,), layers=(BatchNorm(momentum=0.5), Dropout(rate=0.1)))
    drawn = build(architecture(stem), jax.random.key(0))
    _, after = drawn.train(jnp.asarray(rows), jax.random.key(1))
    found = after.layers[0].stems[0][0].running_mean.value
    np.testing.assert_allclose(found, rows[:, :3].mean(axis=0) / 2, atol=1e-6)


def test_an_architecture_shows_every_stem_and_counts_its_parameters():
    described = architecture(COLUMNS, TEXT, PHOTO)
    stems = 3 + (5 * 3 + 5) + 6 * 2 + (9 * 2 * 3 + 3)
    assert described.n_parameters == stems + 2 * (5 + 2 + 3) + 2
    assert described.shapes[1] == (10,)
    shown = str(described)
    for line in ("1 stems columns + text + photo", "  photo: conv2d 3 3×3 relu", "  text: bag 6"):
        assert line in shown
    assert build(described, jax.random.key(0)).has_convolution
    assert not build(architecture(COLUMNS), jax.random.key(0)).has_convolution


@pytest.mark.parametrize(
    ("stem", "width", "said"),
    [
        (PHOTO, WIDTH - 1, "a row of 47 numbers or more, where the stem photo ends"),
        (Stem(name="p", shape=(4, 5, 2), layers=(Conv2D(channels=3),)), WIDTH, "a flat output"),
        (Stem(name="p", shape=(4,), layers=(Conv2D(channels=3),)), WIDTH, "in the stem p an image"),
        (
            Stem(name="p", shape=(4,), layers=(Dense(units=2, activation="softmax"),)),
            WIDTH,
            "softmax at the output only",
        ),
    ],
)
def test_stems_that_cannot_be_are_refused_by_name(stem, width, said):
    with pytest.raises(ArchitectureError, match=said):
        architecture(stem, width=width)


def test_rows_that_are_no_rows_and_far_too_many_layers_are_refused():
    with pytest.raises(ArchitectureError, match="flat input"):
        Architecture(
            input_shape=(4, 5, 2),
            layers=(Stems(stems=(COLUMNS,)), Dense(units=2, activation="softmax")),
            loss="cross_entropy",
        )
    with pytest.raises(ArchitectureError, match="features"):
        Stem(name="p", shape=(4, 5), layers=(Dense(units=2),))
    block = Residual(layers=(Dense(units=3),) * 60)
    many = Stem(name="many", shape=(3,), layers=(block,) * 20)
    with pytest.raises(ArchitectureError, match="at most 1,000 layers"):
        architecture(many)
