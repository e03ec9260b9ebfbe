"""Pictures from files: what is read, how, and what is refused."""

import struct
from zlib import crc32

import numpy as np
import pytest
from PIL import Image, features

from fathom.data import images
from fathom.data.images import all_to_ink, read_grey, read_levels, resize_levels, to_ink
from fathom.errors import InputError


def save(path, array, mode=None, **options):
    Image.fromarray(np.asarray(array), mode).save(path, **options)
    return path


GREY = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10


def test_grey_values_are_shares_of_white(tmp_path):
    found = read_grey(save(tmp_path / "a.png", GREY))
    np.testing.assert_allclose(found, GREY / 255, atol=1e-6)
    assert found.dtype == np.float32


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    found = read_grey(save(tmp_path / "a.png", GREY.astype(np.uint16) * 257))
    np.testing.assert_allclose(found, GREY / 255, atol=1e-4)


def test_float_pictures_are_scaled(tmp_path):
    found = read_grey(save(tmp_path / "a.tiff", GREY.astype(np.float32) / 1000))
    np.testing.assert_allclose(found, GREY / GREY.max(), atol=1e-4)


def test_transparent_parts_are_white_paper(tmp_path):
    rgba = np.zeros((4, 6, 4), np.uint8)
    rgba[0, 0] = (0, 0, 0, 255)
    found = read_grey(save(tmp_path / "a.png", rgba))
    assert found[0, 0] == 0
    assert (found.reshape(-1)[1:] == 1).all()


def test_rotation_noted_by_the_camera_is_applied(tmp_path):
    picture = Image.fromarray(GREY)
    exif = picture.getexif()
    exif[0x0112] = 6  # turned a quarter to the right
    picture.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_allclose(read_grey(tmp_path / "a.png"), np.rot90(GREY, -1) / 255, atol=1e-6)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "CMYK", "RGB"])
def test_other_modes_are_converted(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.fromarray(GREY).convert(mode).save(path)
    assert read_grey(path).shape == (4, 6)


def test_what_is_no_picture_is_refused_in_one_line(tmp_path):
    whole = save(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 255, (50, 50), "u1"))
    bad = {
        "empty.png": b"", "text.png": b"hello", "svg.svg": b"<svg/>",
        "cut.png": whole.read_bytes()[:400], "header.png": whole.read_bytes()[:20],
    }  # fmt: skip
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name) as caught:
            read_grey(tmp_path / name)
        assert "\n" not in str(caught.value)
    for path in (tmp_path, tmp_path / "absent.png"):
        with pytest.raises(InputError, match="no file"):
            read_grey(path)


def test_a_picture_too_large_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", GREY)
    monkeypatch.setattr(images, "MAX_PIXELS", 20)
    with pytest.raises(InputError, match="at most 20 pixels"):
        read_grey(path)


def test_a_decompression_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(path)
    with pytest.raises(InputError, match="at most 40,000,000 pixels"):
        read_grey(path)


def digit_seven(size, paper, ink, thickness):
    picture = np.full((size, size), paper, np.float32)
    edge = size // 5
    picture[edge : edge + thickness, edge : size - edge] = ink
    for row in range(edge, size - edge):
        column = size - edge - (row - edge) // 2
        picture[row, column - thickness : column] = ink
    return picture


