"""What each part of the search buys, on rows of the training part only.

    python benchmarks/tables_design.py --data DIR [--tables a,b] [--time-limit 20] [--output FILE]

DIR holds CSV files and ``suite.json``. Of the training part of split 0 (as `benchmarks/tables.py`
divides) three quarters train and one quarter tests; the test part is not touched. Every result is a
line of the output, and what is there is not run again. Printed: for each variant the geometric mean
over the tables of its log loss or RMSE against the shipped search, and of the epochs it trained.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from sklearn.model_selection import train_test_split

from fathom import FathomClassifier, FathomRegressor, Monitor
from fathom.search import strategy
from fathom.search.space import Genes
from fathom.training import engines, population
from tables import read_frame

TABLES = (
    "german_credit,titanic,phoneme,wine_quality,spambase,concrete,california_housing,bike_sharing"
)
OWNERS: dict[str, Any] = {
    "strategy": strategy, "Strategy": strategy.Strategy, "engines": engines,
    "population": population,
}  # fmt: skip
EMBEDDED = ("periodic", "periodic_quantile", "piecewise", "thermometer")
SHIPPED, CONTINUED = "as shipped", "half the time, then continued for the other half"
first_members, mutate, draw_genes = strategy.first_members, strategy.mutate, strategy.draw_genes


def only(wanted: Callable[[Genes], bool]) -> Callable[..., tuple[Genes, ...]]:
    return lambda *args, **kwargs: tuple(g for g in first_members(*args, **kwargs) if wanted(g))


def main_member(*args: Any, **kwargs: Any) -> tuple[Genes, ...]:
    deep = [g for g in first_members(*args, **kwargs) if g.depth and not g.has_trees]
    return tuple(deep[:1])


def plain_mutate(genes: Genes, rng: np.random.Generator, **kwargs: Any) -> tuple[Genes, str]:
    """Mutate, but never into an embedding of numbers."""
    child, told = mutate(genes, rng, **kwargs)
    form = child.input_form if child.input_form not in EMBEDDED else genes.input_form
    return child.model_copy(update={"input_form": form}), told


def plain_draw(rng: np.random.Generator, usual: Genes, **kwargs: Any) -> Genes:
    genes = draw_genes(rng, usual, **kwargs)
    return genes.model_copy(update={"input_form": str(rng.choice(("robust", "quantile")))})


def fixed_mutate(genes: Genes, rng: np.random.Generator, **kwargs: Any) -> tuple[Genes, str]:
    """Mutate how a network is trained, not what it is."""
    child, told = mutate(genes, rng, **kwargs)
    kept = ("input_form", "depth", "width", "activation", "has_trees")
    return child.model_copy(update={name: getattr(genes, name) for name in kept}), told


def single_best(
    predictions: Any, losses: list[float], loss: Callable[[np.ndarray], float]
) -> tuple[np.ndarray, float]:
    weights = np.zeros(len(losses))
    weights[int(np.argmin(losses))] = 1.0
    return weights, min(losses)


def without_trees(self: Any) -> bool:
    return False


def no_breeding(self: Any, remaining: float) -> Any:
    """Return the next member of the portfolio, and nothing after the last."""
    for genes in self._waiting:
        if genes.structure not in self._compiling:
            fitted = self._fit_in(genes, remaining)
            if fitted is not None:
                self._waiting.remove(genes)
                return strategy.Tried(len(self.tried), fitted, "portfolio")
    return None


def not_ready(*names: Any) -> bool:
    return False


VARIANTS: dict[str, dict[str, Any]] = {
    SHIPPED: {},
    "trained by XLA": {
        "strategy.are_loops_ready": not_ready,
        "population.are_loops_ready": not_ready,
        "engines.are_loops_ready": not_ready,
        "engines.prepare": lambda *names: None,
        "population.prepare": lambda *names: None,
    },
    "no embeddings of numbers": {
        "first_members": only(lambda g: g.input_form not in EMBEDDED),
        "mutate": plain_mutate,
        "draw_genes": plain_draw,
    },
    "no trees": {"Strategy._can_grow_trees": without_trees},
    "one member": {"first_members": main_member, "Strategy._next_candidate": no_breeding},
    "no ensemble, the best single one": {"choose_ensemble": single_best},
    "no refill, the portfolio only": {"Strategy._next_candidate": no_breeding},
    CONTINUED: {},
    "fixed architecture": {
        "first_members": main_member,
        "mutate": fixed_mutate,
        "draw_genes": lambda rng, usual, **kwargs: usual,
    },
}


class Counter(Monitor):
    """Counts the epochs of all networks."""

    epochs = 0

    def on_epoch(self, start: int, epoch: Any) -> None:
        """Count one more."""
        self.epochs += 1


def run(folder: Path, table: dict[str, Any], variant: str, seconds: float) -> dict[str, Any]:
    frame = read_frame(folder / table["file"])
    y = frame.pop(table["target"])
    is_numbers = table["task"] == "regression"
    rows = np.arange(len(frame))
    training, _ = train_test_split(
        rows, test_size=0.2, random_state=0, stratify=None if is_numbers else y
    )
    training, test = train_test_split(training, test_size=0.25, random_state=123)
    is_continued = variant == CONTINUED
    model = (FathomRegressor if is_numbers else FathomClassifier)(
        time_limit=seconds / (1 + is_continued), warm_start=is_continued, random_state=0
    )
    with ExitStack() as stack:
        for name, value in VARIANTS[variant].items():
            owner, _, attribute = name.rpartition(".")
            stack.enter_context(patch.object(OWNERS[owner or "strategy"], attribute, value))
        began, counter = time.monotonic(), Counter()
        for _ in range(1 + is_continued):
            model.fit(frame.iloc[training], y.iloc[training], monitor=counter)
        spent = time.monotonic() - began
    if is_numbers:
        error = model.predict(frame.iloc[test]) - y.iloc[test].to_numpy()
        loss = float(np.sqrt(np.mean(error**2)))
    else:
        p = model.predict_proba(frame.iloc[test])
        number = {label: at for at, label in enumerate(model.classes_.tolist())}
        at = [number[label] for label in y.iloc[test]]
        loss = float(-np.mean(np.log(np.maximum(p[np.arange(len(at)), at], 1e-7))))
    return {
        "loss": loss, "seconds": spent, "tried": len(model.report_.candidates),
        "epochs": counter.epochs,
    }  # fmt: skip


def report(lines: list[dict[str, Any]]) -> None:
    losses = {(line["table"], line["variant"]): line["loss"] for line in lines}
    epochs = {(line["table"], line["variant"]): line["epochs"] for line in lines}
    tables = sorted({table for table, _ in losses})
    print("| variant | " + " | ".join(tables) + " | against the shipped | epochs |")
    print("|---" * (len(tables) + 3) + "|")
    for variant in VARIANTS:
        cells = [f"{losses[t, variant]:.4g}" if (t, variant) in losses else "" for t in tables]
        both = [t for t in tables if (t, variant) in losses and (t, SHIPPED) in losses]
        means = [
            f"{math.exp(np.mean([math.log(of[t, variant] / of[t, SHIPPED]) for t in both])):.3f}"
            if both else ""
            for of in (losses, epochs)
        ]  # fmt: skip
        print(f"| {variant} | " + " | ".join([*cells, *means]) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", default=TABLES)
    parser.add_argument("--variants", help="names, with commas; left out: all")
    parser.add_argument("--time-limit", type=float, default=20.0)
    parser.add_argument("--output", type=Path, default=Path("tables_design.jsonl"))
    given = parser.parse_args()
    suite = {t["name"]: t for t in json.loads((given.data / "suite.json").read_text())}
    lines = []
    if given.output.exists():
        lines = [json.loads(line) for line in given.output.read_text().splitlines()]
    done = {(line["table"], line["variant"]) for line in lines}
    for name in given.tables.split(","):
        for variant in given.variants.split(",") if given.variants else VARIANTS:
            if (name, variant) in done:
                continue
            line = {"table": name, "variant": variant}
            line |= run(given.data, suite[name], variant, given.time_limit)
            lines.append(line)
            with given.output.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)
    report(lines)


if __name__ == "__main__":
    main()
