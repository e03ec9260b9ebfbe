"""The list of bad inputs to tables and files of every kind, and that each has a test of its own.

A test says by its name which rows of the list it is about: ``test_row_7_...``,
``test_rows_72_and_73_...``. ``pytest -k "row_7_"`` runs those of one row. That the command and the
library refuse alike is in ``tests/cli/test_both_doors.py``; that a file and a data frame of it are
read alike, in ``tests/data/test_parsing.py``.
"""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROWS = dict(enumerate((
    # files
    "0 bytes", "header only", "UTF-8 mark", "UTF-16", "Latin-1", "NUL bytes",
    "row longer than the header", "row shorter than the header", "duplicate names", "empty names",
    "semicolons and decimal commas", "tabs and pipes", "unclosed quote", "returns only",
    "mixed line ends", "newline in quotes", "remarks first", "no header", "spaces around names",
    "trailing comma", "gzip named .csv", "gzip bomb", "one field of 5 MB", "10,000 columns",
    "5 rows", "10 million rows", "formula cells", "no regular file", "other formats named .csv",
    "names with markup, newlines, control signs",
    # values
    "one word among numbers", "words for missing", "thousands, percent, currency",
    "leading zeros", "numbers beyond 2^63", "infinities", "yes and no", "mixed dates",
    "impossible dates", "constant columns", "99.9 % missing", "identifiers",
    "a million categories", "spellings of one category", "1e308 and 1e-308", "identical columns",
    "mixed objects", "types of data frames", "any index", "an outlier of 1e300",
    # the target
    "target not there", "target missing in rows", "infinite target", "one class",
    "constant number", "class of one row", "5,000 classes", "0 and 1 however stored",
    "few whole numbers", "target copied into a column", "target transformed", "duplicate rows",
    "order of time", "noise", "weights that cannot be",
    # prediction
    "missing column", "extra columns", "another order", "unseen category", "column of another kind",
    "0 rows", "all values missing", "far outside training", "target present",
    "array of another width",
), start=1))  # fmt: skip
ROWS |= dict(zip(range(76, 93), (
    # pictures, recordings and texts
    "no picture", "cut short", "50,000 × 50,000", "100 million pixels", "other modes", "16 bits",
    "turned by the camera", "several frames", "1×1 and 1×10,000", "named wrongly, or twice",
    "no recording", "no sample", "ends too soon, or lies", "channels, rates, odd samples",
    "no text", "empty and endless texts", "forms and directions of writing",
), strict=True))  # fmt: skip
NAMED = re.compile(r"def test_rows?_(\d+(?:_and_\d+|_\d+)*)_(?!to_)")


def test_every_row_of_the_list_has_a_test():
    files = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    found = {int(row) for rows in NAMED.findall(files) for row in re.findall(r"\d+", rows)}
    assert len(ROWS) == 92
    assert {row: what for row, what in ROWS.items() if row not in found} == {}
