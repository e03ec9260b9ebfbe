"""Augmentation: nothing for nothing, and exactly what was asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from fathom.training import augmentation
from fathom.training.augmentation import _affine_positions, _interpolate
from fathom.training.recipe import Augmentation

augment = jax.jit(augmentation.augment, static_argnums=2)  # as training does
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


def test_mirrored_images_are_the_images_from_left_to_right_or_as_they_were():
    images = jnp.asarray(np.random.default_rng(3).random((40, 7, 6, 2)).astype(np.float32))
    found = np.asarray(augment(images, jax.random.key(0), Augmentation(mirror=True)))
    same = np.isclose(found, images, atol=1e-5).all(axis=(1, 2, 3))
    turned = np.isclose(found, images[:, :, ::-1], atol=1e-5).all(axis=(1, 2, 3))
    assert (same ^ turned).all()
    assert 8 < turned.sum() < 32


def test_what_comes_in_at_a_repeated_edge_is_the_edge():
    images = jnp.full((6, 5, 5, 1), 3.0)
    changes = Augmentation(shift=4, rotate=30, scale=0.3, edge="repeat")
    np.testing.assert_allclose(augment(images, jax.random.key(0), changes), 3.0, rtol=1e-5)
    dark = augment(images, jax.random.key(0), changes.model_copy(update={"edge": "zero"}))
    assert float(dark.min()) < 2


def test_light_changes_brightness_and_contrast_of_each_image_alone():
    found = np.asarray(augment(jnp.asarray(IMAGES), jax.random.key(1), Augmentation(light=0.5)))
    for before, after in zip(IMAGES.reshape(5, -1), found.reshape(5, -1), strict=True):
        slope, height = np.polyfit(before, after, 1)
        np.testing.assert_allclose(after, slope * before + height, atol=1e-4)  # a line, rising
        assert 0.2 < slope < 2.3
        assert 0.5 - 1e-3 < after.mean() / before.mean() < 1.5 + 1e-3


def test_noise_is_of_the_strength_each_image_draws():
    images = jnp.zeros((100, 12, 10, 1), jnp.float32)
    noise = augment(images, jax.random.key(0), Augmentation(noise=8.0))
    spread = np.asarray(noise).std(axis=(1, 2, 3))
    assert spread.max() < 10
    assert spread.min() < 1
    assert spread.mean() == pytest.approx(4.0, abs=1.0)


def test_one_stretch_of_rows_and_one_of_columns_are_hidden():
    images = jax.random.uniform(jax.random.key(1), (60, 20, 16, 1), jnp.float32) + 1
    changes = Augmentation(hide_rows=0.5, hide_columns=0.25)
    hidden = np.asarray(augment(images, jax.random.key(0), changes))
    is_changed = np.abs(hidden - np.asarray(images)) > 1e-6
    rows, columns = is_changed.all(axis=(2, 3)), is_changed.all(axis=(1, 3))
    for some, most in ((rows, 10), (columns, 4)):
        n_runs = (np.diff(some.astype(int), axis=1, prepend=0, append=0) == 1).sum(axis=1)
        assert n_runs.max() == 1
        assert 1 < some.sum(axis=1).max() <= most + 1
        assert some.any(axis=0).all()  # everywhere
    outside = ~(rows[:, :, None, None] | columns[:, None, :, None])
    assert not (is_changed & outside).any()


def test_time_slides_and_frequency_does_not():
    images = jnp.zeros((100, 41, 9, 1), jnp.float32).at[:, 20, 4].set(1)
    moved = np.asarray(augment(images, jax.random.key(0), Augmentation(slide=10)))
    total = moved.sum(axis=(1, 2, 3))
    place = np.einsum("bhwc,h->b", moved, np.arange(41)) / total
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert np.abs(place - 20).max() > 8
    assert np.abs(place - 20).max() <= 10
    assert not moved[:, :, [3, 5]].any()


def test_tone_raises_columns_smoothly_and_leaves_silence_and_the_top():
    images = jax.random.uniform(jax.random.key(1), (50, 12, 16, 1), jnp.float32) * 50 + 100
    images = images.at[:, 3].set(0)
    found = np.asarray(augment(images, jax.random.key(0), Augmentation(tone=8.0)))
    assert not found[:, 3].any()
    np.testing.assert_allclose(found.max(axis=(1, 2, 3)), images.max(axis=(1, 2, 3)), rtol=1e-5)
    raised = np.delete(found - np.asarray(images), 3, axis=1)[..., 0]
    np.testing.assert_allclose(raised, np.broadcast_to(raised[:, :1], raised.shape), atol=1e-3)
    lines = np.diff(raised[:, 0], 2, axis=1)  # straight but at the two points of four within
    assert ((np.abs(lines) > 1e-3).sum(axis=1) <= 4).all()
    assert (np.ptp(raised[:, 0], axis=1) > 1).mean() > 0.9
    # Between control points a line runs from one normal number to the next: its ends tell of both.
    assert np.std(raised[:, 0, 15] - raised[:, 0, 0]) == pytest.approx(8 * 2**0.5, rel=0.3)


def test_floor_raises_what_is_below_each_images_own():
    images = jnp.asarray(np.tile(np.arange(120, dtype=np.float32), (60, 1)).reshape(60, 10, 12, 1))
    found = np.asarray(augment(images, jax.random.key(0), Augmentation(floor=80.0)))
    lowest = found.min(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(found, np.maximum(images, lowest), atol=1e-4)
    assert 60 < lowest.max() <= 80
    assert lowest.min() < 10
