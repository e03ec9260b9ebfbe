"""Texts as commands show them: what was found for them, and the words that decided."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from fathom.cli.concluding import model_for
from fathom.cli.introducing import show_columns
from fathom.cli.pictures import require_same_target
from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, TrainingTable, say_saved
from fathom.data.cells import quoted
from fathom.data.parsing import ParsedTable, join_texts
from fathom.data.schema import TableInput
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.designing import Given
from fathom.estimators.explaining import explain_row
from fathom.estimators.prose import FoundForTexts, WordShare, go_on_with_texts, search_texts
from fathom.inspection.aligned import align
from fathom.training.monitor import Deadline, Monitor

MOST_WORDS = 15  # listed one by one


def train_texts(
    screen: Screen,
    table: TrainingTable,
    given: Given,
    options: TableOptions,
    before: Any,
    prose: tuple[TableInput, ParsedTable] | None,
    view: Monitor,
    deadline: Deadline,
) -> FathomClassifier | FathomRegressor:
    """Find networks for texts, or train those of an earlier model on; return their model."""
    model = model_for(given.target, options.seed)
    if prose is None:
        require_same_target(before, given.target)
        texts = join_texts(before._parse_rows(table.features))
        return model.restore(
            *go_on_with_texts(
                FoundForTexts.of(before), texts, given.y, given.weight,
                monitor=view, deadline=deadline,
            )
        )  # fmt: skip
    show_columns(screen, prose[0], options.time, is_new=True)
    return model.restore(
        *search_texts(
            join_texts(prose[1]), given.y, prose[0], given.target, given.weight, options.seed,
            monitor=view, deadline=deadline,
        )
    )  # fmt: skip


def conclude_texts(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    path: Path,
    options: TableOptions,
    seconds: float,
) -> None:
    """Say what was judged, how good it was on texts held out, and what comes next."""
    history = model.history_
    judged = [
        start.best
        for start in history.starts
        if start.best is not None and start.best.validation_loss is not None
    ]
    screen.say()
    screen.say(str(model.architecture_))
    screen.say()
    score = None
    if judged:
        best = min(judged, key=lambda epoch: epoch.validation_loss or 0.0)
        score = best.validation_score
    if score is not None:
        is_classes = history.score_name == "accuracy"
        shown = f"{score:.1%} accuracy" if is_classes else f"R² {score:.3f}"
        screen.say(f"On texts held out, before the model learned from all: {shown}")
    n = len(history.kept)
    screen.say(f"{n} network{'s' * (n != 1)} in the model, their outputs averaged")
    further = (
        "fathom inspect {name} --row 1    which words decide",
        "fathom report {name} --data NEW_ROWS.csv    the mistaken texts, and what spoke for what",
        "fathom train --continue {name} --time-limit 60",
    )
    say_saved(screen, path, options.path, seconds, "NEW_ROWS.csv", *further)
    screen.emit(
        "done", metric=history.score_name, score=score, seconds=round(seconds, 3),
        output=str(path),
    )  # fmt: skip


def show_words(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    rows: pl.DataFrame,
    expected: str | None,
    origin: str,
) -> None:
    """Show what a model makes of one text, and which of its words decided.

    Parameters
    ----------
    screen : Screen
        Where to.
    model : FathomClassifier or FathomRegressor
        A model of texts.
    rows : polars.DataFrame
        The row, as it stands in its table.
    expected : str or None
        What it should say, where that is known.
    origin : str
        Where the row comes from, in words.
    """
    parsed = model._parse_rows(rows)
    said = what_is_said(model, parsed)
    part = explain_row(model, parsed, said.output).parts[0]
    z = part.without + sum(word.share for word in part.words)
    screen.emit(
        "words", origin=origin, prediction=said.words, expected=expected, output=said.name,
        sum=round(z, 6), without=round(part.without, 6), words=as_plain(part.words),
    )  # fmt: skip
    truth = f"; it is {expected}" if expected is not None else ""
    screen.say(f"{origin}: the model says {said.words}{truth}.")
    screen.say(f"  {quoted(join_texts(parsed)[0], 300)}")
    screen.say()
    screen.say(
        f"What makes z of {said.name} {z:.4g}: {part.without:.4g} of no text at all, and its words "
        "(integrated gradients, averaged over the networks):"
    )
    for line in list_words(part.words):
        screen.say(f"  {line}")


class Said(NamedTuple):
    """What a model says of a row: which output decides, what that is called, and in words."""

    output: int
    name: str
    words: str


def what_is_said(model: FathomClassifier | FathomRegressor, parsed: ParsedTable) -> Said:
    """Return what a model says of the one row of a table."""
    outputs, target = model._predict_outputs(parsed)[0], model.schema_.target
    output = int(outputs.argmax())
    if target.task == "classes":
        name = quoted(str(target.classes[output]), 60)
        return Said(output, name, f"{name} ({outputs[output]:.2f})")
    names = target.names if len(target.names) == target.n_outputs else ()
    name = quoted(names[output]) if names else f"output {output + 1}"
    number = np.asarray(model._from_outputs(outputs[None])).reshape(-1)[output]
    return Said(output, name, f"{number:.4g} for {name}")


def as_plain(words: tuple[WordShare, ...]) -> list[dict[str, Any]]:
    """Return words as plain values for programs."""
    return [{"word": w.word, "place": w.place, "share": round(w.share, 6)} for w in words]


def list_words(words: tuple[WordShare, ...]) -> list[str]:
    """Return the lines of a table of the words that counted most, equal ones together."""
    return align(_listed(words)).splitlines()


def _listed(words: tuple[WordShare, ...]) -> list[tuple[str, ...]]:
    """List the words that counted most, equal ones together."""
    shares: dict[str, tuple[int, float]] = {}
    for one in words:
        n, share = shares.get(one.word, (0, 0.0))
        shares[one.word] = n + 1, share + one.share
    order = sorted(shares, key=lambda word: -abs(shares[word][1]))
    rows: list[tuple[str, ...]] = [("word", "times", "contribution")]
    for word in order[:MOST_WORDS]:
        n, share = shares[word]
        rows.append((quoted(word, 40), f"{n}", f"{share:+.4f}"))
    rest = order[MOST_WORDS:]
    if rest:
        share = sum(shares[word][1] for word in rest)
        others = "other" if len(rest) == 1 else "others"
        rows.append((f"{len(rest):,} {others}", "", f"{share:+.4f}"))
    rows.append(("together", "", f"{sum(s for _, s in shares.values()):+.4f}"))
    return rows


def require_no_questions(asked: dict[str, bool], described: str, shown: str) -> None:
    """Refuse what cannot be asked of a model that is not of columns or of pictures of ink alone.

    Parameters
    ----------
    asked : dict of str to bool
        Of each option whether it was given.
    described : str
        What the model is of, in words.
    shown : str
        What ``fathom inspect MODEL --row N`` shows of such a model.

    Raises
    ------
    InputError
        If anything is asked.
    """
    for flag, is_asked in asked.items():
        if is_asked:
            raise InputError(
                f"{flag} with a model of tables or pictures of ink",
                got=f"a model of {described}",
                hint=f"fathom inspect MODEL --row N shows {shown}",
            )
