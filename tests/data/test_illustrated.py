"""Tables that name pictures: found, read once, counted where they are absent, laid side by side."""

import numpy as np
import polars as pl
import pytest
from PIL import Image

from fathom.data.columns import infer_columns
from fathom.data.illustrated import NO_PICTURE, RowEncoding
from fathom.data.parsing import parse_table
from fathom.data.pictures import find_picture_columns, place_paths, read_cells
from fathom.data.schema import Column
from fathom.errors import DatasetError, InputError

SHAPE = (2, 3, 1)
KINDS = {"photo": "picture"}


@pytest.fixture
def folder(tmp_path):
    """Return a folder with six pictures, each of one level: 0, 40, ..., 200."""
    (tmp_path / "photos").mkdir()
    for n in range(6):
        level = Image.new("L", (9, 6), 40 * n)
        level.save(tmp_path / "photos" / f"{n}.png")
    (tmp_path / "photos" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    return tmp_path


def frame(folder, *names):
    """Return a table of pictures, texts and numbers whose paths go from anywhere."""
    names = names or tuple(f"{n}.png" for n in range(6))
    n = len(names)
    return pl.DataFrame({
        "photo": [name and str(folder / "photos" / name) for name in names],
        "words": ["a bright sunny room", "a dark wet cellar"] * (n // 2) + ["none"] * (n % 2),
        "size": [str(k / 4) for k in range(n)],
        "town": ["Ulm", "Bonn", "Ulm"] * (n // 3) + ["Ulm"] * (n % 3),
    })  # fmt: skip


def columns_of(table, n_missing=0):
    columns = infer_columns(table, {**KINDS, "words": "text"})[0]
    photo = columns[0].model_copy(update={"shape": SHAPE, "n_missing": n_missing})
    return (photo, *columns[1:])


def test_columns_of_pictures_are_found_where_some_are_there(folder, monkeypatch):
    table = frame(folder).with_columns(
        thumb=pl.lit("photos/1.PNG"), other=pl.Series([f"lost/{n}.jpg" for n in range(6)]),
        number=pl.lit(1.5), some=pl.Series(["photos/1.png", "x", "y", "z", "x", "y"]),
        none=pl.lit(None, pl.String),
    )  # fmt: skip
    (folder / "photos" / "1.PNG").write_bytes((folder / "photos" / "1.png").read_bytes())
    assert find_picture_columns(table, (), folder) == (("photo", "thumb"), ("other",))
    assert find_picture_columns(table, {"photo", "other"}, folder) == (("thumb",), ())
    assert find_picture_columns(table) == (("photo",), ("thumb", "other"))
    monkeypatch.chdir(folder)
    assert find_picture_columns(table)[0] == ("photo", "thumb")
    assert find_picture_columns(table.clear()) == ((), ())


def test_words_for_missing_do_not_hide_a_column_of_pictures(folder):
    words = [None, "NA", "", *[f"photos/{n}.png" for n in range(6)], "?"]
    assert find_picture_columns(pl.DataFrame({"p": words}), (), folder)[0] == ("p",)
    most = pl.DataFrame({"p": ["photos/1.png"] * 8 + ["unknown"] * 2})
    assert find_picture_columns(most, (), folder) == ((), ())


def test_paths_go_from_the_table_and_those_that_leave_its_folder_are_told(folder):
    table = pl.DataFrame(
        {"p": ["photos/0.png", "../a.png", None, "/etc/b.png", "photos/../photos/1.png", "n/a"]}
    )
    placed, notes = place_paths(table, ["p", "absent"], folder)
    assert placed["p"].to_list() == [
        str(folder / "photos/0.png"), str(folder / "../a.png"), None, "/etc/b.png",
        str(folder / "photos/../photos/1.png"), None,
    ]  # fmt: skip
    assert notes == (
        "column p: 2 paths lead out of the table's folder (first in row 2: ../a.png)",
    )  # fmt: skip


def test_each_file_is_read_once_and_what_cannot_be_read_is_none(folder, monkeypatch):
    table = frame(folder, "2.png", "bad.png", "2.png", None, "lost.png", "a\0b.png")
    read = []
    from fathom.data import pictures

    original = pictures.read_levels
    monkeypatch.setattr(
        pictures, "read_levels", lambda path, *size: read.append(path) or original(path, *size)
    )
    found = read_cells(table["photo"], SHAPE)
    assert len(read) == 4
    assert [value is None for value in found.values] == [False, True, False, True, True, True]
    np.testing.assert_array_equal(found.values[2], np.full(SHAPE, 80))
    assert found.bad == (1, 4, 5)
    assert "bad.png" in found.reason
    monkeypatch.setattr(pictures, "MOST_OF_CELLS", 20)
    with pytest.raises(DatasetError, match="fewer rows at once"):
        read_cells(table["photo"], SHAPE)


def test_a_row_without_its_picture_stays_and_is_counted(folder):
    table = frame(folder, "0.png", "bad.png", None, "5.png")
    parsed = parse_table(table, columns_of(table))
    assert parsed.n_rows == 4
    assert [value is None for value in parsed.values[0]] == [False, True, True, False]
    assert parsed.is_unusual.tolist() == [False, True, True, False]  # training had one in each
    notes = "\n".join(parsed.notes)
    assert "column photo: 1 picture is not readable, taken as missing (first in row 2: " in notes
    assert "column photo: 1 row is without a picture (first row 3)" in notes
    usual = parse_table(table, columns_of(table, n_missing=3))
    assert not usual.is_unusual.any()


def test_a_folder_that_is_not_there_is_refused_rather_than_every_row_called_incomplete(folder):
    names = [f"x{n}.png" for n in range(10)]
    table = frame(folder, *names)
    with pytest.raises(InputError, match=r"none of 10 that can be read.*folder of the table"):
        parse_table(table, columns_of(table))
    few = table.head(9)
    assert parse_table(few, columns_of(table)).n_rows == 9


def fitted(folder, *names):
    table = frame(folder, *names)
    n_missing = sum(not name for name in names)
    parsed = parse_table(table, columns_of(table, n_missing))
    y = np.arange(parsed.n_rows) % 2
    return parsed, *RowEncoding.fit(parsed, np.arange(parsed.n_rows), y, 2, 0)


def test_a_row_is_its_columns_then_its_words_then_its_pictures(folder):
    parsed, encoding, means = fitted(folder)
    table, text, pictures = encoding.encode(parsed, means)
    assert encoding.width == table.shape[1] + text.shape[1] + 6
    assert (table.dtype, text.dtype, pictures.dtype) == (np.float32, np.float32, np.uint8)
    assert pictures.shape == (6, *SHAPE)
    assert pictures[:, 0, 0, 0].tolist() == [0, 40, 80, 120, 160, 200]
    rows = encoding.encode_rows(parsed)
    np.testing.assert_array_equal(rows[:, -6:], pictures.reshape(6, 6))
    np.testing.assert_array_equal(rows[:, : table.shape[1]], table)
    assert table.shape[1] == 2  # a number and a code; words have a part of their own


def test_where_training_lacked_pictures_a_flag_tells_of_it(folder):
    parsed, encoding, _ = fitted(folder, "0.png", None, "2.png", None, "4.png", "5.png")
    table, _, pictures = encoding.encode(parsed)
    assert encoding.table.layout.n_plain == 1
    np.testing.assert_array_equal(table[:, 1], [0, 1, 0, 1, 0, 0])
    np.testing.assert_array_equal(pictures[1], np.full(SHAPE, NO_PICTURE))


def test_pictures_alone_have_no_columns_and_no_words(folder):
    table = frame(folder).select("photo")
    columns = (columns_of(frame(folder))[0],)
    parsed = parse_table(table, columns)
    encoding, _ = RowEncoding.fit(parsed, np.arange(6), np.arange(6) % 2, 2, 0)
    assert (encoding.table, encoding.text, encoding.width) == (None, None, 6)
    assert [part.shape for part in encoding.encode(parsed)] == [(6, *SHAPE)]


def test_a_shape_belongs_to_columns_of_pictures_alone():
    with pytest.raises(InputError, match="shape belongs to"):
        Column(name="a", kind="number", shape=(2, 2, 1))
    with pytest.raises(InputError):
        Column(name="a", kind="picture", shape=(2, 2, 2))
