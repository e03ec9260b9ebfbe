"""Trunks: what follows the way in of a network for texts, or for rows that name pictures."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fathom.data.illustrated import RowEncoding
from fathom.data.parsing import ParsedTable, join_texts
from fathom.data.text import TextEncoding
from fathom.estimators.aims import aim_of
from fathom.estimators.base import FathomEstimator
from fathom.estimators.naming import output_names
from fathom.estimators.opening import Opened, open_model, target_numbers, units_of
from fathom.inspection.representations import run_in_batches
from fathom.nn.architecture import Architecture
from fathom.nn.layer import AbstractLayer
from fathom.nn.network import Network
from fathom.nn.stems import Stems
from fathom.nn.xla import Array, jitted


@jitted()
def _come_in(layer: AbstractLayer, x: Array) -> Array:
    return layer(x)


def has_way_in(model: FathomEstimator) -> bool:
    """Tell whether a model's networks begin with a way in of their own: for texts, or stems."""
    return isinstance(model.encoding_, TextEncoding | RowEncoding)


def encode_parsed(model: FathomEstimator, parsed: ParsedTable) -> np.ndarray:
    """Return rows of texts, or of columns, texts and pictures, as networks take them."""
    if isinstance(model.encoding_, TextEncoding):
        return model.encoding_.encode(join_texts(parsed))
    assert isinstance(model.encoding_, RowEncoding)
    return model.encoding_.encode_rows(parsed)


def open_inside(model: FathomEstimator, x: Any, y: Any = None) -> Opened:
    """Open the heaviest network of a model, or what follows its way in where it has one.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A fitted estimator.
    x : array-like, data frame or ParsedTable
        Rows as for ``predict``; the last only of a model with a way in.
    y : array-like, optional
        Their target, as for ``fit``.
    """
    return open_trunk(model, x, y) if has_way_in(model) else open_model(model, x, y)


def open_trunk(model: FathomEstimator, x: Any, y: Any = None) -> Opened:
    """Take the first network out of a model of texts or of rows with pictures, past its way in.

    What is seen there is an ordinary network of dense layers, whose inputs are what the way in (a
    bag of n-grams, or stems for columns, texts and pictures) makes of the rows.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A fitted estimator.
    x : data frame or ParsedTable
        Rows.
    y : array-like, optional
        Their target, as for ``fit``.
    """
    check_is_fitted(model, "networks_")
    target, architecture = model.schema_.target, model.architecture_
    parsed = x if isinstance(x, ParsedTable) else model._parse_rows(x)
    network = model.networks_[0]
    first, rows = network.layers[0], encode_parsed(model, parsed)
    seen = run_in_batches(lambda part: (_come_in(first, part),), rows)[0]
    given = None if y is None else target_numbers(y, target)
    trunk = Architecture(
        input_shape=architecture.shapes[1], layers=architecture.layers[1:], loss=architecture.loss,
        reduction=architecture.reduction,
    )  # fmt: skip
    names = _names(architecture)
    return Opened(
        network=Network(network.layers[1:]),
        architecture=trunk,
        recipe=model.recipe_,
        x=seen.astype(np.float32),
        y=None if given is None else aim_of(given, architecture, target, model.target_encoding_),
        input_names=names,
        feature_names=names,
        codes={},
        output_names=output_names(target, architecture.n_outputs),
        class_names=tuple(map(str, target.classes)),
        units=units_of("y", model.target_encoding_),
        member=0,
        fold=0,
        n_members=len(model.networks_),
        n_folds=1,
        weight=1 / len(model.networks_),
    )


def _names(architecture: Architecture) -> tuple[str, ...]:
    """Name what comes out of the way in."""
    first = architecture.layers[0]
    if isinstance(first, Stems):
        return tuple(
            f"{stem.name} {n + 1}" for stem in first.stems for n in range(stem.shapes()[-1][0])
        )
    return tuple(f"words {n + 1}" for n in range(architecture.shapes[1][0]))
