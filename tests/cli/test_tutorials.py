"""The tutorials' commands, one after another, as they are written but with less time."""

import re
import shlex
from pathlib import Path

import polars as pl

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"compare", "report", "serve"}  # tested at length in tests of their own


def blocks_of(page, language):
    place = ROOT / page if page == "README.md" else ROOT / "docs" / "tutorials" / page
    text = place.read_text(encoding="utf-8")
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


def test_what_the_readme_does_with_a_table_goes_as_it_is_written(fathom, customers, tmp_path):
    customers.write_csv(tmp_path / "customers.csv")
    customers.head(120).write_csv(tmp_path / "known_customers.csv")
    customers.drop("churn").write_csv(tmp_path / "new_customers.csv")
    first, then = blocks_of("README.md", "sh")[:2]
    lines = [first.rpartition("&& ")[2], *then.splitlines()]
    done = []
    for line in lines:
        words = shlex.split(re.sub(r"--time-limit \d+", "--time-limit 2", line), comments=True)[1:]
        if words[0] not in ELSEWHERE:
            run = fathom(*words)
            # A small model is not always as small or as good as asked for, which exit code 1 says.
            is_short = "NOT REACHED" in run.out or "WORSE" in run.out
            assert run.code == (words[0] == "compress" and is_short), run.out + run.err
            done.append(words[0])
    assert done == ["train", "predict", "evaluate", "inspect", "export", "compress"]
    assert pl.read_csv(tmp_path / "predictions.csv").height == customers.height
    assert (tmp_path / "model.onnx").stat().st_size > 1000
