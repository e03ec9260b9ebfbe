"""Projections against scikit-learn's PCA and LDA, and grids against layers worked out by hand."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from fathom import Dense
from fathom.errors import InputError
from fathom.inspection.projections import (
    BentGrid,
    Projections,
    bend_grid,
    discriminants,
    main_directions,
    project,
)

IRIS_X, IRIS_Y = load_iris(return_X_y=True)


def small(make_network, n_in=4):
    return make_network(
        Dense(units=5, activation="tanh"), Dense(units=3, activation="softmax"), n_in=n_in
    )


@pytest.mark.parametrize("shape", [(60, 7), (9, 40), (30, 1)])
def test_main_directions_are_scikit_learns(shape):
    x = np.random.default_rng(0).normal(size=shape) @ np.diag(np.arange(1, shape[1] + 1))
    n = min(2, shape[1])
    directions, share = main_directions(x, 2)
    pca = PCA(n).fit(x)
    for mine, theirs in zip(directions.T, pca.components_, strict=False):
        assert mine[np.abs(mine).argmax()] > 0
        np.testing.assert_allclose(mine * np.sign(mine @ theirs), theirs, atol=1e-8)
    assert share == pytest.approx(pca.explained_variance_ratio_.sum())


def test_there_are_no_directions_where_nothing_differs():
    directions, share = main_directions(np.ones((5, 3)))
    assert not directions.any()
    assert share == 1
    found, share = discriminants(np.ones((5, 3)), np.arange(5) % 2)
    assert not found.any()
    assert share == 1


def test_discriminants_are_scikit_learns():
    found, share = discriminants(IRIS_X, IRIS_Y)
    lda = LinearDiscriminantAnalysis(solver="eigen").fit(IRIS_X, IRIS_Y)
    assert np.rad2deg(subspace_angles(found, lda.scalings_[:, :2])).max() < 0.01
    for mine, theirs in zip(found.T, lda.scalings_.T, strict=False):
        cosine = mine @ theirs / np.linalg.norm(mine) / np.linalg.norm(theirs)
        assert abs(cosine) == pytest.approx(1, abs=1e-6)
    assert share == pytest.approx(1)
    one, share = discriminants(IRIS_X, IRIS_Y, n=1)
    assert share == pytest.approx(lda.explained_variance_ratio_[0], abs=1e-4)
    within = np.mean([np.var(IRIS_X[c == IRIS_Y] @ one[:, 0]) for c in range(3)])
    assert within == pytest.approx(1, abs=1e-4)


def test_two_classes_have_one_discriminant():
    found, _ = discriminants(IRIS_X[:100], IRIS_Y[:100])
    assert found[:, 0].any()
    assert not found[:, 1].any()


def test_layers_are_projected_by_directions_of_other_rows(make_network):
    x, y = load_digits(return_X_y=True)
    network = small(make_network, 64)
    seen = project(network, x, y, n_shown=100, most_rows=500)
    others = np.setdiff1d(np.arange(len(x)), seen.rows)
    assert len(seen.rows) == 100
    assert seen.labels == tuple(map(str, y[list(seen.rows)]))
    mixed = np.random.default_rng(0).permutation(np.sort(_drawn(len(x), 600)))
    chosen_on = np.sort(mixed[100:])
    assert set(chosen_on) <= set(others)
    pca = PCA(2).fit(x[chosen_on])
    expected = pca.transform(x[list(seen.rows)])
    signs = np.sign((expected * seen.layers[0].at).sum(axis=0))
    np.testing.assert_allclose(seen.layers[0].at * signs, expected, atol=1e-3)


def _drawn(n, most):
    return np.random.default_rng(0).choice(n, most, replace=False)


def test_discriminants_tell_digits_apart_on_rows_they_were_not_chosen_on(make_network):
    x, y = load_digits(return_X_y=True)
    network = small(make_network, 64)
    plane = project(network, x, y, method="discriminant", n_shown=300)
    points, labels = plane.layers[0].at, np.array(plane.labels)
    centers = np.stack([points[labels == str(c)].mean(axis=0) for c in range(10)])
    nearest = ((points[:, None] - centers[None]) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == labels.astype(int)).mean() > 0.5  # chance is 0.1
    assert plane.findings == ()
    few = project(network, x[:200], y[:200], method="discriminant", n_shown=150)
    assert few.findings[-1].code == "projection_same_rows"


def test_numbers_have_no_discriminants(make_network):
    network = small(make_network)
    for y in (None, IRIS_X[:, 0]):
        with pytest.raises(InputError, match="classes"):
            project(network, IRIS_X, y, method="discriminant")
    assert set(project(network, IRIS_X).labels) == {""}


def test_the_grid_is_bent_as_the_layers_say(make_network, with_weights):
    network = make_network(
        Dense(units=2, activation="tanh"), Dense(units=3, activation="relu"),
        Dense(units=1, activation="sigmoid"), loss="binary_cross_entropy",
    )  # fmt: skip
    network = with_weights(network, ([[1, 2], [-1, 1]], [0.5, 0]))
    bent = bend_grid(network, low=(-2, -1), high=(2, 1), n_lines=3, n_points=5)
    level = bent.layers[0].lines[0]
    np.testing.assert_allclose(level, [[-2, -1], [-1, -1], [0, -1], [1, -1], [2, -1]])
    upright = bent.layers[0].lines[3]
    np.testing.assert_allclose(upright[:, 0], -2)
    flat = bent.layers[0].lines.reshape(-1, 2)
    expected = np.tanh(flat @ np.array([[1, 2], [-1, 1]]).T + [0.5, 0])
    np.testing.assert_allclose(bent.layers[1].lines.reshape(-1, 2), expected, atol=1e-4)
    assert bent.layers[1].share == 1
    assert 0 < bent.layers[2].share <= 1
    assert not bent.layers[3].lines[..., 1].any()


def test_rows_on_the_grid(make_network, xor):
    x, y = xor
    bent = bend_grid(small(make_network, 2), x[:30], y[:30])
    assert bent.low[0] < x[:30, 0].min()
    assert bent.high[1] > x[:30, 1].max()
    np.testing.assert_allclose(bent.layers[0].at, x[:30], atol=1e-4)
    assert BentGrid.model_validate_json(bent.model_dump_json()) == bent
    with pytest.raises(InputError):
        bend_grid(small(make_network, 2), x[:30], y[:29])
    for network, rows in ((small(make_network, 4), None), (small(make_network, 2), IRIS_X)):
        with pytest.raises(InputError):
            bend_grid(network, rows)


def test_projections_go_to_json_and_back(make_network):
    seen = project(small(make_network), IRIS_X, IRIS_Y)
    assert Projections.model_validate_json(seen.model_dump_json()) == seen
    assert "input: " in str(seen)
