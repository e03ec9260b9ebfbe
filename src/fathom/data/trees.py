"""Trees: what many decision trees, each too simple alone, say of a row, as numbers."""

import math
import time
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from fathom.data.descending import Trees
from fathom.loading import load

N_FOREST = 100  # trees, at most
N_ROUNDS = {True: 250, False: 600}  # of boosting, at most: for classes, and for numbers
FEW_TREES, FEW_ROUNDS = 20, 10  # grown whatever the time
RATE, MOST_RATE = 0.05, 0.3  # of boosting: with all its rounds, and with few
FOREST_SHARE = 0.25  # of the time; the rest is for boosting
STAGES = 12  # of boosting, at which its loss on rows it has not seen tells where to end
PROBE_SHARE = 0.06  # of the time, for learning what a round of boosting costs
SAFE_SHARE = 0.85  # of the time, that is planned with
BOOST_FEATURES = 0.5  # share of the columns a split of boosting chooses from
LEAF_ROWS = 3  # of the forest's trees
TREE_ROWS = 10_000  # rows one tree of the forest is grown on, at most
INNER_FOLDS, FEWER_FOLDS = 5, 3  # the fewer where the time would end boosting early
MOST_BOOSTED_CLASSES = 10  # above it boosting, which grows a tree a class and round, takes too long
MOST_CLASSES = 100
LEAST_ROWS = 30
RANKED_CODES = 10  # codes up to which a category is ordered by the target's mean
RANK_ROWS = 10.0  # rows the overall mean counts for in the mean of a category
LEAST_SHARE = 2e-3  # of a class, before its logarithm is taken


class Growth(NamedTuple):
    """How far trees were grown in the time there was, with which they grow alike again."""

    n_trees: int  # of the forest
    n_folds: int  # inner ones of boosting; 0 where there is none
    rounds: int  # of boosting in each of them

    @property
    def is_possible(self) -> bool:
        """Whether trees are ever grown that far, by whatever a file says of them."""
        is_boosted = self.n_folds in (INNER_FOLDS, FEWER_FOLDS) and self.rounds > 0
        is_plain = self.n_folds == self.rounds == 0
        return 0 < self.n_trees <= N_FOREST and (is_plain or is_boosted)


