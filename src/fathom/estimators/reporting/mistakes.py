"""The worst rows for a report, in words and with their values."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from fathom.data.schema import ImageInput, TableInput, Target
from fathom.estimators.explaining import explain_row, stretches
from fathom.estimators.opening import open_model
from fathom.estimators.reporting.answering import Answers, take
from fathom.estimators.trunks import has_way_in
from fathom.inspection.attribution import contributed_by_place
from fathom.inspection.findings import Finding, find
from fathom.inspection.importance import Importance
from fathom.inspection.report.contents import Mistake

N_MISTAKES = 6
N_PICTURES = 12


class Look(NamedTuple):
    """What of a row is shown as it is, and what in it spoke for what was said."""

    picture: np.ndarray | None = None
    because: np.ndarray | None = None
    words: tuple[tuple[str, float], ...] = ()


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
    asker = answers.asker
    order = np.argsort(-answers.losses, kind="stable")
    if target.task == "classes":
        order = order[answers.said.argmax(axis=1)[order] != answers.y[order]]
    rows = order[: N_PICTURES if asker.is_picture else N_MISTAKES]
    if not len(rows):
        return ()
    shown = take(asker.x, rows)
    cells = _cells(answers, shown, importance)
    if asker.is_picture and names:
        cells = [(("file", names[number - 1]),) for number in answers.numbers[rows].tolist()]
    looks = _look_closely(answers, rows, shown, target)
    return tuple(
        Mistake(
            row=int(answers.numbers[row]), loss=float(answers.losses[row]),
            cells=cells[place] if cells else (), picture=looks[place].picture,
            because=looks[place].because, words=looks[place].words,
            **_told(answers.y[row], answers.said[row], target),
        )
        for place, row in enumerate(rows.tolist())
    )  # fmt: skip


def _look_closely(answers: Answers, rows: np.ndarray, shown: Any, target: Target) -> list[Look]:
    """Return the pictures and texts of rows, and what in them spoke for what was said."""
    asker = answers.asker
    if asker.is_picture:
        places = find_places(answers, rows, shown, target)
        return [
            Look(_picture(one, answers), place) for one, place in zip(shown, places, strict=True)
        ]
    if asker.parsed is None or not has_way_in(asker.model):
        return [Look()] * len(rows)
    guesses = answers.said[rows].argmax(axis=1)
    found = []
    for row, guess in zip(rows.tolist(), guesses.tolist(), strict=True):
        output = _output_of(target, guess)
        if output is None:
            found.append(Look())
            continue
        parts = explain_row(asker.model, asker.parsed.take(np.array([row])), output).parts
        seen = [part for part in parts if part.picture is not None]
        read = [part for part in parts if part.kind == "text"]
        found.append(
            Look(
                picture=seen[0].picture if seen else None,
                because=seen[0].places if seen else None,
                words=stretches(read[0]) if read else (),
            )
        )
    return found


def _output_of(target: Target, guess: int) -> int | None:
    """Return the output that is explained: of classes what was said, of one number that."""
    if target.task == "classes":
        return guess
    return 0 if target.n_outputs == 1 else None


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
    kinds = _kinds_beside(answers)
    ranks = {one.column: n for n, one in enumerate(importance.columns)} if importance else {}
    order = sorted(range(len(names)), key=lambda n: ranks.get(names[n], len(ranks) + n))
    order = [n for n in order if kinds.get(names[n]) != "text"]  # which is shown word by word
    return [
        tuple(
            (names[n], _file(line[n]) if kinds.get(names[n]) == "picture" else _cell(line[n]))
            for n in order if names[n] in ranks or len(names) < 60
        )
        for line in lines
    ]  # fmt: skip


def _kinds_beside(answers: Answers) -> dict[str, str]:
    """Return the kinds of columns where texts and pictures of a row are shown beside its values."""
    parsed = answers.asker.parsed
    if parsed is None or not has_way_in(answers.asker.model):
        return {}
    return {column.name: column.kind for column in parsed.columns}


def _file(value: Any) -> str:
    """Return the name of a file: a page that may be passed on says nothing of folders."""
    return "–" if value is None else PurePath(str(value)).name


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
