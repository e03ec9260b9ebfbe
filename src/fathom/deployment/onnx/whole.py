"""A whole estimator as one ONNX graph: inputs, encoding, networks, ensemble, calibration."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from fathom.data.encoding import FARTHEST, Standardization
from fathom.data.schema import ImageInput, NumbersInput, TableInput, Target
from fathom.data.views import View
from fathom.deployment.inputs import PICTURES, ROWS, Shown, encoded_name, row_names
from fathom.deployment.onnx.columns import (
    TableTerms,
    encode_columns,
    give_columns,
    require_sayable,
)
from fathom.deployment.onnx.graph import DOUBLE, FLOAT, INTEGER, WORD, Graph, Term
from fathom.deployment.onnx.layers import activate_outputs, combine
from fathom.deployment.onnx.trees import show_trees
from fathom.estimators.base import FathomEstimator
from fathom.search.design import Design, Member
from fathom.search.material import TargetScale
from fathom.training.calibration import LEAST_PROBABILITY

Output: TypeAlias = tuple[str, Term, Sequence[int]]


def to_graph(model: FathomEstimator, *, is_encoded: bool = False) -> Any:
    """Return an estimator as an ONNX model.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A fitted estimator.
    is_encoded : bool
        Whether the inputs are encoded rows in place of the columns of a table.

    Raises
    ------
    InputError
        If it has something that ONNX cannot say.
    """
    graph = Graph()
    target, described = model.schema_.target, model.schema_.input
    if isinstance(described, TableInput):
        if not is_encoded:
            require_sayable(described)
        outputs = _designed(graph, model.design_, None if is_encoded else described)
        taken = {column.name for column in described.columns}
    else:
        outputs = _trained(graph, model)
        taken = set(getattr(described, "names", ()))
    given = _named_outputs(_shown(graph, outputs, target), taken)
    return graph.model(given, _says(model))


def _says(model: FathomEstimator) -> str:
    n = len(model.networks_)
    networks = f"{n:,} network{'s' * (n > 1)}"
    return f"Predicts {model.schema_.target.task} by {networks}, as Fathom does."


def _named_outputs(outputs: list[Output], taken: set[str]) -> list[Output]:
    """Give no output the name of an input."""
    named = []
    for name, term, shape in outputs:
        while name in taken:
            name += "_"
        named.append((name, term, shape))
    return named


# Networks that were described by the user


def _trained(graph: Graph, model: FathomEstimator) -> Term:
    """Return the mean of the networks' outputs, float64."""
    architecture, encoding = model.architecture_, model.encoding_
    described = model.schema_.input
    assert isinstance(encoding, Standardization)
    assert not isinstance(described, TableInput)
    x = _standardized(_given_rows(graph, described), encoding)
    shape = architecture.input_shape
    if isinstance(described, ImageInput) != (len(shape) == 3):
        x = x.reshape(-1, *shape)
    each = [
        activate_outputs(combine(network, x, shape), architecture.output_activation)
        for network in model.networks_
    ]
    mean = graph.add("Sum", *each) / float(len(each)) if len(each) > 1 else each[0]
    if model.target_encoding_ is not None:
        return mean * model.target_encoding_.scale + model.target_encoding_.center
    if model.schema_.target.task != "classes" or architecture.output_activation == "softmax":
        return mean
    if architecture.n_outputs == 1:
        return graph.join([1.0 - mean, mean])
    return mean / graph.add("Max", mean.total(1), np.finfo(float).tiny)


def _given_rows(graph: Graph, described: NumbersInput | ImageInput) -> Term:
    if isinstance(described, ImageInput):
        says = "pixels, height × width × channels, scaled as in training"
        return graph.give(PICTURES, FLOAT, described.shape, says).to(DOUBLE)
    names = row_names(described)
    if names:
        return graph.join([graph.give(name, DOUBLE, [1], "a number") for name in names])
    return graph.give(ROWS, DOUBLE, described.shape, "numbers, one row of them after the other")


def _standardized(x: Term, encoding: Standardization) -> Term:
    half = x * 0.5 - np.asarray(0.5 * encoding.center)
    return (half / encoding.scale * 2.0).clip(-FARTHEST, FARTHEST).to(FLOAT)


# An ensemble that designed itself


