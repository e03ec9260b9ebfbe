"""Texts as commands show them: what was found for them, and the words that decided."""

from pathlib import Path

import numpy as np
import polars as pl

from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, say_saved
from fathom.data.cells import quoted
from fathom.data.parsing import join_texts
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.prose import TextPredictor, WordShare, explain_text
from fathom.inspection.aligned import align

MOST_WORDS = 15  # listed one by one


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
    further = "fathom inspect {name} --row 1    which words decide"
    say_saved(screen, path, options.path, seconds, "NEW_ROWS.csv", further)
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
    text = join_texts(model._parse_rows(rows))[0]
    predictor, target = model._predictor, model.schema_.target
    assert isinstance(predictor, TextPredictor)
    outputs = model._predict_outputs(rows)[0]
    output = int(outputs.argmax())
    if target.task == "classes":
        name = quoted(str(target.classes[output]), 60)
        said = f"{name} ({outputs[output]:.2f})"
    else:
        names = target.names if len(target.names) == target.n_outputs else ()
        name = quoted(names[output]) if names else f"output {output + 1}"
        said = f"{np.asarray(model.predict(rows)).reshape(-1)[output]:.4g} for {name}"
    words, total, base = explain_text(predictor, text, output)
    screen.emit(
        "words", origin=origin, prediction=said, expected=expected, output=name,
        sum=round(total, 6), without=round(base, 6),
        words=[{"word": w.word, "place": w.place, "share": round(w.share, 6)} for w in words],
    )  # fmt: skip
    truth = f"; it is {expected}" if expected is not None else ""
    screen.say(f"{origin}: the model says {said}{truth}.")
    screen.say(f"  {quoted(text, 300)}")
    screen.say()
    screen.say(
        f"What makes z of {name} {total:.4g}: {base:.4g} of no text at all, and its words "
        "(integrated gradients, averaged over the networks):"
    )
    for line in align(_listed(words)).splitlines():
        screen.say(f"  {line}")


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


def require_no_questions(asked: dict[str, bool]) -> None:
    """Refuse what cannot be asked of a model of texts.

    Raises
    ------
    InputError
        If anything is.
    """
    for flag, is_asked in asked.items():
        if is_asked:
            raise InputError(
                f"{flag} with a model of tables or pictures of ink", got="a model of texts",
                hint="fathom inspect MODEL --row N shows which words decided",
            )  # fmt: skip
