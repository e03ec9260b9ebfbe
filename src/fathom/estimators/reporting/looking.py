"""Looking for a report: what columns are worth, and what is inside the heaviest network."""

from typing import Any

import numpy as np
import polars as pl

from fathom.data.schema import ImageInput, Target
from fathom.estimators.base import FathomEstimator
from fathom.estimators.opening import Opened, open_model
from fathom.estimators.reporting.answering import Answers, take
from fathom.estimators.reporting.asking import MOST_COLUMNS, narrowed
from fathom.estimators.reporting.judging import row_losses
from fathom.inspection.dependence import Dependence, measure_dependence
from fathom.inspection.drawing import stages_of
from fathom.inspection.features import first_weights
from fathom.inspection.findings import find
from fathom.inspection.health import check_network
from fathom.inspection.importance import Importance, measure_importance
from fathom.inspection.representations import draw_rows
from fathom.inspection.trace import trace
from fathom.nn.convolution import Conv2D
from fathom.nn.dense import Dense

ASKED = 600_000  # rows that networks are asked about for importance, all shuffles together
MOST_ROWS, FEWEST_ROWS = 3000, 500  # of one shuffle
N_REPEATS = 5
N_WEIGHTS = 24
HEALTH_ROWS = 500
SMALL = ("batch norm", "layer norm", "relu", "dropout", "activation")  # stages not drawn


def look_at_columns(
    answers: Answers, target: Target, seed: int
) -> tuple[Importance | None, tuple[Dependence, ...], str]:
    """Measure what columns are worth, and how the prediction moves with the best two."""
    asker = answers.asker
    if not asker.has_columns or len(asker) < 2:
        return None, (), ""
    n_columns = sum(c.is_used for c in asker.parsed.columns) if asker.parsed else asker.x.shape[1]
    n_asked = ASKED // len(asker.model.networks_)
    n_asked //= N_REPEATS * max(1, min(n_columns, MOST_COLUMNS))
    rows = draw_rows(len(asker), min(MOST_ROWS, max(FEWEST_ROWS, n_asked)), seed)
    table = asker.table(rows)
    looked_at = table.select(narrowed(table, answers.said[rows]))

    def ask(changed: pl.DataFrame) -> np.ndarray:
        if changed.width == table.width:
            return _flat(asker.answer(changed), target)
        others = table if changed.height == table.height else table[:1]
        return _flat(asker.answer(_beside(changed, others)), target)

    y = answers.y[rows]
    importance = measure_importance(
        ask, looked_at, y[:, 0] if target.task == "numbers" and y.shape[1] == 1 else y,
        classes=range(answers.said.shape[1]) if target.task == "classes" else None,
        error=None if target.task != "labels" else _label_error, n_repeats=N_REPEATS,
        most_rows=len(rows), seed=seed,
    )  # fmt: skip
    if len(rows) < len(asker):
        said = find("sampled", n_used=len(rows), n_rows=len(asker))
        importance = importance.model_copy(update={"findings": (*importance.findings, said)})
    output, of = 0, ""
    if target.task == "classes":
        output = 1 if len(target.classes) == 2 else int(np.bincount(answers.y).argmax())
        of = str(target.classes[output])
    best = [one.column for one in importance.columns[:2] if one.drop > 0]
    dependence = tuple(
        measure_dependence(asker.answer, table, column, output=output, seed=seed) for column in best
    )
    return importance, dependence, of


def _flat(outputs: np.ndarray, target: Target) -> np.ndarray:
    return outputs[:, 0] if target.task == "numbers" and outputs.shape[1] == 1 else outputs


def _beside(changed: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Put changed columns in the place of their own among all columns."""
    return others.with_columns(changed.get_columns())


def _label_error(y: np.ndarray, said: np.ndarray) -> np.ndarray:
    return row_losses("labels", y, said)


def look_inside(answers: Answers, target: Target, seed: int) -> dict[str, Any]:
    """Draw the heaviest network on a row of middling loss, and see how its layers are."""
    model, x = answers.asker.model, answers.asker.x
    middle = int(np.argsort(answers.losses, kind="stable")[len(answers.losses) // 2])
    opened = open_model(model, take(x, np.array([middle])))
    traced = trace(
        opened.network, opened.x, loss=opened.architecture.loss, input_names=opened.input_names,
        feature_names=opened.feature_names, output_names=opened.output_names,
    )  # fmt: skip
    stages = stages_of(
        np.asarray(traced.x), traced.layers, input_names=_few_names(opened),
        feature_names=opened.feature_names, output_names=opened.output_names,
    )  # fmt: skip
    row = int(answers.numbers[middle])
    n_networks = len(model.networks_)
    if n_networks > 1:
        share = opened.weight / opened.n_folds
        about = find("network_share", n_networks=n_networks, share=share, row=row)
    else:
        about = find("network_only", row=row)
    architecture = opened.architecture
    layers = [
        (str(layer), "×".join(map(str, shape)), count)
        for layer, shape, count in zip(
            architecture.layers, architecture.shapes[1:], architecture.parameter_counts, strict=True
        )
    ]
    rows = draw_rows(len(answers.y), HEALTH_ROWS, seed)
    given = _given_target(answers.y[rows], target)
    seen = open_model(model, take(x, rows), given)
    health = check_network(seen.network, seen.architecture, seen.x, seen.y, seen.recipe)
    return {
        "stages": tuple(stage for stage in stages if stage.title not in SMALL),
        "layers": tuple(layers), "health": health,
        "on_network": (about,), "first_weights": _weights(opened, model),
    }  # fmt: skip


def _few_names(opened: Opened) -> tuple[str, ...]:
    return opened.input_names if len(opened.input_names) <= 64 else ()


def _given_target(y: np.ndarray, target: Target) -> Any:
    """Return a target as a user would give it to fit."""
    if target.task == "classes":
        return pl.Series(list(target.classes)).gather(y.astype(np.int64))
    return y


def _weights(opened: Opened, model: FathomEstimator) -> tuple[np.ndarray, ...]:
    """Return the weights of the first layer as pictures, for a network that sees pictures."""
    described = model.schema_.input
    first = next((a for a in opened.architecture.layers if isinstance(a, Dense | Conv2D)), None)
    if not isinstance(described, ImageInput) or first is None:
        return ()
    found = first_weights(opened.network, described.shape, n_shown=N_WEIGHTS)
    return tuple(found.images)