@pytest.mark.parametrize("size", [32, 100, 640])
def test_the_same_sign_gives_the_same_ink_whatever_paper_and_size(size):
    dark = to_ink(digit_seven(size, 1.0, 0.1, size // 12))
    light = to_ink(digit_seven(size, 0.0, 0.9, size // 12))
    np.testing.assert_array_equal(dark, light)
    assert dark.dtype == np.uint8
    assert dark.shape == (16, 16)
    reference = to_ink(digit_seven(200, 1.0, 0.0, 16))
    assert (dark != reference).mean() < 0.08


def test_thin_strokes_do_not_fade_away():
    assert to_ink(digit_seven(600, 1.0, 0.0, 6)).sum() > 15


def test_a_blank_picture_has_no_ink():
    assert not to_ink(np.full((40, 30), 0.7)).any()


def test_a_picture_of_the_right_size_is_cut_where_it_stands():
    grey = np.zeros((16, 16))
    grey[3, 4], grey[5, 6] = 1.0, 0.3
    assert np.argwhere(to_ink(grey)).tolist() == [[3, 4]]


def test_paper_is_decided_for_all_pictures_together():
    greys = np.zeros((3, 16, 16))
    greys[:, 4:9, 4:9] = 1
    greys[2] = 1  # a blot that reaches every border
    greys[2, 8, 8] = 0
    assert all_to_ink(greys)[2].sum() == 255


def test_row_80_levels_of_other_modes_are_those_of_the_picture(tmp_path):
    color = np.zeros((4, 6, 3), np.uint8)
    color[:, 3:] = (200, 40, 0)
    for mode in ("RGB", "P", "CMYK", "1", "LA"):
        path = tmp_path / f"a.{'tif' if mode == 'CMYK' else 'png'}"
        picture = Image.fromarray(color)
        (picture.quantize(4) if mode == "P" else picture.convert(mode)).save(path)
        found = read_levels(path, 4, 6, 3)
        is_grey = mode in ("1", "LA")  # Pillow's own greys, or the dots it makes of them
        expected = np.asarray(picture.convert(mode).convert("RGB")) if is_grey else color
        np.testing.assert_allclose(found, expected, atol=2)
    rgba = np.dstack([color, np.zeros((4, 6), np.uint8)])
    assert (read_levels(save(tmp_path / "b.png", rgba), 4, 6, 3) == 255).all()  # clear is white


def test_row_81_levels_of_sixteen_bits_and_of_fractions_are_scaled(tmp_path):
    deep = save(tmp_path / "a.png", GREY.astype(np.uint16) * 257)
    np.testing.assert_allclose(read_levels(deep, 4, 6, 1)[..., 0], GREY, atol=1)
    shares = save(tmp_path / "a.tiff", GREY.astype(np.float32) / 230)
    np.testing.assert_allclose(read_levels(shares, 4, 6, 3)[..., 1], GREY / 230 * 255, atol=1)


def test_row_82_levels_are_turned_as_the_camera_noted(tmp_path):
    picture = Image.fromarray(GREY)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_levels(tmp_path / "a.png", 6, 4, 1)[..., 0],
                                  np.rot90(GREY, -1))  # fmt: skip


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (500, 3)])
def test_row_84_any_shape_becomes_the_one_asked_for(tmp_path, size):
    path = save(tmp_path / "a.png", np.full(size, 77, np.uint8))
    assert (read_levels(path, 9, 8, 3) == 77).all()


def test_rows_78_and_79_what_is_too_large_is_refused_from_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 20)
    with pytest.raises(InputError, match="at most 20 pixels"):
        read_levels(save(tmp_path / "a.png", GREY), 2, 2, 1)


def header_of_png(width, height):
    """Return a PNG that says it is so large, with nothing in it."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    about = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", about) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 50_000, 2**31 - 1])
@pytest.mark.parametrize("read", [
    lambda path: read_levels(path, 2, 2, 1), images.has_color, images.shorter_side,
    images.read_grey,
])  # fmt: skip
def test_rows_78_and_79_bombs_are_refused_whoever_opens_them(tmp_path, side, read):
    (tmp_path / "bomb.png").write_bytes(header_of_png(side, side))
    with pytest.raises(InputError, match=r"bomb\.png") as caught:
        read(tmp_path / "bomb.png")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(0, 0), (0, 5)])
def test_row_76_a_picture_without_pixels_is_none(tmp_path, size):
    (tmp_path / "none.png").write_bytes(header_of_png(*size))
    with pytest.raises(InputError, match=r"none\.png"):
        read_levels(tmp_path / "none.png", 2, 2, 1)


@pytest.mark.parametrize("suffix", ["tiff", "gif", "webp"])
def test_row_83_of_several_frames_the_first_is_read(tmp_path, suffix):
    if suffix == "webp" and not features.check("webp"):
        pytest.skip("this Pillow reads no WebP")
    frames = [Image.new("L", (5, 5), shade) for shade in (10, 200)]
    how = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **how)
    assert (read_levels(tmp_path / f"a.{suffix}", 5, 5, 1) == 10).all()


def test_levels_of_many_pictures_shrink_as_those_of_one(tmp_path):
    whole = np.random.default_rng(0).integers(0, 255, (2, 20, 24, 3), dtype=np.uint8)
    found = resize_levels(whole, 5, 6)
    np.testing.assert_allclose(
        found[1], read_levels(save(tmp_path / "a.png", whole[1]), 5, 6, 3), atol=1
    )
    np.testing.assert_allclose(found.mean(), whole.mean(), atol=2)
