"""Compression: how much smaller models become, and what that costs on rows nobody has seen.

python benchmarks/compression.py --data DIR [--cases usps_dnn,usps_cnn,adult] [--to 0.25,0.1]
    [--latency 0.5] [--train-limit 45] [--shrink-limit 60] [--keep FOLDER]

DIR holds ``digits/usps.npz`` and ``tables/adult.csv``. A model learns from the training part (that
of USPS; 80 % of adult's rows), made smaller with the very same rows, of which some choose, and
judged on the test part, which neither has seen. --latency asks for a share of the time that one row
takes, rather than of the size. With --keep models are kept between runs; with --to '' they are but
trained. The last line compares the arithmetic of float32 with that of whole numbers, which decided
what is computed.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom import FathomClassifier, load, save
from fathom.data.datasets import load_digits
from fathom.data.splitting import hold_out
from fathom.deployment.shrinking import compress
from fathom.deployment.shrinking.rows import part_rows
from fathom.deployment.shrinking.steps import size_of
from fathom.deployment.shrinking.timing import time_rows
from fathom.estimators.defaults import reading_network, reading_recipe
from fathom.training.calibration import log_loss


def digits(folder: Path, kind: str) -> tuple[Any, ...]:
    """Return an estimator with the default network and recipe, training part and test part."""
    found = load_digits(str(folder / "digits" / "usps.npz"))
    network = reading_network(np.unique(found.y_train).tolist(), 16, kind)
    model = FathomClassifier(network, reading_recipe(16, kind), random_state=0)
    return model, found.x_train, found.y_train, found.x_test, found.y_test


def adult(folder: Path) -> tuple[Any, ...]:
    """Return an estimator that designs itself, training part and test part."""
    frame = pl.read_csv(folder / "tables" / "adult.csv", infer_schema=False)
    classes = frame["income"].rank("dense").to_numpy().astype(int) - 1
    learn, test = hold_out(frame.height, 0.2, 0, classes)
    x, y = frame.drop("income"), frame["income"].to_numpy()
    return FathomClassifier(random_state=0), x[learn], y[learn], x[test], y[test]


CASES: dict[str, Callable[[Path], tuple[Any, ...]]] = {
    "usps_dnn": lambda folder: digits(folder, "dnn"),
    "usps_cnn": lambda folder: digits(folder, "cnn"),
    "adult": adult,
}


def judge(model: Any, x: Any, y: np.ndarray) -> tuple[float, float]:
    """Return accuracy and log loss."""
    p = model.predict_proba(x)
    numbers = np.searchsorted(model.classes_, y)
    return float(np.mean(p.argmax(axis=1) == numbers)), log_loss(p, numbers, np.ones(len(y)))


def run(name: str, folder: Path, asked: argparse.Namespace) -> None:
    """Train, make smaller, judge; print a line for each."""
    model, x, y, x_test, y_test = CASES[name](folder)
    kept = None if asked.keep is None else asked.keep / f"{name}.fathom"
    if kept is not None and kept.exists():
        model = load(kept)
    else:
        model.set_params(time_limit=asked.train_limit).fit(x, y)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            save(model, kept)
    accuracy, loss = judge(model, x_test, y_test)
    told = {"case": name, "networks": len(model.networks_), "bytes": size_of(model)}
    print(
        json.dumps(told | {"accuracy": round(accuracy, 5), "log_loss": round(loss, 5)}), flush=True
    )
    for goal in (*({"to": to} for to in asked.to), *({"latency": part} for part in asked.latency)):
        shrink(name, model, goal, (x, y, x_test, y_test), accuracy, asked.shrink_limit)


def shrink(
    name: str, model: Any, goal: dict[str, float], rows: tuple[Any, ...], before: float,
    limit: float,
) -> None:  # fmt: skip
    """Make a model smaller or faster; print what became of it on the test part."""
    x, y, x_test, y_test = rows
    wanted = dict(goal)
    if "latency" in goal:
        wanted["latency"] *= time_rows(model, part_rows(model, x_test, y_test, 0).judge.x, 1)
    began = time.monotonic()
    small = compress(model, x, y, **wanted, time_limit=limit)
    seconds, story = time.monotonic() - began, small.compression_
    after, after_loss = judge(small, x_test, y_test)
    first, last = story.steps[0], story.steps[-1]
    print(json.dumps({
        "case": name, **goal, "is_met": story.is_met, "bytes": last.bytes,
        "times_smaller": round(story.times_smaller, 2), "accuracy": round(after, 5),
        "points_lost": round(100 * (before - after), 3), "log_loss": round(after_loss, 5),
        "way": [step.step for step in story.steps[1:]],
        "row_us": [round(1e6 * (s.row_seconds or 0)) for s in (first, last)],
        "each_of_many_us": [round(1e6 * (s.many_seconds or 0), 2) for s in (first, last)],
        "seconds": round(seconds, 1), "load": os.getloadavg()[0],
        "tried": [[t.way, t.bytes, t.loss and round(t.loss, 5), t.fits] for t in story.tried],
    }), flush=True)  # fmt: skip


def arithmetic() -> None:
    """Print how long a layer of 512 × 512 takes for 256 rows in float32 and in whole numbers."""
    rng, told = np.random.default_rng(0), {}
    weight, rows = rng.integers(-127, 127, (512, 512)), rng.integers(-127, 127, (512, 256))
    for kind in (np.float32, np.int8, np.int32):
        w, x = weight.astype(kind), rows.astype(kind)
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            w @ x
            seconds.append(time.perf_counter() - began)
        told[np.dtype(kind).name] = round(1e3 * min(seconds), 2)
    print(json.dumps({"milliseconds of 512 × 512 × 256 in NumPy": told}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--to", default="0.25,0.1")
    parser.add_argument("--latency", default="")
    parser.add_argument("--train-limit", type=float, default=45.0)
    parser.add_argument("--shrink-limit", type=float, default=60.0)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    for name in ("to", "latency"):
        shares = [float(part) for part in getattr(asked, name).split(",") if part]
        setattr(asked, name, shares)
    for name in asked.cases.split(","):
        run(name, asked.data, asked)
    arithmetic()


if __name__ == "__main__":
    main()
