"""Going on with a search against searching once for as long, on rows of the training part only.

    python benchmarks/tables_continue.py --data DIR [--tables a,b] [--seconds 60] [--splits 1]
        [--output FILE]

DIR holds CSV files and ``suite.json``. Of the training part of split 0 (as `benchmarks/tables.py`
divides) three quarters train and one quarter tests, anew for each split; the test part is not
touched. Three ways, all of them commands: ``fathom train`` for the seconds; ``fathom train
--continue`` of that file for as many again; and ``fathom train`` for twice the seconds. Each
beginning has a compiler's cache of its own, empty at first, so that nothing is had for free.

Every result is a line of the output, and what is there is not run again. Printed: the log loss or
RMSE of each way, and the geometric mean over the tables of continued against twice from scratch.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

TABLES = "german_credit,titanic,concrete,phoneme,wine_quality,california_housing"
ONCE, CONTINUED, TWICE = "once", "continued", "twice from scratch"
SCORES = ("log loss", "RMSE")


def write_parts(folder: Path, table: dict[str, Any], split: int, place: Path) -> tuple[Path, Path]:
    """Write the rows to train on and to test on as CSV files, cell by cell as they were."""
    frame = pd.read_csv(folder / table["file"], dtype=str, keep_default_na=False)
    frame = frame[frame[table["target"]] != ""]
    classes = None if table["task"] == "regression" else frame[table["target"]].to_numpy()
    if classes is not None:
        names, counts = np.unique(classes, return_counts=True)
        frame = frame[np.isin(classes, names[counts >= 2])]
        classes = frame[table["target"]].to_numpy()
    rows = np.arange(len(frame))
    training, _ = train_test_split(rows, test_size=0.2, random_state=0, stratify=classes)
    training, test = train_test_split(training, test_size=0.25, random_state=123 + split)
    places = place / "train.csv", place / "test.csv"
    for chosen, path in zip((training, test), places, strict=True):
        frame.iloc[chosen].to_csv(path, index=False)
    return places


def fathom(*words: str | Path | float, cache: Path) -> tuple[list[dict[str, Any]], float]:
    """Run the command; return what it says and how long it took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "fathom", *map(str, words), "--json"],
        env={**os.environ, "FATHOM_CACHE": str(cache)}, stdout=subprocess.PIPE, text=True,
        check=True,
    )  # fmt: skip
    spent = time.monotonic() - began
    return [json.loads(line) for line in done.stdout.splitlines()], spent


def train(
    words: tuple[str | Path | float, ...], model: Path, test: Path, cache: Path
) -> dict[str, Any]:
    """Train as the words say, and say how good the model is on the test rows."""
    said, spent = fathom("train", *words, "--output", model, cache=cache)
    report = next(event for event in said if event["event"] == "report")
    judged, _ = fathom("evaluate", model, test, cache=cache)
    metrics = next(event for event in judged if event["event"] == "evaluation")["metrics"]
    loss = next(m["value"] for m in metrics if m["name"] in SCORES)
    return {
        "loss": loss, "held_out": report["validation_loss"], "seconds": round(spent, 2),
        "tried": len(report["candidates"]),
    }  # fmt: skip


def run(
    folder: Path, table: dict[str, Any], split: int, seconds: float, ways: list[str]
) -> dict[str, dict[str, Any]]:
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        training, test = write_parts(folder, table, split, place)
        begin = (training, "--target", table["target"], "--seed", split, "--time-limit")
        first, second = place / "first.fathom", place / "second.fathom"
        if {ONCE, CONTINUED} & {*ways}:
            found[ONCE] = train((*begin, seconds), first, test, place / "a")
            on = ("--continue", first, "--time-limit", seconds)
            found[CONTINUED] = train(on, second, test, place / "a")
        if TWICE in ways:
            found[TWICE] = train((*begin, 2 * seconds), second, test, place / "b")
    return found


def report(lines: list[dict[str, Any]]) -> None:
    """Print a row for each table, the mean over its splits, and the means over the tables."""
    for seconds in sorted({line["limit"] for line in lines}):
        print(f"\n| {seconds:g} s | once | continued | twice | continued / twice | over limit s |")
        print("|---" * 6 + "|")
        ratios = []
        for table in sorted({line["table"] for line in lines}):
            chosen = [x for x in lines if (x["table"], x["limit"]) == (table, seconds)]
            losses = {(x["way"], x["split"]): x["loss"] for x in chosen}
            splits = [s for way, s in losses if way == ONCE]
            splits = [s for s in splits if {(CONTINUED, s), (TWICE, s)} <= losses.keys()]
            if not splits:
                continue
            means = [np.mean([losses[w, s] for s in splits]) for w in (ONCE, CONTINUED, TWICE)]
            logs = [math.log(losses[CONTINUED, s] / losses[TWICE, s]) for s in splits]
            ratios.append(float(np.mean(logs)))
            limits = {ONCE: seconds, CONTINUED: seconds, TWICE: 2 * seconds}
            over = max(x["seconds"] - limits[x["way"]] for x in chosen)
            cells = " | ".join(f"{mean:.4g}" for mean in means)
            print(
                f"| {table} ({len(splits)}) | {cells} | {math.exp(ratios[-1]):.3f} | {over:.1f} |"
            )
        if ratios:
            error = np.std(ratios, ddof=1) / math.sqrt(len(ratios)) if len(ratios) > 1 else math.nan
            mean = math.exp(np.mean(ratios))
            print(f"| all, geometric mean | | | | {mean:.3f} ± {error:.3f} | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", default=TABLES)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("tables_continue.jsonl"))
    given = parser.parse_args()
    suite = {t["name"]: t for t in json.loads((given.data / "suite.json").read_text())}
    lines = []
    if given.output.exists():
        lines = [json.loads(line) for line in given.output.read_text().splitlines()]
    for split in range(given.splits):
        for name in given.tables.split(","):
            same = {"table": name, "split": split, "limit": given.seconds}
            done = {x["way"] for x in lines if same.items() <= x.items()}
            ways = [way for way in (ONCE, CONTINUED, TWICE) if way not in done]
            found = run(given.data, suite[name], split, given.seconds, ways) if ways else {}
            for way in ways:
                lines.append({**same, "way": way, **found[way]})
                with given.output.open("a") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
                print(lines[-1], flush=True)
    report(lines)


if __name__ == "__main__":
    main()
