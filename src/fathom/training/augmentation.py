"""Augmentation: small random changes that leave a picture's meaning alone."""

import math

from jaxtyping import Float, Int, Key

from fathom.nn.xla import Array, jax, jnp
from fathom.training.recipe import Augmentation

_GRID = 4  # control points along each axis of the smooth deformation


def augment(
    images: Float[Array, "batch height width channels"],
    key: Key[Array, ""],
    augmentation: Augmentation,
) -> Float[Array, "batch height width channels"]:
    """Move, turn, stretch and bend every image a little, each in its own way.

    Parameters
    ----------
    images : jax.Array
        Images, background 0.
    key : jax.Array
        Random key.
    augmentation : Augmentation
        How much of what.

    Returns
    -------
    jax.Array
        Images of the same shape and type.
    """
    affine_key, bend_key = jax.random.split(key)
    rows, columns = _affine_positions(images.shape, affine_key, augmentation)
    if augmentation.bend > 0:
        shape = (2, images.shape[0], *images.shape[1:3])
        displacement = augmentation.bend * _smooth_noise(bend_key, shape)
        rows, columns = rows + displacement[0], columns + displacement[1]
    if augmentation.edge == "repeat":
        rows = jnp.clip(rows, 0, images.shape[1] - 1)
        columns = jnp.clip(columns, 0, images.shape[2] - 1)
    moved = _interpolate(images, rows, columns)
    if augmentation.tone > 0:
        moved = _retune(moved, jax.random.fold_in(key, 7), augmentation.tone)
    if augmentation.floor > 0:
        height = jax.random.uniform(jax.random.fold_in(key, 8), (len(images), 1, 1, 1), jnp.float32)
        moved = jnp.maximum(moved, augmentation.floor * height)
    if augmentation.light > 0:
        moved = _relight(moved, jax.random.fold_in(key, 2), augmentation.light)
    if augmentation.noise > 0:
        moved = _add_noise(moved, jax.random.fold_in(key, 4), augmentation.noise)
    for axis, share in ((1, augmentation.hide_rows), (2, augmentation.hide_columns)):
        if share > 0:
            moved = _hide(moved, jax.random.fold_in(key, 4 + axis), axis, share)
    if augmentation.threshold is None:
        return moved
    return (moved >= augmentation.threshold).astype(images.dtype)


def _affine_positions(
    shape: tuple[int, ...], key: Key[Array, ""], augmentation: Augmentation
) -> tuple[Float[Array, "batch height width"], Float[Array, "batch height width"]]:
    """Return, for every pixel of the new image, the row and column it comes from."""
    n, height, width, _ = shape
    draws = jax.random.uniform(key, (6, n, 1, 1), jnp.float32, -1, 1)
    side = jnp.ones((1, 1, 1), jnp.float32)
    if augmentation.mirror:
        side = jax.random.rademacher(jax.random.fold_in(key, 1), (n, 1, 1), jnp.float32)
    angle = math.radians(augmentation.rotate) * draws[0]
    shear = augmentation.shear * draws[1]
    tall, wide = 1 + augmentation.scale * draws[2], 1 + augmentation.scale * draws[3]
    down, right = augmentation.shift * draws[4], augmentation.shift * draws[5]
    if augmentation.slide > 0:
        slid = jax.random.uniform(jax.random.fold_in(key, 3), (n, 1, 1), jnp.float32, -1, 1)
        down = down + augmentation.slide * slid
    y = jnp.arange(height, dtype=jnp.float32)[None, :, None] - (height - 1) / 2
    x = jnp.arange(width, dtype=jnp.float32)[None, None, :] - (width - 1) / 2
    turned_y = jnp.cos(angle) * y + jnp.sin(angle) * x
    turned_x = jnp.cos(angle) * x - jnp.sin(angle) * y
    rows = tall * turned_y + down + (height - 1) / 2
    columns = side * wide * (turned_x + shear * turned_y) + right + (width - 1) / 2
    return rows, columns


def _relight(
    images: Float[Array, "batch height width channels"], key: Key[Array, ""], amount: float
) -> Float[Array, "batch height width channels"]:
    """Change the brightness and the contrast of every image: x ↦ b (m + c (x - m)), m its mean."""
    draws = 1 + amount * jax.random.uniform(key, (2, len(images), 1, 1, 1), jnp.float32, -1, 1)
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    return draws[0] * (mean + draws[1] * (images - mean))


