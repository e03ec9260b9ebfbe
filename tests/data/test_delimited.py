"""Delimited text: one test for each row of part A of the list of bad inputs, and more."""

import csv
import io
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.data.tables import read_table
from fathom.errors import DatasetError, InputError


@pytest.fixture
def read(tmp_path):
    def read(content, name="data.csv", **options):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path, **options)

    return read


def rows(table):
    return [tuple(value or "" for value in row) for row in table.frame.rows()]


def said(table, words):
    return any(words in note for note in table.notes)


def test_values_stay_as_written(read):
    table = read('code,x\n00123,1e5\n 7,"a ""b"""\n')
    assert table.frame.rows() == [("00123", "1e5"), (" 7", 'a "b"')]
    assert table.notes == ()
    assert (table.first_row, table.decimal) == (2, ".")


def test_row_1_empty_file(read):
    with pytest.raises(DatasetError, match="empty"):
        read("")
    with pytest.raises(DatasetError, match="empty"):
        read("\n \r\n\n")


@pytest.mark.parametrize("content", ["a,b\n", "a,b", "a,b\n\n\n", "\ufeffa\n"])
def test_row_2_header_only(read, content):
    with pytest.raises(DatasetError, match="no data rows"):
        read(content)


@pytest.mark.parametrize("header", ["a,b", '"a",b', "\na,b"])
def test_row_3_utf8_mark(read, header):
    table = read("\ufeff" + header + "\né,2\n")
    assert table.frame.columns == ["a", "b"]
    assert rows(table) == [("é", "2")]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_row_4_utf16(read, encoding):
    table = read("\ufeffa,b\né😀,2\n".encode(encoding))
    assert table.frame.columns == ["a", "b"]
    assert rows(table) == [("é😀", "2")]
    assert said(table, "encoding UTF-")


def test_row_4_utf16_without_mark(read):
    content = "a,b\né,2\n".encode("utf-16-le")
    with pytest.raises(DatasetError, match="--encoding utf-16-le"):
        read(content)
    assert rows(read(content, encoding="utf-16-le")) == [("é", "2")]


