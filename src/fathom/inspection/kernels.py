"""Kernels: which rows are alike to the last hidden layer, beside a kernel that was never taught."""

from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat
from sklearn.svm import SVC, SVR

from fathom.errors import InputError
from fathom.inspection.aligned import align
from fathom.inspection.arrays import Measured, Numbers
from fathom.inspection.charts import Series, line_chart
from fathom.inspection.findings import Finding, find
from fathom.inspection.judging import Contest, Score, ScoreName, read_target, set_contest
from fathom.inspection.pictures import heat_map, side_by_side
from fathom.inspection.probes import require_pairs
from fathom.inspection.representations import (
    draw_rows,
    label,
    representations,
    spread_codes,
)
from fathom.nn.network import Network
from fathom.values import Value


class LayerKernel(Value):
    """How far one layer's kernel agrees with the target.

    Attributes
    ----------
    number, name
        The layer, numbered as `Architecture` prints it; 0 is the input.
    alignment : float
        Agreement of its kernel k(x, x′) = a(x)·a(x′) with the target, 0 to 1.
    """

    number: int = Field(ge=0)
    name: str
    alignment: FiniteFloat

    def __str__(self) -> str:
        return label(self.number, self.name)


class Gram(Measured):
    """A kernel between rows, ordered by the target.

    Attributes
    ----------
    name : str
        Which kernel.
    values : numpy.ndarray
        k(x, x′) / √(k(x, x) k(x′, x′)) between the rows, to 3 decimals.
    """

    name: str
    values: Numbers