def _designed(graph: Graph, design: Design, table: TableInput | None) -> Term:
    """Return what the members say together, float64, calibrated."""
    rows = _Rows(graph, design, table)
    n_outputs = design.members[0].architecture.n_outputs
    parts = []
    for member in design.members:
        for fold, network in zip(member.folds, member.networks, strict=True):
            x = rows.matrix(fold, member.genes.view, member.genes.has_trees)
            z = combine(network, x, member.architecture.input_shape)
            shown = _decoded(z, member, design)
            parts.append(shown * (member.weight / len(member.folds)))
    total = graph.add("Sum", *parts) if len(parts) > 1 else parts[0]
    if design.target.task == "classes":
        if design.sharpness != 1.0:
            logs = graph.add("Log", graph.add("Max", total, LEAST_PROBABILITY))
            total = graph.add("Softmax", logs * design.sharpness, axis=-1)
        return total / total.total(1)
    if design.target.task == "numbers":
        low, high = (np.broadcast_to(end, n_outputs) for end in (design.low, design.high))
        return total.clip(np.asarray(low, float), np.asarray(high, float))
    return total


def _decoded(z: Term, member: Member, design: Design) -> Term:
    if design.target.task == "classes":
        return activate_outputs(z, "softmax")
    if design.target.task == "labels":
        return z.graph.add("Sigmoid", z.to(DOUBLE))
    scale: TargetScale = design.scales[member.genes.is_log_target]
    moved = z.to(DOUBLE) * scale.scale + scale.center
    if scale.offset is None:
        return moved
    return z.graph.add("Exp", z.graph.add("Min", moved, 700.0)) - scale.offset


class _Rows:
    """The rows as the networks of a fold see them, each form of them made once."""

    def __init__(self, graph: Graph, design: Design, table: TableInput | None) -> None:
        self._graph, self._design = graph, design
        self._table: TableTerms | None = None if table is None else give_columns(graph, table)
        self._parts: dict[Shown, tuple[Term | None, Term | None]] = {}
        self._trees: dict[int, Term] = {}

    def matrix(self, fold: int, view: View, has_trees: bool) -> Term:
        """Return rows with everything in its place, float32."""
        before, codes = self._encoded(fold, view)
        parts = [before] if before is not None else []
        if has_trees:
            if fold not in self._trees:
                self._trees[fold] = show_trees(
                    self._design.trees[fold], *self._encoded(fold, "robust")
                )
            parts.append(self._trees[fold])
        return self._graph.join(parts + ([codes] if codes is not None else []))

    def _encoded(self, fold: int, view: View) -> tuple[Term | None, Term | None]:
        """Return the columns before the codes, and the codes, those there are."""
        if (fold, view) not in self._parts:
            self._parts[fold, view] = self._encode(fold, view)
        return self._parts[fold, view]

    def _encode(self, fold: int, view: View) -> tuple[Term | None, Term | None]:
        encoding = self._design.encodings[fold]
        n_codes, width = len(encoding.layout.codes), encoding.layout.width
        if self._table is None:
            says = f"rows in the view {view}, as the encoding of fold {fold + 1} makes them"
            whole = self._graph.give(encoded_name(fold, view), FLOAT, [width], says)
            before = whole.columns(0, width - n_codes) if n_codes < width else None
            return before, whole.columns(width - n_codes, width) if n_codes else None
        parts = encode_columns(self._table, encoding, view)
        codes = parts.pop() if n_codes else None
        return (self._graph.join(parts) if parts else None), codes


# What is said in the end


def _shown(graph: Graph, outputs: Term, target: Target) -> list[Output]:
    if target.task == "numbers":
        return [("prediction", outputs, [target.n_outputs])]
    if target.task == "labels":
        return [
            ("prediction", outputs.is_at_least(0.5).to(INTEGER), [target.n_outputs]),
            ("probabilities", outputs, [target.n_outputs]),
        ]
    place = graph.add("ArgMax", outputs, dtype=INTEGER, axis=1, keepdims=0)
    classes = _constant_classes(graph, target)
    label = graph.add("Gather", classes, place)
    return [("prediction", label, []), ("probabilities", outputs, [len(target.classes)])]


def _constant_classes(graph: Graph, target: Target) -> Term:
    array = np.asarray(target.classes)
    if array.dtype.kind == "U":
        return graph.constant(np.array(target.classes, object), WORD)
    if array.dtype.kind in "iu":
        return graph.constant(array.astype(np.int64))
    return graph.constant(array)
