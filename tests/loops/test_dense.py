"""Dense layers: the same sums and gradients by tiles, by the library, and by NumPy in float64."""

import numpy as np
import pytest

from fathom.loops.dense import (
    DEEP,
    FEWEST,
    PANEL,
    backward_dense,
    find_errors,
    forward_dense,
    room_for_dense,
)
from fathom.loops.matrix_unit import may_use_unit
from fathom.loops.moving import room
from fathom.loops.records import DENSE, LAYER

RNG = np.random.default_rng(0)
SIZES = {
    "few inputs": (FEWEST - 1, 40), "few neurons": (40, FEWEST - 1), "narrowest": (FEWEST, FEWEST),
    "odd": (30, 65), "some panels": (2 * PANEL + 3, 2 * DEEP + 9), "wide": (401, 3 * PANEL),
}  # fmt: skip


WAYS = [False, *[True] * may_use_unit()]


def layer_of(n_in, n_out, has_bias, splits=False):
    record = np.zeros(1, LAYER)
    record["kind"], record["n_in"], record["n_out"], record["passes_back"] = DENSE, n_in, n_out, 1
    record["splits"] = splits
    record["weight"], record["bias"] = n_out, 0 if has_bias else -1
    return record[0]


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("batch", [1, 37, 300])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("splits", WAYS)
def test_sums_and_gradients(size, batch, has_bias, splits):
    n_in, n_out = size
    layer = layer_of(n_in, n_out, has_bias, splits)
    parameters = RNG.normal(size=n_out + n_out * n_in).astype(np.float32)
    bias, weight = parameters[:n_out], parameters[n_out:].reshape(n_out, n_in).astype(float)
    x, delta = (RNG.normal(size=(batch, n)).astype(np.float32) for n in (n_in, n_out))
    z, back = np.full((batch, n_out), np.nan, np.float32), np.full_like(x, np.nan)
    gradient = np.full_like(parameters, np.nan)
    aside = room(room_for_dense(layer, batch))
    aside[:] = np.nan
    forward_dense(layer, parameters, x, z, aside)
    backward_dense(layer, parameters, x, delta, back, aside, gradient)
    near = {"rtol": 1e-4, "atol": 1e-3 if splits else 1e-4}
    np.testing.assert_allclose(z, x @ weight.T + (bias if has_bias else 0), **near)
    np.testing.assert_allclose(back, delta @ weight, **near)
    np.testing.assert_allclose(gradient[n_out:].reshape(n_out, n_in), delta.T @ x, **near)
    assert np.isnan(gradient[:n_out]).all()


@pytest.mark.parametrize("batch", [1, 37])
@pytest.mark.parametrize("n_out", [3, 65])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("is_output", [True, False])
def test_node_errors_and_the_gradient_of_biases(batch, n_out, has_bias, is_output):
    error, slope = (RNG.normal(size=(batch, n_out)).astype(np.float32) for _ in range(2))
    expected = error.astype(float) * (1 if is_output else slope)
    gradient = np.full(n_out, np.nan, np.float32)
    find_errors(layer_of(n_out, n_out, has_bias), error, slope, is_output, gradient)
    np.testing.assert_allclose(error, expected, rtol=1e-6)
    if has_bias:
        np.testing.assert_allclose(gradient, expected.sum(axis=0), rtol=1e-4, atol=1e-5)
    else:
        assert np.isnan(gradient).all()
