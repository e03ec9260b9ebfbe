"""The journal: what it says it has, it has, whatever was cut off or damaged."""

import json
import shutil

import pytest

from fathom.errors import InputError
from fathom.parallel.executor import Result
from fathom.parallel.journal import Journal

RESULTS = {f"{n:064x}": Result(bytes([n]) * (n + 1), json.dumps({"s": n})) for n in range(4)}


def fill(folder):
    journal = Journal(folder, "rows")
    for key, result in RESULTS.items():
        journal.keep(key, result, node="here", seconds=1.0)
    journal.note("lost", task="x")
    journal.close()


def known(folder, subject="rows"):
    journal = Journal(folder, subject)
    try:
        return {key: found for key in RESULTS if (found := journal.find(key)) is not None}
    finally:
        journal.close()


def test_results_come_back_in_another_process_of_the_same_search(tmp_path):
    fill(tmp_path / "j")
    assert known(tmp_path / "j") == RESULTS


def test_without_a_folder_results_are_in_memory(tmp_path):
    journal = Journal(None, "rows")
    journal.keep("a", Result(b"1"), node="here", seconds=0.0)
    assert journal.find("a") == Result(b"1")
    assert journal.find("b") is None
    journal.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_cut_off_at_any_byte_knows_what_was_whole_and_goes_on(tmp_path):
    fill(tmp_path / "whole")
    data = (tmp_path / "whole" / "journal.jsonl").read_bytes()
    ends = [n + 1 for n, byte in enumerate(data) if byte == ord("\n")]
    for cut in sorted({*range(0, len(data), 41), *ends, *(end - 1 for end in ends)}):
        folder = tmp_path / "cut"
        shutil.copytree(tmp_path / "whole", folder)
        (folder / "journal.jsonl").write_bytes(data[:cut])
        n_whole = sum(end <= cut for end in ends)
        assert known(folder) == dict(list(RESULTS.items())[: max(n_whole - 1, 0)])
        journal = Journal(folder, "rows")
        journal.keep("f" * 64, Result(b"new"), node="here", seconds=0.0)
        journal.close()
        again = Journal(folder, "rows")
        assert again.find("f" * 64) == Result(b"new")
        again.remove()
        assert not folder.exists()


def test_bytes_that_changed_are_not_taken_for_a_result(tmp_path):
    fill(tmp_path)
    first, second, *others = RESULTS
    (tmp_path / "results" / f"{first}.bin").write_bytes(b"other")
    (tmp_path / "results" / f"{second}.bin").unlink()
    assert set(known(tmp_path)) == set(others)


def test_the_journal_of_another_search_is_refused(tmp_path):
    fill(tmp_path)
    with pytest.raises(InputError, match=r"journal of this very search.*of other rows"):
        Journal(tmp_path, "other rows")
    assert known(tmp_path) == RESULTS  # and left as it was


@pytest.mark.parametrize("text", ["hello\n", "hello", '{"what": "search", "format": 99}\n', "[]\n"])
def test_what_is_no_journal_is_refused_and_left_alone(tmp_path, text):
    place = tmp_path / "journal.jsonl"
    place.write_text(text)
    with pytest.raises(InputError, match="which is none"):
        Journal(tmp_path, "rows")
    assert place.read_text() == text


def test_two_at_once_are_refused(tmp_path):
    journal = Journal(tmp_path, "rows")
    with pytest.raises(InputError, match="no other process"):
        Journal(tmp_path, "rows")
    journal.close()
    Journal(tmp_path, "rows").close()


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="folder for the journal"):
        Journal(tmp_path / "file" / "j", "rows")


def test_removing_a_journal_leaves_alone_what_is_not_its_own(tmp_path):
    fill(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "results" / "figure.png").write_text("mine too")
    Journal(tmp_path, "rows").remove()
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["results/figure.png", "thesis.txt"]
