"""Units: the networks of an estimator one by one, and an estimator put together of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import clone

from fathom.compression.sites import Described
from fathom.data.encoding import Standardization
from fathom.data.features import TableEncoding
from fathom.data.text import TextEncoding
from fathom.data.views import NumberViews, View
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.predicting import encode_rows
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Dropout
from fathom.nn.network import Network
from fathom.search.design import Design, Member
from fathom.search.prediction import to_matrix
from fathom.search.record import Record
from fathom.search.report import Candidate, Report
from fathom.training.history import History

Model: TypeAlias = FathomClassifier | FathomRegressor
MOST_EPOCHS = 100  # of the history that a compressed model still tells
COMPRESSED = "was compressed afterwards"


@dataclass(frozen=True)
class Unit:
    """One network of an estimator.

    Attributes
    ----------
    member, fold : int
        Which member of an ensemble, and which fold's network; of other models the number of the
        network and 0.
    weight : float
        Its share in the predictions.
    described : Described
        The network.
    """

    member: int
    fold: int
    weight: float
    described: Described


def is_designed(model: Model) -> bool:
    """Tell whether a model designed itself for a table."""
    return hasattr(model, "design_")


def is_of_texts(model: Model) -> bool:
    """Tell whether a model is one of texts alone."""
    return isinstance(model.encoding_, TextEncoding)


def open_units(model: Model) -> tuple[Unit, ...]:
    """Return the networks of a model, member by member, folds ascending."""
    if not is_designed(model):
        n = len(model.networks_)
        return tuple(
            Unit(number, 0, 1 / n, Described(model.architecture_, network))
            for number, network in enumerate(model.networks_)
        )
    return tuple(
        Unit(number, fold, one.weight / len(one.folds), Described(one.architecture, network))
        for number, one in enumerate(model.design_.members)
        for fold, network in zip(one.folds, one.networks, strict=True)
    )


def batch_of(model: Model, unit: Unit, x: Any) -> np.ndarray:
    """Return rows, parsed or checked, as a network of the model sees them."""
    if is_designed(model):
        genes = model.design_.members[unit.member].genes
        return to_matrix(model.design_, x, unit.fold, genes.view, genes.has_trees)
    if is_of_texts(model):
        raise AssertionError("networks for texts are not opened row by row")
    assert isinstance(model.encoding_, Standardization)
    return encode_rows(model.encoding_, x, model.schema_, model.architecture_).astype(np.float32)


def with_units(model: Model, units: Sequence[Unit]) -> Model:
    """Return the model with these networks alone; those of one member are of one architecture."""
    if is_designed(model):
        return restored_design(model, _select(model.design_, units))
    architecture = units[0].described.architecture
    networks = tuple(unit.described.network for unit in units)
    made = _plain_copy(model)
    if made.architecture is not None:
        made.architecture = architecture
    kept = tuple(
        model.history_.kept[u.member] for u in units if u.member < len(model.history_.kept)
    )
    history = model.history_.model_copy(update={"kept": kept}).thinned(MOST_EPOCHS)
    assert model.encoding_ is not None
    made.restore(
        model.schema_, architecture, model.recipe_, history, networks, model.encoding_,
        model.target_encoding_,
    )  # fmt: skip
    return _named_alike(made, model)


def restored_design(model: Model, found: Design) -> Model:
    """Return a model of another ensemble for the same table."""
    return _named_alike(_plain_copy(model).restore_design(model.schema_, found), model)


def _plain_copy(model: Model) -> Model:
    made: Model = clone(model)
    made.warm_start = False
    return made


def _named_alike(made: Model, model: Model) -> Model:
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        made.feature_names_in_ = names
    return made


def _select(found: Design, units: Sequence[Unit]) -> Design:
    """Return an ensemble with some of its networks, what belongs to no other left out."""
    folds = sorted({unit.fold for unit in units})
    numbers = sorted({unit.member for unit in units})
    total = sum(unit.weight for unit in units)
    members = []
    for number in numbers:
        mine = sorted((u for u in units if u.member == number), key=lambda unit: unit.fold)
        before = found.members[number].architecture
        each = [_without_dropout(unit.described, before) for unit in mine]
        networks: tuple[Network, ...] = tuple(one.network for one in each)
        weight = min(sum(unit.weight for unit in mine) / total, 1.0)
        members.append(
            Member(
                found.members[number].genes, weight, each[0].architecture,
                tuple(folds.index(unit.fold) for unit in mine), networks,
            )
        )  # fmt: skip
    has_trees = any(member.genes.has_trees for member in members)
    kept = {(unit.member, unit.fold) for unit in units}
    return replace(
        found, members=tuple(members),
        encodings=tuple(found.encodings[fold] for fold in folds),
        trees=tuple(found.trees[fold] for fold in folds) if has_trees else (),
        report=_shortened(
            found.report, {n: m.weight for n, m in zip(numbers, members, strict=True)}, len(folds)
        ),
        history=_history_of(found, kept), record=_record_of(found, kept, folds),
    )  # fmt: skip


def _without_dropout(described: Described, before: Architecture) -> Described:
    """Return a network that was changed without the layers that only training knows."""
    if described.architecture == before:
        return described
    pairs = zip(described.architecture.layers, described.network.layers, strict=True)
    kept = [(layer, module) for layer, module in pairs if not isinstance(layer, Dropout)]
    layers, modules = zip(*kept, strict=True)
    architecture = described.architecture.model_copy(update={"layers": layers})
    return Described(architecture, Network(modules))


def _places(found: Design) -> list[tuple[int, int]]:
    return [(number, fold) for number, m in enumerate(found.members) for fold in m.folds]


def _history_of(found: Design, kept: set[tuple[int, int]]) -> History:
    starts, places = found.history.starts, _places(found)
    if len(starts) != len(places):
        return found.history.thinned(MOST_EPOCHS)
    chosen = tuple(one for one, place in zip(starts, places, strict=True) if place in kept)
    history = found.history.model_copy(update={"starts": chosen, "kept": tuple(range(len(chosen)))})
    return history.thinned(MOST_EPOCHS)


def _record_of(found: Design, kept: set[tuple[int, int]], folds: list[int]) -> Record | None:
    record, places = found.record, _places(found)
    if record is None or len(record.networks) != len(places):
        return None
    chosen = tuple(
        one.model_copy(update={"fold": folds.index(one.fold)})
        for one, place in zip(record.networks, places, strict=True) if place in kept
    )  # fmt: skip
    return record.model_copy(update={"networks": chosen, "obstacle": COMPRESSED})


def _shortened(report: Report, weights: dict[int, float], n_folds: int) -> Report:
    """Return a report that tells of the candidates in the model alone, numbered anew."""
    in_model = [one for one in report.candidates if one.status == "kept"]
    chosen: list[Candidate] = [
        in_model[number].model_copy(update={"number": n, "weight": weight})
        for n, (number, weight) in enumerate(weights.items())
    ]
    return report.model_copy(update={"candidates": tuple(chosen), "n_folds": n_folds})


def trimmed(model: Model) -> Model:
    """Return the model without what none of its networks looks at.

    A column's quantiles, bin edges and thresholds are kept for those of its ways of being shown
    that a network of the same fold was trained on; predictions stay what they were to the bit.
    """
    if not is_designed(model):
        return model
    found: Design = model.design_
    encodings = []
    for fold, encoding in enumerate(found.encodings):
        views: set[View] = {member.genes.view for member in found.members if fold in member.folds}
        encodings.append(_trim(encoding, views))
    made = restored_design(model, replace(found, encodings=tuple(encodings)))
    if hasattr(model, "compression_"):
        made.compression_ = model.compression_
    return made


def _trim(encoding: TableEncoding, views: set[View]) -> TableEncoding:
    def trim(one: NumberViews) -> NumberViews:
        return NumberViews(
            one.fill, one.scale,
            one.quantiles if "quantile" in views else one.quantiles[:1],
            one.edges if "bins" in views else one.edges[:1],
            one.thresholds if "tree_bins" in views else one.thresholds[:0],
        )  # fmt: skip

    return replace(encoding, numbers=tuple(map(trim, encoding.numbers)))
