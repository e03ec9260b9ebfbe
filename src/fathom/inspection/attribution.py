"""Attribution: what each input contributed to the output of one row, and which rows are like it."""

from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat
from sklearn.neighbors import NearestNeighbors

from fathom.errors import InputError
from fathom.inspection.aligned import align
from fathom.inspection.arrays import Measured, Numbers
from fathom.inspection.charts import bar_chart
from fathom.inspection.findings import Finding, find
from fathom.inspection.pictures import picture_grid
from fathom.inspection.representations import as_rows, label, last_hidden, run_in_batches
from fathom.nn.embedding import ColumnsLayer
from fathom.nn.network import Network
from fathom.nn.xla import Array, jax, jitted, jnp
from fathom.values import Value

PIECES = 32  # of the way from the baseline to a row, before any is halved
MOST_HALVINGS = 12
ROUNDING = 1e-6  # of an output
CLOSE = 1e-3  # of the sizes of all contributions, to which they must add up
ROWS_AT_ONCE = 8  # whose pieces fill a batch
MOST_LINES = 12


class Attribution(Measured):
    """What each input contributed to one output, row by row.

    Attributes
    ----------
    names : tuple of str
        What each input is.
    shape : tuple of int
        Shape of one example.
    output : int
        Number of the output neuron, from 0; its sum z is what is explained.
    output_name : str
        What it stands for.
    rows : numpy.ndarray
        The rows, shape (rows, inputs).
    baseline : numpy.ndarray
        The row they are compared with.
    contributions : numpy.ndarray
        What each input contributed, shape (rows, inputs).
    sums : numpy.ndarray
        The output's sum z of each row.
    baseline_sum : float
        The output's sum of the baseline; each row's contributions make up the difference.
    findings : tuple of Finding
        Whether the contributions add up.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    output: int = Field(ge=0)
    output_name: str
    rows: Numbers
    baseline: Numbers
    contributions: Numbers
    sums: Numbers
    baseline_sum: FiniteFloat
    findings: tuple[Finding, ...] = ()

    @property
    def gaps(self) -> np.ndarray:
        """By how much each row's contributions miss z(x) - z(baseline)."""
        return self.contributions.sum(axis=1) - (self.sums - self.baseline_sum)

    def __str__(self) -> str:
        parts = []
        for place in range(min(len(self.rows), 3)):
            parts.append(
                f"row {place}: z of {self.output_name} = {self.sums[place]:.4f}, "
                f"{self.baseline_sum:.4f} of the baseline and"
            )
            order = np.argsort(-np.abs(self.contributions[place]), kind="stable")
            lines = [
                (
                    self.names[i],
                    f"{self.rows[place, i]:.4g}",
                    f"{self.contributions[place, i]:+.4f}",
                )
                for i in order[:MOST_LINES]
            ]
            rest = self.contributions[place, order[MOST_LINES:]].sum()
            if len(order) > MOST_LINES:
                lines.append((f"{len(order) - MOST_LINES} others", "", f"{rest:+.4f}"))
            parts.append(align([("input", "value", "contribution"), *lines]))
        if len(self.rows) > 3:
            parts.append(f"and {len(self.rows) - 3} more rows")
        return "\n".join([*parts, *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(draw_attribution(self, row) for row in range(min(len(self.rows), 3)))


def draw_attribution(found: Attribution, row: int = 0) -> str:
    """Draw what each input contributed to one row: a picture of a picture, else bars."""
    title = f"What made {found.output_name} {found.sums[row]:.3g} in row {row}"
    values = found.contributions[row]
    if len(found.shape) == 3:
        images = [each.reshape(found.shape).sum(axis=-1) for each in (found.rows[row], values)]
        return picture_grid(images, ["the row", "contributions"], title=title, side=160)
    order = np.argsort(-np.abs(values), kind="stable")[:MOST_LINES]
    names = [f"{found.names[i]} = {found.rows[row, i]:.4g}" for i in order]
    return bar_chart(names, values[order], title=title, x_label="contribution to z")


def attribute(
    network: Network,
    x: Any,
    *,
    output: int = 0,
    baseline: Any = None,
    names: tuple[str, ...] = (),
    output_name: str = "",
) -> Attribution:
    """Share out the difference between a row's output and a baseline's among the inputs.

    Integrated gradients: c_i = (x_i - b_i) ∫₀¹ ∂z(b + t (x - b)) / ∂x_i dt, of an output neuron's
    sum z. The contributions of all inputs add up to z(x) - z(b).

    Parameters
    ----------
    network : Network
        The network.
    x : array-like
        Rows as the network takes them.
    output : int, default 0
        Number of the output neuron, from 0.
    baseline : array-like, optional
        The row x is compared with; all zeros where left out, which for standardized numbers is
        the average row and for a picture blank paper. See `typical_row` for tables.
    names : tuple of str, optional
        What the inputs are, in the order of a row laid out.
    output_name : str, optional
        What the output stands for.

    Returns
    -------
    Attribution
        The contributions, with how far they add up.

    Raises
    ------
    InputError
        If there is no such output, or names or baseline do not fit.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fathom import Architecture, Dense, build
    >>> x, _ = load_iris(return_X_y=True)
    >>> network = build(Architecture(
    ...     input_shape=(4,), loss="cross_entropy",
    ...     layers=(Dense(units=8), Dense(units=3, activation="softmax")),
    ... ), jax.random.key(0))
    >>> found = attribute(network, x[:5], output=2)
    >>> bool(abs(found.gaps).max() < 0.01)
    True

    References
    ----------
    Sundararajan, Taly, Yan (2017). Axiomatic attribution for deep networks. arXiv:1703.01365.

    Notes
    -----
    The integral is taken at the middles of 32 pieces of the way; a piece whose contributions do not
    add up to its own difference of sums is halved, up to twelve times. A network of table columns
    has no way between two categories: there the way leads through what its first layer makes of the
    columns, and the contributions of all that is made of a column are added.
    """
    rows = as_rows(network, x)
    base = np.zeros_like(rows[0]) if baseline is None else _as_baseline(network, baseline, rows)
    n_inputs, n_outputs = rows[0].size, network.output.weight.shape[0]
    if not 0 <= output < n_outputs:
        raise InputError(f"an output from 0 to {n_outputs - 1}", got=f"{output}")
    if names and len(names) != n_inputs:
        raise InputError(f"{n_inputs} names of inputs", got=f"{len(names)}")
    first = network.layers[0]
    ways, tail, joins = (rows, base), network, None  # joins: from what is made of columns to them
    if isinstance(first, ColumnsLayer):
        ways = np.asarray(first(jnp.asarray(rows))), np.asarray(first(jnp.asarray(base[None])))[0]
        tail, joins = Network(network.layers[1:]), np.eye(n_inputs)[inputs_of(first)]
    sums = _sums(tail, ways[0], output)
    base_sum = float(_sums(tail, ways[1][None], output)[0])
    parts = [
        _integrate(tail, ways[0][begin : begin + ROWS_AT_ONCE], ways[1], output)
        for begin in range(0, len(rows), ROWS_AT_ONCE)
    ]
    along = np.concatenate(parts)
    contributions = along if joins is None else along @ joins
    gap = np.abs(along.sum(axis=1) - (sums - base_sum))
    is_far = gap > CLOSE * np.abs(along).sum(axis=1) + ROUNDING * np.abs(sums)
    found = (find("attribution_incomplete", "note", gap=gap.max()),) if is_far.any() else ()
    return Attribution(
        names=names or tuple(f"input {n + 1}" for n in range(n_inputs)), shape=rows.shape[1:],
        output=output, output_name=output_name or f"output {output + 1}",
        rows=rows.reshape(len(rows), -1), baseline=base.ravel(), contributions=contributions,
        sums=sums, baseline_sum=base_sum, findings=found,
    )  # fmt: skip


def contributed_by_place(network: Network, x: Any, outputs: np.ndarray) -> np.ndarray:
    """Return what each place of pictures contributed to an output, compared with its mean color.

    Parameters
    ----------
    network : Network
        The network.
    x : array-like
        Pictures as the network takes them, (n, height, width, channels).
    outputs : numpy.ndarray
        Number of the output neuron that is explained, for each picture.

    Returns
    -------
    numpy.ndarray
        Shape (n, height, width): the contributions of a place's channels, added; see `attribute`.
        Those of one picture add up to how far z is from that of a picture that is its mean color
        all over.
    """
    pictures = np.asarray(x, np.float32)
    found = []
    for picture, output in zip(pictures, outputs.tolist(), strict=True):
        flat = np.broadcast_to(picture.mean(axis=(0, 1)), picture.shape)
        one = attribute(network, picture[None], output=output, baseline=flat)
        found.append(one.contributions.reshape(picture.shape).sum(axis=-1))
    return np.stack(found)


def _as_baseline(network: Network, baseline: Any, rows: np.ndarray) -> np.ndarray:
    base = as_rows(network, np.asarray(baseline)[None])[0]
    if base.shape != rows.shape[1:]:
        raise InputError(f"a baseline of shape {rows.shape[1:]}", got=f"{base.shape}")
    return base


def typical_row(network: Network, x: Any) -> np.ndarray:
    """Return the median of every number, and the most frequent code of every category.

    Parameters
    ----------
    network : Network
        The network, whose first layer says which inputs are codes.
    x : array-like
        Rows as the network takes them.

    Examples
    --------
    >>> from fathom import Architecture, Dense, build
    >>> network = build(Architecture(
    ...     input_shape=(2,), layers=(Dense(units=1, activation="identity"),), loss="squared_error",
    ... ), jax.random.key(0))
    >>> typical_row(network, [[0.0, 1.0], [2.0, 5.0], [9.0, 3.0]]).tolist()
    [2.0, 3.0]
    """
    rows = as_rows(network, x)
    typical = np.median(rows, axis=0)
    first = network.layers[0]
    if isinstance(first, ColumnsLayer):
        for place in range(first.n_numbers + first.n_plain, rows.shape[1]):
            codes, counts = np.unique(rows[:, place], return_counts=True)
            typical[place] = codes[counts.argmax()]
    return typical


def inputs_of(layer: ColumnsLayer) -> np.ndarray:
    """Return for everything a layer of columns makes which of its inputs it was made of."""
    n = layer.n_numbers
    numbers = np.arange(n)
    parts = []
    if layer.form == "thermometer":
        parts.append(np.repeat(numbers, layer.bins - 1))
    elif layer.form == "piecewise":
        assert layer.mix is not None
        parts.append(np.repeat(numbers, layer.mix.shape[2]))
    else:
        parts.append(numbers)
    if layer.form == "periodic":
        assert layer.mix is not None
        parts.append(np.repeat(numbers, layer.mix.shape[2]))
    parts.append(n + np.arange(layer.n_plain))
    codes = n + layer.n_plain
    parts.append(np.array([codes + column for column, _ in layer.one_hot], int))
    if layer.table is not None:
        columns = np.array([codes + column for column, _ in layer.embedded], int)
        parts.append(np.repeat(columns, layer.table.shape[1]))
    return np.concatenate(parts)


def _sums(network: Network, x: np.ndarray, output: int) -> np.ndarray:
    (sums,) = run_in_batches(lambda part: (_combine(network, part)[:, output],), x)
    return sums.astype(np.float64)


@jitted()
def _combine(network: Network, x: Array) -> Array:
    return network.combine(x)


@jitted()
def _gradient(network: Network, x: Array, output: Array) -> Array:
    total = lambda at: jnp.sum(jnp.take(network.combine(at), output, axis=1))  # noqa: E731
    return jax.grad(total)(x)


def _integrate(network: Network, x: np.ndarray, base: np.ndarray, output: int) -> np.ndarray:
    """Return the contributions of each row, piece by piece of the way from the baseline.

    A piece whose contributions, by the gradient in its middle, miss the difference of sums between
    its ends is halved: where neurons switch on or off.
    """
    way = x.astype(np.float64) - base[None]
    found = np.zeros((len(x), x[0].size))
    row, start = (part.ravel() for part in np.meshgrid(range(len(x)), np.arange(PIECES) / PIECES))
    length, allowed = 1 / PIECES, None
    for halvings in range(MOST_HALVINGS + 1):

        def at(t: np.ndarray, row: np.ndarray = row) -> np.ndarray:
            points = base[None] + t.reshape(-1, *[1] * base.ndim) * way[row]
            return np.asarray(points, x.dtype)

        slope = run_in_batches(
            lambda part: (_gradient(network, part, jnp.int32(output)),), at(start + length / 2)
        )[0]
        shares = (slope * way[row] * length).reshape(len(row), -1)
        if allowed is None:
            sizes = np.bincount(row, np.abs(shares).sum(axis=1))
            allowed = CLOSE * sizes / PIECES + ROUNDING * np.abs(_sums(network, x, output))
        ends = [_sums(network, at(t), output) for t in (start, start + length)]
        missed = np.abs(shares.sum(axis=1) - (ends[1] - ends[0]))
        is_done = (missed <= allowed[row]) | (halvings == MOST_HALVINGS)
        np.add.at(found, row[is_done], shares[is_done])
        row, start = row[~is_done], start[~is_done]
        if len(row) == 0:
            break
        length /= 2
        row, start = np.tile(row, 2), np.concatenate([start, start + length])
    return found


class Neighbor(Value):
    """A row that is like another to the last hidden layer.

    Attributes
    ----------
    row : int
        Its number.
    distance : float
        How far it is, by the root mean square distance between known rows.
    label : str
        What it is.
    """

    row: int = Field(ge=0)
    distance: FiniteFloat
    label: str = ""


class Neighbors(Value):
    """The known rows nearest to others in the space of the last hidden layer.

    Attributes
    ----------
    number, name
        The layer, numbered as `Architecture` prints it.
    rows : tuple of tuple of Neighbor
        For each row its nearest, the nearest first.
    """

    number: int = Field(ge=0)
    name: str
    rows: tuple[tuple[Neighbor, ...], ...]

    def __str__(self) -> str:
        lines = [("row", "nearest", "distance", "label")]
        lines += [
            (str(place) if rank == 0 else "", str(one.row), f"{one.distance:.3f}", one.label)
            for place, nearest in enumerate(self.rows[:10])
            for rank, one in enumerate(nearest)
        ]
        return f"by {label(self.number, self.name)}, distances by the usual one\n" + align(lines)

    __repr__ = __str__


def find_neighbors(
    network: Network, known: Any, x: Any, y_known: Any = None, *, k: int = 5
) -> Neighbors:
    """Find the known rows that the last hidden layer takes for most like others.

    Parameters
    ----------
    network : Network
        The network.
    known : array-like
        Rows to look among, best those it was trained on.
    x : array-like
        Rows whose like is looked for.
    y_known : array-like, optional
        What the known rows are.
    k : int, default 5
        How many for each.

    Returns
    -------
    Neighbors
        The nearest, by Euclidean distance.

    Raises
    ------
    InputError
        If there are fewer known rows than asked for.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fathom import Architecture, Dense, build
    >>> x, y = load_iris(return_X_y=True)
    >>> network = build(Architecture(
    ...     input_shape=(4,), loss="cross_entropy",
    ...     layers=(Dense(units=8), Dense(units=3, activation="softmax")),
    ... ), jax.random.key(0))
    >>> [one.label for one in find_neighbors(network, x[::2], x[1:2], y[::2]).rows[0]]
    ['0', '0', '0', '0', '0']
    """
    if not 1 <= k <= len(known):
        raise InputError(f"from 1 to {len(known)} neighbors", got=f"{k}")
    if y_known is not None and len(y_known) != len(known):
        raise InputError("a target for each known row", got=f"{len(y_known)} for {len(known)}")
    there, here = last_hidden(network, known), last_hidden(network, x)
    spread = there.flat.astype(np.float64)
    scale = float(np.sqrt(2 * spread.var(axis=0).sum())) or 1.0  # root mean square distance
    distances, places = NearestNeighbors(n_neighbors=k).fit(spread).kneighbors(here.flat)
    labels = [""] * len(known) if y_known is None else [str(v) for v in np.asarray(y_known).ravel()]
    rows = tuple(
        tuple(
            Neighbor(row=int(place), distance=float(distance) / scale, label=labels[place])
            for place, distance in zip(nearest, away, strict=True)
        )
        for nearest, away in zip(places, distances, strict=True)
    )
    return Neighbors(number=there.number, name=there.name, rows=rows)
