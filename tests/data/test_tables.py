"""Tables from files and to files of every format."""

import bz2
import contextlib
import gzip
import json
import lzma
import os
import random
import sqlite3
import stat
import sys
import zipfile

import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.data import stores
from fathom.data.tables import read_table, write_table
from fathom.data.workbooks import list_sheets
from fathom.errors import DatasetError, InputError

FRAME = pl.DataFrame({"a": [1, 2, None], "b": ["x", "y", "é"], "c": [1.5, None, 2.0]})
CSV = b"a,b\n1,x\n2,y\n"


def said(table, words):
    return any(words in note for note in table.notes)


def workbook(path, *sheets):
    book = xlsxwriter.Workbook(path)
    for rows in sheets:
        sheet = book.add_worksheet()
        for i, row in enumerate(rows):
            sheet.write_row(i, 0, row)
    book.close()
    return path


def database(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


@pytest.mark.parametrize(("pack", "name"), [(gzip, "gzip"), (bz2, "bzip2"), (lzma, "xz")])
def test_row_21_packed_text_in_csv(tmp_path, pack, name):
    path = tmp_path / "data.csv"
    path.write_bytes(pack.compress(CSV))
    table = read_table(path)
    assert table.frame.rows() == [("1", "x"), ("2", "y")]
    assert said(table, f"unpacked ({name})")
    path.write_bytes(pack.compress(CSV * 100)[:-9])
    with pytest.raises(DatasetError, match=r"data\.csv, which is damaged"):
        read_table(path)
    path.write_bytes(pack.compress(b""))
    with pytest.raises(DatasetError, match="empty"):
        read_table(path)
    path.write_bytes(pack.compress(pack.compress(CSV)))
    with pytest.raises(DatasetError, match="packed twice"):
        read_table(path)


def test_row_21_zstd(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + CSV)
    with pytest.raises(DatasetError, match="zstd"):
        read_table(path)


@pytest.mark.parametrize("pack", [gzip, bz2, lzma])
def test_row_22_bomb(tmp_path, pack):
    path = tmp_path / "data.csv.gz"
    path.write_bytes(pack.compress(b"1," * 10_000_000))
    with pytest.raises(DatasetError, match="at most 1,000,000 bytes"):
        read_table(path, most_bytes=1_000_000)
    path.write_bytes(CSV * 100)
    with pytest.raises(DatasetError, match="at most 100 bytes"):
        read_table(path, most_bytes=100)


def test_row_28_no_file(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path, "a\0b", "", "x" * 5000, tmp_path / "a" / "b"):
        with pytest.raises(DatasetError, match="a file with a table"):
            read_table(path)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DatasetError, match="no regular file"):
        read_table(tmp_path / "pipe.csv")


def test_row_28_unreadable(tmp_path, monkeypatch):
    path = tmp_path / "data.csv"
    path.write_bytes(CSV)
    path.chmod(0)
    if os.geteuid() == 0:  # root may read everything
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DatasetError, match="closed to reading"):
        read_table(path)


