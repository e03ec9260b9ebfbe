"""Texts: as n-grams of words and of characters, hashed, each with a weight learned in training."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self, TypeAlias

import numpy as np

from fathom.parallel.cores import for_each, n_cores

WORDS, CHARACTERS = (1, 2), (2, 5)  # lengths of n-grams, of words and of characters
MOST_CHARACTERS = 20_000  # of one text that are read
MOST_CODES = 2**16  # n-grams that have a code of their own
MOST_AT_ONCE = 2**14  # characters hashed at once: what is made of them stays near a core
LONGEST = 512  # n-grams of one text that are kept, those of the largest weight
MOST_VALUES = 2**28  # codes and weights of all texts of a training, 1 GiB
LONG_SHARE = 0.98  # of the texts whose n-grams are all kept
Parts: TypeAlias = tuple[np.ndarray, ...]  # the fields of `Grams`
_PRIME = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying by it can be undone
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def normalize(text: str) -> str:
    r"""Return a text in one form: composed, without case, its blanks single, its length bounded.

    Examples
    --------
    >>> normalize("Cafe\u0301  NOW\r\n") == normalize("café now")
    True
    """
    text = unicodedata.normalize("NFKC", text[:MOST_CHARACTERS]).casefold()
    return " ".join(unicodedata.normalize("NFKC", text).split())


@dataclass(frozen=True)
class Grams:
    """N-grams of several texts, one entry for each place one stands at.

    Attributes
    ----------
    text : numpy.ndarray
        Number of the text, int64.
    hash : numpy.ndarray
        What n-gram it is, uint64.
    begin, end : numpy.ndarray
        The characters it covers, counted within its (normalized) text.
    is_word : numpy.ndarray
        Whether it is one of words rather than of characters.
    is_across : numpy.ndarray
        Whether it is one of characters before and behind a blank.
    """

    text: np.ndarray
    hash: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    is_word: np.ndarray
    is_across: np.ndarray


def find_grams(texts: Sequence[str]) -> Grams:
    """Find the n-grams of texts that are in normal form.

    A word is a run of letters and digits; of scripts without blanks (Chinese, Japanese, Thai, ...)
    every character is a word. Words are taken one and two in a row, characters two to five, blanks
    among them.

    Parameters
    ----------
    texts : sequence of str
        The texts; see `normalize`.
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    joined = " ".join(texts) + " "  # the blanks between are no part of any text
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    starts = np.concatenate([[0], np.cumsum(lengths + 1)])[:-1]
    owner = np.repeat(np.arange(len(texts)), lengths + 1)
    owner[starts + lengths] = -1 - np.arange(len(texts))
    parts = [*_word_grams(codes, owner), *_character_grams(codes, owner)]
    text, hashes, begin, end, *kinds = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Grams(text, hashes, begin - starts[text], end - starts[text], *kinds)


def _mix(values: np.ndarray) -> np.ndarray:
    """Spread hashes that differ little."""
    values = (values ^ (values >> np.uint64(30))) * _MIX
    return values ^ (values >> np.uint64(31))


def _word_grams(codes: np.ndarray, owner: np.ndarray) -> list[Parts]:
    begins, ends = _find_words(codes)
    if not len(begins):
        return [_nothing()]
    powers = np.cumprod(np.full(len(codes) + 1, _PRIME, np.uint64))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(_letter(codes) * powers[:-1])])
    inverse = np.cumprod(np.full(len(codes) + 1, np.uint64(pow(int(_PRIME), -1, 2**64)), np.uint64))
    words = _mix((sums[ends] - sums[begins]) * inverse[begins])
    found: list[Parts] = []
    grams = words
    for n in range(1, WORDS[1] + 1):
        last = slice(n - 1, None)
        if n > 1:
            grams = _mix(grams[: len(words) - n + 1] * _PRIME + words[last])
        first = slice(0, len(words) - n + 1)
        is_one = owner[begins[first]] == owner[begins[last]]
        where = np.flatnonzero(is_one)
        salted = _mix(grams[where] + np.uint64(n))
        found.append((
            owner[begins[first]][where], salted, begins[first][where], ends[last][where],
            np.ones(len(where), bool), np.zeros(len(where), bool),
        ))  # fmt: skip
    return found


