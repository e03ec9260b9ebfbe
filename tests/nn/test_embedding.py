"""How columns of a table come in: held against NumPy by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.errors import ArchitectureError
from fathom.nn.embedding import Columns

X = np.array([[0.3, 2.5, 7.0, 0.0, 2.0, 11.0], [1.0, -4.0, 8.0, 3.0, 0.0, 0.0]], np.float32)


def build(**fields):
    described = Columns(n_numbers=2, n_plain=1, codes=(4, 3, 12), **fields)
    layer = described.build((6,), jax.random.key(0))
    return described, layer, lambda name: np.asarray(getattr(layer, name))


def test_numbers_pass_and_categories_are_one_hot_or_a_vector():
    described, layer, array = build()
    y = np.asarray(layer(jnp.asarray(X)))
    assert y.shape == (2, *described.output_shape((6,)))
    np.testing.assert_array_equal(y[:, :3], X[:, :3])
    np.testing.assert_array_equal(y[:, 3:8], [[0, 0, 0, 0, 1], [0, 0, 1, 0, 0]])
    np.testing.assert_array_equal(y[:, 8:], array("table")[[11, 0]])


def test_thermometer_counts_the_bins_below():
    _, layer, _ = build(form="thermometer", bins=4)
    y = np.asarray(layer(jnp.asarray(X)))[:, :6]
    np.testing.assert_array_equal(y, [[0, 0, 0, 1, 1, 0], [1, 0, 0, 0, 0, 0]])


def test_piecewise_is_a_line_through_every_bin():
    _, layer, array = build(form="piecewise", bins=3, units=2)
    filled = np.clip(X[:, :2, None] - np.arange(3), 0, 1) - 0.5
    expected = np.einsum("bnp,npu->bnu", filled, array("mix")) + array("shift")
    np.testing.assert_allclose(
        np.asarray(layer(jnp.asarray(X)))[:, :4], expected.reshape(2, -1), atol=1e-6
    )


def test_periodic_keeps_the_number_and_adds_waves():
    _, layer, array = build(form="periodic", waves=3, units=4)
    numbers = X[:, :2]
    waves = np.cos(2 * np.pi * numbers[:, :, None] * array("frequency") + array("phase"))
    mixed = np.einsum("bnp,npu->bnu", waves, array("mix")) + array("shift")
    y = np.asarray(layer(jnp.asarray(X)))
    np.testing.assert_array_equal(y[:, :2], numbers)
    np.testing.assert_allclose(y[:, 2:8], mixed.reshape(2, -1), atol=1e-5)


def test_refuses_what_has_no_columns():
    with pytest.raises(ArchitectureError, match="at least one column"):
        Columns(n_numbers=0)
    with pytest.raises(ArchitectureError, match="codes"):
        Columns(n_numbers=1, codes=(1,))
    with pytest.raises(ArchitectureError, match=r"\(2,\)"):
        Columns(n_numbers=2).output_shape((3,))
