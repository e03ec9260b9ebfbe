"""Tables larger than memory: every row once, from all over the file, and nothing else."""

import numpy as np
import polars as pl
import pytest

from fathom.data.streams import open_rows, parse_bytes
from fathom.errors import DatasetError, InputError

N = 1000
FRAME = pl.DataFrame({"row": range(N), " word ": [f"w{n % 7}" for n in range(N)]})


@pytest.fixture
def rows(tmp_path):
    FRAME.write_parquet(tmp_path / "t.parquet", row_group_size=64)
    return open_rows(str(tmp_path / "t.parquet"), tmp_path)


def test_a_file_says_what_it_holds(rows):
    assert (rows.n_rows, rows.columns, rows.n_cells) == (N, ("row", " word "), 2 * N)
    assert rows.take(990, 50).rows() == FRAME[990:].rows()
    assert rows.take(0, 1).columns == ["row", "word"]  # as `read_table` calls them


def test_a_sample_is_rows_of_the_file_at_their_places(rows):
    table, places = rows.sample(300, 130, np.random.default_rng(0))
    assert table.frame["row"].to_list() == places.tolist()
    assert len(set(places.tolist())) == 300
    assert np.all(np.diff(places) > 0)
    every, _ = rows.sample(10 * N, 130, np.random.default_rng(0))
    assert every.frame["row"].to_list() == list(range(N))


def test_every_row_is_as_likely_in_a_sample_as_any_other(rows):
    counts = np.zeros(N)
    for seed in range(60):
        counts[rows.sample(250, 400, np.random.default_rng(seed))[1]] += 1
    # Each count is binomial(60, 1/4); so is a tenth of the rows, ten times more exactly.
    assert abs(counts - 15).max() < 6 * np.sqrt(60 * 0.25 * 0.75)
    tenths = counts.reshape(10, -1).mean(axis=1)
    assert abs(tenths - 15).max() < 6 * np.sqrt(60 * 0.25 * 0.75 / 100)


def test_windows_give_every_row_once_except_those_left_out(rows):
    _, places = rows.sample(300, 130, np.random.default_rng(0))
    windows = list(rows.windows(200, places, np.random.default_rng(1)))
    given = np.concatenate([window["row"].to_numpy() for window in windows])
    assert sorted(given) == sorted(set(range(N)) - set(places.tolist()))
    assert max(window.height for window in windows) <= 200
    # A window has rows from all over: its mean is near the middle, where a part's would not be.
    means = [window["row"].mean() for window in windows]
    assert np.ptp([w["row"].max() - w["row"].min() for w in windows]) < N
    assert max(abs(mean - N / 2) for mean in means) < N / 3
    again = list(rows.windows(200, places, np.random.default_rng(1)))
    assert all(one.equals(other) for one, other in zip(windows, again, strict=True))


def test_text_gives_the_same_rows_as_written(tmp_path):
    FRAME.write_csv(tmp_path / "t.csv")
    (tmp_path / "copy").mkdir()
    rows = open_rows(str(tmp_path / "t.csv"), tmp_path / "copy")
    assert rows.n_rows == N
    assert rows.take(0, N)["row"].to_list() == [str(n) for n in range(N)]
    FRAME.write_csv(tmp_path / "t2.csv", separator=";")
    (tmp_path / "copy2").mkdir()
    again = open_rows(str(tmp_path / "t2.csv"), tmp_path / "copy2", ";")
    assert again.take(0, N).equals(rows.take(0, N))


@pytest.mark.parametrize(
    "text", ["a;b\n1;2\n3;4\n", "a\tb\n1\t2\n", "1.5,2\n3,4\n", "# hi\na,b\n1,2\n"]
)
def test_text_that_wants_a_careful_reading_is_refused(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises((DatasetError, InputError), match="expected"):
        open_rows(str(tmp_path / "t.csv"), tmp_path)


@pytest.mark.parametrize("data", [b"PAR1 and nothing", b"\x89PNG....", b"", b'{"a": 1}\n'])
def test_what_is_no_table_is_refused(tmp_path, data):
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(DatasetError, match="expected"):
        open_rows(str(tmp_path / "t.parquet"), tmp_path)


def test_an_empty_table_is_refused(tmp_path):
    FRAME[:0].write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DatasetError, match="rows of data"):
        open_rows(str(tmp_path / "t.parquet"), tmp_path)


@pytest.mark.parametrize(("text", "size"), [("4GB", 4e9), ("512 MiB", 2**29), ("1.5g", None),
                                            ("100", 100), ("2tib", 2**41)])  # fmt: skip
def test_sizes(text, size):
    if size is None:
        with pytest.raises(InputError, match="a size such as"):
            parse_bytes(text)
    else:
        assert parse_bytes(text) == size
