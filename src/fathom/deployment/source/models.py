"""Estimators as sections of a program: their networks, how they predict, their numbers."""

import base64
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

from fathom.data.descending import Trees
from fathom.data.encoding import Standardization
from fathom.data.features import TableEncoding
from fathom.data.schema import ImageInput, TableInput, Target
from fathom.data.trees import TreeView
from fathom.data.views import NumberViews
from fathom.deployment.inputs import spelled_codes
from fathom.deployment.source import parts
from fathom.deployment.source.layers import Written, write_network
from fathom.estimators.base import FathomEstimator
from fathom.search.design import Design

MOST_SHOWN = 300  # numbers of an array that are written as numbers; more as base64
WIDTH = 96  # of a line
_SEPARATOR = ",\n"


@dataclass(frozen=True)
class Section:
    """A part of a program: functions, and the numbers they speak of."""

    functions: str
    numbers: str


def write_described(model: FathomEstimator) -> Section:
    """Write networks of one architecture whose outputs are averaged."""
    architecture, encoding, target = model.architecture_, model.encoding_, model.schema_.target
    assert isinstance(encoding, Standardization)
    written = [write_network(network) for network in model.networks_]
    shape = architecture.input_shape
    laid = "" if len(shape) == 1 else f".reshape(-1, {', '.join(map(str, shape))})"
    rows = "rows"
    if isinstance(model.schema_.input, ImageInput):
        rows, laid = "np.asarray(rows)", laid or f".reshape(-1, {shape[0]})"
    activation = architecture.output_activation
    z = "network(a, w)"
    if activation in ("softmax", "sigmoid"):
        z = f"{z}.astype(np.float64)"
    shown = z if activation == "identity" else f"{activation}({z})"
    outputs = _function(
        "outputs(rows)", "The mean of the networks' outputs a = f(z).",
        f"a = standardize({rows}, CENTER, SCALE){laid}",
        f"each = [{shown} for w in NETWORKS]",
        "return np.mean(each, axis=0, dtype=np.float64)",
    )  # fmt: skip
    goal = model.target_encoding_
    numbers = {
        "CENTER": literal(encoding.center),
        "SCALE": literal(encoding.scale),
        "NETWORKS": _listed([_namespace(one.weights) for one in written]),
    }
    if goal is not None:
        numbers |= {
            "TARGET_CENTER": literal(goal.center),
            "TARGET_SCALE": literal(goal.scale),
        }
    ends = _ends(target, "rows", is_scaled=goal is not None)
    if target.task == "classes" and activation != "softmax":
        whole = "a / np.maximum(a.sum(axis=1, keepdims=True), np.finfo(float).tiny)"
        whole = "np.hstack([1 - a, a])" if architecture.n_outputs == 1 else whole
        ends[0] = _function(
            "predict_proba(rows)", "The probability of each class.",
            "a = outputs(rows)", f"return {whole}",
        )  # fmt: skip
    network = _network("network", written[0], "z of the output layer, given encoded rows.")
    return Section("\n\n\n".join([network, outputs, *ends]), _assigned(target, numbers))


def write_designed(model: FathomEstimator) -> Section:
    """Write an ensemble that designed itself, with the encodings and trees of its folds."""
    design, target, table = model.design_, model.schema_.target, model.schema_.input
    assert isinstance(table, TableInput)
    names: dict[str, str] = {}
    functions, members = [], []
    for member in design.members:
        written = [write_network(network) for network in member.networks]
        text = "\n".join(written[0].lines)
        if text not in names:
            names[text] = "network" if len(design.members) == 1 else f"network_{len(names) + 1}"
            functions.append(_network(names[text], written[0], f"{member.genes}."))
        weights = [
            f"{fold}: {_namespace(one.weights)}"
            for fold, one in zip(member.folds, written, strict=True)
        ]
        decode = _decoder(design, member.genes.is_log_target)[0]
        genes = member.genes
        told = f"{member.weight!r}, {names[text]}, {genes.view}, {decode}, {genes.has_trees}"
        members.append(f"({told}, {_braced(weights)})")
    are_logs = sorted({member.genes.is_log_target for member in design.members})
    functions += [_decoder(design, is_log)[1] for is_log in are_logs]
    functions += [_designed_outputs(design), *_ends(target, "table", is_scaled=False)]
    has_trees = any(member.genes.has_trees for member in design.members)
    folds = [
        _fold(encoding, design.trees[fold] if has_trees else None)
        for fold, encoding in enumerate(design.encodings)
    ]
    numbers = {
        "COLUMNS": _columns(table),
        "FOLDS": _listed(folds),
        "# share, network, view, decoder, whether it sees trees, weights by fold\nMEMBERS": _listed(
            members
        ),
    }
    if target.task == "numbers":
        numbers |= {"LOW": literal(design.low), "HIGH": literal(design.high)}
    return Section("\n\n\n".join(functions), _assigned(target, numbers))


