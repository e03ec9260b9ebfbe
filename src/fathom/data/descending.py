"""Decision trees as flat arrays, and rows on their way down: the first steps of many at once."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

PAIRS = 2**18  # of a row and a tree that are looked at together: threads meet at each step of NumPy
NODES = 2**18  # of the trees that are walked down at once, so that they stay near
STEPS = 4  # down all trees, after which those that are at a leaf are left out
ENDS = 32  # of the top of a tree: bits of a mask
TOPS = 512  # trees whose tops are looked at together
MANY_ROWS = 512  # from which tops save more time than it takes to make them


@dataclass(frozen=True)
class Trees:
    """Decision trees in flat arrays: at each node left where ``x[feature] <= threshold``.

    Rows are float32, as they are where trees grow; what is not is rounded to that.

    Attributes
    ----------
    feature, left, right : numpy.ndarray
        Column that is asked, and nodes that follow, int32; a leaf is followed by itself.
    threshold : numpy.ndarray
        Float64.
    value : numpy.ndarray
        What a leaf adds to the prediction, float64, shape (nodes, outputs).
    roots : numpy.ndarray
        First node of each tree, int32.
    base : numpy.ndarray
        What every prediction begins with, shape (outputs,).
    """

    feature: np.ndarray
    left: np.ndarray
    right: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    roots: np.ndarray
    base: np.ndarray

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return base plus the values of the leaves each row falls into, shape (n, outputs)."""
        return self._sums(x, 0, len(self.roots)) + self.base

    def predict_stages(self, x: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Return what the first trees alone predict, up to each share of them in rising order.

        Returns
        -------
        numpy.ndarray
            Shape (stages, n, outputs).
        """
        ends = np.round(shares * len(self.roots)).astype(int)
        sums, total, begin = [], np.tile(self.base, (len(x), 1)), 0
        for end in ends:
            total = total + self._sums(x, begin, end)
            sums.append(total)
            begin = end
        return np.stack(sums)

    def _sums(self, x: np.ndarray, begin: int, end: int) -> np.ndarray:
        """Return the sum of the leaves that each row falls into, of some trees."""
        self.prepare(len(x), begin, end)
        sums = np.empty((len(x), self.value.shape[1]))
        for part in self.parts(len(x)):
            leaves = self.leaves(x[part], begin, end)
            sums[part] = self.value.take(leaves, axis=0).sum(axis=1)
        return sums

    def parts(self, n_rows: int) -> Iterator[slice]:
        """Yield rows that are walked down some trees at once, part by part."""
        n = max(1, PAIRS // max(1, min(self._n_at_once, len(self.roots))))
        return (slice(begin, begin + n) for begin in range(0, n_rows, n))

    def prepare(self, n_rows: int, begin: int = 0, end: int | None = None) -> None:
        """Make the tops of some trees, once there have been so many rows that it was worth it."""
        for bounds in self._groups(begin, end):
            if bounds not in self._tops:
                self._n_rows[bounds] = self._n_rows.get(bounds, 0) + n_rows
                if self._n_rows[bounds] >= MANY_ROWS:
                    self._tops[bounds] = _top_of(self, slice(*bounds))

    def leaves(self, x: np.ndarray, begin: int = 0, end: int | None = None) -> np.ndarray:
        """Return the leaf that each row falls into, of some trees, shape (n, trees).

        From where `prepare` has made tops of them they bring each row to, else from the root on.
        """
        x = np.ascontiguousarray(x, np.float32)
        found = [np.zeros((len(x), 0), np.int32)]
        for bounds in self._groups(begin, end):
            top = self._tops.get(bounds)
            if top is None:
                nodes = np.tile(self.roots[slice(*bounds)], (len(x), 1))
            else:
                nodes = top.reach(x)
            if top is None or not top.is_all:
                nodes = self._walk_all(x, nodes)
            found.append(nodes)
        return np.concatenate(found, axis=1)

    def _groups(self, begin: int, end: int | None) -> Iterator[tuple[int, int]]:
        """Yield where the trees begin and end whose tops are looked at together."""
        last = len(self.roots) if end is None else end
        return ((first, min(first + TOPS, last)) for first in range(begin, last, TOPS))

    def _walk_all(self, x: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """Walk on from nodes, some trees at once, whose nodes are near together."""
        n = self._n_at_once
        some = (nodes[:, begin : begin + n] for begin in range(0, nodes.shape[1], n))
        return np.concatenate([self._walk(x, few) for few in some], axis=1)

    def _walk(self, x: np.ndarray, begun: np.ndarray) -> np.ndarray:
        """Walk down all ways at once; those at an end are left out of it now and then."""
        numbers, nodes = x.reshape(-1), begun.reshape(-1)
        place: type[np.integer[Any]] = np.int32 if x.size < 2**31 else np.int64
        rows = np.repeat(np.arange(len(x), dtype=place) * place(x.shape[1]), begun.shape[1])
        found, places = nodes.copy(), np.arange(len(nodes), dtype=np.int32)
        while len(nodes):
            for _ in range(STEPS):
                asked = numbers.take(rows + self.feature.take(nodes))
                nodes = self._children.take(2 * nodes + (asked <= self.nearest.take(nodes)))
            found[places] = nodes
            ongoing = np.flatnonzero(self._children.take(2 * nodes) != nodes)
            nodes, rows, places = nodes[ongoing], rows[ongoing], places[ongoing]
        return found.reshape(begun.shape)

    @cached_property
    def _n_at_once(self) -> int:
        """Trees whose nodes are near together."""
        return max(1, NODES * len(self.roots) // max(1, len(self.left)))

    @cached_property
    def _children(self) -> np.ndarray:
        """Of each node the one to its right, then the one to its left."""
        return np.stack([self.right, self.left], axis=1).reshape(-1)

    @cached_property
    def nearest(self) -> np.ndarray:
        """The float32 nearest below each threshold: no float32 lies between the two."""
        with np.errstate(over="ignore"):
            near = self.threshold.astype(np.float32)
        return np.where(near > self.threshold, np.nextafter(near, np.float32(-np.inf)), near)

    @cached_property
    def _tops(self) -> "dict[tuple[int, int], _Top]":
        return {}

    @cached_property
    def _n_rows(self) -> dict[tuple[int, int], int]:
        """Rows that came before there were tops."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        """Travel without what can be made again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def joined(cls, parts: list[dict[str, np.ndarray]], base: np.ndarray) -> Self:
        """Return the trees of several parts, each numbering its nodes from 0."""
        sizes = [len(part["feature"]) for part in parts]
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
        shifted = {
            name: np.concatenate([p[name] + s for p, s in zip(parts, starts, strict=True)])
            for name in ("left", "right")
        }
        return cls(
            feature=np.concatenate([p["feature"] for p in parts]).astype(np.int32),
            left=shifted["left"].astype(np.int32),
            right=shifted["right"].astype(np.int32),
            threshold=np.concatenate([p["threshold"] for p in parts]).astype(np.float64),
            value=np.concatenate([p["value"] for p in parts]).astype(np.float64),
            roots=starts,
            base=base,
        )


class _Question(NamedTuple):
    """All that the tops of some trees ask of one column.

    Attributes
    ----------
    feature : int
        The column.
    thresholds : numpy.ndarray
        The different ones, rising.
    masks : numpy.ndarray
        Which ends of each tree are left where so many thresholds lie below a row's number, uint32
        of shape (thresholds + 1, trees).
    """

    feature: int
    thresholds: np.ndarray
    masks: np.ndarray


class _Top(NamedTuple):
    """The tops of some trees: where every question on a column is answered at once.

    A top has the first nodes of a tree, level by level, and at most `ENDS` ends below them, which
    are numbered from left to right. A node at which a row goes right takes from it all ends that
    lie to the left; the first end that no node takes is where the row gets to (QuickScorer,
    Lucchese et al. 2015, doi:10.1145/2766462.2767733, with all masks of a column in the order of
    its thresholds).

    Attributes
    ----------
    questions : tuple of _Question
        Column by column.
    ends : numpy.ndarray
        Node of each end, int32 of shape (trees, `ENDS`), in one row.
    is_all : bool
        Whether every end is a leaf.
    """

    questions: tuple[_Question, ...]
    ends: np.ndarray
    is_all: bool

    def reach(self, x: np.ndarray) -> np.ndarray:
        """Return the end that each row gets to in each tree, as a node, shape (n, trees)."""
        n_trees = len(self.ends) // ENDS
        firsts = np.arange(n_trees, dtype=np.int32) * ENDS
        nodes = np.empty((len(x), n_trees), np.int32)
        n = max(1, PAIRS // n_trees)
        left, asked = (np.empty((min(n, len(x)), n_trees), np.uint32) for _ in range(2))
        for begin in range(0, len(x), n):
            rows, found = x[begin : begin + n], nodes[begin : begin + n]
            left, asked = left[: len(rows)], asked[: len(rows)]
            left[...] = 2**ENDS - 1
            for question in self.questions:
                below = np.searchsorted(question.thresholds, rows[:, question.feature])
                question.masks.take(below, axis=0, out=asked, mode="clip")
                left &= asked
            np.subtract(left, 1, out=asked)
            np.bitwise_and(asked, ~left, out=asked)  # ones below the first end
            self.ends.take(np.bitwise_count(asked) + firsts, out=found, mode="clip")
        return nodes


def _top_of(trees: Trees, which: slice) -> _Top:
    """Make the tops of some trees."""
    left, right, roots = trees.left, trees.right, trees.roots[which]
    tree = np.zeros(len(left), np.int32)
    tree[roots] = np.arange(len(roots))
    levels = _first_levels(trees, roots, tree)
    n_ends, first = np.ones(len(left), np.int64), np.zeros(len(left), np.int64)
    for nodes in reversed(levels):
        n_ends[nodes] = n_ends[left[nodes]] + n_ends[right[nodes]]
    for nodes in levels:
        first[left[nodes]] = first[nodes]
        first[right[nodes]] = first[nodes] + n_ends[left[nodes]]
    inside = np.concatenate(levels)
    last = np.setdiff1d(np.concatenate([roots, left[inside], right[inside]]), inside)
    ends = np.zeros((len(roots), ENDS), np.int32)
    ends[tree[last], first[last]] = last
    masks = (~(((1 << n_ends[left[inside]]) - 1) << first[inside])).astype(np.uint32)
    feature, threshold, of = trees.feature[inside], trees.nearest[inside], tree[inside]
    questions = tuple(
        _question(int(one), threshold[on], masks[on], of[on], len(roots))
        for one in np.unique(feature)
        for on in [feature == one]
    )
    return _Top(questions, ends.reshape(-1), bool((left[last] == last).all()))


def _first_levels(trees: Trees, roots: np.ndarray, tree: np.ndarray) -> list[np.ndarray]:
    """Return the inner nodes of tops, level by level, and note of which tree they are."""
    levels, nodes, n_inside = [], roots, np.zeros(len(roots), np.int64)
    while len(nodes):
        inner = nodes[trees.left[nodes] != nodes]
        inner = inner[np.argsort(tree[inner], kind="stable")]
        place = np.arange(len(inner)) - np.searchsorted(tree[inner], tree[inner])
        inner = inner[n_inside[tree[inner]] + place < ENDS - 1]
        n_inside += np.bincount(tree[inner], minlength=len(roots))
        below = trees.left[inner], trees.right[inner]
        for children in below:
            tree[children] = tree[inner]
        levels.append(inner)
        nodes = np.concatenate(below)
    return levels


def _question(
    feature: int, threshold: np.ndarray, masks: np.ndarray, tree: np.ndarray, n_trees: int
) -> _Question:
    """Put the masks of the nodes that ask for a column in the order of their thresholds."""
    thresholds, place = np.unique(threshold, return_inverse=True)
    left = np.full((len(thresholds) + 1, n_trees), 2**ENDS - 1, np.uint32)
    np.bitwise_and.at(left, (place + 1, tree), masks)
    np.bitwise_and.accumulate(left, axis=0, out=left)
    return _Question(feature, thresholds, left)
