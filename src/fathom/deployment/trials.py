"""Trials of an exported model: rows, random and at the edges, and how far it is from Fathom."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from fathom.data.encoding import Standardization
from fathom.data.schema import Column, ImageInput, NumbersInput, TableInput
from fathom.data.text import TextEncoding
from fathom.deployment.inputs import (
    PICTURES,
    ROWS,
    Marks,
    encoded_inputs,
    encoded_name,
    row_names,
    spelled_codes,
)
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.base import FathomEstimator
from fathom.estimators.illustrated import refuse_illustrated
from fathom.search.prediction import to_matrix

N_RANDOM = 200
NEAR = 1e-4  # of a probability, or of a target's spread, that the two may differ by
UNSEEN = "no such word ✗"
_EXTREME = (
    np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-300, -1e-300, 1.0, -1.0, 1e6, -1e6, 1e30, -1e30, 1e300,
    -1e300,
)  # fmt: skip
_DAYS = (
    np.nan, 0.0, -1.0, 0.5, 59.0, 60.0, 11016.0, 11016.9375, -25508.0, -719528.0 / 5, 18320.0,
    19782.75, 47482.0, -171499.0, 193534.0, 0.25, 365.0,
)  # fmt: skip


def require_exportable(model: FathomClassifier | FathomRegressor) -> None:
    """Refuse what is not fitted, texts, whose words no graph can take apart, and factors."""
    if not hasattr(model, "networks_"):
        raise InputError("a fitted estimator", got=f"{model}", hint="call fit first")
    if model.schema_.target.factors:
        raise InputError(
            "a model of one column of classes, of labels or of numbers",
            got=f"one of {len(model.schema_.target.factors)} factors",
            hint="fathom serve answers for it",
        )  # fmt: skip
    if isinstance(model.encoding_, TextEncoding):
        raise InputError(
            "a model of a table, of numbers or of pictures", got="one of texts",
            hint="fathom serve answers for it",
        )  # fmt: skip
    refuse_illustrated(
        model.encoding_, "for no graph and no program reads files", "fathom predict answers for it"
    )


def make_rows(
    model: FathomEstimator, seed: int, *, is_encoded: bool
) -> tuple[object, Mapping[str, np.ndarray]]:
    """Make rows, as Fathom takes them and as the graph does.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A fitted estimator.
    seed : int
        Seed of the random ones.
    is_encoded : bool
        Whether the graph takes encoded rows.

    Returns
    -------
    tuple
        What to predict by Fathom, and tensors by the names of the inputs.
    """
    rng = np.random.default_rng(seed)
    described = model.schema_.input
    if isinstance(described, TableInput):
        columns = {c.name: _column_rows(c, rng) for c in described.columns if c.is_used}
        return to_feed(model, _frame(described, columns), is_encoded=is_encoded)
    if isinstance(described, ImageInput):
        pictures = _pictures(described, rng)
        return pictures, {PICTURES: pictures}
    rows = _numbers(model, rng)
    names = row_names(described)
    feed = {name: x[:, None] for name, x in zip(names, rows.T, strict=True)} if names else {}
    named = pl.DataFrame(dict(zip(names, rows.T, strict=True))) if names else rows
    return named, feed or {ROWS: rows}


def to_feed(
    model: FathomEstimator, frame: pl.DataFrame, *, is_encoded: bool
) -> tuple[pl.DataFrame, dict[str, np.ndarray]]:
    """Return a table of numbers, days and words, and the tensors that say the same.

    Dates are days in the tensors, and moments in the frame that is returned.
    """
    table = model.schema_.input
    assert isinstance(table, TableInput)
    feed, shown = {}, []
    for column, name in zip(table.columns, Marks.of(table).names, strict=True):
        if not column.is_used:
            if not table.is_named:
                shown.append(frame.get_column(column.name).cast(pl.String))
            continue
        series = frame.get_column(column.name)
        if column.kind == "date":
            feed[name] = series.to_numpy()[:, None].astype(np.float64)
            moments = (series * 86_400e6).fill_nan(None).cast(pl.Int64).cast(pl.Datetime("us"))
            shown.append(moments)
        elif column.kind == "number":
            feed[name] = series.to_numpy()[:, None].astype(np.float64)
            shown.append(series)
        else:
            words = series.fill_null("").to_numpy()
            feed[name] = np.asarray(words, object)[:, None]
            shown.append(series)
    whole = pl.DataFrame(shown)
    return whole, encode_frame(model, whole) if is_encoded else feed


def encode_frame(model: FathomEstimator, frame: object) -> dict[str, np.ndarray]:
    """Return the encoded rows a graph with encoded inputs takes, by the names of the inputs."""
    parsed = model._parse_rows(frame)
    return {
        encoded_name(fold, view): to_matrix(model.design_, parsed, fold, view, has_trees=False)
        for fold, view in encoded_inputs(model.design_)
    }


def _frame(table: TableInput, columns: Mapping[str, list[object]]) -> pl.DataFrame:
    """Return columns of different lengths as one table, each from its beginning again."""
    n = max(map(len, columns.values())) + N_RANDOM
    series = {}
    for column in table.columns:
        if not column.is_used:
            series[column.name] = pl.Series([""] * n)
            continue
        values = columns[column.name]
        repeated = [values[row % len(values)] for row in range(n)]
        kind = pl.Float64 if column.kind in ("number", "date") else pl.String
        series[column.name] = pl.Series(repeated, dtype=kind, strict=False)
    return pl.DataFrame(series)


def _column_rows(column: Column, rng: np.random.Generator) -> list[object]:
    """Return values of a column: every edge once, the rest like training; in random order."""
    low, high = (0.0 if end is None else end for end in (column.low, column.high))
    usual = rng.uniform(0, 1, N_RANDOM) * (high / 2 - low / 2) * 2 + low
    found: list[object]
    if column.kind == "number":
        whole = np.round(usual[: N_RANDOM // 2])
        found = [*_EXTREME, low, high, *whole.tolist(), *usual.tolist()]
    elif column.kind == "date":
        found = [*_DAYS, low, high, *np.floor(usual).tolist(), *(np.floor(usual) + 0.625).tolist()]
    elif column.kind == "text":
        found = ["", UNSEEN, "a few words of text", "Ein paar Wörter", "不"]
    else:
        spelled = list(spelled_codes(column))
        chosen = rng.choice(len(spelled), min(len(spelled), N_RANDOM), replace=False)
        found = ["", None, UNSEEN, "NA", *(spelled[place] for place in chosen)]
        found += [column.categories[n] for n in rng.integers(0, len(column.categories), N_RANDOM)]
    return [found[place] for place in rng.permutation(len(found))]


def _pictures(described: ImageInput, rng: np.random.Generator) -> np.ndarray:
    shape = described.shape
    grey = rng.random((N_RANDOM // 4, *shape))
    ink = (rng.random((N_RANDOM // 4, *shape)) < 0.3).astype(float)
    edges = np.stack([np.full(shape, value) for value in (0.0, 1.0)])
    return np.concatenate([grey, ink, edges]).astype(np.float32)


def _numbers(model: FathomEstimator, rng: np.random.Generator) -> np.ndarray:
    described, encoding = model.schema_.input, model.encoding_
    assert isinstance(described, NumbersInput)
    assert isinstance(encoding, Standardization)
    n = described.n_features
    usual = rng.normal(size=(N_RANDOM, n)) * encoding.scale + encoding.center
    extreme = [value for value in _EXTREME if np.isfinite(value)]
    edges = rng.choice(extreme, (40, n))
    return np.concatenate([usual, edges, np.zeros((1, n))])


def find_difference(
    model: FathomClassifier | FathomRegressor, rows: Any, found: list[np.ndarray]
) -> float:
    """Return how far outputs of a graph are from the model's, and refuse what is too far.

    Raises
    ------
    InputError
        Says by how much, in how many rows.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # rows without the names of training
        is_classifier = isinstance(model, FathomClassifier)
        wanted = np.asarray(model.predict_proba(rows) if is_classifier else model.predict(rows))
    if isinstance(model, FathomClassifier):
        distance = np.abs(found[1] - wanted)
        is_other = _are_other(model, found, wanted)
    else:
        wanted = wanted.reshape(len(found[0]), -1)
        distance = np.abs(found[0] / 2 - wanted / 2) * 2 / _spread(model)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.fmin(distance, np.abs(found[0] / wanted - 1))
        is_other = np.zeros(len(wanted), bool)
    is_far = ~(distance <= NEAR).all(axis=1) | is_other
    if is_far.any():
        row = int(is_far.argmax())
        raise InputError(
            f"predictions within {NEAR:g} of Fathom's",
            got=f"{distance[row].max():.3g} in {int(is_far.sum()):,} of {len(is_far):,} rows tried",
            hint="the file is not written; please report it",
        )
    return float(distance.max())


def _are_other(model: FathomClassifier, found: list[np.ndarray], wanted: np.ndarray) -> np.ndarray:
    """Tell for each row whether the answer is another one though no two are as probable."""
    if model.schema_.target.task == "labels":
        is_sure = np.abs(wanted - 0.5) > NEAR
        return np.asarray(((found[0] != (wanted >= 0.5)) & is_sure).any(axis=1))
    ranked = np.sort(wanted, axis=1)
    is_sure = ranked[:, -1] - ranked[:, -2] > 2 * NEAR
    answers = model.classes_[wanted.argmax(axis=1)]
    return np.asarray((found[0] != answers) & is_sure)


def _spread(model: FathomRegressor) -> np.ndarray:
    if isinstance(model.schema_.input, TableInput):
        return np.asarray(model.design_.scales[False].scale)
    return np.ones(1) if model.target_encoding_ is None else model.target_encoding_.scale
