"""Bad inputs at prediction: library, command and server say the same, or refuse in the same words.

The command reads a CSV file; the library is given the words of that file as a frame; the server is
given them as JSON cell by cell, and odd values once more in so many rows that columns are whole.
"""

import importlib
import sys
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from fathom.cli import main
from fathom.data.parsing import parse_table
from fathom.deployment.answers import predicted_columns
from fathom.deployment.server.cells import QUICK_ROWS
from fathom.errors import FathomError

GOOD = {
    "age": "30", "spent": "31.5", "city": "Ulm", "is member": "no", "since": "2023-05-06",
    "remark": "called 12 times about item 90",
}  # fmt: skip


def rows_with(**columns):
    """Return plain rows, each with another of these words; an underline stands for a space."""
    named = {name.replace("_", " "): words for name, words in columns.items()}
    n = max(map(len, named.values()))
    return [
        GOOD | {name: words[row % len(words)] for name, words in named.items()} for row in range(n)
    ]


LACKING = [{name: word for name, word in GOOD.items() if name != "city"}] * 2
CASES = {
    "23 a field beyond the cap": rows_with(remark=["x" * 110_000]),
    "27 formula cells": rows_with(city=["=cmd|' /C calc'!A0"], remark=["=1+1", "@SUM(A1)"]),
    "30 markup and signs": rows_with(city=["<script>", "a\nb", "🐟"], remark=["<b>", "\u202e"]),
    "32 words for missing": rows_with(
        age=["NA", "N/A", "null", "None", "-", "?", "", "  ", "nan"],
        city=["NA", "n/a", "NULL", "none", "-", "?", "", "  ", "NaN"],
        since=["NA", "", "?"],
        remark=["null", "", "?", "  "],
    ),
    "33 thousands, percent, currency": rows_with(spent=["1,234", "1,234.5", "2,000"]),
    "33 a percentage": rows_with(spent=["10%", "12.5%", "31%"]),
    "33 an amount": rows_with(spent=["$5", "$31.50", "$1,000"]),
    "34 leading zeros": rows_with(age=["0042", "030", "007"]),
    "35 numbers beyond 2^63": rows_with(age=["9" * 25, str(2**63), str(-(2**70))]),
    "35 400 digits": rows_with(age=["9" * 400, "30"]),
    "36 infinities": rows_with(spent=["inf", "-inf", "1e999", "-1e999", "31"]),
    "37 yes and no": rows_with(is_member=["YES", "No", "true", "FALSE", "1", "0", "y", "maybe"]),
    "38 mixed dates": rows_with(since=["2024-01-01", "01/02/2024", "2023-03-04"]),
    "39 impossible dates": rows_with(
        since=["2023-02-29", "0001-01-01", "9999-12-31", "2023-05-06T07:08:09Z", "1683356400000"]
    ),
    "44 spellings": rows_with(city=["ulm", " Ulm ", "ULM", "Bönn", "Bo\u0308nn", "Kiel"]),
    "45 and 50 huge and tiny": rows_with(spent=["1e308", "1e-308", "-1e300", "5e-324", "31"]),
    "66 missing column": LACKING,
    "67 extra columns": [GOOD | {"shoes": "44", "hat": "x"}] * 2,
    "68 another order": [dict(reversed(GOOD.items()))] * 2,
    "69 unseen category": rows_with(city=["Rom", "Wien"]),
    "70 text among numbers": rows_with(age=["old", "30"]),
    "70 numbers where categories were": rows_with(city=["1", "2.5"], is_member=["7", "8"]),
    "71 no rows": [],
    "72 nothing known": [dict.fromkeys(GOOD, "")] * 2,
    "73 far outside": rows_with(age=["9000", "-500"], spent=["1e9"], since=["2199-01-01"]),
    "74 target present": [GOOD | {"churn": "leaves"}] * 2,
    "90 odd signs": rows_with(remark=["\ufeffabc", "a\u0007b", "caf\u00e9 \ufffd"]),
    "91 empty and endless texts": rows_with(remark=["", "   ", "word " * 6000]),
    "92 forms and directions": rows_with(
        remark=["שלום עולם", "\U0001f469\u200d\U0001f467 a", "\u00e9", "e\u0301", "a\r\nb"]
    ),
}


@dataclass(frozen=True)
class Said:
    """What came of rows: columns of an answer, or a refusal."""

    columns: pl.DataFrame | None = None
    refusal: str = ""


def ask_library(model, frame):
    try:
        predicted = predicted_columns(model, frame)
        assert predicted.height == len(model.predict(frame))
        unusual = parse_table(frame, model.schema_.input.columns).is_unusual
        return Said(predicted.with_columns(is_unusual=pl.Series(unusual, dtype=pl.Boolean)))
    except FathomError as error:
        return Said(refusal=str(error))


def ask_command(path, frame, folder, capsys):
    given, found = folder / "rows.csv", folder / "predicted.csv"
    frame.write_csv(given)
    asked = ["fathom", "predict", str(path), str(given), "--output", str(found), "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", asked)
        patch.setattr("fathom.cli._leave", sys.exit)
        verb = importlib.import_module("fathom.cli.predict")  # not the function of that name
        patch.setattr(verb, "prepare_engine", lambda: None)
        try:
            code = main() or 0
        except SystemExit as end:
            code = end.code or 0
    said = capsys.readouterr().err
    if code:
        assert (code, len(said.splitlines())) == (2, 1), said
        return Said(refusal=said.removeprefix("fathom: ").strip())
    return Said(pl.read_csv(found))


def ask_server(server, rows, columns):
    answer = server.predict("table", rows)
    if answer.status != 200:
        assert answer.status == 400, answer.body
        return Said(refusal=answer.error)
    found = answer.json["predictions"]
    names = list(found[0]) if found else columns
    return Said(pl.DataFrame({name: [row[name] for row in found] for name in names}))


def assert_alike(said, expected):
    assert bool(said.refusal) == bool(expected.refusal), (said, expected)
    if expected.refusal:
        named = [name for name in GOOD if name in expected.refusal]
        assert [name for name in GOOD if name in said.refusal] == named != []
        return
    assert said.columns.columns == expected.columns.columns
    for name in expected.columns.columns:
        found, wanted = said.columns[name].to_list(), expected.columns[name].to_list()
        if expected.columns[name].dtype.is_float():
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
        else:
            assert found == wanted, name


@pytest.mark.parametrize("case", CASES)
def test_all_doors_say_the_same(case, server, models, files, tmp_path, capsys):
    rows, model = CASES[case], models["table"]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(rows[0] if rows else GOOD, pl.String))
    expected = ask_library(model, frame)
    names = [] if expected.columns is None else expected.columns.columns
    assert_alike(ask_server(server, rows, names), expected)
    assert_alike(ask_command(files["table"], frame, tmp_path, capsys), expected)
    if "32" <= case[:2] <= "45":  # of values, whose columns are also read as a whole
        many = (rows * (1 + QUICK_ROWS))[: QUICK_ROWS + 1]
        whole = ask_library(model, pl.DataFrame(many, schema=dict.fromkeys(rows[0], pl.String)))
        assert_alike(ask_server(server, many, names), whole)


def test_row_75_an_array_of_another_width_is_refused_by_all(server, models):
    with pytest.raises(ValueError, match="3"):
        models["labels"].predict(np.zeros((1, 4)))
    answer = server.predict("labels", [[0.0] * 4])
    assert (answer.status, "3 numbers in row 1" in answer.error) == (400, True)