def _retune(
    images: Float[Array, "batch height width channels"], key: Key[Array, ""], amount: float
) -> Float[Array, "batch height width channels"]:
    """Raise and lower columns smoothly; what is nothing stays so, and the loudest as loud."""
    coarse = jax.random.normal(key, (len(images), _GRID), jnp.float32)
    raised = amount * jnp.einsum("bj,wj->bw", coarse, _tent_weights(images.shape[2]))
    tuned = jnp.where(images > 0, images + raised[:, None, :, None], 0.0)
    top = [one.max(axis=(1, 2, 3), keepdims=True) for one in (images, tuned)]
    return jnp.where(images > 0, jnp.maximum(tuned + top[0] - top[1], 0.0), 0.0)


def _add_noise(
    images: Float[Array, "batch height width channels"], key: Key[Array, ""], amount: float
) -> Float[Array, "batch height width channels"]:
    """Add normal noise to every pixel, of a strength each image draws for itself."""
    strength = amount * jax.random.uniform(key, (len(images), 1, 1, 1), jnp.float32)
    return images + strength * jax.random.normal(
        jax.random.fold_in(key, 1), images.shape, jnp.float32
    )


def _hide(
    images: Float[Array, "batch height width channels"],
    key: Key[Array, ""],
    axis: int,
    most: float,
) -> Float[Array, "batch height width channels"]:
    """Set one stretch of rows or columns of every image to the image's mean."""
    size = images.shape[axis]
    draws = jax.random.uniform(key, (2, len(images), 1), jnp.float32)
    length = most * size * draws[0]
    begin = draws[1] * (size - length)
    place = jnp.arange(size, dtype=jnp.float32)[None, :] + 0.5
    is_hidden = (place >= begin) & (place < begin + length)
    shape = [len(images), 1, 1, 1]
    shape[axis] = size
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    return jnp.where(is_hidden.reshape(shape), mean, images)


def _smooth_noise(
    key: Key[Array, ""], shape: tuple[int, ...]
) -> Float[Array, "axes batch height width"]:
    """Draw normal noise on a coarse grid and interpolate it bilinearly to every pixel."""
    axes, n, height, width = shape
    coarse = jax.random.normal(key, (axes, n, _GRID, _GRID), jnp.float32)
    vertical, horizontal = _tent_weights(height), _tent_weights(width)
    return jnp.einsum("hi,abij,wj->abhw", vertical, coarse, horizontal)


def _tent_weights(size: int) -> Float[Array, "size grid"]:
    position = jnp.linspace(0.0, _GRID - 1.0, size, dtype=jnp.float32)[:, None]
    distance = jnp.abs(position - jnp.arange(_GRID, dtype=jnp.float32)[None, :])
    return jnp.maximum(0.0, 1.0 - distance)


def _interpolate(
    images: Float[Array, "batch height width channels"],
    rows: Float[Array, "batch height width"],
    columns: Float[Array, "batch height width"],
) -> Float[Array, "batch height width channels"]:
    """Read images at positions between pixels; everything outside is 0."""
    n, height, width, channels = images.shape
    padded = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    flat = padded.reshape(n, (height + 2) * (width + 2), channels)
    y = jnp.clip(rows + 1, 0, height + 1)
    x = jnp.clip(columns + 1, 0, width + 1)
    top, left = jnp.minimum(jnp.floor(y), height), jnp.minimum(jnp.floor(x), width)
    low, near = y - top, x - left
    corner = (top * (width + 2) + left).astype(jnp.int32).reshape(n, height * width)

    def read(offset: int) -> Float[Array, "batch height width channels"]:
        where: Int[Array, "batch pixels one"] = (corner + offset)[:, :, None]
        return jnp.take_along_axis(flat, where, axis=1).reshape(images.shape)

    low, near = low[..., None], near[..., None]
    upper = (1 - near) * read(0) + near * read(1)
    lower = (1 - near) * read(width + 2) + near * read(width + 3)
    return (1 - low) * upper + low * lower
