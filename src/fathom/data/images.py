"""Pictures: from a file to levels of a small picture, or to the ink on a small grid."""

import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fathom.errors import InputError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 40_000_000  # refused from the header, before anything is decoded
MOST_SENT_PIXELS = 16_000_000  # of a picture whose bytes come from anyone
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")  # none that runs another program
INK_SIZE = 16
LEAST_COLOR = 16  # levels by which channels differ where a picture has color
INK_LEVEL = 0.4  # share of the strongest ink from which a pixel counts as ink


def read_grey(path: Path) -> np.ndarray:
    """Read one picture as grey values.

    Transparent parts are taken as white paper, the rotation noted by a camera is applied, and of
    an animation the first frame is read.

    Parameters
    ----------
    path : Path
        A picture in any format Pillow reads.

    Returns
    -------
    numpy.ndarray
        Shape (height, width), float32 in [0, 1], 1 is white.

    Raises
    ------
    InputError
        If the file is absent, is no picture, is truncated, or has more than 40 million pixels.
    """
    return _of_opened(path, _to_grey)


def read_levels(path: Path, height: int, width: int, channels: int) -> np.ndarray:
    """Read one picture, of any size, as levels of a small one.

    Rotation, transparency and animations as in `read_grey`; the picture is squeezed to the shape,
    every new pixel the mean of what it stands for.

    Parameters
    ----------
    path : Path
        A picture in any format Pillow reads.
    height, width : int
        Size to bring it to, in pixels.
    channels : {1, 3}
        Grey or red, green, blue.

    Returns
    -------
    numpy.ndarray
        Shape (height, width, channels), uint8, 255 is white.

    Raises
    ------
    InputError
        As in `read_grey`.
    """
    return _of_opened(path, lambda picture: _small_levels(picture, height, width, channels))


def decode_levels(data: bytes, height: int, width: int, channels: int) -> np.ndarray:
    """Return the levels of a picture that is given as the bytes of its file.

    Such bytes may come from anyone: only usual formats are tried, and the file may have no more
    than 16 million pixels.

    Parameters
    ----------
    data : bytes
        A whole file: PNG, JPEG, GIF, BMP, TIFF or WebP.
    height, width, channels : int
        As for `read_levels`.

    Returns
    -------
    numpy.ndarray
        As of `read_levels`, the same for the same bytes.

    Raises
    ------
    InputError
        If they are no such picture, are damaged, or have too many pixels.
    """
    return _of_opened(
        BytesIO(data), lambda picture: _small_levels(picture, height, width, channels),
        most_pixels=MOST_SENT_PIXELS, formats=FORMATS,
    )  # fmt: skip


def count_pixels(data: bytes) -> int:
    """Return the pixels of a picture, from the head of its file; see `decode_levels`."""
    size = _of_opened(
        BytesIO(data), lambda picture: np.array(picture.size), most_pixels=MOST_SENT_PIXELS,
        formats=FORMATS,
    )  # fmt: skip
    return int(size[0]) * int(size[1])


def _small_levels(picture: Image.Image, height: int, width: int, channels: int) -> np.ndarray:
    mode = "L" if channels == 1 else "RGB"
    if picture.format == "JPEG":  # decoded no larger than is needed: several times faster
        picture.draft(mode, (2 * max(height, width),) * 2)
    whole = _to_levels(ImageOps.exif_transpose(picture), mode)
    return _squeeze(whole, height, width)


def has_color(path: Path) -> bool:
    """Tell whether a picture has any color, rather than greys alone."""

    def work(picture: Image.Image) -> np.ndarray:
        if picture.format == "JPEG":
            picture.draft("RGB", (64, 64))
        levels = np.asarray(_to_levels(picture, "RGB"), np.int16)
        return levels.max(axis=2) - levels.min(axis=2)

    return bool(_of_opened(path, work).max() > LEAST_COLOR)


def shorter_side(path: Path) -> int:
    """Return the shorter side of a picture in pixels, from its header."""
    return int(_of_opened(path, lambda picture: np.array(min(picture.size))))


