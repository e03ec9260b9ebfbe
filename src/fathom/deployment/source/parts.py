"""Functions that are copied into an exported program, each as it stands here.

They need nothing but NumPy, ``math``, ``unicodedata`` and each other; rows come first.
"""

import base64
import math
import unicodedata
from types import SimpleNamespace
from typing import Any

import numpy as np

from fathom.deployment.normal import MIDDLE, TAIL


def identity(z: np.ndarray) -> np.ndarray:
    """f(z) = z."""
    return z


def sigmoid(z: np.ndarray) -> np.ndarray:
    """f(z) = 1 / (1 + exp(-z))."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def tanh(z: np.ndarray) -> np.ndarray:
    """f(z) = (exp(z) - exp(-z)) / (exp(z) + exp(-z))."""
    return np.tanh(z)


def relu(z: np.ndarray) -> np.ndarray:
    """f(z) = max(0, z)."""
    return np.maximum(z, 0)


def leaky_relu(z: np.ndarray) -> np.ndarray:
    """f(z) = max(0.01 z, z)."""
    return np.maximum(0.01 * z, z)


def elu(z: np.ndarray) -> np.ndarray:
    """f(z) = z where z > 0, else exp(z) - 1."""
    return np.maximum(z, 0) + np.expm1(np.minimum(z, 0))


def selu(z: np.ndarray) -> np.ndarray:
    """f(z) = 1.0507 (z where z > 0, else 1.6733 (exp(z) - 1))."""
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    return scale * (np.maximum(z, 0) + alpha * np.expm1(np.minimum(z, 0)))


def gelu(z: np.ndarray) -> np.ndarray:
    """f(z) = z Φ(z), Φ the normal distribution function."""
    half_erfc = np.vectorize(lambda x: math.erfc(-x / math.sqrt(2)) / 2, otypes=[z.dtype])
    return z * half_erfc(z)


def silu(z: np.ndarray) -> np.ndarray:
    """f(z) = z sigmoid(z)."""
    return z * sigmoid(z)


def mish(z: np.ndarray) -> np.ndarray:
    """f(z) = z tanh(softplus(z))."""
    return z * np.tanh(softplus(z))


def softplus(z: np.ndarray) -> np.ndarray:
    """f(z) = ln(1 + exp(z))."""
    return np.logaddexp(0, z).astype(z.dtype)


def softmax(z: np.ndarray) -> np.ndarray:
    """a_i = exp(z_i) / Σ_j exp(z_j)."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(a: np.ndarray, epsilon: float) -> np.ndarray:
    """Bring each row (of each pixel, its channels) to mean 0 and variance 1."""
    centered = a - a.mean(axis=-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + epsilon)