class LearnedKernel(Measured):
    """The kernel a network has learned, beside the RBF kernel.

    Attributes
    ----------
    layers : tuple of LayerKernel
        Agreement with the target, layer by layer.
    rbf_alignment : float
        The RBF kernel's on the input.
    n_rows : int
        Rows the agreement is worked out on.
    score_name : {"accuracy", "R²"}
        What the score is.
    score : Score
        Of a support vector machine with the last hidden layer's kernel.
    rows : tuple of int
        Rows shown, in the order of the target.
    targets : tuple of str
        Their targets.
    learned, fixed : Gram
        The last hidden layer's kernel and the RBF kernel between these rows.
    findings : tuple of Finding
        What is worth saying about it.
    """

    layers: tuple[LayerKernel, ...] = Field(min_length=2)
    rbf_alignment: FiniteFloat
    n_rows: int
    score_name: ScoreName
    score: Score
    rows: tuple[int, ...]
    targets: tuple[str, ...]
    learned: Gram
    fixed: Gram
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        rows = [("kernel", "agreement with the target")]
        rows += [(str(layer), f"{layer.alignment:.3f}") for layer in self.layers]
        rows.append(("RBF on the input", f"{self.rbf_alignment:.3f}"))
        machine = (
            f"A support vector machine with the learned kernel: {self.score_name} {self.score}"
        )
        return "\n".join([align(rows), machine, *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        heights = [layer.alignment for layer in self.layers]
        places = range(len(heights))
        chart = line_chart(
            [Series("layers", places, heights, "both"),
             Series("RBF on the input", places, [self.rbf_alignment] * len(heights))],
            title="Agreement of kernels with the target", x_label="layers from the input",
            y_label="agreement, 0 to 1", description=str(self),
        )  # fmt: skip
        grams = [draw_gram(gram, self.targets) for gram in (self.learned, self.fixed)]
        return side_by_side([chart, *grams])


def draw_gram(gram: Gram, targets: tuple[str, ...], side: float = 320) -> str:
    """Draw a kernel between rows, the darker the more alike."""
    title = f"Which rows are alike: {gram.name}"
    return heat_map(gram.values, title=title, names=targets, side=side)


def learn_kernel(
    network: Network,
    x: Any,
    y: Any,
    x_test: Any = None,
    y_test: Any = None,
    *,
    folds: int = 5,
    most_rows: int = 1000,
    n_shown: int = 80,
    seed: int = 0,
) -> LearnedKernel:
    """Look at a network as a machine that has learned its kernel.

    The last hidden layer's activations a(x) make the kernel k(x, x′) = a(x)·a(x′), and the output
    layer is a linear machine upon it: what a support vector machine is given, a network learns.
    How far a kernel agrees with the target is its centered alignment with the kernel of the
    target, 1 where rows of one class are alike and others not.

    Parameters
    ----------
    network : Network
        The network.
    x, y : array-like
        Rows as the network takes them, and their target; best rows it was not trained on.
    x_test, y_test : array-like, optional
        Rows on which the machine with the learned kernel is judged; by cross-validation within
        ``x`` where left out. The agreement is worked out on them where they are given.
    folds : int, default 5
        Folds of cross-validation.
    most_rows : int, default 1000
        Rows the agreement is worked out on; five times as many for the machine to learn from.
    n_shown : int, default 80
        Rows of the matrices that are shown, spread over the classes.
    seed : int, default 0
        Seed of the draws.

    Returns
    -------
    LearnedKernel
        Agreement layer by layer, the two matrices, and the machine's score.

    Raises
    ------
    InputError
        If the rows or the target cannot be used.

    Examples
    --------
    >>> import jax
    >>> from sklearn.datasets import load_iris
    >>> from fathom import Architecture, Dense, build
    >>> x, y = load_iris(return_X_y=True)
    >>> network = build(Architecture(
    ...     input_shape=(4,), loss="cross_entropy",
    ...     layers=(Dense(units=8), Dense(units=3, activation="softmax")),
    ... ), jax.random.key(0))
    >>> kernel = learn_kernel(network, x, y)
    >>> len(kernel.learned.values), round(kernel.rbf_alignment, 2)
    (80, 0.74)

    References
    ----------
    Cristianini, Shawe-Taylor, Elisseeff, Kandola (2001). On kernel-target alignment. Cortes, Mohri,
    Rostamizadeh (2012). Algorithms for learning kernels based on centered alignment. JMLR 13.

    Notes
    -----
    The machine's kernel is scaled to a mean k(x, x) of 1, so that C = 1 means what it does for RBF.
    """
    require_pairs(x, y, x_test, y_test)
    score_name, score = _score(network, (x, y, x_test, y_test), folds, 5 * most_rows, seed)
    judged, target = (x, y) if x_test is None else (x_test, y_test)
    rows = draw_rows(len(judged), most_rows, seed)
    task, numbers = read_target(np.asarray(target)[rows])
    wanted = target_gram(numbers, is_classes=task == "classes")
    first, *others = representations(network, np.asarray(judged)[rows])
    seen = [replace(first, values=spread_codes(network, first.values)), *others]
    grams = [linear_gram(layer.flat) for layer in seen]
    rbf = rbf_gram(seen[0].flat)
    layers = tuple(
        LayerKernel(number=layer.number, name=layer.name, alignment=alignment(gram, wanted))
        for layer, gram in zip(seen, grams, strict=True)
    )
    order = _spread(numbers, n_shown, seed)
    shown = np.asarray(target).reshape(-1)[rows[order]]
    learned, fixed = layers[-2].alignment, alignment(rbf, wanted)
    code = "kernel_aligned" if learned > fixed else "kernel_not_aligned"
    found = find(code, "good" if learned > fixed else "note", learned=learned, fixed=fixed)
    return LearnedKernel(
        layers=layers, rbf_alignment=fixed, n_rows=len(rows), score_name=score_name, score=score,
        rows=tuple(rows[order].tolist()), targets=tuple(map(str, shown)),
        learned=_shown(f"the last hidden layer, {layers[-2]}", grams[-2], order),
        fixed=_shown("RBF on the input", rbf, order), findings=(found,),
    )  # fmt: skip


def _score(
    network: Network, given: tuple[Any, Any, Any, Any], folds: int, most_rows: int, seed: int
) -> tuple[ScoreName, Score]:
    x, y, x_test, y_test = given
    rows = draw_rows(len(x), most_rows, seed)
    contest = set_contest(np.asarray(y)[rows], y_test, folds=folds, seed=seed)
    every = np.asarray(x)[rows]
    every = every if x_test is None else np.concatenate([every, np.asarray(x_test)])
    values = representations(network, every)[-2].flat
    return contest.score_name, contest.score(machine(contest, values))


def machine(contest: Contest, values: np.ndarray) -> np.ndarray:
    """Return what a support vector machine with the kernel of these values predicts."""
    values = values.astype(np.float64)
    size = float((values[contest.pairs[0][0]] ** 2).sum(axis=1).mean()) or 1.0
    scaled = values / size**0.5
    if contest.task == "classes":
        return contest.predict(lambda: SVC(kernel="linear"), scaled)
    spread = float(contest.y.std()) or 1.0
    return contest.predict(lambda: SVR(kernel="linear", epsilon=0.1 * spread, C=spread), scaled)


def linear_gram(values: np.ndarray) -> np.ndarray:
    """Return the kernel x·x′ between rows."""
    values = values.astype(np.float64)
    return values @ values.T


def rbf_gram(values: np.ndarray) -> np.ndarray:
    """Return the kernel exp(-γ |x - x′|²) between rows, γ = 1 / (features · variance)."""
    values = values.astype(np.float64)
    width = 1 / (values.shape[1] * (float(values.var()) or 1.0))
    squares = (values**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * values @ values.T, 0)
    np.fill_diagonal(distances, 0)
    return np.exp(-width * distances)


def target_gram(y: np.ndarray, *, is_classes: bool) -> np.ndarray:
    """Return the kernel of the target: 1 within a class and 0 between classes, or y·y′."""
    if is_classes:
        return (y[:, None] == y[None, :]).astype(np.float64)
    return np.outer(y - y.mean(), y - y.mean())


def alignment(one: np.ndarray, other: np.ndarray) -> float:
    """Return the centered alignment of two kernels, <K, L> / (|K| |L|) once both are centered.

    Parameters
    ----------
    one, other : numpy.ndarray
        Kernels between the same rows, shape (n, n), positive semi-definite.

    Returns
    -------
    float
        From 0 to 1, 1 where one is a multiple of the other; 0 where one is the same for all rows.

    Raises
    ------
    InputError
        If they are not square and of one shape.

    Examples
    --------
    >>> round(alignment(np.array([[1.0, 0.0], [0.0, 2.0]]), np.eye(2)), 6)
    1.0
    """
    if one.shape != other.shape or one.ndim != 2 or one.shape[0] != one.shape[1]:
        raise InputError("two kernels between the same rows", got=f"{one.shape} and {other.shape}")
    first, second = _centered(one), _centered(other)
    sizes = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    if sizes <= 1e-12 * float(np.linalg.norm(one)) * float(np.linalg.norm(other)):
        return 0.0
    return float(np.clip((first * second).sum() / sizes, 0, 1))


def _centered(gram: np.ndarray) -> np.ndarray:
    return gram - gram.mean(axis=0)[None, :] - gram.mean(axis=1)[:, None] + gram.mean()


def _spread(target: np.ndarray, n_shown: int, seed: int) -> np.ndarray:
    """Choose rows from every class alike (or from all numbers), in the order of the target."""
    mixed = np.random.default_rng(seed).permutation(len(target))
    turns = np.zeros(len(target), int)
    if len(np.unique(target)) <= n_shown // 2:
        for value in np.unique(target):
            mine = mixed[target[mixed] == value]
            turns[mine] = np.arange(len(mine))
        mixed = mixed[np.argsort(turns[mixed], kind="stable")]
    chosen = np.sort(mixed[:n_shown])
    return chosen[np.argsort(target[chosen], kind="stable")]


def _shown(name: str, gram: np.ndarray, order: np.ndarray) -> Gram:
    part = gram[np.ix_(order, order)]
    size = np.sqrt(np.maximum(np.diag(part), np.finfo(float).tiny))
    values = np.round(part / size[:, None] / size[None, :], 3) + 0.0
    return Gram(name=name, values=values)