def resize_levels(pictures: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bring pictures of one size to another; see `read_levels`.

    Parameters
    ----------
    pictures : numpy.ndarray
        Levels, shape (n, height, width, channels), uint8.
    height, width : int
        Size to bring them to, in pixels.

    Returns
    -------
    numpy.ndarray
        Shape (n, height, width, channels), uint8.
    """
    n, *size, channels = pictures.shape
    if size == [height, width]:
        return pictures
    resized = np.empty((n, height, width, channels), np.uint8)
    for number, picture in enumerate(pictures):
        for channel in range(channels):
            one = Image.fromarray(np.ascontiguousarray(picture[:, :, channel]))
            resized[number, :, :, channel] = _squeeze(one, height, width)[:, :, 0]
    return resized


def _of_opened(
    source: Path | BytesIO,
    work: Callable[[Image.Image], np.ndarray],
    *,
    most_pixels: int | None = None,
    formats: tuple[str, ...] | None = None,
) -> np.ndarray:
    """Open a picture, refuse it from its header where it is too large, and work on it."""
    path = source if isinstance(source, Path) else "what was sent"
    most_pixels = most_pixels or MAX_PIXELS
    try:
        if isinstance(source, Path) and not source.is_file():
            raise InputError(
                "a picture file", got=f"{path}, which is no file", hint="check the path"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of decompression bombs, and of tags that are odd
            picture = Image.open(source, formats=formats)
            with picture:
                width, height = picture.size
                if width * height > most_pixels:
                    raise InputError(
                        f"a picture of at most {most_pixels:,} pixels",
                        got=f"{path} with {width}×{height}",
                        hint="make it smaller first",
                    )
                return work(picture)
    except UnidentifiedImageError:
        raise InputError(
            "a picture (PNG, JPEG, GIF, BMP, TIFF or WebP)", got=f"{path}, which is none",
            hint="leave it out",
        ) from None  # fmt: skip
    except Image.DecompressionBombError:
        raise InputError(
            f"a picture of at most {most_pixels:,} pixels", got=str(path),
            hint="make it smaller first",
        ) from None  # fmt: skip
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "a whole picture", got=f"{path}, which is damaged ({error})",
            hint="fetch it again, or leave it out",
        ) from None  # fmt: skip


def _to_levels(picture: Image.Image, mode: str) -> Image.Image:
    """Return a picture of 8 bits a channel, transparent parts on white."""
    if picture.mode.startswith(("I", "F")):
        grey = np.round(255 * _to_grey(picture)).astype(np.uint8)
        return Image.fromarray(grey).convert(mode)
    return _on_paper(picture).convert(mode)


def _squeeze(picture: Image.Image, height: int, width: int) -> np.ndarray:
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.uint8).reshape(height, width, -1)


def _to_grey(picture: Image.Image) -> np.ndarray:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):  # 16 bits or more: Pillow would clip, so scale instead
        values = np.asarray(picture, np.float64)
        if not np.isfinite(values).all():
            raise ValueError("pixels that are not finite")
        top = 65535.0 if picture.mode.startswith("I") else max(float(values.max()), 1e-12)
        return np.clip(values / top, 0, 1).astype(np.float32)
    return np.asarray(_on_paper(picture).convert("L"), np.float32) / 255


def _on_paper(picture: Image.Image) -> Image.Image:
    """Return a picture whose transparent parts are white."""
    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


def to_ink(
    grey: np.ndarray, size: int = INK_SIZE, *, is_light_paper: bool | None = None
) -> np.ndarray:
    """Bring a picture of a sign to ink (1) or no ink (0) on a small square grid.

    A pixel is ink from 0.4 of the strongest ink on. A larger picture is first cropped to its ink,
    reduced so that the longer side fills the grid, and centered; a smaller one is enlarged as it
    stands.

    Parameters
    ----------
    grey : numpy.ndarray
        Shape (height, width), grey values on any scale.
    size : int, default 16
        Side of the grid.
    is_light_paper : bool, optional
        Whether ink is darker than paper; where None, paper is what most of the border shows.

    Returns
    -------
    numpy.ndarray
        Shape (size, size), uint8 of 0 and 1; all 0 for a blank picture.
    """
    values = np.asarray(grey, np.float64)
    values = values / max(float(np.abs(values).max()), np.finfo(float).tiny)
    values = values - values.min()
    top = float(values.max())
    if top == 0:
        return np.zeros((size, size), np.uint8)
    values = (values / top).astype(np.float32)
    if has_light_border(values) if is_light_paper is None else is_light_paper:
        values = 1 - values
    if values.shape != (size, size):
        values = _fit(values, size)
    # Thin strokes fade when a picture shrinks: measure against the strongest ink that is left.
    return (values >= INK_LEVEL * values.max()).astype(np.uint8)


def has_light_border(greys: np.ndarray) -> bool:
    """Tell whether most of the border of a picture, or of many, is in the lighter half."""
    sides = (greys[..., 0, :], greys[..., -1, :], greys[..., :, 0], greys[..., :, -1])
    border = np.concatenate([side.reshape(-1) for side in sides])
    return float(np.median(border)) > (float(greys.max()) + float(greys.min())) / 2


def _fit(values: np.ndarray, size: int) -> np.ndarray:
    """Bring a picture to the middle of a square grid, its proportions kept."""
    resampling = Image.Resampling.LANCZOS  # keeps the small holes of an 8 open
    if max(values.shape) > size:
        is_ink = values >= INK_LEVEL
        rows, columns = np.flatnonzero(is_ink.any(1)), np.flatnonzero(is_ink.any(0))
        values = values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        resampling = Image.Resampling.BILINEAR
    longest = max(values.shape)
    height, width = (max(1, round(side * size / longest)) for side in values.shape)
    fitted = Image.fromarray(values).resize((width, height), resampling)
    grid = np.zeros((size, size), np.float32)
    top, left = (size - height) // 2, (size - width) // 2
    grid[top : top + height, left : left + width] = np.asarray(fitted)
    return grid


def all_to_ink(greys: np.ndarray, size: int = INK_SIZE) -> np.ndarray:
    """Bring many pictures of one size, on the same paper, to ink or no ink; see `to_ink`.

    Parameters
    ----------
    greys : numpy.ndarray
        Shape (n, height, width).

    Returns
    -------
    numpy.ndarray
        Shape (n, size, size), uint8.
    """
    is_light_paper = has_light_border(greys)
    return np.stack([to_ink(grey, size, is_light_paper=is_light_paper) for grey in greys])
