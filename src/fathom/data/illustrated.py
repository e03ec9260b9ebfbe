"""Tables that name pictures: columns, texts and pictures as the parts of one row."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from fathom.data.features import TableEncoding, layout_of
from fathom.data.parsing import ParsedTable, join_texts
from fathom.data.schema import Column
from fathom.data.text import TextEncoding
from fathom.data.views import View

VIEW: View = "robust"  # in which numbers are shown
NO_PICTURE = 128  # level of every pixel where a row has no picture


class PicturePart(NamedTuple):
    """A column of pictures as a part of a row: its name; height, width and channels."""

    name: str
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class RowEncoding:
    """What is learned from training rows of a table that names pictures about how to show it.

    A row has up to three sorts of parts, one after another: the columns but for texts, a flag
    among them for every column of pictures that lacks some; codes and weights of n-grams; levels of
    each picture.

    Attributes
    ----------
    columns : tuple of Column
        All columns.
    table : TableEncoding or None
        For all columns but texts; None where nothing comes of them.
    text : TextEncoding or None
        For the texts, joined; None where there are none.
    """

    columns: tuple[Column, ...]
    table: TableEncoding | None
    text: TextEncoding | None

    @classmethod
    def fit(
        cls, parsed: ParsedTable, rows: np.ndarray, y: np.ndarray, n_classes: int, seed: int
    ) -> tuple[Self, np.ndarray]:
        """Learn from training rows only.

        Parameters
        ----------
        parsed : ParsedTable
            All rows.
        rows : numpy.ndarray
            Those to learn from.
        y : numpy.ndarray
            Of all rows, class numbers (n,), or numbers or labels (n, outputs).
        n_classes : int
            Number of classes; 0 where the target is numbers or labels.
        seed : int
            Seed of noise, samples and inner folds.

        Returns
        -------
        tuple of RowEncoding and numpy.ndarray
            The encoding, and the means of the target to show for every row, shape (n, means).
        """
        table, means = None, np.zeros((parsed.n_rows, 0))
        plain = without_texts(parsed)
        if has_columns(plain.columns):
            table, own = TableEncoding.fit(plain.take(rows), y[rows], n_classes, seed)
            means = table.target_means(plain)
            means[rows], table = own, table.with_thresholds()
        text = None
        if has_texts(parsed.columns):
            texts = join_texts(parsed)
            text = TextEncoding.fit([texts[row] for row in rows.tolist()], n_rows=len(texts))
        return cls(parsed.columns, table, text), means

    @property
    def pictures(self) -> tuple[PicturePart, ...]:
        """The columns of pictures, in order."""
        return tuple(
            PicturePart(column.name, column.shape)
            for column in self.columns
            if column.kind == "picture" and column.shape is not None
        )

    @property
    def width(self) -> int:
        """Numbers in a row."""
        columns = 0 if self.table is None else self.table.layout.width
        words = 0 if self.text is None else 2 * self.text.length
        return columns + words + sum(int(np.prod(part.shape)) for part in self.pictures)

    def encode(
        self, parsed: ParsedTable, means: np.ndarray | None = None
    ) -> tuple[np.ndarray, ...]:
        """Return the parts of each row: those of `encode_plain`, then its pictures.

        Parameters
        ----------
        parsed, means
            As for `encode_plain`.

        Returns
        -------
        tuple of numpy.ndarray
            Up to two of float32, then levels of uint8, shape (n, height, width, channels), for each
            column of pictures; grey where a row has none.
        """
        parts = list(self.encode_plain(parsed, means))
        for column, values in zip(parsed.columns, parsed.values, strict=True):
            if column.kind == "picture" and column.shape is not None:
                parts.append(stack_pictures(values, column.shape))
        return tuple(parts)

    def encode_plain(
        self, parsed: ParsedTable, means: np.ndarray | None = None
    ) -> tuple[np.ndarray, ...]:
        """Return the parts of each row but its pictures, of which it tells only which are absent.

        Parameters
        ----------
        parsed : ParsedTable
            Rows of the same columns.
        means : numpy.ndarray, optional
            Means of the target to show in place of those learned, shape (n, means).

        Returns
        -------
        tuple of numpy.ndarray
            The columns, shape (n, numbers), then codes and weights of the texts, shape
            (n, 2 n-grams), both float32; less whichever the table lacks.
        """
        parts: list[np.ndarray] = []
        if self.table is not None:
            parts.append(self.table.encode(without_texts(parsed), VIEW, means))
        if self.text is not None:
            parts.append(self.text.encode(join_texts(parsed)))
        return tuple(parts)

    def encode_rows(self, parsed: ParsedTable) -> np.ndarray:
        """Return rows as a network takes them, float32, shape (n, width)."""
        parts = [part.reshape(len(part), -1) for part in self.encode(parsed)]
        return np.concatenate(parts, axis=1, dtype=np.float32)


def has_columns(columns: tuple[Column, ...]) -> bool:
    """Tell whether anything but texts and pictures comes of columns."""
    return layout_of(tuple(c for c in columns if c.kind != "text"), 0).width > 0


def has_texts(columns: tuple[Column, ...]) -> bool:
    """Tell whether a column holds texts."""
    return any(column.kind == "text" for column in columns)


def without_texts(parsed: ParsedTable) -> ParsedTable:
    """Return a table without its columns of text."""
    kept = [n for n, column in enumerate(parsed.columns) if column.kind != "text"]
    return ParsedTable(
        tuple(parsed.columns[n] for n in kept), tuple(parsed.values[n] for n in kept),
        parsed.n_rows, parsed.notes, parsed.is_unusual,
    )  # fmt: skip


def stack_pictures(values: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the pictures of a column as one array of levels, grey where there is none."""
    pictures = np.full((len(values), *shape), NO_PICTURE, np.uint8)
    for row, levels in enumerate(values):
        if levels is not None:
            pictures[row] = levels
    return pictures