def test_row_5_latin1(read):
    table = read(b"a,b\ncaf\xe9,2\n")
    assert rows(table) == [("café", "2")]
    assert said(table, "byte 0xe9 in line 2")
    assert said(table, "--encoding")
    assert rows(read(b"a,b\n\xb1,2\n", encoding="iso-8859-2")) == [("ą", "2")]
    with pytest.raises(DatasetError, match=r"UTF-8 or Windows-1252.*0x81.*--encoding"):
        read(b"a,b\n\x81,2\n")
    with pytest.raises(DatasetError, match=r"utf-8.*0xe9 in line 2"):
        read(b"a,b\ncaf\xe9,2\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="ascii"):
        read(b"a,b\ncaf\xe9,2\n", encoding="ascii")


def test_row_5_a_character_cut_in_half(read):
    assert said(read(b"a,b\n1,caf\xc3"), "cut off")


def test_row_6_nul(read):
    with pytest.raises(DatasetError, match=r"line 3 of .*data\.csv"):
        read(b"a,b\r\n1,2\r\n1,\x002\r\n")


@pytest.mark.parametrize("row", ["1,2,3", "1,2,", ",,", '1,2,"3"', '"1",2,'])
@pytest.mark.parametrize("end", ["\n", ""])
def test_row_7_longer_than_header(read, row, end):
    with pytest.raises(DatasetError, match=r"2 values.*got 3 in line 5 of .*--separator"):
        read('a,b\n1,2\n"1\n1",3\n' + row + end)
    with pytest.raises(DatasetError, match=r"got 3 in line 3 of .*"):
        read("a,b\n1,2\n" + row + end)


def test_row_8_shorter_than_header(read):
    table = read("a,b,c\n1,2,3\n1\n4,5,6\n")
    assert rows(table) == [("1", "2", "3"), ("1", "", ""), ("4", "5", "6")]
    assert said(table, "1 of 3 rows are shorter than the first (one is in line 3)")
    many = "a,b\n" + "1,2\n" * 500
    assert said(read(many + "3\n" * 5), "5 of 505")
    with pytest.raises(DatasetError, match=r"6 of 506 rows.*line 502"):
        read(many + "3\n" * 6)


def test_row_8_short_rows_are_counted_among_quotes(read):
    table = read('a,b\n"1,1",2\n"3"\n')
    assert rows(table) == [("1,1", "2"), ("3", "")]
    assert said(table, "one is in line 3")


def test_row_9_duplicate_names(read):
    table = read("a,a,a_2,a\n1,2,3,4\n")
    assert table.frame.columns == ["a", "a_3", "a_2", "a_4"]
    assert said(table, "column 2 'a' was there twice and is called 'a_3'")
    assert read(" a,a \n1,2\n").frame.columns == ["a", "a_2"]


def test_row_10_empty_names(read):
    table = read("a,,column_2\n1,2,3\n")
    assert table.frame.columns == ["a", "column_2_", "column_2"]
    assert said(table, "column 2 had no name")
    assert read("a,\n1,2\n").frame.columns == ["a", "column_2"]


def test_row_11_semicolon_and_decimal_comma(read):
    table = read("name;x;when;n\na,b;1,5;1.2.2020;1.000\nc;-1.200,25;3.4.2021;12\n")
    assert rows(table) == [("a,b", "1.5", "1.2.2020", "1000"), ("c", "-1200.25", "3.4.2021", "12")]
    assert table.decimal == ","
    assert said(table, "the separator ';' was found")
    assert said(table, "decimal comma was found; numbers were rewritten in 'x', 'n'")


def test_row_11_commas_that_may_be_thousands(read):
    content = "x;y\n1,234;a\n5,678;b\n"
    table = read(content)
    assert rows(table)[0] == ("1,234", "a")
    assert said(table, "--decimal ','")
    assert rows(read(content, decimal=","))[0] == ("1.234", "a")
    assert read(content, decimal=".").notes == ("the separator ';' was found",)


def test_row_11_points_stay_points(read):
    table = read("x;y\n1.5;a,b\n2.234;c\n")
    assert rows(table) == [("1.5", "a,b"), ("2.234", "c")]
    assert table.decimal == "."


def test_row_11_missing_values_do_not_hide_numbers(read):
    table = read("x;y\n1,5;a\nNA;b\n?;c\n,5;d\n1e-3;d\n")
    assert [x for x, _ in rows(table)] == ["1.5", "NA", "?", ".5", "1e-3"]


def test_row_11_quoted_decimal_commas_between_commas(read):
    content = 'x,y\n"1,5",a\n"2,5",b\n'
    assert rows(read(content))[0] == ("1,5", "a")
    assert rows(read(content, decimal=","))[0] == ("1.5", "a")


@pytest.mark.parametrize(("separator", "name"), [("\t", "tab"), ("|", "'|'")])
def test_row_12_tab_and_pipe(read, separator, name):
    table = read(f"a{separator}b c\n1, 2{separator}3;4\n")
    assert rows(table) == [("1, 2", "3;4")]
    assert said(table, f"the separator {name} was found")


def test_row_12_separator_given(read):
    assert rows(read("a:b\n1:2\n", separator=":")) == [("1", "2")]
    assert rows(read("a\tb\n1\t2\n", separator="tab")) == [("1", "2")]
    assert said(read("a,b;c\n1,2;3\n"), "would fit as well")
    for wrong in ("", "ab", '"', "\n", "é"):
        with pytest.raises(InputError, match="--separator"):
            read("a,b\n1,2\n", separator=wrong)
    with pytest.raises(InputError, match="decimal"):
        read("a,b\n1,2\n", decimal=";")
    for wrong in ("none", "zlib", "a\0"):
        with pytest.raises(InputError, match="--encoding"):
            read("a,b\n1,2\n", encoding=wrong)


@pytest.mark.parametrize(
    "body",
    ['"2', '"2\n3,4\n', '"\n', '"""\n', '"2"x\n', '"2" \n', '"x\n"1",2\n', '"x\n1,"y"\n"\n'],
)
def test_row_13_unclosed_quote(read, body):
    with pytest.raises(DatasetError, match=r"closing quote.*line 3 of .*"):
        read("a,b\n1,2\n1," + body)


MESSAGES = (
    'kind\tmessage\nham\tHi. "Wk been ok\nspam\t"Free entry" in 2, a wkly comp\nham\t"Never\n'
    "ham\tsays 5\" and 6''\n"
)


@pytest.mark.parametrize("end", ["", "\n", "\n\n\r\n"])
@pytest.mark.parametrize("before", ["", "\n", "\ufeff"])
def test_row_13_between_tabs_quotes_that_do_not_close_are_signs_like_any_other(read, end, before):
    table = read(before + MESSAGES.rstrip("\n") + end)
    assert table.frame.columns == ["kind", "message"]
    expected = [tuple(line.split("\t")) for line in MESSAGES.splitlines()[1:]]
    assert table.frame.rows() == expected
    line = 3 + before.count("\n")  # the first that opens with a quote and goes on behind it
    assert said(table, f"those in line {line} are not closed, and every line has 1 tab")
    assert said(table, "the separator tab was found")
    assert table.first_row == line - 1
    same = read((before + MESSAGES).replace("\n", "\r\n"))
    assert same.frame.equals(table.frame)
    bare = read(before + MESSAGES.rstrip("\n") + end, has_header=False)
    assert bare.frame.rows() == [("kind", "message"), *expected]


def test_row_13_between_tabs_a_first_line_may_open_a_quote(read):
    table = read('a\t"b\n1\t2\n3\t4\n')
    assert table.frame.rows() == [("1", "2"), ("3", "4")]
    assert table.frame.columns == ["a", '"b']


@pytest.mark.parametrize(
    "content",
    [
        'a\tb\n1\t2\n1\t"2\n3\n',  # a line without a tab: the value may go on in it
        'a\tb\n1\t2\n1\t"2\n\n3\t4\n',
        'a\tb\n1\t2\n1\t"2\t3\n',
    ],
)
def test_row_13_between_tabs_what_is_not_regular_either_way_is_refused(read, content):
    with pytest.raises(DatasetError, match=r"closing quote.*line 3 of .*"):
        read(content)


def test_row_13_values_in_quotes_between_tabs_stay_values(read):
    table = read('a\tb\n"1\t1"\t"2 ""x"""\n3\t"4\n5"\n')
    assert table.frame.rows() == [("1\t1", '2 "x"'), ("3", "4\n5")]
    assert not said(table, "quotes")


def test_row_13_quotes_within_values(read):
    table = read('a,b\n5" pipe,2\n3,4\n6",7\n')
    assert rows(table) == [('5" pipe', "2"), ("3", "4"), ('6"', "7")]


def test_row_14_returns_only(read):
    table = read("a,b\r1,2\r\r3,4")
    assert rows(table) == [("1", "2"), ("3", "4")]
    quoted = read('a,b\r"1\r1",2\r3,4\r')
    assert rows(quoted) == [("1\r1", "2"), ("3", "4")]
    with pytest.raises(DatasetError, match="line 3 of"):
        read('a,b\r"1",2\r3,4,5\r')


def test_row_14_a_return_at_the_edge_of_a_chunk(read, monkeypatch):
    monkeypatch.setattr("fathom.data.sources.CHUNK_BYTES", 4)
    assert rows(read("a,b\r\n1,2\r\n3,4\r\n5,6")) == [("1", "2"), ("3", "4"), ("5", "6")]
    assert rows(read("a,b\r1,2\r33,4\r5,6\r")) == [("1", "2"), ("33", "4"), ("5", "6")]
    assert rows(read("a,b\ré,é\ré,é\r")) == [("é", "é"), ("é", "é")]
    assert rows(read("a,b\né€,é\né,é€\n".encode("utf-16"))) == [("é€", "é"), ("é", "é€")]


def test_row_15_mixed_line_ends(read):
    table = read("a,b\r\n1,2\n3,4\r5,6\r\n7,8")
    assert rows(table) == [("1", "2"), ("3", "4"), ("5", "6"), ("7", "8")]
    assert table.notes == ()


def test_row_15_blank_lines(read):
    table = read("\n\na,b\n\n1,2\n\n \n3,4\n\n\n")
    assert rows(table) == [("1", "2"), ("3", "4")]
    assert table.first_row == 5
    assert said(table, "3 blank lines")
    assert read("a,b\n1,2\n\n\n").notes == ()
    assert rows(read("a\n1\n\n3\n")) == [("1",), ("3",)]
    assert rows(read('a\n1\n""\n3\n')) == [("1",), ("",), ("3",)]


def test_row_15_many_blank_lines_below_many_columns(read):
    header = ",".join(f"c{i}" for i in range(5000))
    table = read(header + "\n" + "1," * 4999 + "1" + "\n" * 200_000)
    assert table.frame.shape == (1, 5000)


def test_row_16_newline_in_quotes(read):
    table = read('"a\nname",b\n"x\ny",1\nz,2\n')
    assert table.frame.columns == ["a\nname", "b"]
    assert rows(table) == [("x\ny", "1"), ("z", "2")]
    assert table.first_row == 3
    with pytest.raises(DatasetError, match="line 6 of"):
        read('"a\nname",b\n"x\ny",1\nz,2\n1,2,3')


@pytest.mark.parametrize(
    "content",
    ["# made by us\na,b\n1,2\n", "# made\n# by us\na,b\n1,2\n", "// x\na;b\n1;2\n", "sep=;\na;b\n"],
)
def test_row_17_remarks_first(read, content):
    with pytest.raises(DatasetError, match=r"remarks.*leave them out"):
        read(content)


def test_row_17_a_header_like_a_remark(read):
    assert read("#id,name\n1,a\n").frame.columns == ["#id", "name"]
    assert read("%\n1\n2\n").frame.columns == ["%"]
    colours = read("#ff0000,1\n#00ff00,2\n", has_header=False)
    assert colours.frame.height == 2


def test_row_17_a_title_first(read):
    with pytest.raises(DatasetError, match="line 3"):
        read("Sales of 2024\n\na,b\n1,2\n")


@pytest.mark.parametrize("first", ["5.1,3.5,7", "5.1,3,iris", "1,2,3", "-1,1e5,.5", '"5,1",2,3'])
def test_row_18_no_header(read, first):
    content = first + "\n1,2,3\n"
    with pytest.raises(DatasetError, match=r"line 1.*--no-header"):
        read(content)
    table = read(content, has_header=False)
    assert table.frame.columns == ["column_1", "column_2", "column_3"]
    assert (table.frame.height, table.first_row) == (2, 1)
    assert read(content, has_header=True).frame.height == 1


def test_row_18_years_are_names(read):
    table = read("land,2019,2020\na,1,2\n")
    assert table.frame.columns == ["land", "2019", "2020"]
    assert said(table, "--no-header")


def test_row_19_spaces_around_names(read):
    table = read(" a , b\n 1,2\n")
    assert table.frame.columns == ["a", "b"]
    assert rows(table) == [(" 1", "2")]
    assert said(table, "spaces around column names")


def test_row_20_trailing_comma(read):
    table = read("a,b,\n1,2,\n3,4, \n")
    assert table.frame.columns == ["a", "b"]
    assert said(table, "1 column without name and values was left out")
    with pytest.raises(DatasetError, match="a column or more"):
        read(",\n,\n")


def test_row_23_one_field_of_5_mb(read):
    table = read("a,b\n" + "x" * 5_000_000 + ',1\n"' + 'y""' * 2_000_000 + '",2\n')
    assert [len(a) for a in table.frame["a"]] == [5_000_000, 4_000_000]


def test_row_23_the_longest_field(read, monkeypatch):
    monkeypatch.setattr("fathom.data.delimited.MAX_FIELD_CHARS", 2**18)
    with pytest.raises(DatasetError, match="longer line 2"):
        read('a,b\n"' + "x" * 2**21 + '",1\n')


def test_row_24_ten_thousand_columns(read):
    header = ",".join(f"column {i}" for i in range(10_000))
    table = read(header + "\n" + (",".join(["1.5"] * 10_000) + "\n") * 200)
    assert table.frame.shape == (200, 10_000)
    with pytest.raises(DatasetError, match="at most 100,000 columns"):
        read("," * 100_001 + "\n")


def test_row_25_five_rows(read):
    assert read("a,b\n" + "1,2\n" * 5).frame.height == 5


def test_row_26_many_rows_are_all_read(read):
    assert read("a,b\n" + "1,2\n" * 1_000_000).frame.height == 1_000_000
    many = read("a,b\n" + '"1\n,1",2\n' * 300_000)
    assert many.frame.height == 300_000
    assert many.frame["a"].unique().to_list() == ["1\n,1"]


def test_row_27_formulas_are_text(read):
    assert rows(read("a,b\n=cmd|' /C calc'!A0,@x\n")) == [("=cmd|' /C calc'!A0", "@x")]


def test_row_30_strange_names(read):
    names = ["<script>alert(1)</script>", "😀", "é" * 9000]
    table = read(",".join(names) + "\n1,2,3\n")
    assert table.frame.columns == names
    with pytest.raises(DatasetError, match="10,000 characters"):
        read("a," + "x" * 10_001 + "\n1,2\n")


def test_a_header_longer_than_the_first_look(read):
    names = [f"{'long' * 20}{i}" for i in range(2000)]
    assert read(",".join(names) + "\n" + ",".join("1" * 2000) + "\n").frame.columns == names


def test_memory_stays_near_the_size_of_the_table(tmp_path):
    path = tmp_path / "big.csv"
    line = ",".join(f"{i}.2345" for i in range(50)) + "\n"
    path.write_text(",".join(f"c{i}" for i in range(50)) + "\n" + line * 100_000)
    code = (
        "import resource, sys\n"
        "from fathom.data.tables import read_table\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"assert read_table({str(path)!r}).frame.shape == (100_000, 50)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert int(result.stdout) < 400 * 1024  # KiB; the file has 36 MB, its cells take 80 MB


PIECES = ["a", "1", ",", '"', "\n", "\r\n", "\r", ";", " ", '""', '"x"', ',"y"\n', "a,b\n", "\t"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=16))
def test_what_is_read_is_what_the_csv_module_reads(tmp_path_factory, pieces):
    text = "h,i\n" + "".join(pieces)
    path = tmp_path_factory.mktemp("fuzz") / "data.csv"
    path.write_text(text, newline="")
    try:
        table = read_table(path, separator=",")
    except DatasetError:
        return
    expected = [
        (*cells, *[""] * (2 - len(cells)))
        for cells in csv.reader(io.StringIO(text, newline=""), strict=True)
        if cells and (len(cells) > 1 or cells[0].strip())
    ]
    assert rows(table) == expected[1:]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_random_bytes_are_a_table_or_an_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "data.csv"
    path.write_bytes(content)
    try:
        table = read_table(path)
    except DatasetError:
        return
    assert table.frame.height
    assert all(name and name == name.strip() for name in table.frame.columns)
