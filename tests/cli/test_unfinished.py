"""A search that is killed: what stood on disk is a whole model, and can be gone on with."""

import os
import signal
import subprocess
import sys
import time

import polars as pl

from fathom import load
from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, recall_run
from fathom.cli.unfinished import Unfinished
from fathom.estimators.designing import Searching

PROGRAM = """
import sys
import fathom.cli.train as train
import fathom.search.checkpoints as checkpoints
from fathom.cli import main
checkpoints.FIRST_S = checkpoints.EVERY_S = 0.0
checkpoints.SHARE = 1.0
train.prepare_training = lambda name: None
sys.argv = ["fathom", "train", *sys.argv[1:]]
main()
"""


def test_what_a_killed_search_has_left_is_a_model_to_go_on_with(trained, fathom, tmp_path):
    rows = trained[0] / "customers.csv"
    before = b"an older model"
    (tmp_path / "m.fathom").write_bytes(before)
    asked = [rows, "--target", "churn", "--output", "m.fathom", "--time-limit", "600"]
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, asked)], cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    left = tmp_path / "m.unfinished.fathom"
    while not left.exists() or recall_run(left) is None:
        assert running.poll() is None
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert (tmp_path / "m.fathom").read_bytes() == before
    model = load(left)
    table = pl.read_csv(rows)
    assert len(model.predict(table)) == table.height
    known = {candidate.number for candidate in model.report_.candidates}
    done = fathom("train", "--continue", left, "--output", "m.fathom", "--time-limit", "2")
    assert done.code == 0, done.err
    after = load(tmp_path / "m.fathom")
    assert known <= {candidate.number for candidate in after.report_.candidates}
    assert not list(tmp_path.glob("m.unfinished.unfinished*"))


def test_where_it_cannot_be_kept_it_says_so_once_and_the_search_goes_on(model, tmp_path, capsys):
    folder = tmp_path / "soon gone"
    folder.mkdir()
    options = TableOptions(path="rows.csv", target=("churn",))
    safe = Unfinished(Screen(True), folder / "m.fathom", options, ".")
    fitted = load(model)
    found = Searching(fitted.schema_, fitted.design_)
    safe.keep(found)
    assert safe.path.is_file()
    kept = recall_run(safe.path)
    assert kept.target == ("churn",)
    safe.remove()
    assert not safe.path.exists()
    folder.rmdir()
    for _ in range(2):
        safe.keep(found)
    told = capsys.readouterr().out
    assert told.count("NOT kept safe") == 1
    assert "does not exist" in told


def test_what_is_left_is_told_when_a_search_begins(tmp_path, capsys):
    (tmp_path / "m.unfinished.fathom").write_bytes(b"")
    safe = Unfinished(Screen(False), tmp_path / "m.fathom", TableOptions(path="rows.csv"), ".")
    assert "--continue" in capsys.readouterr().out
    safe.remove()  # which is not this one's
    assert (tmp_path / "m.unfinished.fathom").exists()
