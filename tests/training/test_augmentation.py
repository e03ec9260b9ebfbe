"""Augmentation: nothing for nothing, and exactly what was asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from fathom.training.augmentation import _affine_positions, _interpolate, augment
from fathom.training.recipe import Augmentation

IMAGES = np.random.default_rng(0).random((5, 7, 6, 2)).astype(np.float32)


def test_no_change_for_no_amount():
    found = augment(jnp.asarray(IMAGES), jax.random.key(0), Augmentation())
    np.testing.assert_allclose(found, IMAGES, atol=1e-6)


def test_reading_between_pixels_is_bilinear_with_zeros_outside():
    rng = np.random.default_rng(1)
    rows = rng.uniform(-3, 10, (5, 7, 6)).astype(np.float32)
    columns = rng.uniform(-3, 9, (5, 7, 6)).astype(np.float32)
    found = _interpolate(jnp.asarray(IMAGES), jnp.asarray(rows), jnp.asarray(columns))
    padded = np.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for i in range(5):
        for c in range(2):
            expected = map_coordinates(
                padded[i, :, :, c], [rows[i] + 1, columns[i] + 1], order=1, mode="nearest"
            )
            np.testing.assert_allclose(found[i, :, :, c], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("amount", "largest"),
    [({"shift": 2.0}, 2.0), ({"rotate": 30.0}, 7.0), ({"scale": 0.3}, 1.0), ({"shear": 0.2}, 1.0)],
)
def test_positions_move_no_farther_than_asked_and_do_move(amount, largest):
    still = _affine_positions((50, 7, 6, 1), jax.random.key(0), Augmentation())
    moved = _affine_positions((50, 7, 6, 1), jax.random.key(0), Augmentation(**amount))
    distance = np.hypot(moved[0] - still[0], moved[1] - still[1])
    assert 0.2 * largest < distance.max() <= largest * 2**0.5
    if "shift" not in amount:  # the center stays where it is
        assert distance[:, 3].mean() < distance[:, 0].mean() + 1e-6


def test_every_image_moves_in_its_own_way_and_a_key_repeats_it():
    same = jnp.broadcast_to(jnp.asarray(IMAGES[:1]), IMAGES.shape)
    given = Augmentation(shift=1, rotate=20, scale=0.1, shear=0.1, bend=0.5)
    found = augment(same, jax.random.key(0), given)
    assert not np.allclose(found[0], found[1])
    np.testing.assert_array_equal(found, augment(same, jax.random.key(0), given))


def test_ink_stays_ink():
    ink = (IMAGES > 0.5).astype(np.float32)
    found = augment(jnp.asarray(ink), jax.random.key(3), Augmentation(rotate=25, threshold=0.5))
    assert set(np.unique(found)) == {0.0, 1.0}