def _letter(codes: np.ndarray) -> np.ndarray:
    return _mix(codes.astype(np.uint64) + np.uint64(1))


def _nothing() -> Parts:
    none = np.zeros(0, np.int64)
    return none, none.astype(np.uint64), none, none, none.astype(bool), none.astype(bool)


def _find_words(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where words begin and end."""
    known = _kinds()
    kinds = known[np.minimum(codes, len(known) - 1)]
    is_letter = kinds > 0
    before = np.concatenate([[0], kinds[:-1]])
    after = np.concatenate([kinds[1:], [0]])
    is_begin = is_letter & ((kinds == 2) | (before != kinds))
    is_end = is_letter & ((kinds == 2) | (after != kinds))
    return np.flatnonzero(is_begin), np.flatnonzero(is_end) + 1


@cache
def _kinds() -> np.ndarray:
    """Return for each character 0 for none of a word, 1 for part of one, 2 for one by itself."""
    kinds = np.zeros(0x10000, np.uint8)
    for code in range(0x10000):
        category = unicodedata.category(chr(code))
        kinds[code] = category[0] in "LMN"
    for low, high in ((0x2E80, 0x2FDF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF),
                      (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF)):  # fmt: skip
        kinds[low : high + 1] *= 2
    kinds[-1] = 2  # beyond: rare ideographs and pictures, each a word
    return kinds


def _character_grams(codes: np.ndarray, owner: np.ndarray) -> list[Parts]:
    found: list[Parts] = []
    letters = grams = _letter(codes)
    blanks = np.cumsum(codes == ord(" "))  # up to each place
    for n in range(2, CHARACTERS[1] + 1):
        if len(codes) < n:
            break
        grams = _mix(grams[: len(codes) - n + 1] * _PRIME + letters[n - 1 :])
        if n < CHARACTERS[0]:
            continue
        where = np.flatnonzero(owner[: len(codes) - n + 1] == owner[n - 1 :])
        salted = _mix(grams[where] + np.uint64(64 + n))
        is_across = blanks[where + n - 2] > blanks[where]  # a blank that is neither end
        is_word = np.zeros(len(where), bool)
        found.append((owner[where], salted, where, where + n, is_word, is_across))
    return found or [_nothing()]


@dataclass(frozen=True)
class TextEncoding:
    """Texts as rows of codes and weights, as learned from training texts.

    A row holds ``length`` codes of n-grams, then their weights; code 0 has weight 0. The weight of
    an n-gram is (1 + ln count) · idf, the rows of words and of characters each brought to length 1.

    Attributes
    ----------
    hashes : numpy.ndarray
        Hashes of the n-grams that have a code, ascending, uint64; the first has code 1.
    rarity : numpy.ndarray
        ln((1 + texts) / (1 + texts with it)) + 1 of each, float32.
    length : int
        Codes in a row.
    """

    hashes: np.ndarray
    rarity: np.ndarray
    length: int

    @property
    def n_codes(self) -> int:
        """Codes, 0 included."""
        return len(self.hashes) + 1

    @classmethod
    def fit(cls, texts: Sequence[str], *, n_rows: int = 0) -> Self:
        """Learn from training texts which n-grams there are and how rare each is.

        Those of characters before and behind a blank are left out, as pairs of words say it
        better, those of one text alone (where there are many texts), and of more than 65,536 the
        rarest.

        Parameters
        ----------
        texts : sequence of str
            The texts.
        n_rows : int, default 0
            Texts that are going to be encoded at once, whose rows have to fit into memory.
        """
        texts = [normalize(text) for text in texts]
        least = 2 if len(texts) >= 50 else 1

        def find(batch: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
            begin, end = batch
            grams = find_grams(texts[begin:end])
            text, hashes, *_ = _pairs(grams, grams.is_across)
            return hashes, np.bincount(text, minlength=end - begin)

        seen, lengths = zip(*for_each(find, _batches(texts), n_cores()), strict=True)
        hashes, counts = np.unique(np.concatenate(seen), return_counts=True)
        kept = counts >= least
        hashes, counts = hashes[kept], counts[kept]
        if len(hashes) > MOST_CODES - 1:
            most = np.sort(np.argsort(-counts, kind="stable")[: MOST_CODES - 1])
            hashes, counts = hashes[most], counts[most]
        if not len(hashes):  # texts without any sign
            hashes, counts = np.zeros(1, np.uint64), np.ones(1, np.int64)
        rarity = np.log((1 + len(texts)) / (1 + counts)) + 1
        usual = float(np.quantile(np.concatenate(lengths), LONG_SHARE))
        fitting = min(LONGEST, MOST_VALUES // (2 * max(n_rows, 1)) // 8 * 8)
        length: int = max(8, min(fitting, 8 * math.ceil(usual / 8)))
        return cls(hashes, rarity.astype(np.float32), length)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return rows of codes and weights, float32, shape (n, 2 · length)."""
        rows = np.zeros((len(texts), 2 * self.length), np.float32)
        texts = [normalize(text) for text in texts]

        def encode(batch: tuple[int, int]) -> None:
            begin, end = batch
            self._encode_into(rows[begin:end], texts[begin:end])

        for_each(encode, _batches(texts), n_cores())
        return rows

    def codes_of(self, hashes: np.ndarray) -> np.ndarray:
        """Return the code of each n-gram, 0 for unknown ones."""
        places = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return np.where(self.hashes[places] == hashes, places + 1, 0)

    def _encode_into(self, rows: np.ndarray, texts: Sequence[str]) -> None:
        text, hashes, counts, is_word = _pairs(find_grams(texts))
        codes = self.codes_of(hashes)
        known = codes > 0
        text, codes, counts, is_word = text[known], codes[known], counts[known], is_word[known]
        weights = (1 + np.log(counts)) * self.rarity[codes - 1]
        group = 2 * text + is_word
        norms = np.sqrt(np.bincount(group, weights**2, 2 * len(texts)))
        weights = weights / norms[group]
        order = np.lexsort((-weights, text))
        text, codes, weights = text[order], codes[order], weights[order]
        place = np.arange(len(text)) - np.searchsorted(text, text)
        fits = place < self.length
        text, place = text[fits], place[fits]
        rows[text, place] = codes[fits]
        rows[text, self.length + place] = weights[fits]


def _pairs(
    grams: Grams, is_left_out: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return each n-gram of each text once: text, hash, how often, whether of words."""
    order = np.argsort(grams.hash)
    order = order[np.argsort(grams.text[order].astype(np.uint16), kind="stable")]  # of a batch
    if is_left_out is not None:
        order = order[~is_left_out[order]]
    text, hashes, is_word = grams.text[order], grams.hash[order], grams.is_word[order]
    is_first = np.ones(len(text), bool)
    is_first[1:] = (text[1:] != text[:-1]) | (hashes[1:] != hashes[:-1])
    first = np.flatnonzero(is_first)
    counts = np.diff(np.append(first, len(text)))
    return text[first], hashes[first], counts, is_word[first]


def _batches(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Divide texts into parts of some thousand characters."""
    found, begin, size = [], 0, 0
    for place, text in enumerate(texts):
        if size and size + len(text) > MOST_AT_ONCE:
            found.append((begin, place))
            begin, size = place, 0
        size += len(text) + 1
    return [*found, (begin, len(texts))] if len(texts) > begin else found
