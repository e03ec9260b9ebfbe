"""The tutorials' commands, one after another, as they are written but with less time."""

import re
import shlex
from pathlib import Path

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"


def blocks_of(page, language):
    text = (TUTORIALS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def test_the_first_tutorial_goes_as_it_is_written(fathom, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    exec(blocks_of("table.md", "python")[0], {})
    done = []
    for line in "\n".join(blocks_of("table.md", "sh")).splitlines():
        if line.startswith("fathom ") and line != "fathom --version":
            words = shlex.split(re.sub(r"--time-limit \d+", "--time-limit 2", line))[1:]
            run = fathom(*words)
            assert run.code == 0, line + run.err
            done.append(words[0])
    assert done == ["train", "evaluate", "predict", "inspect", "report", "train"]
    predictions = (tmp_path / "predictions.csv").read_text().splitlines()
    assert predictions[0].split(",")[0] == "diagnosis"
    assert len(predictions) == 115
    assert "<svg" in (tmp_path / "report.html").read_text(encoding="utf-8")
