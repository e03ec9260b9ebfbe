"""Row paths: one row on its way through the model, number by number, and what spoke for it."""

import threading
from collections import OrderedDict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.data.schema import Label, Target
from fathom.data.target import read_target
from fathom.errors import InputError
from fathom.estimators.base import FathomEstimator
from fathom.estimators.explaining import explain_row, stretches
from fathom.estimators.opening import Opened, open_model
from fathom.estimators.reporting.effects import column_effects
from fathom.estimators.trunks import has_way_in
from fathom.inspection.attribution import attribute, typical_row
from fathom.inspection.layers import LayerTrace
from fathom.inspection.names import Scene
from fathom.inspection.representations import draw_rows
from fathom.inspection.tongues import name_layer
from fathom.inspection.traced import Trace
from fathom.inspection.why import Explanation, why
from fathom.search.prediction import say_each
from fathom.studio.results import Results, say_of_row
from fathom.studio.row_messages import (
    ColumnShare,
    PathLayer,
    PathNetwork,
    PathUnit,
    PathWish,
    RowPath,
    RowWhy,
    WordPart,
)
from fathom.studio.table_messages import Prediction
from fathom.studio.wording import Words, in_both

MOST_UNITS = 60  # of a layer that are sent
MOST_KNOWN = 500  # rows that tell what is usual
MOST_KEPT = 4  # paths whose numbers can be asked about at once


class RowPaths:
    """Paths of rows kept apart, each worked out once.

    Parameters
    ----------
    results : Results
        Opens models and what they say.
    """

    def __init__(self, results: Results) -> None:
        self._results, self._lock = results, threading.Lock()
        self._traces: OrderedDict[tuple[Any, ...], Trace] = OrderedDict()

    def path(self, folder: Path, wish: PathWish) -> RowPath:
        """Follow a row through a network of the model.

        Raises
        ------
        InputError
            If there is no such row or network.
        """
        model = self._results.model(folder)
        row = self._row(folder, wish.row)
        known = pl.read_parquet(folder / "train.parquet")
        known = known[draw_rows(known.height, MOST_KNOWN, 0).tolist()]
        said, target = say_of_row(model, row), model.schema_.target
        output = int(np.argmax(said.probabilities)) if said.probabilities else 0
        shown = row.drop(target.names[0]).with_columns(pl.all().cast(pl.String, strict=False))
        common: dict[str, Any] = {
            "row": wish.row, "columns": tuple(shown.columns), "cells": shown.row(0),
            "truth": _truth(row, target), "said": said, "member": wish.member, "fold": wish.fold,
            "effects": _effects(model, row, known, output),
        }  # fmt: skip
        if has_way_in(model):
            return _by_words(model, row, said, output, common)
        opened = open_model(model, row, member=wish.member, fold=wish.fold)
        traced = opened.trace()
        self._keep(folder, wish, traced)
        return RowPath(
            **common, networks=_networks(model, row, output),
            sharpness=float(getattr(getattr(model, "design_", None), "sharpness", 1.0)),
            layers=_layers(traced), words=(), **_shares(model, opened, known, output),
        )  # fmt: skip

    def why(self, folder: Path, wish: RowWhy) -> Explanation:
        """Say why a number on the path of a row is what it is.

        Raises
        ------
        InputError
            If there is no such row, network or number.
        """
        return why(self._trace(folder, wish), wish.name)

    def _row(self, folder: Path, number: int) -> pl.DataFrame:
        frame = self._results.require_held_out(folder).frame
        if number >= frame.height:
            raise InputError(
                f"a row from 1 to {frame.height}", got=f"row {number + 1}",
                hint="choose a row that is listed",
            )  # fmt: skip
        return frame[number]

    def _key(self, folder: Path, wish: PathWish) -> tuple[Any, ...]:
        begun = (folder / "model.fathom").stat().st_mtime_ns
        return str(folder), begun, wish.row, wish.member, wish.fold

    def _keep(self, folder: Path, wish: PathWish, traced: Trace) -> None:
        with self._lock:
            self._traces[self._key(folder, wish)] = traced
            while len(self._traces) > MOST_KEPT:
                self._traces.popitem(last=False)

    def _trace(self, folder: Path, wish: PathWish) -> Trace:
        model = self._results.model(folder)
        with self._lock:
            known = self._traces.get(self._key(folder, wish))
        if known is not None:
            return known
        row = self._row(folder, wish.row)
        traced = open_model(model, row, member=wish.member, fold=wish.fold).trace()
        self._keep(folder, wish, traced)
        return traced


def _truth(row: pl.DataFrame, target: Target) -> Label | None:
    goal = row[target.names[0]]
    if target.task == "classes":
        number = int(read_target(goal, target)[0])
        return target.classes[number] if number >= 0 else None
    value = goal.cast(pl.Float64, strict=False)[0]
    return None if value is None else float(value)


