"""The worst rows for a report, in words and with their values."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fathom.data.schema import ImageInput, TableInput, Target
from fathom.estimators.opening import open_model
from fathom.estimators.reporting.answering import Answers, take
from fathom.inspection.attribution import contributed_by_place
from fathom.inspection.findings import Finding, find
from fathom.inspection.importance import Importance
from fathom.inspection.report.contents import Mistake

N_MISTAKES = 6
N_PICTURES = 12


def find_surest(answers: Answers, target: Target) -> list[Finding]:
    """Say which mistake the model was surest of."""
    said, y = answers.said, answers.y
    guess = said.argmax(axis=1)
    wrong = np.flatnonzero(guess != y)
    if not len(wrong):
        return []
    row = int(wrong[np.argmax(said[wrong, guess[wrong]])])
    return [
        find("worst_surest", row=answers.numbers[row], said=str(target.classes[guess[row]]),
             sureness=said[row, guess[row]], truth=str(target.classes[y[row]]),
             share=said[row, y[row]])
    ]  # fmt: skip


def find_mistakes(
    answers: Answers, target: Target, importance: Importance | None, names: Sequence[str] = ()
) -> tuple[Mistake, ...]:
    """Return the rows with the largest loss that are wrong, with their values or pictures."""
    is_picture = not answers.asker.has_columns
    order = np.argsort(-answers.losses, kind="stable")
    if target.task == "classes":
        order = order[answers.said.argmax(axis=1)[order] != answers.y[order]]
    rows = order[: N_PICTURES if is_picture else N_MISTAKES]
    if not len(rows):
        return ()
    shown = take(answers.asker.x, rows)
    cells = _cells(answers, shown, importance)
    if is_picture and names:
        cells = [(("file", names[number - 1]),) for number in answers.numbers[rows].tolist()]
    pictures = [_picture(one, answers) for one in shown] if is_picture else [None] * len(rows)
    places = find_places(answers, rows, shown, target) if is_picture else [None] * len(rows)
    return tuple(
        Mistake(
            row=int(answers.numbers[row]), loss=float(answers.losses[row]),
            cells=cells[place] if cells else (), picture=pictures[place], because=places[place],
            **_told(answers.y[row], answers.said[row], target),
        )
        for place, row in enumerate(rows.tolist())
    )  # fmt: skip


def find_places(
    answers: Answers, rows: np.ndarray, shown: np.ndarray, target: Target
) -> list[np.ndarray | None]:
    """Return for each picture what every place of it contributed to what was said of it."""
    if target.task != "classes":
        return [None] * len(rows)
    opened = open_model(answers.asker.model, shown)
    if len(opened.output_names) != len(target.classes):
        return [None] * len(rows)
    guesses = answers.said[rows].argmax(axis=1)
    shares = contributed_by_place(opened.network, opened.x, guesses)
    return [_upright(share, answers) for share in shares]


def _picture(x: np.ndarray, answers: Answers) -> np.ndarray:
    """Return one picture: ink from 0 to 1, its channels averaged, or levels as they are."""
    described = answers.asker.model.schema_.input
    if isinstance(described, ImageInput) and described.is_photo:
        return _upright(np.asarray(x, np.uint8), answers)
    picture = np.asarray(x, np.float64)
    return picture.mean(axis=-1) if picture.ndim == 3 else picture


def _upright(picture: np.ndarray, answers: Answers) -> np.ndarray:
    """Turn a picture of sound so that time goes to the right, and high is above."""
    described = answers.asker.model.schema_.input
    is_heard = isinstance(described, ImageInput) and described.hearing is not None
    return np.swapaxes(picture, 0, 1)[::-1] if is_heard else picture


def _told(y: Any, said: np.ndarray, target: Target) -> dict[str, Any]:
    """Return in words what a row is and what was said of it."""
    if target.task == "classes":
        guess = int(said.argmax())
        return {
            "truth": str(target.classes[int(y)]), "said": str(target.classes[guess]),
            "sureness": float(said[guess]), "truth_share": float(said[int(y)]),
        }  # fmt: skip
    if target.task == "labels":
        names = target.names or tuple(str(n) for n in range(1, target.n_outputs + 1))
        return {
            word: ", ".join(n for n, v in zip(names, values, strict=True) if v >= 0.5) or "–"
            for word, values in (("truth", y), ("said", said))
        }
    return {
        word: ", ".join(f"{value:.6g}" for value in values)
        for word, values in (("truth", y), ("said", said))
    }


def _cells(
    answers: Answers, shown: Any, importance: Importance | None
) -> list[tuple[tuple[str, str], ...]]:
    """Return the values of rows as they came, columns by importance."""
    if not answers.asker.has_columns:
        return []
    if isinstance(answers.asker.model.schema_.input, TableInput) and hasattr(shown, "columns"):
        names = [str(name) for name in shown.columns]
        lines = [tuple(line) for line in np.asarray(shown.to_numpy(), object)]
    else:
        table = answers.asker.table(np.arange(1))
        names, lines = table.columns, [tuple(line) for line in np.asarray(shown, object)]
    ranks = {one.column: n for n, one in enumerate(importance.columns)} if importance else {}
    order = sorted(range(len(names)), key=lambda n: ranks.get(names[n], len(ranks) + n))
    return [
        tuple((names[n], _cell(line[n])) for n in order if names[n] in ranks or len(names) < 60)
        for line in lines
    ]


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
