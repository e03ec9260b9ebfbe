"""The study: what networks of each depth came to, as a value that prints and draws itself."""

from functools import cached_property
from typing import Literal

from pydantic import Field, FiniteFloat

from fathom.data.schema import Name, Task
from fathom.inspection.depth.material import ErrorName
from fathom.inspection.depth.page import (
    curves_section,
    draw_page,
    draw_parts,
    overview,
    shape_section,
)
from fathom.inspection.depth.rows import DepthRow, Need
from fathom.inspection.depth.shapes import SHAPES, TITLES, Shape, written
from fathom.inspection.depth.table import unit, write_curves, write_rows
from fathom.inspection.depth.verdict import Comparison, Finding, mark_all, rows_for_error
from fathom.inspection.depth.words import say_all, say_needs
from fathom.nn.named import ActivationName
from fathom.values import Value


class DepthStudy(Value):
    """Networks of few and many hidden layers, compared.

    Attributes
    ----------
    data : str
        What the data are called.
    task : {"classes", "labels", "numbers"}
        What is predicted.
    error_name : {"error", "RMSE", "relative RMSE"}
        What the errors are: the share of wrong answers, or a root mean squared error.
    n_inputs, n_outputs : int
        Width of the input and of the output layer.
    n_training, n_validation, n_test : int
        Rows learned from, rows that chose epoch and rate, rows kept apart that judged.
    activation : str
        Activation function of the hidden layers.
    width : int
        Neurons in each of the two hidden layers of the network that all shapes have in common.
    epochs, batch_size : int
        Of every training.
    seconds : float
        How long it took.
    rows : tuple of DepthRow
        Every shape and depth, on all training rows.
    curves : tuple of DepthRow
        The networks of one shape on fewer training rows.
    comparisons : tuple of Comparison
        Deep against shallow, for each shape.
    notes : tuple of str
        What was found out about the data, and what there was no time for.
    """

    data: Name
    task: Task
    error_name: ErrorName
    n_inputs: int
    n_outputs: int
    n_training: int
    n_validation: int
    n_test: int
    activation: ActivationName
    width: int
    epochs: int
    batch_size: int
    seconds: FiniteFloat
    rows: tuple[DepthRow, ...] = Field(min_length=1)
    curves: tuple[DepthRow, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()
    kind: Literal["depth study"] = "depth study"

    @property
    def n_seeds(self) -> int:
        """Starts of every network."""
        return len(self.rows[0].errors)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes that were compared."""
        present = {row.shape for row in self.rows}
        return tuple(shape for shape in SHAPES if shape in present)

    def of_shape(self, shape: Shape) -> tuple[DepthRow, ...]:
        """Return the networks of a shape, the shallowest first."""
        return tuple(sorted((r for r in self.rows if r.shape == shape), key=lambda r: r.depth))

    def findings(self, shape: Shape) -> dict[int, Finding]:
        """Say of every depth but the first whether its errors differ from those of the first."""
        first, *others = self.of_shape(shape)
        found = mark_all(first.errors, [row.errors for row in others])
        return {row.depth: finding for row, finding in zip(others, found, strict=True)}

    @cached_property
    def learning_curves(self) -> dict[int, tuple[DepthRow, ...]]:
        """For each depth the networks on ever more training rows, all of them last."""
        if not self.curves:
            return {}
        found = {}
        for row in self.of_shape(self.curves[0].shape):
            fewer = sorted((c for c in self.curves if c.depth == row.depth), key=lambda c: c.n_rows)
            if fewer:
                found[row.depth] = (*fewer, row)
        return found

    def rows_needed(self, error: float) -> tuple[Need, ...]:
        """Return how many training rows each depth needs to reach an error.

        Parameters
        ----------
        error : float
            The error, in the unit of `errors`.
        """
        needs = []
        for depth, curve in self.learning_curves.items():
            sizes, medians = [row.n_rows for row in curve], [row.median for row in curve]
            n_rows = rows_for_error(sizes, medians, error)
            needs.append(Need(depth=depth, n_rows=n_rows, is_bound=medians[0] <= error))
        return tuple(needs)

    def words(self) -> tuple[str, ...]:
        """Return in sentences what was found, the verdict first."""
        rows = {shape: self.of_shape(shape) for shape in self.shapes}
        findings = {shape: self.findings(shape) for shape in self.shapes}
        said = say_all(self.data, rows, findings, self.comparisons, self.error_name)
        if len(self.learning_curves) < 2:
            return said
        curve = next(iter(self.learning_curves.values()))
        error, shape = curve[-2].median, self.curves[0].shape  # of the largest size but all rows
        return *said, say_needs(self.rows_needed(error), error, shape, self.error_name)

    def headline(self) -> tuple[str, str]:
        """Return in two lines what was trained, and how."""
        starts = f"{self.n_seeds} start{'s' * (self.n_seeds != 1)}"
        return (
            f"{self.data}: {self.n_inputs:,} inputs, {self.n_outputs:,} outputs; "
            f"{self.n_training:,} rows to learn from, {self.n_validation:,} to stop by, "
            f"{self.n_test:,} to be judged on",
            f"{self.activation}, {self.epochs} epochs in batches of {self.batch_size}, "
            f"{starts} of every network, in {self.seconds:.0f} s",
        )

    def table(self, *, blocks: bool = True, width: int | None = None) -> str:
        """Return the tables, aligned.

        Parameters
        ----------
        blocks : bool
            Whether signs beyond ASCII can be shown.
        width : int, optional
            Letters of a line; without it there is room for everything.
        """
        every = [error for row in self.rows for error in row.errors]
        span, lines = (min(every), max(every)), []
        for shape in self.shapes:
            rows = self.of_shape(shape)
            lines += ["", TITLES[shape].capitalize()]
            lines += write_rows(
                rows, self.findings(shape), self.error_name, span, blocks=blocks, width=width
            )
        if self.learning_curves:
            title = f"{unit(self.error_name)} by training rows, {TITLES[self.curves[0].shape]}"
            title += f", median of {len(self.curves[0].errors)} starts"
            lines += ["", title[0].upper() + title[1:]]
            lines += write_curves(self.learning_curves, self.error_name)
        return "\n".join(lines[1:])

    def __str__(self) -> str:
        notes = [f"Note: {note}" for note in self.notes]
        return "\n".join([*self.headline(), "", self.table(), "", *self.words(), *notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows, name = {shape: self.of_shape(shape) for shape in self.shapes}, self.error_name
        sections = [overview(rows, name)]
        if self.learning_curves:
            sections.append(curves_section(self.learning_curves, name))
        sections += [
            shape_section(shape, those, self.findings(shape), name) for shape, those in rows.items()
        ]
        return draw_parts(self.headline(), self.words(), sections, self.notes)

    def page(self) -> str:
        """Return a whole HTML page, with nothing fetched from outside."""
        return draw_page(self._repr_html_(), f"Depth: {self.data}")

    def csv(self) -> str:
        """Return a line of comma-separated values for every network that was trained."""
        names = (
            "shape", "layers", "widths", "parameters", "neurons", "training_rows",
            "learning_rate", "start", "error", "loss", "validation_loss", "epoch",
        )  # fmt: skip
        lines = [",".join(names)]
        for row in (*self.rows, *self.curves):
            each = zip(row.errors, row.losses, row.validation_losses, row.epochs, strict=True)
            for start, values in enumerate(each):
                cells = (
                    row.shape, row.depth, written(row.widths), row.n_parameters, row.n_neurons,
                    row.n_rows, f"{row.learning_rate:g}", start, *(f"{v:.8g}" for v in values),
                )  # fmt: skip
                lines.append(",".join(map(str, cells)))
        return "\n".join(lines) + "\n"
