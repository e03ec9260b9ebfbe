"""Views: the ways in which one column of numbers can be shown to a network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal, Self, TypeAlias

import numpy as np
from scipy.special import ndtri

from fathom.data.sketches import QuantileSketch
from fathom.loading import load

View: TypeAlias = Literal["robust", "quantile", "bins", "tree_bins"]
N_BINS = 16
MOST_QUANTILES = 1000
FARTHEST = 1e6  # in robust units, before the smooth clip
CLIP = 3.0
LEAST_SHARE = 1e-7  # of the distribution, so that no quantile is infinite
LARGEST, SMALLEST = 1e307, 1e-250  # beyond which differences overflow, or slopes between values
TREE_LARGEST = 1e30  # beyond which sums overflow in what a tree computes with
TREE_ROWS = 20_000  # rows a tree looks at to place its bins


@dataclass(frozen=True)
class NumberViews:
    """What is learned of one column of numbers from the training rows.

    ========= ==========================================================================
    robust    z / √(1 + (z / 3)²) with z = (x - median) / (q₇₅ - q₂₅), half the range
              in place of the quartiles' distance where that is 0
    quantile  Φ⁻¹ of the share of training values below x
    bins      number of the quantile bin x lies in, plus how far it is through it
    tree_bins how many of the thresholds lie below x that a decision tree on this column
              alone sets to predict the target
    ========= ==========================================================================

    Attributes
    ----------
    fill : float
        What stands for a missing value: the median.
    scale : float
        The distance of the quartiles, or what stands for it; 0 for a constant column.
    quantiles : numpy.ndarray
        Values at evenly spaced shares of the training rows, ascending.
    edges : numpy.ndarray
        Edges of the quantile bins, ascending, at most 17.
    tree : numpy.ndarray or TreeSample
        Thresholds of the tree, ascending, at most 15; or what to grow it on.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart (2024). arXiv:2407.04491 (robust). Gorishniy, Rubachev,
    Khrulkov, Babenko (2021). arXiv:2106.11959 (quantile). Gorishniy, Rubachev, Babenko (2022).
    arXiv:2203.05556 (bins by quantiles and by trees).
    """

    fill: float
    scale: float
    quantiles: np.ndarray
    edges: np.ndarray
    tree: "np.ndarray | TreeSample"

    @cached_property
    def thresholds(self) -> np.ndarray:
        """Thresholds of the tree, ascending; it is grown when they are first asked for."""
        return self.tree if isinstance(self.tree, np.ndarray) else self.tree.grow()

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        y: np.ndarray | None,
        *,
        is_classes: bool,
        seed: int,
        beyond: QuantileSketch | None = None,
    ) -> Self:
        """Learn from training values, NaN where missing, and the target of the same rows.

        Parameters
        ----------
        x : numpy.ndarray
            Values, shape (n,).
        y : numpy.ndarray or None
            Class numbers or numbers, shape (n,); None for no tree.
        is_classes : bool
            Whether y are classes.
        seed : int
            Seed of the noise that tells equal values apart, and of the sample a tree sees.
        beyond : QuantileSketch, optional
            Of values, `bounded`, of further training rows that are not in memory: quantiles are
            those of both.
        """
        x = bounded(x)
        present = x[~np.isnan(x)]
        n = len(x)
        quantiles_at: Callable[[Sequence[float] | np.ndarray], np.ndarray]
        quantiles_at = partial(np.quantile, present)
        if beyond is not None:
            both = beyond.copy()
            both.update(present)
            n, quantiles_at = both.n, both.quantiles
        if not len(present):
            one = np.zeros(1)
            return cls(0.0, 0.0, one, one, np.zeros(0))
        low, first, middle, third, high = quantiles_at((0, 0.25, 0.5, 0.75, 1))
        scale = float(third - first) or float(high / 2 - low / 2)
        rng = np.random.default_rng(seed)
        n_quantiles = int(np.clip(n // 30, 10, MOST_QUANTILES))
        shares, noise = np.linspace(0, 1, n_quantiles), 1e-3 * min(scale, 1e300)
        if beyond is None:
            jitter = noise * rng.standard_normal(len(present))
            quantiles = np.quantile(present + jitter, shares)
        else:  # a value that is many quantiles is told apart there all the same
            quantiles = quantiles_at(shares) + noise * rng.standard_normal(n_quantiles)
        edges = np.unique(quantiles_at(np.linspace(0, 1, N_BINS + 1)))
        filled = np.where(np.isnan(x), middle, x)
        tree = np.zeros(0) if y is None else TreeSample.draw(filled, y, is_classes, rng)
        return cls(float(middle), scale, np.sort(quantiles), edges, tree)

    def with_thresholds(self) -> Self:
        """Return the same with the thresholds in place of what the tree is grown on."""
        return self if isinstance(self.tree, np.ndarray) else replace(self, tree=self.thresholds)

    def show(self, x: np.ndarray, view: View) -> np.ndarray:
        """Return the values in a view, as float64 of the same shape; missing ones are filled."""
        x = bounded(np.where(np.isnan(x), self.fill, x))
        if view == "quantile":
            return self._normal(x)
        if view == "bins":
            return np.interp(x, self.edges, np.arange(len(self.edges), dtype=np.float64))
        if view == "tree_bins":
            return np.searchsorted(self.thresholds, x, side="left").astype(np.float64)
        if self.scale == 0:
            return np.zeros(x.shape)
        with np.errstate(over="ignore"):
            z = np.clip(2 * (0.5 * x - 0.5 * self.fill) / self.scale, -FARTHEST, FARTHEST)
        return z / np.sqrt(1 + (z / CLIP) ** 2)

    def _normal(self, x: np.ndarray) -> np.ndarray:
        if self.scale == 0:
            return np.zeros(x.shape)
        shares = np.linspace(0, 1, len(self.quantiles))
        # From both sides, so that a value which is many quantiles at once gets their middle.
        from_below = np.interp(x, self.quantiles, shares)
        from_above = 1 - np.interp(-x, -self.quantiles[::-1], shares)
        share = np.clip((from_below + from_above) / 2, LEAST_SHARE, 1 - LEAST_SHARE)
        return np.asarray(ndtri(share))


def bounded(x: np.ndarray) -> np.ndarray:
    """Return values whose differences and slopes are finite, NaN left alone."""
    return np.where(np.abs(x) < SMALLEST, 0.0, np.clip(x, -LARGEST, LARGEST))


@dataclass(frozen=True)
class TreeSample:
    """Rows of one column that a tree is grown on later, by those who look at its thresholds.

    The first network of a search does not, and scikit-learn takes longer to load than that network
    to train.

    Attributes
    ----------
    x, y : numpy.ndarray
        Values, float32, and the target of the same rows.
    is_classes : bool
        Whether y are classes.
    """

    x: np.ndarray
    y: np.ndarray
    is_classes: bool

    @classmethod
    def draw(cls, x: np.ndarray, y: np.ndarray, is_classes: bool, rng: np.random.Generator) -> Self:
        """Draw the rows, of which none may be missing."""
        rows = rng.permutation(len(x))[:TREE_ROWS]
        x = np.clip(x[rows], -TREE_LARGEST, TREE_LARGEST).astype(np.float32)
        return cls(x, y[rows], is_classes)

    def grow(self) -> np.ndarray:
        """Return the thresholds of the tree, ascending."""
        load("sklearn.tree")
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        kind = DecisionTreeClassifier if self.is_classes else DecisionTreeRegressor
        leaf = max(5, len(self.x) // 200)
        tree = kind(max_leaf_nodes=N_BINS, min_samples_leaf=leaf, random_state=0)
        grown = tree.fit(self.x[:, None], self.y).tree_
        return np.unique(grown.threshold[grown.feature >= 0])
