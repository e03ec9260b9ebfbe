"""Reading digits as 16×16 ink or no ink: accuracy and seconds beside scikit-learn's classifiers.

    python benchmarks/digits.py --data DIR

DIR holds ``semeion.npz``, ``usps.npz`` and a folder ``mnist`` of IDX files. Semeion is measured by
10-fold cross-validation, USPS and MNIST on their official split; every figure is the mean over the
seeds, and the seconds are those of one seed (for Semeion: of its ten folds together). Nothing is
tuned on a test part: the recipe is the one of ``fathom digits``, except that no pictures are held
out of training.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from fathom import FathomClassifier
from fathom.cli.engine import prepare_engine
from fathom.data.datasets import load_digits
from fathom.estimators.defaults import reading_network, reading_recipe

SOURCES = {"semeion": "semeion.npz", "usps": "usps.npz", "mnist": "mnist"}
FOLDS = 10
AIMS = {
    ("semeion", "dnn"): 97.2, ("usps", "dnn"): 96.3, ("mnist", "dnn"): 98.9,
    ("semeion", "cnn"): 99.0, ("usps", "cnn"): 97.8, ("mnist", "cnn"): 99.5,
}  # fmt: skip

Parts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def parts_of(name: str, folder: Path, seed: int) -> Iterator[Parts]:
    """Yield x_train, y_train, x_test, y_test of every fold, or of the official split."""
    digits = load_digits(str(folder / SOURCES[name]))
    if digits.is_official_split:
        yield digits.x_train, digits.y_train, digits.x_test, digits.y_test
        return
    x = np.concatenate([digits.x_train, digits.x_test])
    y = np.concatenate([digits.y_train, digits.y_test])
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, y):
        yield x[train], y[train], x[test], y[test]


def fathom_model(kind: str, y: np.ndarray, seed: int, seconds: float) -> FathomClassifier:
    recipe = reading_recipe(16, kind).model_copy(update={"validation_fraction": 0.0})
    network = reading_network(np.unique(y).tolist(), 16, kind)
    return FathomClassifier(network, recipe, time_limit=seconds, random_state=seed)


def measure(name: str, kind: str, folder: Path, seeds: int, row_seconds: float) -> dict:
    """Fit and test one row of the table."""
    seeds = 1 if kind == "svc" and name != "semeion" else seeds  # SVC has no randomness of its own
    folds = FOLDS if name == "semeion" else 1
    make: dict[str, Callable[[np.ndarray, int], object]] = {
        "svc": lambda y, seed: SVC(),
        "mlp": lambda y, seed: MLPClassifier(random_state=seed),
    }
    accuracies, seconds = [], []
    for seed in range(seeds):
        right = total = 0
        for x_train, y_train, x_test, y_test in parts_of(name, folder, seed):
            if kind in make:
                model = make[kind](y_train, seed)
                x_train, x_test = (x.reshape(len(x), -1).astype(float) for x in (x_train, x_test))
            else:
                model = fathom_model(kind, y_train, seed, row_seconds / folds)
            began = time.perf_counter()
            model.fit(x_train, y_train)
            seconds.append(time.perf_counter() - began)
            right += int((model.predict(x_test) == y_test).sum())
            total += len(y_test)
        accuracies.append(100 * right / total)
    return {
        "data": name, "network": kind, "accuracy": round(float(np.mean(accuracies)), 3),
        "spread": round(float(np.std(accuracies)), 3), "seeds": seeds, "folds": folds,
        "seconds": round(float(np.sum(seconds)) / seeds, 1), "aim": AIMS.get((name, kind)),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the three data sets")
    parser.add_argument("--sets", nargs="+", choices=SOURCES, default=list(SOURCES))
    kinds = ("dnn", "cnn", "svc", "mlp")
    parser.add_argument("--networks", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--row-seconds", type=float, default=290, help="time limit of one seed")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    given = parser.parse_args()
    prepare_engine()
    if not given.json:
        print("| data | classifier | accuracy % | ± | aim | seconds |")
        print("|---|---|---|---|---|---|", flush=True)
    for name in given.sets:
        for kind in given.networks:
            row = measure(name, kind, given.data, given.seeds, given.row_seconds)
            if given.json:
                print(json.dumps(row), flush=True)
                continue
            print(
                f"| {name} | {kind} | {row['accuracy']:.2f} | {row['spread']:.2f} | "
                f"{row['aim'] or ''} | {row['seconds']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