def convolve(a: np.ndarray, kernel: np.ndarray, stride: int, *, is_padded: bool) -> np.ndarray:
    """z[h, w] = Σ_ij K[i, j]ᵀ a[s h + i, s w + j] for pictures (rows, height, width, channels)."""
    if is_padded:  # with zeros around, so that at stride 1 the size is kept
        sides = zip(a.shape[1:3], kernel.shape[:2], strict=True)
        missing = [max((-(-n // stride) - 1) * stride + k - n, 0) for n, k in sides]
        around = [(m // 2, m - m // 2) for m in missing]
        a = np.pad(a, [(0, 0), *around, (0, 0)])
    patches = np.lib.stride_tricks.sliding_window_view(a, kernel.shape[:2], axis=(1, 2))
    return np.einsum("rhwcij,ijco->rhwo", patches[:, ::stride, ::stride], kernel, optimize=True)


def squares(a: np.ndarray, size: int) -> np.ndarray:
    """Cut pictures into squares: (rows, height, size, width, size, channels)."""
    n, height, width, channels = a.shape
    height, width = height // size, width // size
    a = a[:, : height * size, : width * size]
    return a.reshape(n, height, size, width, size, channels)


def standardize(rows: Any, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(x - center) / scale, drawn in to ±1e6."""
    x = 0.5 * np.asarray(rows, np.float64) - 0.5 * center  # halves cannot overflow
    with np.errstate(over="ignore"):
        return np.clip(2 * (x / scale), -1e6, 1e6).astype(np.float32)


def read(table: Any, columns: list[tuple[str, str, bool, dict[str, int]]]) -> SimpleNamespace:
    """Read a table, values by column, as numbers (NaN where missing), plain ones and codes."""
    numbers, plain, codes = [], [], []
    for name, kind, has_missing, known in columns:
        if kind == "word":
            codes.append(np.array([known.get(key(word), 0) for word in table[name]], int))
            continue
        x = days(table[name]) if kind == "date" else np.asarray(table[name], np.float64)
        x = np.where(np.isfinite(x), x, np.nan)
        numbers.append(x)
        if has_missing:
            plain.append(np.isnan(x))
        if kind == "date":
            parts = date_parts(x)
            numbers += parts
            for part, period in zip((parts[0], *parts[2:]), (12, 7, 24), strict=True):
                angle = 2 * np.pi * np.nan_to_num(part) / period
                plain += [np.sin(angle), np.cos(angle)]
    return SimpleNamespace(numbers=numbers, plain=plain, codes=codes)


def key(word: Any) -> str:
    """Return what words are told apart by: case, spaces and .0 of whole numbers do not count."""
    if word is None or word != word:
        return ""
    text = " ".join(unicodedata.normalize("NFC", str(word)).split())
    text = text.lower() if len(text) > 1 else text
    number, point, zeros = text.partition(".")
    is_whole = number.lstrip("+-").isdigit() and point and zeros and not zeros.strip("0")
    return number if is_whole else text


def days(dates: Any) -> np.ndarray:
    """Dates as days since 1970: numbers as they are, ISO text and moments brought to them."""
    given = np.asarray(dates)
    if given.dtype.kind in "fiu":
        x = given.astype(np.float64)
    else:
        moments = given.astype("datetime64[us]")
        x = np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 86_400e6)
    low, high = ((year - 1970) * 365.2425 for year in (1500, 2500))
    return np.where((x >= low) & (x <= high), x, np.nan)


def date_parts(x: np.ndarray) -> list[np.ndarray]:
    """Month (0 for January), day, weekday (0 for Monday) and hour."""
    known = np.nan_to_num(x)
    date = np.floor(known).astype("int64").astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    parts = [
        month.astype("int64") % 12.0,
        (date - month).astype("int64") + 1.0,
        (np.floor(known) + 3) % 7,  # 1970-01-01 was a Thursday
        (known - np.floor(known)) * 24,
    ]
    return [np.where(np.isnan(x), np.nan, part) for part in parts]


def encode(raw: SimpleNamespace, fold: SimpleNamespace, view: Any) -> np.ndarray:
    """Return rows as a network's first layer takes them: numbers in a view, plain ones, codes."""
    means = [column for place, table in fold.means for column in table[raw.codes[place]].T]
    numbers = [view(x, n) for x, n in zip([*raw.numbers, *means], fold.numbers, strict=True)]
    return np.stack([*numbers, *raw.plain, *raw.codes], axis=1).astype(np.float32)


def filled(x: np.ndarray, n: SimpleNamespace) -> np.ndarray:
    """Put the median in place of missing values, and bound all so that nothing overflows."""
    x = np.where(np.isnan(x), n.fill, x)
    return np.where(np.abs(x) < 1e-250, 0.0, np.clip(x, -1e307, 1e307))


def robust(x: np.ndarray, n: SimpleNamespace) -> np.ndarray:
    """Return z / √(1 + (z / 3)²) with z = (x - median) / (q₇₅ - q₂₅)."""
    if n.scale == 0:
        return np.zeros(x.shape)
    with np.errstate(over="ignore"):
        z = np.clip(2 * (0.5 * filled(x, n) - 0.5 * n.fill) / n.scale, -1e6, 1e6)
    return z / np.sqrt(1 + (z / 3) ** 2)


def quantile(x: np.ndarray, n: SimpleNamespace) -> np.ndarray:
    """Φ⁻¹ of the share of training values below x."""
    if n.scale == 0:
        return np.zeros(x.shape)
    x, shares = filled(x, n), np.linspace(0, 1, len(n.quantiles))
    from_below = np.interp(x, n.quantiles, shares)
    from_above = 1 - np.interp(-x, -n.quantiles[::-1], shares)
    return normal_quantile(np.clip((from_below + from_above) / 2, 1e-7, 1 - 1e-7))


def normal_quantile(share: np.ndarray) -> np.ndarray:
    """Φ⁻¹, by Wichura's algorithm AS 241 (1988)."""
    q = share - 0.5
    r = 0.180625 - q**2
    middle = q * np.polyval(MIDDLE[0][::-1], r) / np.polyval(MIDDLE[1][::-1], r)
    r = np.sqrt(-np.log(np.minimum(share, 1 - share))) - 1.6
    tail = np.sign(q) * np.polyval(TAIL[0][::-1], r) / np.polyval(TAIL[1][::-1], r)
    return np.where(np.abs(q) <= 0.425, middle, tail)


def bins(x: np.ndarray, n: SimpleNamespace) -> np.ndarray:
    """Return the number of the quantile bin x lies in, plus how far it is through it."""
    return np.interp(filled(x, n), n.edges, np.arange(len(n.edges), dtype=np.float64))


def tree_bins(x: np.ndarray, n: SimpleNamespace) -> np.ndarray:
    """How many of the thresholds lie below x that a decision tree on this column sets."""
    return np.searchsorted(n.thresholds, filled(x, n), side="left").astype(np.float64)


def ask_trees(robust_x: np.ndarray, fold: SimpleNamespace) -> np.ndarray:
    """Return what the trees of a fold say of rows, as a network takes it."""
    t, first_code = fold.trees, robust_x.shape[1] - len(fold.trees.ranks)
    asked = robust_x.copy()
    for column, rank in enumerate(t.ranks, start=first_code):
        asked[:, column] = rank[asked[:, column].astype(int)]
    said = grown(t.forest, asked)
    if said.shape[1] > 1:  # shares of classes, as logarithms; of two, the logarithm of the odds
        said = np.log(np.maximum(said, 2e-3))
        said = said[:, 1:] - said[:, :1] if said.shape[1] == 2 else said
    parts = [said] if t.boosted is None else [said, grown(t.boosted, asked)]
    return ((np.hstack(parts) - t.center) / t.scale).astype(np.float32)


def join_trees(x: np.ndarray, said: np.ndarray, fold: SimpleNamespace) -> np.ndarray:
    """Put what the trees say of rows before the codes."""
    first_code = x.shape[1] - len(fold.trees.ranks)
    return np.hstack([x[:, :first_code], said, x[:, first_code:]])


def grown(t: SimpleNamespace, x: np.ndarray) -> np.ndarray:
    """Add up the leaves that rows fall into, some hundred rows at a time."""
    sums = np.empty((len(x), t.value.shape[1]))
    for begin in range(0, len(x), 256):
        some = slice(begin, begin + 256)
        sums[some] = t.value[leaves(t, x[some])].sum(axis=1)
    return t.base + sums


def leaves(t: SimpleNamespace, x: np.ndarray) -> np.ndarray:
    """Walk down all trees at once: left where x[feature] <= threshold, until a leaf is there."""
    nodes, rows = np.tile(t.roots, len(x)), np.repeat(np.arange(len(x)), len(t.roots))
    found, places = nodes.copy(), np.arange(len(nodes))
    while len(places):
        is_left = x[rows, t.feature[nodes]] <= t.threshold[nodes]
        nodes = np.where(is_left, t.left[nodes], t.right[nodes])
        found[places] = nodes
        ongoing = t.left[nodes] != nodes  # a leaf is followed by itself
        nodes, rows, places = nodes[ongoing], rows[ongoing], places[ongoing]
    return found.reshape(len(x), len(t.roots))


def unpack(shape: tuple[int, ...], kind: str, text: str) -> np.ndarray:
    """Numbers from text."""
    return np.frombuffer(base64.b64decode(text), kind).reshape(shape)
