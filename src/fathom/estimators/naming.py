"""Naming: what the numbers are that go into a network of columns, and those that come out."""

from collections.abc import Iterator
from itertools import product
from typing import TypeAlias

from fathom.data.features import (
    DATE_CYCLES,
    TEXT_PARTS,
    TableEncoding,
    has_means,
    n_codes,
    n_shown,
)
from fathom.data.schema import Column, Target
from fathom.data.trees import TreeView
from fathom.data.views import NumberViews
from fathom.nn.architecture import Architecture
from fathom.nn.embedding import Columns

DATE_PARTS = ("month", "day", "weekday", "hour")  # numbers made of a date besides itself
Named: TypeAlias = tuple[str, str]  # the column something was made of, and what it is called


def output_names(target: Target, n_outputs: int) -> tuple[str, ...]:
    """Name what each output neuron stands for."""
    if target.task == "classes":
        names = tuple(map(str, target.classes))
        return names if n_outputs == len(names) else names[1:]  # one neuron tells of the second
    if len(target.names) == n_outputs:
        return target.names
    return ("prediction",) if n_outputs == 1 else tuple(f"y{n + 1}" for n in range(n_outputs))


def name_columns(
    encoding: TableEncoding, target: Target, trees: TreeView | None = None
) -> tuple[tuple[str, ...], dict[int, tuple[str, ...]]]:
    """Name the columns of an encoded matrix, and for those of codes what each code stands for."""
    inputs = tuple(name for _, name in _matrix_names(encoding, target, trees))
    codes = tuple(_code_names(encoding.columns))
    return inputs, dict(enumerate(codes, start=len(inputs) - len(codes)))


def sources_of(
    encoding: TableEncoding, target: Target, trees: TreeView | None = None
) -> tuple[str, ...]:
    """Return for each column of an encoded matrix which column of the table it was made of.

    Returns
    -------
    tuple of str
        The names of columns; empty for what trees say, who see all of them.
    """
    return tuple(column for column, _ in _matrix_names(encoding, target, trees))


def _matrix_names(
    encoding: TableEncoding, target: Target, trees: TreeView | None
) -> Iterator[Named]:
    """Name every column of an encoded matrix: numbers, plain ones, trees, codes."""
    for column in encoding.columns:
        if column.kind in ("number", "date"):
            yield column.name, column.name
        if column.kind == "date":
            yield from ((column.name, f"{column.name}: {part}") for part in DATE_PARTS)
    yield from _mean_names(encoding.columns, target)
    for column in encoding.columns:
        yield from ((column.name, name) for name in _plain_names(column))
    if trees is not None:
        has_boosted = trees.boosted is not None
        yield from (("", name) for name in _tree_names(target, has_boosted=has_boosted))
    for column in encoding.columns:
        if column.kind in ("category", "yes_no"):
            yield column.name, column.name


def _plain_names(column: Column) -> Iterator[str]:
    """Name what a column adds to those that pass."""
    if column.kind in ("number", "date", "picture") and column.n_missing:
        yield f"{column.name} is missing"
    if column.kind == "date":
        waves = product((part for _, part in DATE_CYCLES), ("sine", "cosine"))
        yield from (f"{column.name}: {wave} of {part}" for part, wave in waves)
    if column.kind == "text":
        yield from (f"{column.name}: direction {n + 1}" for n in range(TEXT_PARTS))


def _mean_names(columns: tuple[Column, ...], target: Target) -> Iterator[Named]:
    """Name the means of the target that categories of many codes are told by."""
    classes = target.classes
    for column in columns:
        if not has_means(column, len(classes)):
            continue
        if len(classes) == 2:
            yield column.name, f"{column.name}: share of {classes[1]}"
        elif classes:
            yield from ((column.name, f"{column.name}: share of {name}") for name in classes)
        else:
            n_outputs = n_shown(0, target.n_outputs)
            names = output_names(target, n_outputs)
            each = [""] if n_outputs == 1 else [f" {name}" for name in names]
            told = (f"{column.name}: mean of the target{name}" for name in each)
            yield from ((column.name, name) for name in told)


def _tree_names(target: Target, *, has_boosted: bool) -> Iterator[str]:
    """Name what trees say of a row."""
    classes = target.classes
    for trees in ("forest", "boosting")[: 1 + has_boosted]:
        if len(classes) == 2:
            yield f"trees: {trees}, log odds of {classes[1]}"
        elif classes:
            what = "log share" if trees == "forest" else "score"
            yield from (f"trees: {trees}, {what} of {name}" for name in classes)
        else:
            yield f"trees: {trees}"


def _code_names(columns: tuple[Column, ...]) -> Iterator[tuple[str, ...]]:
    """Return for every column of codes what each code stands for."""
    for column in columns:
        if column.kind in ("category", "yes_no"):
            known = column.categories[: n_codes(column) - 1]
            yield ("missing or unknown", *(known or ("(never)",)))  # there are 2 codes at least


def embedded_names(
    architecture: Architecture,
    encoding: TableEncoding,
    inputs: tuple[str, ...],
    codes: dict[int, tuple[str, ...]],
) -> Iterator[str]:
    """Name what the layer of columns makes of the inputs."""
    layer = architecture.layers[0]
    assert isinstance(layer, Columns)
    numbers = inputs[: layer.n_numbers]
    if layer.form == "thermometer":
        for name, views in zip(numbers, encoding.numbers, strict=True):
            yield from (_step_name(name, views, n) for n in range(1, layer.bins))
    elif layer.form == "piecewise":
        yield from (f"{name}, part {n + 1}" for name in numbers for n in range(layer.units))
    else:
        yield from numbers
    if layer.form == "periodic":
        yield from (f"{name}, wave {n + 1}" for name in numbers for n in range(layer.units - 1))
    yield from inputs[layer.n_numbers : layer.n_numbers + layer.n_plain]
    few = [place for place, words in codes.items() if len(words) <= layer.most_one_hot]
    for place in few:
        yield from (f"{inputs[place]} = {word}" for word in codes[place][1:])
    for place in (place for place in codes if place not in few):
        yield from (f"{inputs[place]}, vector {n + 1}" for n in range(layer.category_units))


def _step_name(name: str, views: NumberViews, step: int) -> str:
    if step > len(views.thresholds):
        return f"{name}, step {step} (never)"
    return f"{name} > {views.thresholds[step - 1]:.6g}"
