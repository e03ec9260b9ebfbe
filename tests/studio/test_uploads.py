"""Tables of any usual format dropped on the data page: understood alike, or refused in words."""

import sys

import polars as pl
import pytest
import xlsxwriter

from fathom.errors import InputError
from fathom.studio import tables as module
from fathom.studio.tables import Tables
from fathom.studio.wording import in_both

FRAME = pl.DataFrame({
    "age": [20 + n % 50 for n in range(90)], "town": ["Ulm", "Bern", "Bern"] * 30,
    "paid": [n / 4 for n in range(90)], "survived": ["yes", "no"] * 45,
})  # fmt: skip
WRITERS = {
    "a.csv": pl.DataFrame.write_csv, "a.parquet": pl.DataFrame.write_parquet,
    "a.xlsx": pl.DataFrame.write_excel, "a.jsonl": pl.DataFrame.write_ndjson,
}  # fmt: skip


@pytest.fixture
def tables(tmp_path):
    return Tables(tmp_path / "tables")


def drop(tables, path, called=None):
    """Give a file to the studio as the page does, and say what it is."""
    name, place = tables.place_for_upload(called or path.name)
    place.write_bytes(path.read_bytes())
    tables.set_name(name, called or path.name)
    return tables.describe(name)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, write in WRITERS.items():
        write(FRAME, folder / name)
    return folder


def test_every_format_is_the_same_table(tables, files):
    found = [drop(tables, files / name) for name in WRITERS]
    assert [one.name for one in found] == list(WRITERS)
    for one in found:
        assert (one.n_rows, one.target, one.notes) == (90, "survived", ())
        kinds = {column.name: (column.kind, column.n_distinct) for column in one.columns}
        assert kinds == {
            "age": ("number", 50), "town": ("category", 2), "paid": ("number", 90),
            "survived": ("yes_no", 2),
        }  # fmt: skip
        assert [float(cell) for cell in one.preview[1][::2]] == [21, 0.25]


def test_a_wrong_ending_is_told_and_an_unknown_one_does_no_harm(tables, files):
    (note,) = drop(tables, files / "a.parquet", "a.csv").notes
    assert note.en == "the file holds Parquet, not delimited text as its name says"
    assert "Parquet" in note.zh != note.en
    for called in ("a.exe", "../../.parquet/..", "a.xlsx.", ""):
        assert drop(tables, files / "a.parquet", called).n_rows == 90


def test_of_a_workbook_any_sheet_is_taken_at_first_one_that_holds_a_table(tables, tmp_path):
    path = tmp_path / "year.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("About").write(0, 0, "The year")
        FRAME.write_excel(book, "March")
        FRAME[:7].rename({"paid": "owed"}).write_excel(book, "April")
    found = drop(tables, path)
    sizes = {one.name: (one.n_rows, one.n_columns) for one in found.sheets}
    assert sizes == {"About": (0, 1), "March": (90, 4), "April": (7, 4)}
    assert (found.sheet, found.n_rows, found.notes) == ("March", 90, ())
    april = tables.describe(found.id, sheet="April")
    assert (april.sheet, april.n_rows, april.columns[2].name) == ("April", 7, "owed")
    assert tables.read(found.id, "April").frame.height == 7  # what a search learns from
    with pytest.raises(InputError) as caught:
        tables.describe(found.id, sheet="May")
    assert in_both(str(caught.value)).zh.startswith("需要工作表的名称：'About', 'March', 'April'")


def refusal(tables, path, called=None):
    with pytest.raises(InputError) as caught:
        drop(tables, path, called)
    said = in_both(str(caught.value))
    assert said.zh != said.en, said.en
    assert "tables/" not in said.en  # where it is kept is nobody's business
    return said


@pytest.mark.parametrize(
    ("name", "called", "expected"),
    [
        ("a.parquet", "b c.parquet", "a whole Parquet file — got b c.parquet, which is damaged"),
        ("a.xlsx", "b.xlsx", "a whole Excel file — got b.xlsx, which is damaged"),
        ("a.xlsx", "b.zip", "or SQLite — got b.zip, which is a zip archive — unpack it"),
    ],
)
def test_a_damaged_file_is_refused_in_both_languages(
    tables, files, tmp_path, name, called, expected
):
    path = tmp_path / "cut"
    path.write_bytes((files / name).read_bytes()[:-200])
    assert expected in refusal(tables, path, called).en


def test_what_is_empty_or_too_large_is_refused(tables, files, tmp_path, monkeypatch):
    empty = tmp_path / "none.xlsx"
    empty.touch()
    assert "none.xlsx, which is empty" in refusal(tables, empty).en
    monkeypatch.setattr(module, "MOST_UNPACKED", 500)
    for name in ("a.parquet", "a.xlsx", "a.csv"):
        said = refusal(tables, files / name)
        assert said.en.startswith(f"expected at most 500 bytes in {name} — got ")
        assert said.en.endswith("or learn from it in a terminal: fathom train FILE")


def test_without_the_package_for_excel_it_says_the_line_that_installs_it(
    tables, files, monkeypatch
):
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    said = refusal(tables, files / "a.xlsx")
    assert "pip install 'fathom-dnn[excel]'" in said.en
    assert "pip install 'fathom-dnn[excel]'" in said.zh
