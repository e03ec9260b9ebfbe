"""The tutorials' commands, one after another, as they are written but with less time."""

import re
import shlex
from pathlib import Path

import polars as pl

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"


def blocks_of(page, language):
    text = (TUTORIALS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def run_commands(fathom, page):
    """Run the commands of a page, and return their verbs and what the last of each said."""
    done, said = [], {}
    for line in "\n".join(blocks_of(page, "sh")).splitlines():
        if line.startswith("fathom ") and line != "fathom --version":
            words = shlex.split(re.sub(r"--time-limit \d+", "--time-limit 2", line))[1:]
            run = fathom(*words)
            assert run.code == 0, line + run.err
            done.append(words[0])
            said[words[0]] = run.out
    return done, said


def test_the_first_tutorial_goes_as_it_is_written(fathom, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    exec(blocks_of("table.md", "python")[0], {})
    done, _ = run_commands(fathom, "table.md")
    assert done == ["train", "evaluate", "predict", "inspect", "report", "train"]
    predictions = (tmp_path / "predictions.csv").read_text().splitlines()
    assert predictions[0].split(",")[0] == "diagnosis"
    assert len(predictions) == 115
    assert "<svg" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_rare_combinations_go_as_they_are_written(fathom, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(blocks_of("combinations.md", "python")[0], {})
    shares = next(text for text in blocks_of("combinations.md", "text") if "share" in text)
    (tmp_path / "shares.csv").write_text(shares)
    done, said = run_commands(fathom, "combinations.md")
    assert done == ["train", "evaluate", "evaluate", "predict"]
    assert "rare" in said["train"]
    predicted = pl.read_csv(tmp_path / "said.csv")
    assert predicted.height == 800
    assert {"gender", "hair", "probability_man + long"} <= set(predicted.columns)