def _effects(
    model: FathomEstimator, row: pl.DataFrame, known: pl.DataFrame, output: int
) -> tuple[ColumnShare, ...]:
    return tuple(
        ColumnShare(
            column=one.column, here=_written(one.here), usual=_written(one.usual), share=one.change
        )
        for one in column_effects(model, row, known, output)
    )


def _written(value: Any) -> str | None:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return None if value is None else str(value)


def _by_words(
    model: FathomEstimator, row: pl.DataFrame, said: Prediction, output: int, common: dict[str, Any]
) -> RowPath:
    """Return what in a text spoke for what is said; its networks see thousands of n-grams."""
    found = explain_row(model, model._parse_rows(row), output)
    text = next((part for part in found.parts if part.kind == "text"), None)
    words = stretches(text) if text else ()
    return RowPath(
        **common, networks=(), sharpness=1.0, layers=(), output=_called(model, output), z=found.z,
        usual_z=text.without if text else found.z, shares=(),
        words=tuple(WordPart(text=part, share=share) for part, share in words),
    )  # fmt: skip


def _called(model: FathomEstimator, output: int) -> str:
    target = model.schema_.target
    return str(target.classes[output]) if target.task == "classes" else target.names[0]


def _networks(model: Any, row: pl.DataFrame, output: int) -> tuple[PathNetwork, ...]:
    """Return what every network says by itself, the heaviest member first."""
    found = getattr(model, "design_", None)
    if found is None:
        return ()
    kept = [one for one in model.report_.candidates if one.status == "kept"]
    order = sorted(range(len(found.members)), key=lambda n: -found.members[n].weight)
    rank = {id(found.members[n]): place for place, n in enumerate(order)}
    numbers = {id(m): one.number + 1 for m, one in zip(found.members, kept, strict=True)}
    folds: dict[int, int] = {}
    networks = []
    for member, shown in say_each(found, model._parse_rows(row)):
        fold = folds[id(member)] = folds.get(id(member), -1) + 1
        networks.append(
            PathNetwork(
                member=rank[id(member)], fold=fold, number=numbers[id(member)],
                weight=member.weight / len(member.networks),
                structure=in_both(str(member.genes)), said=float(shown[0, output]),
            )
        )  # fmt: skip
    return tuple(sorted(networks, key=lambda one: (one.member, one.fold)))


def _shares(
    model: FathomEstimator, opened: Opened, known: pl.DataFrame, output: int
) -> dict[str, Any]:
    """Return what the columns of the row added to the sum of an output of one network."""
    others = open_model(model, known, member=opened.member, fold=opened.fold)
    place = output if len(opened.output_names) > output else 0
    found = attribute(
        opened.network, opened.x, output=place, baseline=typical_row(others.network, others.x),
        names=opened.input_names, output_name=opened.output_names[place],
    )  # fmt: skip
    added: dict[str, float] = {}
    sources = opened.sources or opened.input_names
    for column, share in zip(sources, found.contributions[0].tolist(), strict=True):
        added[column] = added.get(column, 0.0) + share
    shares = [
        ColumnShare(column=column, here=None, usual=None, share=share)
        for column, share in sorted(added.items(), key=lambda pair: -abs(pair[1]))
    ]
    return {
        "output": found.output_name, "z": float(found.sums[0]), "usual_z": found.baseline_sum,
        "shares": tuple(shares),
    }  # fmt: skip


def _layers(traced: Trace) -> tuple[PathLayer, ...]:
    scene = Scene(traced)
    inputs = _shown("input", Words(en="input", zh="输入"), traced.x[0], traced.input_names)
    return (inputs, *(_layer(scene, layer) for layer in traced.layers))


def _layer(scene: Scene, layer: LayerTrace) -> PathLayer:
    n_units = layer.a.shape[1]
    says = tuple(scene.unit(layer, (unit,), "a").note for unit in range(n_units))
    title = str(layer)
    return _shown(layer.name, Words(en=title, zh=name_layer(title, "zh")), layer.a[0], says)


def _shown(name: str, title: Words, values: np.ndarray, says: tuple[str, ...]) -> PathLayer:
    """Return a layer's numbers; of many those that are farthest from 0."""
    chosen = np.sort(np.argsort(-np.abs(values), kind="stable")[:MOST_UNITS])
    return PathLayer(
        name=name, title=title, n_units=len(values), n_active=int(np.count_nonzero(values)),
        largest=float(np.abs(values).max(initial=0.0)),
        units=tuple(
            PathUnit(
                name=f"input.{n + 1}" if name == "input" else f"{name}.neuron{n + 1}.a",
                says=says[n] if says else "", value=float(values[n]),
            )
            for n in chosen.tolist()
        ),
    )  # fmt: skip