# Functions


def _function(head: str, says: str, *lines: str) -> str:
    body = "\n".join([f'"""{says}"""', *lines])
    return f"def {head}:\n{textwrap.indent(body, '    ')}"


def _network(name: str, written: Written, says: str) -> str:
    return _function(f"{name}(a, w)", says, *written.lines, "return z")


def _ends(target: Target, given: str, *, is_scaled: bool) -> list[str]:
    """Return what a program is for: ``predict``, and ``predict_proba`` before it."""
    if target.task == "numbers":
        shown = f"outputs({given})" + (" * TARGET_SCALE + TARGET_CENTER" if is_scaled else "")
        shown += "[:, 0]" if target.is_flat and not is_scaled else ""
        shown = f"({shown})[:, 0]" if target.is_flat and is_scaled else shown
        return [_function(f"predict({given})", "The predicted numbers.", f"return {shown}")]
    what = "class" if target.task == "classes" else "label"
    answer = f"np.array(CLASSES)[predict_proba({given}).argmax(axis=1)]"
    if target.task == "labels":
        answer = f"(predict_proba({given}) >= 0.5).astype(int)"
    return [
        _function(
            f"predict_proba({given})", f"The probability of each {what}.",
            f"return outputs({given})",
        ),
        _function(f"predict({given})", f"The most probable {what}.", f"return {answer}"),
    ]  # fmt: skip


def _decoder(design: Design, is_log: bool) -> tuple[str, str]:
    """Return the name and the text of the function from sums z to what a user has."""
    task = design.target.task
    if task == "classes":
        line = "return softmax(z.astype(np.float64))"
        return "as_shares", _function("as_shares(z)", "Probabilities of the classes.", line)
    if task == "labels":
        line = "return sigmoid(z.astype(np.float64))"
        return "as_shares", _function("as_shares(z)", "The probability of each label.", line)
    scale = design.scales[is_log]
    lines = [
        f"center, scale = np.array({scale.center.tolist()}), np.array({scale.scale.tolist()})",
        "y = z.astype(np.float64) * scale + center",
    ]
    if scale.offset is None:
        lines.append("return y")
        return "as_numbers", _function("as_numbers(z)", "Numbers in their unit.", *lines)
    lines.append(f"return np.exp(np.minimum(y, 700)) - {scale.offset!r}")
    return "from_logs", _function("from_logs(z)", "Numbers from their logarithms.", *lines)


def _designed_outputs(design: Design) -> str:
    has_trees = any(member.genes.has_trees for member in design.members)
    lines = [
        "raw, total = read(table, COLUMNS), 0.0",
        *(["said = {}  # by the trees of each fold, which several networks look at"] * has_trees),
        "for share, network, view, decode, sees_trees, weights in MEMBERS:",
        "    for fold, w in weights.items():",
        "        a = encode(raw, FOLDS[fold], view)",
    ]
    if has_trees:
        lines += [
            "        if sees_trees:",
            "            if fold not in said:",
            "                said[fold] = ask_trees(encode(raw, FOLDS[fold], robust), FOLDS[fold])",
            "            a = join_trees(a, said[fold], FOLDS[fold])",
        ]
    lines.append("        total = total + share / len(weights) * decode(network(a, w))")
    if design.target.task == "numbers":
        lines.append("return np.clip(total, LOW, HIGH)")
    elif design.target.task == "labels":
        lines.append("return total")
    else:
        if design.sharpness != 1.0:
            sharpened = f"softmax({design.sharpness!r} * np.log(np.maximum(total, 1e-7)))"
            lines.append(f"total = {sharpened}  # calibrated")
        lines.append("return total / total.sum(axis=1, keepdims=True)")
    return _function("outputs(table)", "What the members say, by their shares.", *lines)


