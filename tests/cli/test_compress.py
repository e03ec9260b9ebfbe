"""The command ``fathom compress``."""

import json

import polars as pl
import pytest

from fathom import load, save
from fathom.deployment.shrinking import compress


def test_the_command_does_what_the_library_does(model, fathom, tmp_path):
    done = fathom("compress", model, "--to", "0.97", "--output", "s.fathom", "--json")
    assert done.code == 0, done.err
    events = [json.loads(line) for line in done.out.splitlines()]
    path = save(compress(load(model), to=0.97), tmp_path / "same.fathom")
    assert (tmp_path / "s.fathom").read_bytes() == path.read_bytes()
    assert events[-1]["bytes"] == path.stat().st_size
    assert events[-1]["is_met"]
    assert events[-2]["storage"] == load(path).compression_.storage


def test_with_rows_there_is_a_table_of_what_it_cost(model, trained, fathom, tmp_path):
    rows = trained[0] / "customers.csv"
    done = fathom(
        "compress", model, "--to", "0.97", "--data", rows, "--output", "s.fathom",
        "--time-limit", "5", "--tolerance", "1",
    )  # fmt: skip
    assert done.code == ("NOT REACHED" in done.out), done.err
    assert "log loss  accuracy  after" in done.out
    assert "times smaller" in done.out
    assert "each of 10,000" in done.out
    assert fathom("predict", "s.fathom", rows, "--output", "p.csv").code == 0
    assert pl.read_csv(tmp_path / "p.csv").height == pl.read_csv(rows).height


def test_falling_short_is_loud_and_another_exit_code(model, fathom):
    done = fathom("compress", model, "--to", "10B", "--output", "s.fathom")
    assert done.code == 1
    assert "NOT REACHED" in done.out
    assert "NOT JUDGED" in done.out


def test_a_compressed_model_is_not_searched_on(model, trained, fathom):
    assert fathom("compress", model, "--to", "0.97", "--output", "s.fathom").code == 0
    rows = trained[0] / "customers.csv"
    done = fathom("train", rows, "--target", "churn", "--continue", "s.fathom")
    assert done.code == 2
    assert "compressed afterwards" in done.err


def test_a_compressed_model_leaves_as_a_program(model, fathom):
    assert fathom("compress", model, "--to", "0.97", "--output", "s.fathom").code == 0
    assert fathom("export", "s.fathom", "m.py").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "a size or a time"), (("--to", "3"), "between 0 and 1"),
        (("--latency", "1us"), "--data FILE"), (("--to", "0.5", "--output", "no/s"), "not exist"),
        (("--to", "0.5", "--data", "absent.csv"), "absent.csv"),
    ],
)  # fmt: skip
def test_what_cannot_be_done(model, fathom, arguments, message):
    done = fathom("compress", model, *arguments)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
