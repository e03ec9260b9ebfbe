"""Combinations of factors as commands show them, and the prior as a user gives it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.cli.screen import Screen
from fathom.data.cells import listing, quoted, to_cells, to_numbers, to_words
from fathom.data.combinations import Combinations, Prior, combinations_of, log_prior
from fathom.data.schema import Target
from fathom.data.tables import read_table
from fathom.data.target import read_target
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.evaluation import Evaluation

MOST_SHOWN = 40  # combinations; JSON has all


def take_prior(model: FathomClassifier | FathomRegressor, given: str | None) -> None:
    """Give a model the prior that the user asks for.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A fitted model.
    given : str or None
        ``training``, ``uniform``, a number from 0 to 1, or a table with a column for each factor
        and one of shares; None for the model's own.

    Raises
    ------
    InputError
        If it is none of these, or the model has no factors.
    """
    if given is None:
        return
    target = model.schema_.target
    if not isinstance(model, FathomClassifier) or not target.factors:
        raise InputError(
            "--prior with a model of several factors", got="a model of one target",
            hint="leave --prior out",
        )  # fmt: skip
    prior = read_prior(given, target)
    log_prior(target, prior)
    model.prior = prior


def read_prior(given: str, target: Target) -> Prior:
    """Return the prior that a text means; see `take_prior`."""
    if given in ("training", "uniform"):
        return given
    try:
        return float(given)
    except ValueError:
        pass
    if not Path(given).exists():
        raise InputError(
            "--prior training, uniform, a number from 0 to 1, or a table of shares",
            got=quoted(given),
        )
    return _read_shares(read_table(given).frame, target)


def _read_shares(frame: pl.DataFrame, target: Target) -> dict[str, float]:
    """Read a column for each factor, and the share of each combination in the one that is left."""
    names = [factor.name for factor in target.factors]
    others = [name for name in frame.columns if name not in names]
    if len(others) != 1 or len(names) != frame.width - 1:
        raise InputError(
            f"the columns {listing(names)} in the prior, and one of shares",
            got=listing(frame.columns),
            hint="give a column for each of them, and one more of shares",
        )  # fmt: skip
    numbers = [
        read_target(frame[f.name], Target(task="classes", classes=f.classes))
        for f in target.factors
    ]
    shares = to_numbers(to_cells(frame[others[0]])).cast(pl.Float64).fill_null(math.nan)
    sizes = [len(factor.classes) for factor in target.factors]
    every = combinations_of(target).names
    prior: dict[str, float] = {}
    for row, (place, share) in enumerate(zip(zip(*numbers, strict=True), shares, strict=True)):
        if min(place) < 0:
            words = " + ".join(str(to_words(frame[name])[row]) for name in names)
            raise InputError(
                f"combinations of {listing(names)} in the prior", got=f"{quoted(words)!r}",
                hint="write the classes as in training",
            )  # fmt: skip
        name = every[int(np.ravel_multi_index(place, sizes))]
        if name in prior:
            raise InputError(
                "each combination once in the prior", got=f"{quoted(name)!r} twice",
                hint="leave one of its rows out",
            )  # fmt: skip
        prior[name] = share
    return prior


def say_held_out(screen: Screen, model: FathomClassifier | FathomRegressor) -> None:
    """Say of a model just trained how each combination fared on rows held out, if it has any."""
    combined, target = model.combined_, model.schema_.target
    if combined is None or not combined.scores:
        return
    right = {
        "right": [score.right for score in combined.scores],
        "with --prior uniform": [score.right_uniform for score in combined.scores],
    }
    say_combinations(screen, target, [score.n_rows for score in combined.scores], right)
    screen.say()


def say_evaluated(screen: Screen, evaluation: Evaluation, model: FathomClassifier) -> None:
    """Say how each combination fares on rows that were evaluated."""
    shown = model.prior if isinstance(model.prior, str | int | float) else "your own"
    n_rows = [report.support for report in evaluation.per_class]
    right = [round((r.recall or 0.0) * r.support) for r in evaluation.per_class]
    say_combinations(screen, model.schema_.target, n_rows, {f"right, prior {shown}": right})


def say_combinations(
    screen: Screen,
    target: Target,
    n_rows: Sequence[int],
    right: Mapping[str, Sequence[int]],
) -> None:
    """Say of every combination how often training saw it, and how it fares.

    Parameters
    ----------
    screen : Screen
        Where to.
    target : Target
        Of several factors.
    n_rows : sequence of int
        Rows of each combination that were judged.
    right : mapping of str to sequence of int
        How many of them were right, by what was asked.
    """
    found = combinations_of(target)
    lines = _lines(found, n_rows, right)
    width = max(18, *(len(str(line[0])) for line in lines))
    heads = "".join(f"{name:>22}" for name in right)
    screen.say()
    screen.say(f"{'combination':<{width}} {'seen':>10}  {'':<11} {'rows':>8}{heads}")
    for name, seen, mark, rows, *shares in lines[:MOST_SHOWN]:
        shown = "".join(f"{'—' if s is None else f'{s:.1%}':>22}" for s in shares)
        screen.say(f"{name:<{width}} {seen:>10,}  {mark:<11} {rows:>8,}{shown}")
    if len(lines) > MOST_SHOWN:
        screen.say(f"and {len(lines) - MOST_SHOWN:,} more (--json shows all)")
    means = _means(n_rows, right)
    shown = "".join(f"{'—' if mean is None else f'{mean:.1%}':>22}" for mean in means.values())
    screen.say(f"{'mean over combinations':<{width + 33}}{shown}")
    if any(str(line[2]).endswith("*") for line in lines):
        screen.say("* nothing that was seen tells it apart from others, so little is known of it")
    keys = ("combination", "seen", "mark", "rows", *right)
    told = [dict(zip(keys, line, strict=True)) for line in lines]
    screen.emit("combinations", combinations=told, means=means)


def _lines(
    found: Combinations, n_rows: Sequence[int], right: Mapping[str, Sequence[int]]
) -> list[tuple[Any, ...]]:
    """Return name, count, mark, rows and shares of each combination, the most frequent first."""
    lines = []
    for place in np.argsort(-found.counts, kind="stable").tolist():
        seen, rows = int(found.counts[place]), int(n_rows[place])
        mark = "rare" if found.is_rare[place] else ""
        if not seen:
            mark = "never seen" if found.is_told[place] else "never seen*"
        shares = [int(each[place]) / rows if rows else None for each in right.values()]
        lines.append((quoted(found.names[place], 40), seen, mark, rows, *shares))
    return lines


def _means(n_rows: Sequence[int], right: Mapping[str, Sequence[int]]) -> dict[str, float | None]:
    rows = np.asarray(n_rows, float)
    there = rows > 0
    if not there.any():
        return dict.fromkeys(right)
    return {
        name: float(np.mean(np.asarray(each)[there] / rows[there])) for name, each in right.items()
    }