@pytest.mark.parametrize("name", ["data.csv", "data", "strange [*?] name.txt", "s3:x.csv"])
def test_row_29_renamed_files_are_read_by_content(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(CSV)
    assert read_table(path).frame.height == 2
    FRAME.write_parquet(path)
    assert read_table(path).frame.equals(FRAME)
    FRAME.write_ndjson(path)
    assert read_table(path).frame.rows()[2] == (None, "é", "2.0")
    path.unlink()
    database(path, "CREATE TABLE t (a, b)", "INSERT INTO t VALUES (1, 'x'), (NULL, 2)")
    assert read_table(path).frame.rows() == [(1, "x"), (None, "2")]


def test_row_29_says_what_it_is(tmp_path):
    path = tmp_path / "data.csv"
    FRAME.write_parquet(path)
    assert said(read_table(path), "holds Parquet, not delimited text as its name says")
    path = tmp_path / "data.parquet"
    path.write_bytes(CSV)
    assert said(read_table(path), "holds delimited text, not Parquet")


@pytest.mark.parametrize(
    ("magic", "words"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\n", "a PDF"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel file"),
        (b"\x80\x04\x95\x10\0", "a pickle"),
    ],
)
def test_row_29_other_files(tmp_path, magic, words):
    path = tmp_path / "data.csv"
    path.write_bytes(magic)
    with pytest.raises(DatasetError, match=words):
        read_table(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.csv", CSV)
    with pytest.raises(DatasetError, match="a zip archive"):
        read_table(path)


def test_a_name_may_begin_like_an_archive(tmp_path):
    path = tmp_path / "data.csv"
    for header in ("PK,b", "BZh,b", "RIFF,b", "{,b", "[id],b"):
        path.write_text(header + "\n1,2\n")
        assert read_table(path).frame.rows() == [("1", "2")]


def test_parquet(tmp_path):
    path = tmp_path / "data.parquet"
    frame = FRAME.with_columns(pl.col("b").cast(pl.Categorical), pl.lit(1).alias(" a"))
    frame.write_parquet(path)
    table = read_table(path)
    assert table.frame.columns == ["a", "b", "c", "a_2"]
    assert table.frame["b"].dtype == pl.String
    whole = path.read_bytes()
    for cut in (whole[:-100], whole[:8], whole[:100] + whole[150:]):
        path.write_bytes(cut)
        with pytest.raises(DatasetError, match="damaged"):
            read_table(path)
    pl.DataFrame({"a": [[1], [2]]}).write_parquet(path)
    with pytest.raises(DatasetError, match=r"column 'a'.*List.*data\.parquet"):
        read_table(path)
    FRAME.clear().write_parquet(path)
    with pytest.raises(DatasetError, match="no data rows"):
        read_table(path)
    pl.select(pl.repeat(0, 10_000_000)).write_parquet(path)
    with pytest.raises(DatasetError, match="room for 10,000,000 values"):
        read_table(path, most_bytes=10_000_000)


def test_excel(tmp_path):
    rows = [["a", " b", "", "b", ""], *[[i, i / 2, "x", True, None] for i in range(300)]]
    rows[250][1] = "word"
    path = workbook(tmp_path / "data.xlsx", rows, [["other"]])
    table = read_table(path)
    assert table.frame.columns == ["a", "b", "column_3", "b_2"]
    assert table.frame.row(2) == (2, "1", "x", True)
    assert said(table, "of 2 sheets the first was read, 'Sheet1'; --sheet names another")
    with pytest.raises(InputError, match="a sheet by its name: 'Sheet1', 'Sheet2' — got 'sheet2'"):
        read_table(path, sheet="sheet2")
    assert read_table(path, has_header=False).frame.height == 301
    assert read_table(path, has_header=False).frame.columns[0] == "column_1"
    with pytest.raises(DatasetError, match="unpacked"):
        read_table(path, most_bytes=20_000)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DatasetError, match=r"a whole Excel file.*damaged"):
        read_table(path)
    with pytest.raises(DatasetError, match="no data rows"):
        read_table(workbook(tmp_path / "b.xlsx", [["a", "b"]]))
    with pytest.raises(DatasetError, match="--no-header"):
        read_table(workbook(tmp_path / "c.xlsx", [[1.5, 2], [1, 2]]))
    with pytest.raises(DatasetError):
        read_table(workbook(tmp_path / "d.xlsx", []))


def test_any_sheet_of_a_workbook(tmp_path):
    path = tmp_path / "year.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("About").write(0, 0, "The year")
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=About!$A$1:$A$2"})
        book.add_chartsheet("Chart").set_chart(chart)
        FRAME.write_excel(book, "四月")
    sizes = [("About", 0, 1), ("Chart", 0, 0), ("四月", 3, 3)]
    found = list_sheets(path, most_bytes=2**20)
    assert [(one.name, one.n_rows, one.n_columns) for one in found] == sizes
    table = read_table(path, sheet="四月")
    assert table.frame.rows() == FRAME.rows()
    assert table.notes == ()
    for name, why in (("About", "no data rows"), ("Chart", "a column or more")):
        with pytest.raises(DatasetError, match=why):
            read_table(path, sheet=name)
    with pytest.raises(DatasetError, match="unpacked"):
        list_sheets(path, most_bytes=10_000)
    (tmp_path / "a.csv").write_bytes(CSV)
    assert list_sheets(tmp_path / "a.csv", most_bytes=2**20) == ()


def test_excel_with_a_cell_at_the_far_end(tmp_path):
    book = xlsxwriter.Workbook(tmp_path / "far.xlsx")
    sheet = book.add_worksheet()
    sheet.write(0, 0, "a")
    sheet.write(1_048_575, 16_383, 1)
    book.close()
    with pytest.raises(DatasetError, match="room for 1,048,576 rows of 16,384 columns"):
        read_table(tmp_path / "far.xlsx")


def test_excel_without_its_package(tmp_path, monkeypatch):
    path = workbook(tmp_path / "data.xlsx", [["a"], [1]])
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(InputError, match=r"fathom-dnn\[excel\]"):
        read_table(path)