@dataclass(frozen=True)
class TreeView:
    """A random forest's and a boosted ensemble's predictions, brought to spread 1.

    Attributes
    ----------
    forest : Trees
        Trees grown each on rows drawn with replacement; their mean.
    boosted : Trees or None
        Trees grown one after another, each on what the ones before it left; their sum.
    center, scale : numpy.ndarray
        Of each column.
    ranks : tuple of numpy.ndarray
        For each of the last columns, which are codes of categories: the place of every code in
        the order of the target's mean, in which one threshold parts categories best.
    growth : Growth or None
        How far they were grown; None where that was not recorded.

    References
    ----------
    Breiman (2001). Random forests. Machine Learning 45, 5-32 (and out-of-bag prediction).
    Friedman (2001). Greedy function approximation. Annals of Statistics 29, 1189-1232.
    Wolpert (1992). Stacked generalization. Neural Networks 5, 241-259.
    """

    forest: Trees
    boosted: Trees | None
    center: np.ndarray
    scale: np.ndarray
    ranks: tuple[np.ndarray, ...] = ()
    growth: Growth | None = None

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        y: np.ndarray,
        n_classes: int,
        seed: int,
        n_codes: tuple[int, ...] = (),
        *,
        seconds: float = math.inf,
        growth: Growth | None = None,
    ) -> tuple[Self, np.ndarray]:
        """Grow trees on training rows.

        Parameters
        ----------
        x : numpy.ndarray
            Encoded rows, float32, shape (n, columns).
        y : numpy.ndarray
            Class numbers, or numbers, shape (n,).
        n_classes : int
            Number of classes, 0 for numbers.
        seed : int
            Seed of every random choice.
        n_codes : tuple of int
            Codes of each of the last columns, which are categories.
        seconds : float
            Time after which no more trees are grown than a few.
        growth : Growth, optional
            How far to grow them, whatever the time.

        Returns
        -------
        tuple of TreeView and numpy.ndarray
            The trees, and what they say of the training rows themselves, shape (n, columns): each
            row judged only by trees that have not seen it.
        """
        load("sklearn.ensemble")  # first: else its threads are not limited, nor is this timed right
        ranks = tuple(
            _code_ranks(codes, y, n_classes, n)
            for codes, n in zip(x.T[x.shape[1] - len(n_codes) :], n_codes, strict=True)
        )
        x = _ranked(x, ranks)
        boosted, n_folds, rounds = None, 0, 0
        # Threads of its own would wait for each other where all cores are busy already.
        with threadpool_limits(1, user_api="openmp"):
            can_boost = n_classes <= MOST_BOOSTED_CLASSES
            began = time.monotonic()
            share = FOREST_SHARE if can_boost else 1.0
            n_trees = growth.n_trees if growth else None
            forest, out_of_bag = _grow_forest(x, y, n_classes, seed, seconds * share, n_trees)
            parts = [out_of_bag]
            if can_boost:
                left = seconds - (time.monotonic() - began)
                planned = growth[1:] if growth else _plan_rounds(x, y, n_classes, seed, left)
                n_folds, rounds = planned
                boosted, out_of_fold = _grow_boosted(x, y, n_classes, seed, n_folds, rounds)
                parts.append(out_of_fold)
        columns = np.hstack(parts)
        center, scale = columns.mean(axis=0), columns.std(axis=0)
        scale = np.where(scale > 1e-12, scale, 1.0)
        grown = Growth(len(forest.roots), n_folds, rounds)
        return cls(forest, boosted, center, scale, ranks, grown), (columns - center) / scale

    @property
    def n_trees(self) -> int:
        """How many trees there are in all."""
        return len(self.forest.roots) + (0 if self.boosted is None else len(self.boosted.roots))

    def prepare(self, n_rows: int) -> None:
        """Make what shows so many rows sooner, where that takes less time than it saves."""
        for trees in (self.forest, self.boosted):
            if trees is not None:
                trees.prepare(n_rows)

    def show(self, x: np.ndarray) -> np.ndarray:
        """Return what the trees say of encoded rows, shape (n, columns)."""
        x = _ranked(x, self.ranks)
        parts = [self._shown(self.forest.predict(x))]
        if self.boosted is not None:
            parts.append(self.boosted.predict(x))
        return (np.hstack(parts) - self.center) / self.scale

    def _shown(self, predicted: np.ndarray) -> np.ndarray:
        return _as_logs(predicted) if self.forest.value.shape[1] > 1 else predicted


def _code_ranks(codes: np.ndarray, y: np.ndarray, n_classes: int, n: int) -> np.ndarray:
    # Several classes have no one order. In that of many categories a row's own target would show,
    # above all beside the mean of the others that the encoding gives.
    if n_classes > 2 or n > RANKED_CODES:
        return np.arange(n, dtype=np.float64)
    counts = np.bincount(codes.astype(int), minlength=n)
    totals = np.bincount(codes.astype(int), y.astype(np.float64), minlength=n)
    means = (totals + RANK_ROWS * y.mean()) / (counts + RANK_ROWS)
    return np.argsort(np.argsort(means, kind="stable")).astype(np.float64)


def _ranked(x: np.ndarray, ranks: tuple[np.ndarray, ...]) -> np.ndarray:
    if not ranks:
        return x
    x = x.copy()
    for column, rank in enumerate(ranks, start=x.shape[1] - len(ranks)):
        x[:, column] = rank[x[:, column].astype(int)]
    return x


def n_tree_columns(n_classes: int, n_outputs: int, n_rows: int) -> int:
    """Return how many columns a `TreeView` has; 0 where trees cannot predict the target."""
    if n_rows < LEAST_ROWS or n_classes > MOST_CLASSES or (n_classes == 0 and n_outputs > 1):
        return 0
    if n_classes == 0:
        return 2
    each = 1 if n_classes == 2 else n_classes
    return each * (2 if n_classes <= MOST_BOOSTED_CLASSES else 1)


