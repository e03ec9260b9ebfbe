"""Penned digits: digits as a pen draws them on the grid, to be learned from beside those of data.

The digits that come with the package were written on paper and scanned coarsely. What is drawn on
the page is of another kind: clean strokes, closed loops, corners, every size. So the networks of
the page also learn from forms that were laid down by hand here, each drawn anew: bent, slanted,
narrow or wide, with a thin pen or a thick one.
"""

import numpy as np

from fathom.studio.digit_messages import SIDE
from fathom.studio.drawings import fit

Stroke = tuple[tuple[float, float], ...]
RADII = (0.6, 1.15)  # of the pen, in cells
BETWEEN = 5  # points that a round stroke has from one given point to the next
SHARE_AS_DRAWN = 0.2  # not brought to size and middle

# Strokes on a field of 10 by 14, x to the right and y down. A form is (round strokes, straight
# strokes); a round one goes through its points in a curve.
FORMS: dict[int, tuple[tuple[tuple[Stroke, ...], tuple[Stroke, ...]], ...]] = {
    0: (
        ((((5, 0), (1, 3), (0.5, 7), (1, 11), (5, 14), (9, 11), (9.5, 7), (9, 3), (5, 0)),), ()),
        ((((6.5, 0.3), (3, 2), (1.5, 7), (3, 12.5), (5.5, 14), (8, 11), (8.5, 6), (7.5, 2),
           (5, 0.5)),), ()),
        ((), (((1, 0), (9, 0), (9, 14), (1, 14), (1, 0)),)),
    ),
    1: (
        ((), (((5, 0), (5, 14)),)),
        ((), (((2, 3), (5, 0), (5, 14)),)),
        ((), (((2.5, 2.5), (5, 0), (5, 14)), ((2, 14), (8, 14)))),
    ),
    2: (
        ((((1, 3.5), (2.5, 0.8), (5.5, 0), (8.5, 1.5), (8.5, 4.5), (5, 9), (0.8, 14)),),
         (((0.8, 14), (9.5, 14)),)),
        ((((1, 3), (4, 0), (8, 1), (8, 5), (4, 10), (1, 13.5), (2, 11.5), (5, 12.8),
           (9, 13.8)),), ()),
        ((), (((1, 0), (9, 0), (9, 7), (1, 7), (1, 14), (9, 14)),)),
    ),
    3: (
        ((((1, 1.5), (4.5, 0), (8, 1.5), (7.5, 5), (4, 6.7)),
          ((4, 6.7), (8.5, 8.5), (8.5, 12), (5, 14), (1, 12.8))), ()),
        ((((4.5, 5.5), (8.5, 7.5), (8.7, 11.5), (5, 14), (0.8, 12.5)),),
         (((1, 0), (8.5, 0), (4.5, 5.5)),)),
        ((), (((1, 0), (9, 0), (9, 14), (1, 14)), ((3, 7), (9, 7)))),
    ),
    4: (
        ((), (((7, 0), (0.5, 9.5), (9.8, 9.5)), ((7, 0), (7, 14)))),
        ((), (((2, 0), (1, 7.5), (9, 7.5)), ((7.5, 0.5), (7.5, 14)))),
        ((), (((6, 0), (0.8, 8.5), (9.5, 8.5)), ((6.8, 4.5), (6.3, 14)))),
    ),
    5: (
        ((((1.5, 6), (5, 5), (8.8, 7.5), (8.5, 11.5), (5, 14), (1, 12.8)),),
         (((8.5, 0), (2, 0), (1.5, 6)),)),
        ((((2.5, 0), (2, 6), (6, 5.6), (8.8, 9), (7, 13.3), (1.5, 13.3)),),
         (((2.5, 0), (8.5, 0)),)),
        ((), (((9, 0), (1, 0), (1, 7), (9, 7), (9, 14), (1, 14)),)),
    ),
    6: (
        ((((7.5, 0), (3.5, 3.5), (1, 8.5), (1.8, 12.5), (5, 14), (8.5, 12), (8.5, 8.8),
           (5.5, 7.5), (2, 9)),), ()),
        ((((6, 0), (2.5, 5), (1, 10), (3.5, 14), (8, 13), (8.7, 9.5), (5, 8), (1.3, 10.5)),), ()),
        ((), (((9, 0), (1, 0), (1, 14), (9, 14), (9, 7), (1, 7)),)),
    ),
    7: (
        ((), (((0.5, 0), (9.5, 0), (4, 14)),)),
        ((), (((0.5, 0), (9.5, 0), (4.5, 14)), ((3, 7), (9, 7)))),
        ((((9, 0), (5.5, 6), (4, 14)),), (((0.8, 2), (1, 0), (9, 0)),)),
    ),
    8: (
        ((((5, 6.5), (1.8, 3.5), (5, 0), (8.2, 3.5), (5, 6.5), (1, 10.5), (5, 14), (9, 10.5),
           (5, 6.5)),), ()),
        ((((8.5, 2.5), (5, 0), (1.5, 2.5), (4.5, 6.3), (8.8, 10), (5.5, 14), (1.2, 11), (5, 7),
           (8.5, 2.5)),), ()),
        ((((5, 0), (2, 3.2), (5, 6.6), (8, 3.2), (5, 0)),
          ((5, 6.6), (1.2, 10.3), (5, 14), (8.8, 10.3), (5, 6.6))), ()),
        ((), (((1, 7), (1, 0), (9, 0), (9, 14), (1, 14), (1, 7), (9, 7)),)),
    ),
    9: (
        ((((8.5, 3.5), (5.5, 0), (1.8, 2.5), (2.5, 6.5), (6, 7), (8.5, 3.5)),),
         (((8.5, 3.5), (8, 14)),)),
        ((((8.5, 3.5), (5, 0), (1.5, 3.3), (4.5, 7), (8.3, 4.5), (8.5, 2.5), (8.3, 9), (6, 14)),),
         ()),
        ((((8.6, 3), (5, 0), (1.4, 3.2), (4.5, 7), (8.3, 4.2)),
          ((8.6, 3), (8.3, 11), (5, 14), (1.5, 13))), ()),
        ((), (((9, 7), (1, 7), (1, 0), (9, 0), (9, 14), (1, 14)),)),
    ),
}  # fmt: skip


