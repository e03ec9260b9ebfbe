"""Looking for a report: what columns are worth, and what is inside the heaviest network."""

from typing import Any

import numpy as np
import polars as pl

from fathom.data.combinations import combinations_of
from fathom.data.schema import ImageInput, Target
from fathom.estimators.base import FathomEstimator
from fathom.estimators.opening import Opened
from fathom.estimators.reporting.answering import Answers, take
from fathom.estimators.reporting.asking import MOST_COLUMNS, narrowed
from fathom.estimators.reporting.judging import row_losses
from fathom.estimators.trunks import has_way_in, open_inside
from fathom.inspection.dependence import Dependence, measure_dependence
from fathom.inspection.drawing import stages_of
from fathom.inspection.features import first_weights
from fathom.inspection.findings import Finding, find
from fathom.inspection.health import check_network
from fathom.inspection.importance import Importance, measure_importance
from fathom.inspection.representations import draw_rows
from fathom.inspection.trace import trace
from fathom.nn.architecture import Architecture
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
    pictures = {c.name for c in asker.parsed.columns if c.kind == "picture"} if asker.parsed else ()
    worth = [one.column for one in importance.columns if one.drop > 0]
    best = [name for name in worth[:2] if name not in pictures]  # which have no order
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
    """Draw the heaviest network on a row of middling loss, and see how its layers are.

    Of a network with a way in of its own, for texts or for several inputs, what follows it.
    """
    asker, model = answers.asker, answers.asker.model
    is_trunk = has_way_in(model)

    def some(rows: np.ndarray) -> Any:
        return asker.parsed.take(rows) if is_trunk and asker.parsed else take(asker.x, rows)

    middle = int(np.argsort(answers.losses, kind="stable")[len(answers.losses) // 2])
    opened = open_inside(model, some(np.array([middle])))
    traced = trace(
        opened.network, opened.x, loss=opened.architecture.loss, input_names=opened.input_names,
        feature_names=opened.feature_names, output_names=opened.output_names,
    )  # fmt: skip
    stages = stages_of(
        np.asarray(traced.x), traced.layers, input_names=_few_names(opened),
        feature_names=opened.feature_names, output_names=opened.output_names,
    )  # fmt: skip
    rows = _answerable(answers, target)
    rows = rows[draw_rows(len(rows), HEALTH_ROWS, seed)]
    health = None
    if len(rows):
        seen = open_inside(model, some(rows), _given_target(answers.y[rows], target))
        health = check_network(seen.network, seen.architecture, seen.x, seen.y, seen.recipe)
    architecture = model.architecture_ if is_trunk else opened.architecture
    return {
        "stages": tuple(stage for stage in stages if stage.title not in SMALL),
        "layers": _layers(architecture), "health": health,
        "on_network": _about(opened, model, int(answers.numbers[middle])),
        "first_weights": _weights(opened, model),
    }  # fmt: skip


def _answerable(answers: Answers, target: Target) -> np.ndarray:
    """Return the rows whose answer a network has an output for: of factors, what training saw."""
    if not target.factors:
        return np.arange(len(answers.y))
    return np.flatnonzero(combinations_of(target).to_seen(answers.y) >= 0)


def _about(opened: Opened, model: FathomEstimator, row: int) -> tuple[Finding, ...]:
    """Say which network is drawn, on which row, and what of it is not."""
    n_networks = len(model.networks_)
    found = [find("network_only", row=row)]
    if n_networks > 1:
        share = opened.weight / opened.n_folds
        found = [find("network_share", n_networks=n_networks, share=share, row=row)]
    if has_way_in(model):
        first = str(model.architecture_.layers[0])
        found.append(find("network_trunk", first=first, n=opened.x.shape[1]))
    return tuple(found)


def _layers(architecture: Architecture) -> tuple[tuple[str, str, int], ...]:
    """Return the layers as lines of a table, those inside of others on lines of their own."""
    lines: list[tuple[str, str, int]] = []
    for layer, shape, count in zip(
        architecture.layers, architecture.shapes[1:], architecture.parameter_counts, strict=True
    ):
        inside = layer.inside()
        for name, size, n in inside or ((str(layer), shape, count),):
            lines.append((name, "×".join(map(str, size)), n))
    return tuple(lines)


def _few_names(opened: Opened) -> tuple[str, ...]:
    return opened.input_names if len(opened.input_names) <= 64 else ()


def _given_target(y: np.ndarray, target: Target) -> Any:
    """Return a target as a user would give it to fit."""
    if target.factors:
        every = combinations_of(target).every[y]
        columns = [np.array(factor.classes, object) for factor in target.factors]
        return np.stack([names[every[:, j]] for j, names in enumerate(columns)], axis=1)
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