def _as_logs(shares: np.ndarray) -> np.ndarray:
    """Return log shares of classes, or the logarithm of the odds for two classes."""
    logs = np.log(np.maximum(shares, LEAST_SHARE))
    return logs[:, 1:] - logs[:, :1] if shares.shape[1] == 2 else logs


def _grow_forest(
    x: np.ndarray,
    y: np.ndarray,
    n_classes: int,
    seed: int,
    seconds: float = math.inf,
    wanted: int | None = None,
) -> tuple[Trees, np.ndarray]:
    settings: dict[str, Any] = {
        "n_estimators": FEW_TREES, "bootstrap": True, "oob_score": False, "warm_start": True,
        "min_samples_leaf": LEAF_ROWS, "random_state": seed % 2**32,
        "max_samples": min(1.0, TREE_ROWS / len(x)),
    }  # fmt: skip
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestClassifier if n_classes else RandomForestRegressor
    grown = kind(**settings, **({} if n_classes else {"max_features": 0.5}))
    began = time.monotonic()
    while True:
        grown.fit(x, y)
        spent, n_trees = time.monotonic() - began, len(grown.estimators_)
        is_late = wanted is None and spent * (1 + FEW_TREES / n_trees) > seconds
        if n_trees >= min(wanted or N_FOREST, N_FOREST) or is_late:
            break
        grown.set_params(n_estimators=min(n_trees + FEW_TREES, N_FOREST))
    present = np.asarray(grown.classes_ if n_classes else [0], int)
    width = max(n_classes, 1)
    parts = []
    for one in grown.estimators_:
        tree = one.tree_
        nodes = np.arange(tree.node_count)
        is_leaf = tree.children_left < 0
        value = np.zeros((tree.node_count, width))
        value[:, present] = tree.value[:, 0, :]
        if n_classes:
            value /= value.sum(axis=1, keepdims=True)
        parts.append({
            "feature": np.where(is_leaf, 0, tree.feature),
            "threshold": tree.threshold,
            "left": np.where(is_leaf, nodes, tree.children_left),
            "right": np.where(is_leaf, nodes, tree.children_right),
            "value": value * is_leaf[:, None] / n_trees,
        })  # fmt: skip
    trees = Trees.joined(parts, np.zeros(width))
    shares = _out_of_bag(trees, x, grown.estimators_samples_, y, n_classes)
    return trees, _as_logs(shares) if n_classes else shares


def _out_of_bag(
    trees: Trees, x: np.ndarray, drawn: list[np.ndarray], y: np.ndarray, n_classes: int
) -> np.ndarray:
    """Return the mean over the trees that a row was not drawn for."""
    is_out = np.ones((len(x), len(drawn)), bool)
    for tree, rows in enumerate(drawn):
        is_out[rows, tree] = False
    total = np.zeros((len(x), trees.value.shape[1]))
    trees.prepare(len(x))
    for part in trees.parts(len(x)):
        leaves = trees.leaves(x[part])
        total[part] = np.einsum("nt,nto->no", is_out[part], trees.value.take(leaves, axis=0))
    n_out = is_out.sum(axis=1, keepdims=True)
    overall = np.bincount(y, minlength=n_classes) / len(y) if n_classes else np.mean(y)[None]
    return np.where(n_out > 0, total * len(drawn) / np.maximum(n_out, 1), overall)


