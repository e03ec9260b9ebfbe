"""The examples run from beginning to end, scripts and notebooks, with less time to search."""

import json
import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS, NOTEBOOKS = sorted(EXAMPLES.glob("*.py")), sorted(EXAMPLES.glob("*.ipynb"))


def run(code, name):
    exec(compile(re.sub(r"time_limit=\d+", "time_limit=2", code), name, "exec"), {})


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(path.read_text(encoding="utf-8"), path.name)
    assert capsys.readouterr().out


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_and_holds_no_output(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in code)
    run("\n".join("".join(cell["source"]) for cell in code), path.name)
    assert capsys.readouterr().out


def test_there_are_scripts_and_two_notebooks():
    assert len(SCRIPTS) >= 3
    assert len(NOTEBOOKS) == 2
