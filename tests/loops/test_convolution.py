"""Convolutions: the same sums and gradients by tiles, by a matrix unit, and by NumPy in float64."""

import numpy as np
import pytest

from fathom.loops.convolution import (
    backward_convolution,
    divide_gradient,
    forward_convolution,
    room_for_convolution,
)
from fathom.loops.matrix_unit import may_use_unit
from fathom.loops.moving import room
from fathom.loops.records import CONVOLUTION, LAYER

RNG = np.random.default_rng(0)
WAYS = [False, *[True] * may_use_unit()]
# Pictures, their height, width and channels; the kernel's height, width and channels; its stride,
# and rows and columns of zeros above and to the left; neurons from top to bottom and side to side.
CASES = {
    "as Fathom describes them": ((9, 4, 4, 48), (3, 3, 64), 1, (1, 1), (4, 4)),
    "many in a picture": ((2, 21, 19, 9), (3, 3, 24), 1, (1, 1), (21, 19)),
    "few inputs": ((3, 6, 7, 25), (2, 3, 40), 1, (0, 1), (6, 7)),
    "no border": ((5, 9, 8, 26), (4, 2, 31), 1, (0, 0), (6, 7)),
    "apart": ((4, 8, 9, 32), (3, 4, 33), 2, (0, 1), (4, 5)),
    "one line": ((3, 1, 30, 65), (1, 5, 24), 1, (0, 2), (1, 30)),
}


def layer_of(case, splits, has_bias):
    (_, height, width, channels), kernel, stride, border, out = case
    record = np.zeros(1, LAYER)[0]
    record["kind"], record["splits"], record["passes_back"] = CONVOLUTION, splits, 1
    record["height"], record["width"], record["channels"] = height, width, channels
    record["kernel_height"], record["kernel_width"], record["channels_out"] = kernel
    record["stride"], record["top"], record["left"] = stride, *border
    record["height_out"], record["width_out"] = out
    record["n_out"] = out[0] * out[1] * kernel[2]
    n = kernel[0] * kernel[1] * channels * kernel[2]
    record["bias"], record["end"] = n if has_bias else -1, n + kernel[2] * has_bias
    return record


def every_patch(case):
    """Yield each neuron's row and column, and where its patch begins in a picture with borders."""
    _, _, stride, _, (n_rows, n_columns) = case
    for row in range(n_rows):
        for column in range(n_columns):
            yield row, column, row * stride, column * stride


def bordered(case, x):
    (_, height, width, _), (high, wide, _), stride, (top, left), (n_rows, n_columns) = case
    bottom = max(0, (n_rows - 1) * stride + high - top - height)
    right = max(0, (n_columns - 1) * stride + wide - left - width)
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))


def expected(case, x, kernel, bias, delta):
    """Return z, ∂E/∂K and ∂E/∂x by their definitions."""
    (_, height, width, _), (high, wide, _), _, (top, left), _ = case
    seen = bordered(case, x)
    z, of_kernel, back = np.zeros_like(delta), np.zeros_like(kernel), np.zeros_like(seen)
    for row, column, y, i in every_patch(case):
        patch, errors = seen[:, y : y + high, i : i + wide], delta[:, row, column]
        z[:, row, column] = np.einsum("nhwc,hwco->no", patch, kernel) + bias
        of_kernel += np.einsum("nhwc,no->hwco", patch, errors)
        back[:, y : y + high, i : i + wide] += np.einsum("no,hwco->nhwc", errors, kernel)
    return z, of_kernel, back[:, top : top + height, left : left + width]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("splits", WAYS)
@pytest.mark.parametrize("has_bias", [True, False])
def test_sums_and_gradients(case, splits, has_bias):
    (n, _, _, channels), (high, wide, n_out), _, _, out = case
    x, kernel = RNG.normal(size=case[0]), RNG.normal(size=(high, wide, channels, n_out))
    bias, delta = RNG.normal(size=n_out) * has_bias, RNG.normal(size=(n, *out, n_out))
    layer = layer_of(case, splits, has_bias)
    parameters = np.append(kernel, bias).astype(np.float32)
    aside = room(room_for_convolution(layer))
    aside[:] = np.nan
    rows = x.astype(np.float32).reshape(n, -1)
    z = np.full((n, delta[0].size), np.nan, np.float32)
    forward_convolution(layer, parameters, rows, z, aside)
    errors, slope = delta.astype(np.float32).reshape(n, -1), np.ones_like(z)
    back, gradient = np.full_like(rows, np.nan), np.full_like(parameters, np.nan)
    backward_convolution(layer, parameters, rows, errors, slope, back, aside, gradient)
    sums, of_kernel, of_x = expected(case, x, kernel, bias, delta)
    near = {"rtol": 1e-4, "atol": 3e-3 if splits else 3e-4}
    np.testing.assert_allclose(z.reshape(delta.shape), sums, **near)
    np.testing.assert_allclose(gradient[: kernel.size].reshape(kernel.shape), of_kernel, **near)
    np.testing.assert_allclose(back.reshape(x.shape), of_x, **near)
    if has_bias:
        np.testing.assert_allclose(gradient[kernel.size :], delta.sum(axis=(0, 1, 2)), **near)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("splits", WAYS)
def test_the_gradient_of_what_normalizes_the_inputs_comes_with_the_kernels(case, splits):
    """Found from what the kernel's takes: no error is passed back to the inputs."""
    (n, _, _, channels), (high, wide, n_out), _, _, out = case
    x, kernel = RNG.normal(size=case[0]), RNG.normal(size=(high, wide, channels, n_out))
    scale, shift = RNG.normal(size=channels), RNG.normal(size=channels)
    delta = RNG.normal(size=(n, *out, n_out))
    layer, norm = layer_of(case, splits, False), np.zeros(1, LAYER)[0]
    layer["for_norm"] = 1
    norm["begin"] = norm["scale"] = kernel.size
    norm["offset"], norm["end"] = kernel.size + channels, kernel.size + 2 * channels
    parameters = np.concatenate([kernel.ravel(), scale, shift]).astype(np.float32)
    gradient, aside = np.full_like(parameters, np.nan), room(room_for_convolution(layer))
    errors = delta.astype(np.float32).reshape(n, -1)
    rows, back = x.astype(np.float32).reshape(n, -1), np.zeros((n, x[0].size), np.float32)
    slope = np.ones_like(errors)
    backward_convolution(layer, parameters, rows, errors, slope, back, aside, gradient)
    divide_gradient(layer, norm, parameters, errors, aside, gradient)
    _, of_kernel, of_y = expected(case, scale * x + shift, kernel, np.zeros(n_out), delta)
    near = {"rtol": 1e-4, "atol": 3e-2 if splits else 3e-3}
    np.testing.assert_allclose(gradient[: kernel.size].reshape(kernel.shape), of_kernel, **near)
    of_scale, of_shift = gradient[kernel.size :].reshape(2, channels)
    np.testing.assert_allclose(of_scale, (of_y * x).sum(axis=(0, 1, 2)), **near)
    np.testing.assert_allclose(of_shift, of_y.sum(axis=(0, 1, 2)), **near)
    assert (back == 0).all()