def _grow_boosted(
    x: np.ndarray, y: np.ndarray, n_classes: int, seed: int, n_folds: int, rounds: int
) -> tuple[Trees, np.ndarray]:
    """Boost on all rows, and for the rows' own predictions on the others of each inner fold.

    The folds also tell after how many rounds more of them only learn the rows by heart.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    fewest = np.bincount(y)[np.unique(y)].min() if n_classes else len(y)
    splitter = StratifiedKFold if n_classes and fewest >= n_folds else KFold
    folds = splitter(n_folds, shuffle=True, random_state=seed % 2**32)
    rate = min(RATE * N_ROUNDS[n_classes > 0] / rounds, MOST_RATE)
    stages = np.unique(np.ceil(np.linspace(rounds / STAGES, rounds, STAGES)).astype(int))
    width = 1 if n_classes in (0, 2) else n_classes
    out_of_fold = np.zeros((len(stages), len(x), width))
    for others, rows in folds.split(x, y if n_classes else None):
        trees = _boost(x[others], y[others], n_classes, seed, rounds, rate)
        out_of_fold[:, rows] = trees.predict_stages(x[rows], stages / rounds)
    best = int(np.argmin([_boosting_loss(shown, y, n_classes) for shown in out_of_fold]))
    return _boost(x, y, n_classes, seed, int(stages[best]), rate), out_of_fold[best]


def _plan_rounds(
    x: np.ndarray, y: np.ndarray, n_classes: int, seed: int, seconds: float = math.inf
) -> tuple[int, int]:
    """Return inner folds, and rounds of boosting that there is time for in all of them."""
    most = N_ROUNDS[n_classes > 0]

    def cost(rounds: int) -> float:
        began = time.monotonic()
        _boost(x, y, n_classes, seed, rounds, MOST_RATE)
        return time.monotonic() - began

    fixed, few = 0.0, cost(FEW_ROUNDS)
    a_round = few / FEW_ROUNDS
    if few < PROBE_SHARE * seconds:  # time enough to tell rounds from what comes before them
        a_round = max(cost(3 * FEW_ROUNDS) - few, 0.1 * few) / (2 * FEW_ROUNDS)
        fixed = max(few - FEW_ROUNDS * a_round, 0.0)
    for n_folds in (INNER_FOLDS, FEWER_FOLDS):
        affordable = (SAFE_SHARE * seconds / (n_folds + 1) - fixed) / a_round
        if affordable >= most:
            break
    return n_folds, int(min(max(affordable, FEW_ROUNDS), most))


def _boosting_loss(shown: np.ndarray, y: np.ndarray, n_classes: int) -> float:
    """Return the mean squared error, or the cross entropy of scores, that boosting goes down."""
    if n_classes == 0:
        return float(np.mean((shown[:, 0] - y) ** 2))
    z = np.hstack([np.zeros_like(shown), shown]) if n_classes == 2 else shown
    return float(np.mean(logsumexp(z, axis=1) - z[np.arange(len(y)), y]))


def _boost(
    x: np.ndarray, y: np.ndarray, n_classes: int, seed: int, rounds: int, rate: float
) -> Trees:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if n_classes and (y == y[0]).all():
        return _no_trees(1 if n_classes == 2 else n_classes)
    kind = HistGradientBoostingClassifier if n_classes else HistGradientBoostingRegressor
    grown = kind(
        max_iter=rounds, learning_rate=rate, max_features=BOOST_FEATURES,
        early_stopping=False, random_state=seed % 2**32,
    ).fit(x, y)  # fmt: skip
    present = np.asarray(getattr(grown, "classes_", [0]), int)
    width = 1 if n_classes in (0, 2) else n_classes
    outputs = present if width > 1 and len(present) > 2 else [present[-1] if width > 1 else 0]
    parts = []
    for in_round in grown._predictors:
        for output, tree in zip(outputs, in_round, strict=True):
            nodes, is_leaf = np.arange(len(tree.nodes)), tree.nodes["is_leaf"].astype(bool)
            value = np.zeros((len(nodes), width))
            value[is_leaf, output] = tree.nodes["value"][is_leaf]
            parts.append({
                "feature": np.where(is_leaf, 0, tree.nodes["feature_idx"]),
                "threshold": np.where(is_leaf, 0.0, tree.nodes["num_threshold"]),
                "left": np.where(is_leaf, nodes, tree.nodes["left"]),
                "right": np.where(is_leaf, nodes, tree.nodes["right"]),
                "value": value,
            })  # fmt: skip
    trees = Trees.joined(parts, np.zeros(width))
    raw = grown.decision_function(x[:1]) if n_classes else grown.predict(x[:1])
    base = np.zeros(width)
    base[outputs] = raw.reshape(-1) - trees.predict(x[:1])[0][outputs]
    return replace(trees, base=base)


def _no_trees(width: int) -> Trees:
    """Return one tree of one leaf, which says nothing."""
    zero = np.zeros(1, int)
    leaf = dict.fromkeys(("feature", "left", "right", "threshold"), zero)
    return Trees.joined([{**leaf, "value": np.zeros((1, width))}], np.zeros(width))