# Numbers


def literal(array: Any) -> str:
    """Return an array as an expression: few numbers as they are, many as base64."""
    array = np.asarray(array)
    kind = array.dtype.newbyteorder("<")
    if array.size <= MOST_SHOWN:
        shown = np.array2string(
            array, separator=", ", threshold=MOST_SHOWN + 1, max_line_width=WIDTH,
            floatmode="unique",
        )  # fmt: skip
        return f"np.array({shown if array.size else '[]'}, np.{array.dtype.name})"
    encoded = base64.b64encode(array.astype(kind).tobytes()).decode()
    lines = "\n".join(textwrap.wrap(encoded, WIDTH))
    return f'unpack({array.shape}, "{kind.str}", """\n{lines}\n""")'


def _namespace(values: dict[str, Any]) -> str:
    told = [f"{n}={v if isinstance(v, str) else literal(v)}" for n, v in values.items()]
    inside = textwrap.indent(_SEPARATOR.join(told), "    ", _is_outside)
    return f"SimpleNamespace(\n{inside},\n)"


def _is_outside(line: str) -> bool:
    """Leave lines of base64 where they are."""
    return " " in line or len(line) < WIDTH // 2


def _listed(items: list[str]) -> str:
    return f"[\n{_SEPARATOR.join(items)},\n]" if items else "[]"


def _braced(items: list[str]) -> str:
    return f"{{\n{_SEPARATOR.join(items)},\n}}"


def _assigned(target: Target, numbers: dict[str, str]) -> str:
    given = {"CLASSES": repr(list(target.classes))} if target.task == "classes" else {}
    return "\n".join(f"{name} = {text}" for name, text in (given | numbers).items())


def _columns(table: TableInput) -> str:
    """Return for each column its name, its kind, whether some were missing, codes of words."""
    told = []
    for column in table.columns:
        if not column.is_used:
            continue
        is_word = column.kind in ("category", "yes_no")
        codes = {parts.key(word): code for word, code in spelled_codes(column).items()}
        kind = "word" if is_word else column.kind
        told.append(f"    {(column.name, kind, column.n_missing > 0, codes if is_word else {})!r}")
    return _listed(told)


def _fold(encoding: TableEncoding, trees: TreeView | None) -> str:
    places = [n for n, c in enumerate(encoding.columns) if c.kind in ("category", "yes_no")]
    means = [f"({places.index(at)}, {literal(table)})" for at, table in encoding.means.items()]
    return _namespace({
        "numbers": _listed([_number(one) for one in encoding.numbers]),
        "means": _listed(means),
        "trees": "None" if trees is None else _tree_view(trees),
    })  # fmt: skip


def _number(one: NumberViews) -> str:
    return _namespace({
        "fill": repr(one.fill), "scale": repr(one.scale), "quantiles": one.quantiles,
        "edges": one.edges, "thresholds": one.thresholds,
    })  # fmt: skip


def _tree_view(view: TreeView) -> str:
    return _namespace({
        "forest": _trees(view.forest),
        "boosted": "None" if view.boosted is None else _trees(view.boosted),
        "center": view.center, "scale": view.scale,
        "ranks": _listed([literal(rank) for rank in view.ranks]),
    })  # fmt: skip


def _trees(trees: Trees) -> str:
    names = ("feature", "left", "right", "threshold", "value", "roots", "base")
    return _namespace({name: getattr(trees, name) for name in names})
