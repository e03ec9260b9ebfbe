"""Folders with one sub-folder for each class: what is listed, passed over and refused."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from fathom.data import pictures
from fathom.data.folders import find_contradictions, list_classes, read_all, sense_of
from fathom.data.images import read_levels
from fathom.data.pictures import find_file_column, read_pictures_of, survey
from fathom.data.textfiles import read_loose_texts, read_text_folder
from fathom.errors import DatasetError, InputError


def save(path, array=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((6, 8, 3), 90, np.uint8) if array is None else array
    Image.fromarray(picture).save(path, **options)
    return path


@pytest.fixture
def pets(tmp_path):
    for number in range(12):
        shade = np.full((6, 8, 3), 10 * number, np.uint8)
        save(tmp_path / "pets" / ("cat" if number % 2 else "dog") / f"{number}.png", shade)
    return tmp_path / "pets"


def read_small(path):
    return read_levels(path, 4, 4, 3)


def test_files_are_listed_by_class_hidden_ones_left_out(pets):
    (pets / ".cache").mkdir()
    (pets / ".cache" / "x.png").write_bytes(b"")
    (pets / "cat" / ".hidden.png").write_bytes(b"")
    (pets / "dog" / "Thumbs.db").write_bytes(b"")
    save(pets / "dog" / "more" / "a.png")
    files = list_classes(pets)
    assert len(files.paths) == 13
    assert sorted(set(files.labels)) == ["cat", "dog"]
    assert all(label in path.parts for path, label in zip(files.paths, files.labels, strict=True))
    assert sense_of(files, pets) == "images"


def test_what_has_no_classes_is_refused(pets, tmp_path):
    with pytest.raises(DatasetError, match="one sub-folder for each class"):
        list_classes(pets / "cat")
    (tmp_path / "parts").mkdir()
    pets.rename(tmp_path / "parts" / "train")
    with pytest.raises(DatasetError, match="parts of a data set"):
        list_classes(tmp_path / "parts")


def test_rows_76_and_77_bad_files_are_listed_up_to_a_limit(pets):
    whole = save(pets / "whole.jpg", np.random.default_rng(0).integers(0, 255, (90, 90, 3), "u1"))
    for number in range(40):
        save(pets / "dog" / f"more{number}.png")
    bad = {
        "empty.png": b"", "words.png": b"no picture", "drawn.svg": b"<svg></svg>",
        "cut.jpg": whole.read_bytes()[:900],
    }  # fmt: skip
    whole.unlink()
    for name, content in bad.items():
        (pets / "cat" / name).write_bytes(content)
    files = list_classes(pets)
    found = read_all(files.paths, read_small, "pictures")
    assert len(found.values) == len(files.paths) - 4 == 52
    for name in bad:
        assert sum(name in note for note in found.notes) == 1
    with pytest.raises(DatasetError, match=r"less than 5% cannot be read — got 4 of 56") as caught:
        read_all(files.paths, read_small, "pictures", most_bad=0.05)
    assert "empty.png" not in str(caught.value) or "the first" in str(caught.value)


@pytest.mark.parametrize("name", ["cut.png", "sum.png"])
def test_row_76_and_77_broken_png(tmp_path, name):
    data = bytearray(save(tmp_path / "a.png", np.random.default_rng(0).integers(
        0, 255, (40, 40, 3), "u1")).read_bytes())  # fmt: skip
    data = data[:200] if name == "cut.png" else data[:60] + bytes([data[60] ^ 255]) + data[61:]
    (tmp_path / name).write_bytes(bytes(data))
    with pytest.raises(InputError):
        read_small(tmp_path / name)


def test_row_85_content_counts_not_the_name_and_links_do_not_go_round(pets):
    (pets / "cat" / "1.png").rename(pets / "cat" / "1.dat")
    (pets / "cat" / "round").symlink_to(pets)
    (pets / "cat" / "self.png").symlink_to("self.png")
    files = list_classes(pets)
    found = read_all(files.paths, read_small, "pictures", most_bad=0.2)
    assert len(found.values) == 12
    assert any("self.png" in note for note in found.notes)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_row_85_what_is_no_file_or_nobody_may_read_is_passed_over(pets):
    os.mkfifo(pets / "cat" / "pipe.png")  # who opens it waits for ever
    (pets / "cat" / "nowhere.png").symlink_to("absent.png")
    (pets / "dog" / "secret.png").write_bytes((pets / "dog" / "2.png").read_bytes())
    (pets / "dog" / "secret.png").chmod(0)
    is_open = os.access(pets / "dog" / "secret.png", os.R_OK)  # to who may read everything
    found = read_all(list_classes(pets).paths, read_small, "pictures", most_bad=0.5)
    assert len(found.values) == 12 + is_open
    for name in ("pipe.png", "nowhere.png", *["secret.png"] * (not is_open)):
        assert any(name in note for note in found.notes)


def test_row_85_the_same_file_in_two_classes_is_named(pets):
    (pets / "dog" / "again.png").write_bytes((pets / "cat" / "3.png").read_bytes())
    (pets / "cat" / "twice.png").write_bytes((pets / "cat" / "5.png").read_bytes())
    notes = find_contradictions(list_classes(pets))
    assert len(notes) == 2
    assert "3.png" in notes[0]
    assert "again.png" in notes[0]
    assert notes[1].startswith("1 files")


def test_pictures_are_read_at_one_size_and_moving_ones_said(tmp_path):
    frames = [Image.new("RGB", (9, 9), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    save(tmp_path / "b.png", np.zeros((5, 30, 3), np.uint8))
    found = read_pictures_of([tmp_path / "a.gif", tmp_path / "b.png"], 8, 8, 3)
    assert found.x.shape == (2, 8, 8, 3)
    assert found.x.dtype == np.uint8
    assert tuple(found.x[0, 4, 4]) == (255, 0, 0)  # row 83: the first frame
    assert any("several frames" in note for note in found.notes)


def test_pictures_that_would_fill_the_memory_are_kept_in_a_file(pets, tmp_path, monkeypatch):
    paths = [*sorted(pets.rglob("*.png")), save(tmp_path / "last.png")]
    paths.insert(1, Path("absent.png"))
    here = read_pictures_of(paths, 8, 8, 3, most_bad=0.5)
    monkeypatch.setattr(pictures, "MOST_IN_MEMORY", 0)
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "kept"))
    there = read_pictures_of(paths, 8, 8, 3, most_bad=0.5)
    assert isinstance(there.x, np.memmap)
    np.testing.assert_array_equal(there.x, here.x)
    np.testing.assert_array_equal(there.kept, np.delete(np.arange(len(paths)), 1))
    assert list((tmp_path / "kept").iterdir()) == []  # the file has no name, so none is left behind


def test_a_cache_that_is_no_folder_is_said(pets, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_IN_MEMORY", 0)
    monkeypatch.setenv("FATHOM_CACHE", str(save(tmp_path / "file.png")))
    with pytest.raises(DatasetError, match="FATHOM_CACHE"):
        read_pictures_of(sorted(pets.rglob("*.png")), 8, 8, 3)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the disk is asked on POSIX systems")
def test_pictures_that_no_disk_holds_are_refused_before_any_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "kept"))
    with pytest.raises(DatasetError, match=r"room for pictures on the disk .*FATHOM_CACHE"):
        read_pictures_of([Path("absent.png")] * 10**7, 2**16, 2**16, 3)
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_survey_tells_greys_from_colors_and_the_usual_size(pets):
    assert survey(sorted(pets.rglob("*.png"))) == (1, 6)
    save(pets / "cat" / "red.png", np.tile(np.array([250, 0, 0], np.uint8), (20, 20, 1)))
    assert survey(sorted(pets.rglob("*.png")))[0] == 3


def test_a_column_of_paths_is_found_where_the_files_are(pets):
    frame = pl.DataFrame({"n": [1, 2], "what": ["cat", "dog"], "where": ["cat/1.png", "dog/2.PNG"]})
    assert find_file_column(frame, ("what",), pets) == "where"
    assert find_file_column(frame, ("what",), pets / "cat") is None
    assert find_file_column(frame, ("where",), pets) is None


def test_rows_90_and_91_what_is_not_read_of_texts_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("fathom.data.textfiles.MOST_TEXT_BYTES", 20)
    texts = {"good/a": b"fine", "good/b": b"x \xff\x81 y", "bad/c": b"long " * 9, "bad/d": b"",
             "bad/e": b"n\0l"}  # fmt: skip
    for name, content in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.txt").write_bytes(content)
    table = read_text_folder(tmp_path)
    assert table.frame.height == 5
    assert "long long long long " in table.frame["text"].to_list()
    assert "" in table.frame["text"].to_list()
    assert any("2 texts have signs that cannot be read, taken as U+FFFD" in n for n in table.notes)
    assert any("of 1 texts only the first 20 bytes are read" in note for note in table.notes)


def test_texts_of_a_folder_are_a_table(tmp_path):
    for number in range(6):
        place = tmp_path / ("good" if number % 2 else "bad") / f"{number}.txt"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(f"房间很大 {number} 号".encode("gbk" if number == 3 else "utf-8"))
    table = read_text_folder(tmp_path)
    assert table.frame.columns == ["text", "class"]
    assert table.frame.row(0) == ("房间很大 0 号", "bad")
    assert sorted(table.frame["text"]) == [f"房间很大 {number} 号" for number in range(6)]
    assert any("GB18030" in note for note in table.notes)
    assert read_loose_texts(tmp_path / "bad").frame.columns == ["file", "text"]
    with pytest.raises(DatasetError, match="texts"):
        read_loose_texts(save(tmp_path / "none" / "a.png").parent)