def test_json_lines_and_arrays(tmp_path):
    path = tmp_path / "data.jsonl"
    rows = [{"a": 1, "b": "00x"}, {"a": None, "b": True, "c": 1.50}, {"c": 10**400}]
    lines = "\ufeff" + "\n\n".join(map(json.dumps, rows))
    for text in (lines, json.dumps(rows), json.dumps(rows, indent=2), lines.replace("\n", "\r\n")):
        path.write_text(text, newline="")
        table = read_table(path)
        assert table.frame.columns == ["a", "b", "c"]
        assert table.frame.rows() == [
            ("1", "00x", None), (None, "true", "1.5"), (None, None, str(10**400)),
        ]  # fmt: skip


def test_json_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "_BATCH_CELLS", 6)
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(f'{{"a": {i}, "b{i // 5}": {i}}}' for i in range(20)))
    frame = read_table(path).frame
    assert frame["a"].to_list() == [str(i) for i in range(20)]
    assert frame.columns == ["a", "b0", "b1", "b2", "b3"]
    assert frame["b3"].to_list()[14:16] == [None, "15"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1}\n{"a": 1', "line 2"),
        ('{"a": 1}\n[1]', "line 2"),
        ('{"a": 1}\n{"a": [1]}', "nested value in line 2"),
        ('[{"a": 1}, 2]', "object 2"),
        ('[{"a": 1} {"a": 2}]', "object 1"),
        ('[{"a": 1},]', "object 2"),
        ('[{"a": 1}', "object 1"),
        ('[{"a": 1}] x', "more after"),
        ("[[1, 2]]", "object 1"),
        ("[]", "no data rows|a column or more"),
        ("{}", "no data rows|a column or more"),
        ('{\n"a": 1\n}', "line 1"),
        ('{"a": ' + "[" * 100_000, "nested too deep"),
        ("[" + "[" * 100_000, "nested too deep"),
        ('{"a": "\\ud800"}', "damaged"),
    ],
)
def test_json_that_is_none(tmp_path, text, words):
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=words):
        read_table(path)


def test_json_with_a_new_key_in_each_row(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(f'{{"k{i}": 1}}' for i in range(5000)))
    with pytest.raises(DatasetError, match="room for"):
        read_table(path, most_bytes=10_000_000)


def test_sqlite(tmp_path):
    path = database(
        tmp_path / "with 'quotes' %.db",
        'CREATE TABLE "the ""t" (a INTEGER, b TEXT, c REAL)',
        """INSERT INTO "the ""t" VALUES (1, 'x', 1.5), (NULL, 'é', 2)""",
    )
    table = read_table(path)
    assert table.frame.rows() == [(1, "x", 1.5), (None, "é", 2.0)]
    assert said(table, "the only one")
    query = 'SELECT a, a + 1 AS a, upper(b) FROM "the ""t" WHERE a = 1'
    frame = read_table(path, query=query).frame
    assert frame.columns == ["a", "a_2", "upper(b)"]
    assert frame.rows() == [(1, 2, "X")]
    before = path.read_bytes()
    for wrong in (
        'DELETE FROM "the ""t"', "DROP TABLE x", "SELECT 1; SELECT 2", "PRAGMA user_version = 3",
        "ATTACH DATABASE 'x.db' AS x", "SELECT load_extension('x')", "nonsense", "", "VACUUM",
        "SELECT * FROM nowhere", "SELECT x'00ff' AS a", "SELECT 1 WHERE 0",
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"\.db|SELECT"):
            read_table(path, query=wrong)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_sqlite_with_several_tables(tmp_path):
    path = database(tmp_path / "a.db", "CREATE TABLE t (a)", "CREATE VIEW v AS SELECT a FROM t")
    with pytest.raises(DatasetError, match=r"2 tables \(t, v\).*--query"):
        read_table(path)
    with pytest.raises(DatasetError, match="rows of data"):
        read_table(path, query="SELECT * FROM t")


def test_sqlite_queries_end(tmp_path, monkeypatch):
    path = database(tmp_path / "a.db", "CREATE TABLE t (a)")
    forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n"
    monkeypatch.setattr(stores, "_BATCH_CELLS", 100_000)
    with pytest.raises(DatasetError, match="at most 1,000,000 bytes"):
        read_table(path, query=forever.format("i"), most_bytes=1_000_000)
    monkeypatch.setattr(stores, "MAX_QUERY_SECONDS", 0.2)
    with pytest.raises(DatasetError, match="interrupted"):
        read_table(path, query=forever.format("count(*)"))


