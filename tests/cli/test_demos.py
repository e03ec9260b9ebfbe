"""Public data to try: what is said of it, and what is asked of files laid out like it."""

import importlib
import shlex

import polars as pl
import pytest

from fathom.cli.demos import DEMOS
from fathom.data.tables import read_table
from fathom.errors import FathomError


@pytest.fixture
def asked(fathom, monkeypatch):
    """Return a function that gives the options a training would have, without the training."""
    taken = []

    def run_train(options, *_):
        taken.append(options)
        return 0

    monkeypatch.setattr(importlib.import_module("fathom.cli.train"), "run_train", run_train)

    def run(*arguments):
        done = fathom("train", *arguments, "--json")
        assert done.code == 0, done.err
        return taken[-1], done.events

    return run


@pytest.mark.parametrize("name", DEMOS)
def test_without_a_path_a_demo_says_where_its_data_is_and_under_which_terms(name, fathom):
    told = fathom("train", "--demo", name)
    event = fathom("train", "--demo", name, "--json").events[0]
    assert (told.code, event["event"], event["name"]) == (0, "demo", name)
    for word in ("question", "content", "place", "size", "licence", "command"):
        assert event[word] in told.out
    assert "://" in event["place"]
    assert all(step in told.out for step in event["steps"])
    words = shlex.split(event["command"])  # what it names is laid out elsewhere, and not here
    assert "expected" in fathom(*words[1:]).refusal


def lay_out_speech(folder):
    for name in ("7_jackson_32", "0_theo_1"):
        (folder / "fsdd" / "recordings").mkdir(parents=True, exist_ok=True)
        (folder / "fsdd" / "recordings" / f"{name}.wav").write_bytes(b"")
    return "fsdd", {"names": "{digit}_{speaker}_{take}", "target": ("digit",), "group": "speaker"}


def lay_out_cats(folder):
    for kind in ("Cat", "Dog"):
        (folder / "dl" / "PetImages" / kind).mkdir(parents=True)
    return "dl", {"path": "dl/PetImages"}


def lay_out_flat_cats(folder):
    (folder / "train").mkdir()
    (folder / "train" / "cat.0.jpg").write_bytes(b"")
    return "train", {"names": "{class}.{number}", "target": ("class",)}


def lay_out_news(folder):
    rows = ['"3","A fall, then","The market"', '"1","A vote","The house"', '"3","A rise","Rates"']
    (folder / "train.csv").write_text("\n".join(rows))
    return "train.csv", {"target": ("column_1",), "no_header": True, "task": "classes"}


def lay_out_named_news(folder):
    frame = pl.DataFrame({"text": ["a fall", "a vote", "a rise"], "label": [2, 0, 2]})
    frame.write_parquet(folder / "train.parquet")
    return "train.parquet", {"target": ("label",), "no_header": False}


def lay_out_titles(folder):
    (folder / "t.tsv").write_text("体验2D巅峰\t8\n港股缩量回调\t2\n60年铁树开花\t8\n")
    return "t.tsv", {"target": ("column_2",), "no_header": True}


def lay_out_faces(folder):
    (folder / "attr.txt").write_text("2\nMale Blond_Hair Bald \n1.jpg -1  1 -1\n2.jpg  1 -1 -1\n")
    return "attr.txt", {"target": ("Male", "Blond_Hair"), "separator": "space"}


@pytest.mark.parametrize(("name", "lay_out"), [
    ("speech", lay_out_speech), ("cats", lay_out_cats), ("cats", lay_out_flat_cats),
    ("news", lay_out_news), ("news", lay_out_named_news), ("news", lay_out_titles),
    ("faces", lay_out_faces),
])  # fmt: skip
def test_a_path_is_asked_what_its_data_is_for_and_the_plain_command_is_said(
    name, lay_out, asked, tmp_path
):
    path, expected = lay_out(tmp_path)
    options, events = asked(path, "--demo", name)
    assert {key: getattr(options, key) for key in expected} == expected
    words = shlex.split(events[0]["command"])
    assert words[:2] == ["fathom", "train"]
    plain, _ = asked(*words[2:])
    target = plain.target[0].split(",") if plain.target else ()  # which the table parts
    assert (plain.path, tuple(target)) == (options.path, options.target)
    for key in ("names", "group", "task", "separator", "no_header"):
        assert getattr(plain, key) == getattr(options, key)


def test_what_the_user_says_stands(asked, tmp_path):
    path, _ = lay_out_speech(tmp_path)
    options, _ = asked(path, "--demo", "speech", "--target", "speaker", "--group", "take")
    assert (options.target, options.group) == (("speaker",), "take")


def test_demos_that_cannot_be_are_refused_in_a_line(fathom, tmp_path):
    assert "cats, news, speech, faces" in fathom("train", "--demo", "dogs").refusal
    refusal = fathom("train", "--demo", "cats", "--continue", "m.fathom").refusal
    assert "got --demo and --continue" in refusal
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    assert "how to lay it out" in fathom("train", "a.csv", "--demo", "speech").refusal
    assert "a folder" in fathom("train", ".", "--demo", "faces").refusal


def test_values_parted_by_blanks_are_read_with_the_first_column_named(tmp_path):
    path = tmp_path / "attr.txt"
    lay_out_faces(tmp_path)
    table = read_table(path, separator="space")
    assert table.frame.columns == ["name", "Male", "Blond_Hair", "Bald"]
    assert table.frame.rows() == [("1.jpg", "-1", "1", "-1"), ("2.jpg", "1", "-1", "-1")]
    assert table.first_row == 3
    assert any("a number alone" in note for note in table.notes)
    path.write_text("  a   b\n 1 2\r\n 3    4 \n")
    assert read_table(path, separator="space").frame.rows() == [("1", "2"), ("3", "4")]
    unnamed = read_table(path, separator="space", has_header=False).frame
    assert unnamed.rows() == [("a", "b"), ("1", "2"), ("3", "4")]
    path.write_text("a b\n1 2\n3 4 5\n")
    with pytest.raises(FathomError, match="3 in line 3"):
        read_table(path, separator="space")
