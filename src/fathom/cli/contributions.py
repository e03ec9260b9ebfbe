"""What made an output what it is, by input, and which known rows the network takes for alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.cli.evaluate import right_numbers
from fathom.cli.rows import KnownRows, read_known_rows
from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions
from fathom.data.cells import quoted
from fathom.data.schema import ImageInput
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.opening import Opened, open_model
from fathom.inspection.aligned import align
from fathom.inspection.arithmetic import write_number
from fathom.inspection.attribution import (
    Attribution,
    Neighbors,
    attribute,
    contributed_by_place,
    find_neighbors,
    typical_row,
)
from fathom.nn.xla import jnp

MOST_KNOWN = 2000  # rows among which the like are looked for
MOST_INPUTS = 15  # listed one by one
N_NEAREST = 5
GRID = 6  # parts of a picture, down and across


def show_contributions(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    model_path: Path,
    options: TableOptions,
    opened: Opened,
    cells: pl.DataFrame | None = None,
) -> None:
    """Show what each input contributed to what is said of a row, and the rows most like it.

    Parameters
    ----------
    screen : Screen
        Where to.
    model : FathomClassifier or FathomRegressor
        The model.
    model_path : Path
        Its file, by which what it was trained on is remembered.
    options : TableOptions
        Where known rows are read from; what the model was trained on where none is named.
    opened : Opened
        One network of the model, with the row.
    cells : polars.DataFrame, optional
        The row as it stands in its table.
    """
    known = read_known_rows(model, model_path, options, MOST_KNOWN)
    others = open_model(model, known.x, known.y, member=opened.member, fold=opened.fold)
    is_picture = isinstance(model.schema_.input, ImageInput)
    baseline = np.zeros_like(opened.x[0]) if is_picture else typical_row(others.network, others.x)
    network = opened.network
    output = int(np.asarray(network(jnp.asarray(opened.x)))[0].argmax())
    found = attribute(
        network, opened.x, output=output, baseline=baseline, names=opened.input_names,
        output_name=opened.output_names[output],
    )  # fmt: skip
    alike = find_neighbors(
        network, others.x, opened.x, _labels(known.y), k=min(N_NEAREST, known.n_rows)
    )
    screen.emit("attribution", **found.model_dump(mode="json"))
    screen.emit("neighbors", rows=[
        {"row": int(known.numbers[one.row]), "distance": one.distance, "label": one.label}
        for one in alike.rows[0]
    ])  # fmt: skip
    compared = "blank paper" if is_picture else "the typical row"
    usual = known.x if isinstance(known.x, pl.DataFrame) else None
    screen.say(
        "\n".join(_told(found, CellWords(opened.input_names, opened.codes, cells, usual), compared))
    )
    screen.say()
    screen.say("\n".join(_listed(alike, known)))


def show_places(screen: Screen, opened: Opened, described: ImageInput) -> None:
    """Show what each part of a picture contributed to what is said of it.

    Parameters
    ----------
    screen : Screen
        Where to.
    opened : Opened
        One network of the model, with the picture.
    described : ImageInput
        What the picture is; one of what is heard is turned so that time goes to the right.
    """
    sums = np.asarray(opened.network.combine(jnp.asarray(opened.x)))[0]
    output = int(sums.argmax())
    shares = contributed_by_place(opened.network, opened.x, np.array([output]))[0]
    if described.hearing is not None:
        shares = shares.T[::-1]
    grid = grid_of(shares)
    name, z = opened.output_names[output], float(sums[output])
    flat = z - float(grid.sum())
    screen.emit("places", output=name, z=z, flat=flat, contributions=grid.tolist())
    of = "its mean level alone" if described.hearing is not None else "its mean color alone"
    screen.say(f"z of {name} is {write_number(z)}; of {of}: {write_number(flat)}.")
    screen.say("What each part contributed to the difference, as it lies in the picture:")
    for line in grid_lines(grid):
        screen.say(line)


def grid_of(shares: np.ndarray) -> np.ndarray:
    """Return what each part of a picture contributed, a few parts down and across."""
    parts = [np.array_split(band, GRID, axis=1) for band in np.array_split(shares, GRID, axis=0)]
    return np.array([[part.sum() for part in band] for band in parts])


def grid_lines(grid: np.ndarray) -> list[str]:
    """Write the parts of a picture as they lie in it."""
    return ["  " + " ".join(f"{value:+7.2f}" for value in band) for band in grid]


def _labels(y: Any) -> list[str]:
    values = np.asarray(y)
    rows = values.reshape(len(values), -1)
    return [
        ", ".join(write_number(v, 6) if isinstance(v, float) else str(v) for v in row.tolist())
        for row in rows
    ]


@dataclass(frozen=True)
class CellWords:
    """What inputs are called, and their values as the table has them."""

    names: tuple[str, ...]
    codes: dict[int, tuple[str, ...]]
    cells: pl.DataFrame | None
    usual: pl.DataFrame | None

    def here(self, place: int, value: float) -> str:
        """Write an input of the row."""
        name = self.names[place]
        if place not in self.codes and self.cells is not None and name in self.cells.columns:
            return quoted(self.cells[name][0], 40) if self.cells[name][0] is not None else "–"
        return self._seen(place, value)

    def typical(self, place: int, value: float) -> str:
        """Write an input of the row it is compared with."""
        name = self.names[place]
        has_column = self.usual is not None and name in self.usual.columns
        if place not in self.codes and has_column:
            assert self.usual is not None
            numbers = right_numbers(self.usual[name])
            known = numbers[np.isfinite(numbers)]
            if len(known):
                return write_number(float(np.median(known)))
        return self._seen(place, value)

    def _seen(self, place: int, value: float) -> str:
        """Write an input as the network is shown it: what a code stands for, or the number."""
        words = self.codes.get(place)
        return quoted(words[int(value)], 40) if words else write_number(value)


def _told(found: Attribution, words: CellWords, compared: str) -> Iterator[str]:
    """Say what the sum of an output is made of, the largest contributions first."""
    z, base = float(found.sums[0]), found.baseline_sum
    yield (
        f"What makes z of {found.output_name} {write_number(z)}: {write_number(base)} of "
        f"{compared}, and what differs from that (integrated gradients):"
    )
    yield from (f"  {line}" for line in list_inputs(found, words))
    yield from map(str, found.findings)


def list_inputs(found: Attribution, words: CellWords) -> list[str]:
    """Return the lines of a table of what each input contributed, the most first."""
    shares = found.contributions[0]
    order = np.argsort(-np.abs(shares), kind="stable")
    order = order[shares[order] != 0]
    rows = [("input", "here", "there", "contribution")]
    for place in order[:MOST_INPUTS].tolist():
        here = words.here(place, float(found.rows[0][place]))
        there = words.typical(place, float(found.baseline[place]))
        rows.append((quoted(found.names[place], 40), here, there, f"{shares[place]:+.4f}"))
    rest = order[MOST_INPUTS:]
    if len(rest):
        others = "other" if len(rest) == 1 else "others"
        rows.append((f"{len(rest):,} {others}", "", "", f"{shares[rest].sum():+.4f}"))
    rows.append(("together", "", "", f"{shares.sum():+.4f}"))
    return align(rows).splitlines()


def _listed(alike: Neighbors, known: KnownRows) -> Iterator[str]:
    """List the rows the last hidden layer takes for most like this one."""
    layer = f"layer {alike.number} ({alike.name})" if alike.number else "the input"
    yield f"Most like it, by what {layer} says, of {known} (1 is the usual distance):"
    rows = [("row", "distance", "target")]
    rows += [
        (f"{known.numbers[one.row]:,}", f"{one.distance:.3f}", quoted(one.label, 40))
        for one in alike.rows[0]
    ]
    yield from (f"  {line}" for line in align(rows, 0).splitlines())