def draw_digits(n_each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw digits, each in its own way.

    Parameters
    ----------
    n_each : int
        How many of each digit.
    seed : int
        Seed of every random choice.

    Returns
    -------
    tuple of numpy.ndarray
        Grids, shape (10 · n_each, 16, 16), uint8, 1 is ink; and what they are.

    Examples
    --------
    >>> grids, labels = draw_digits(2)
    >>> grids.shape, labels.tolist()[:6]
    ((20, 16, 16), [0, 0, 1, 1, 2, 2])
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(10), n_each)
    grids = np.stack([_drawn(int(label), rng) for label in labels])
    return grids, labels


def _drawn(digit: int, rng: np.random.Generator) -> np.ndarray:
    curved, straight = FORMS[digit][rng.integers(len(FORMS[digit]))]
    strokes = [np.array(one, float) for one in (*curved, *straight)]
    strokes = [one + rng.normal(0, 0.35, one.shape) for one in strokes]
    strokes = [_rounded(one) if at < len(curved) else one for at, one in enumerate(strokes)]
    turn, slant = rng.normal(0, 0.1), rng.normal(0, 0.16)
    size = rng.uniform(0.45, 1.0)
    across, up = size * rng.uniform(0.7, 1.25), size
    shape = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shape = shape @ np.array([[across, -slant * up], [0, up]])
    room = (1 - size) * SIDE / 2
    middle = SIDE / 2 + rng.uniform(-room, room, 2)
    placed = [(one - (5, 7)) @ shape.T + middle for one in strokes]
    grid = ink(placed, rng.uniform(*RADII))
    return grid if rng.random() < SHARE_AS_DRAWN else fit(grid)


def _rounded(points: np.ndarray) -> np.ndarray:
    """Return a curve through points (Catmull and Rom)."""
    whole = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, BETWEEN, endpoint=False)[:, None]
    a, b, c, d = (whole[at : len(whole) - 3 + at, None] for at in range(4))
    slope, bend, twist = (c - a) / 2, a - 2.5 * b + 2 * c - d / 2, (d - a + 3 * (b - c)) / 2
    along = b + t * (slope + t * (bend + t * twist))
    return np.concatenate([along.reshape(-1, 2), points[-1:]])


def ink(strokes: list[np.ndarray], radius: float) -> np.ndarray:
    """Return the cells that strokes ink, as the pen of the page does.

    Parameters
    ----------
    strokes : list of numpy.ndarray
        Points of each, shape (points, 2), x and y in cells.
    radius : float
        Of the pen, in cells.

    Examples
    --------
    >>> ink([np.array([[0, 2.5], [16, 2.5]])], 0.5).sum(axis=1).tolist()[:4]
    [0, 0, 16, 0]
    """
    cells = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), -1).reshape(-1, 1, 2) + 0.5
    begin = np.concatenate([one[:-1] for one in strokes])
    way = np.concatenate([np.diff(one, axis=0) for one in strokes])
    length = np.maximum((way**2).sum(1), 1e-12)
    share = np.clip(((cells - begin) * way).sum(2) / length, 0, 1)
    away = cells - begin - share[..., None] * way
    is_near = (away**2).sum(2) <= radius**2
    return is_near.any(1).reshape(SIDE, SIDE).astype(np.uint8)
