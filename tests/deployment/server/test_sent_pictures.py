"""Pictures that a request brings with it: decoded as files are, within limits, and never opened."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from fathom.data.images import read_levels
from fathom.data.schema import Column, TableInput
from fathom.deployment.server.intake import TableIntake
from fathom.deployment.server.openapi import _cell
from fathom.deployment.server.refusals import Refusal
from fathom.deployment.server.sent_pictures import decode_pictures

COLUMN = Column(name="photo", kind="picture", shape=(6, 5, 3))
SIZE = Column(name="size", kind="number", low=0.0, high=9.0)


def packed(size=(20, 30), kind="PNG", seed=0):
    levels = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, kind)
    return file.getvalue()


def text(data):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_bytes_are_decoded_as_the_file_that_holds_them(kind, tmp_path):
    data = packed(kind=kind)
    (tmp_path / "a.bin").write_bytes(data)
    expected = read_levels(tmp_path / "a.bin", 6, 5, 3)
    wrapped = "\n".join(text(data)[n : n + 76] for n in range(0, len(text(data)), 76))
    address = f"data:image/{kind.lower()};base64,{text(data)}"
    found = decode_pictures(COLUMN, [text(data), wrapped, address, None, ""])
    for levels in found[:3]:
        np.testing.assert_array_equal(levels, expected)
    assert found[3] is None
    assert found[4] is None


@pytest.mark.parametrize(("cell", "said"), [
    ("photos/1.png", "a server opens no files"), (7, "a server opens no files"),
    (["a"], "a server opens no files"), ("QUJD", "a picture (PNG, JPEG"),
    (text(packed()[:200]), "a whole picture"),
    (text(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "a picture (PNG, JPEG"),
])  # fmt: skip
def test_what_is_no_picture_is_refused_with_its_row(cell, said, tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.png").write_bytes(packed())
    monkeypatch.chdir(tmp_path)  # where a file of that name is
    with pytest.raises(Refusal, match="row 2") as refusal:
        decode_pictures(COLUMN, [None, cell])
    assert refusal.value.status == 400
    assert said in refusal.value.message


def test_pictures_that_unpack_to_too_much_are_refused_from_their_heads(monkeypatch):
    huge = io.BytesIO()
    Image.new("1", (5000, 4000)).save(huge, "PNG")
    assert len(huge.getvalue()) < 10_000
    with pytest.raises(Refusal, match="at most 16,000,000 pixels"):
        decode_pictures(COLUMN, [text(huge.getvalue())])
    monkeypatch.setattr("fathom.deployment.server.sent_pictures.MOST_PIXELS", 1500)
    assert len(decode_pictures(COLUMN, [text(packed())] * 2)) == 2
    with pytest.raises(Refusal, match="at most 1,500 pixels in column photo"):
        decode_pictures(COLUMN, [text(packed())] * 3)


def test_a_table_takes_pictures_beside_its_other_columns_and_counts_those_missing():
    intake = TableIntake(TableInput(columns=(COLUMN, SIZE)), ())
    assert intake.is_slow
    assert [(kind.name, kind.datatype) for kind in intake.kinds] == [
        ("photo", "BYTES"), ("size", "FP64")
    ]  # fmt: skip
    rows = intake.from_json([
        {"photo": text(packed()), "size": 3}, {"photo": None, "size": 4},
        {"photo": None, "size": None},
    ])  # fmt: skip
    assert rows.given.values[0][0].shape == (6, 5, 3)
    assert rows.given.is_unusual.tolist() == [False, True, True]
    assert rows.drift["photo", "missing"] == 2
    assert any("2 rows are without a picture" in note or "2 rows without a picture" in note
               for note in rows.notes)  # fmt: skip
    assert "base64" in _cell(COLUMN)["description"]
    with pytest.raises(Refusal, match="row 1"):
        intake.from_json([["/etc/passwd", 1]])