def test_sqlite_types_that_change(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "_BATCH_CELLS", 2)
    values = "(1), (2), (NULL), (NULL), (1.5), (2)"
    path = database(tmp_path / "a.db", "CREATE TABLE t (a)", f"INSERT INTO t VALUES {values}")
    assert read_table(path).frame["a"].to_list() == [1.0, 2.0, None, None, 1.5, 2.0]
    database(path, "INSERT INTO t VALUES ('x')")
    assert read_table(path).frame["a"].to_list()[-3:] == ["1.5", "2.0", "x"]


def test_a_damaged_sqlite_file(tmp_path):
    path = database(tmp_path / "a.db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(DatasetError, match=r"a\.db"):
        read_table(path)


def test_addresses_of_databases():
    address = "postgresql://me:secret@localhost/db"
    with pytest.raises(InputError, match="--query"):
        read_table(address)
    with pytest.raises(InputError, match="SELECT"):
        read_table(address, query="DROP TABLE x")
    with pytest.raises(InputError, match="connectorx") as error:
        read_table(address, query="SELECT 1")
    assert "secret" not in str(error.value)
    with pytest.raises(InputError, match=r"https://….*download"):
        read_table("https://example.org/a.csv")
    with pytest.raises(InputError, match="--query"):
        read_table(__file__, query="SELECT 1")


def test_writing_and_reading_back(tmp_path):
    hard = pl.DataFrame({"a,b": ['x "y"', "x\ry", "x\nz", None], "é": ["1", "2", ";", "\t x"]})
    for name in ("a.csv", "a.tsv", "a.txt", "a"):
        written = write_table(hard, tmp_path / name)
        rows = [tuple(value or None for value in row) for row in read_table(written).frame.rows()]
        assert rows == [*hard.rows()[:3], (None, "'\t x")]
    for name in ("a.parquet", "a.jsonl"):
        assert read_table(write_table(hard, tmp_path / name)).frame.equals(hard)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a", "a.csv", "a.jsonl", "a.parquet", "a.tsv", "a.txt",
    ]  # fmt: skip
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) & 0o600 == 0o600


def test_row_27_formulas_are_escaped(tmp_path):
    cells = ["=cmd|' /C calc'!A0", "+1+1", "-x", "@x", "\tx", "\rx", "-5", "+1,5", "-1e3", "x=1"]
    frame = pl.DataFrame({"=a": cells, "n": [-1] * 10})
    path = write_table(frame, tmp_path / "a.csv")
    read = read_table(path).frame
    assert read.columns == ["'=a", "n"]
    assert read["'=a"].to_list() == [f"'{cell}" for cell in cells[:6]] + cells[6:]
    assert read["n"].to_list() == ["-1"] * 10
    assert frame.columns == ["=a", "n"]


def test_a_missing_value_alone_in_its_row(tmp_path):
    path = write_table(pl.DataFrame({"a": [1, None, 3]}), tmp_path / "a.csv")
    assert read_table(path).frame["a"].to_list() == ["1", "", "3"]


def test_what_cannot_be_written(tmp_path):
    for path in (tmp_path / "none" / "a.csv", tmp_path / "a.xlsx", tmp_path / f"{'x' * 300}.csv"):
        with pytest.raises(InputError):
            write_table(FRAME, path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="no regular file"):
        write_table(FRAME, tmp_path / "folder.csv")
    (tmp_path / "a.csv").write_text("kept")
    with pytest.raises(InputError):
        write_table(pl.DataFrame({"a": [[1]]}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "kept"
    assert len(list(tmp_path.iterdir())) == 2


HEADS = [b"PK\x03\x04", b"SQLite format 3\0", b"\x1f\x8b\x08", b"[", b'{"', b"BZh9"]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=200))
def test_random_bytes_after_a_known_beginning(tmp_path_factory, head, rest):
    path = tmp_path_factory.mktemp("fuzz") / "data"
    path.write_bytes(head + rest)
    try:
        table = read_table(path)
    except DatasetError:
        return
    assert table.frame.height


@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_are_refused_or_read(tmp_path, seed):
    rng = random.Random(seed)
    path = tmp_path / "a.parquet"
    FRAME.write_parquet(path)
    content = bytearray(path.read_bytes())
    for _ in range(3):
        content[rng.randrange(4, len(content))] = rng.randrange(256)
    path.write_bytes(content)
    with contextlib.suppress(DatasetError):
        assert read_table(path).frame.width
