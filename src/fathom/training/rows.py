"""The order in which a training sees its rows."""

import json

import numpy as np


class RowStream:
    """An endless stream of row numbers: one random permutation after another.

    A batch that reaches beyond the end of one permutation goes on with the next, so every batch
    is full and no row is seen twice before each has been seen once.
    """

    def __init__(self, rows: np.ndarray, rng: np.random.Generator) -> None:
        self._rows, self._rng = rows.astype(np.intp), rng  # NumPy shuffles these fastest
        self._waiting = np.zeros(0, np.int32)
        self._before = rng.bit_generator.state  # before the permutation of which rows wait

    def take(self, count: int) -> np.ndarray:
        """Return the next row numbers, as int32."""
        parts, found = [self._waiting], len(self._waiting)
        while found < count:
            self._before = self._rng.bit_generator.state
            parts.append(self._rng.permutation(self._rows).astype(np.int32))
            found += len(self._rows)
        rows = np.concatenate(parts)
        self._waiting = rows[count:]
        return rows[:count]

    def place(self) -> str:
        """Return where the stream is, as JSON."""
        state = self._before if len(self._waiting) else self._rng.bit_generator.state
        return json.dumps([state, len(self._waiting)])

    def go_to(self, place: str) -> None:
        """Go on from where a stream of the same rows was."""
        self._rng.bit_generator.state, n_waiting = json.loads(place)
        self._waiting = np.zeros(0, np.int32)
        if n_waiting:
            self.take(len(self._rows) - n_waiting)


class AlikeRows:
    """A stream of row numbers in which the rows of a call are of one kind, as far as may be.

    It gives what another stream gives, epoch by epoch, in another order.

    Parameters
    ----------
    stream : RowStream
        The other one.
    kinds : numpy.ndarray
        Kind of each row, from 0 on.
    size : int
        Rows of a call.
    n_calls : int
        Calls of an epoch.
    """

    def __init__(self, stream: RowStream, kinds: np.ndarray, size: int, n_calls: int) -> None:
        self._stream, self._kinds, self._size, self._n_calls = stream, kinds, size, n_calls
        self._waiting = np.zeros(0, np.int32)
        self._before = stream.place()  # before the epoch of which rows wait

    def take(self, count: int) -> np.ndarray:
        """Return the row numbers of the next call, as int32."""
        assert count == self._size
        if not len(self._waiting):
            self._before = self._stream.place()
            rows = self._stream.take(self._n_calls * self._size)
            self._waiting = put_alike_together(rows, self._kinds[rows], self._size)
        rows, self._waiting = np.split(self._waiting, [self._size])
        return rows

    def place(self) -> str:
        """Return where the stream is, as JSON."""
        n_waiting = len(self._waiting)
        return json.dumps([self._before if n_waiting else self._stream.place(), n_waiting])

    def go_to(self, place: str) -> None:
        """Go on from where a stream of the same rows was."""
        before, n_waiting = json.loads(place)
        self._stream.go_to(before)
        self._waiting = np.zeros(0, np.int32)
        for _ in range((self._n_calls - n_waiting // self._size) % self._n_calls):
            self.take(self._size)


def put_alike_together(rows: np.ndarray, kinds: np.ndarray, size: int) -> np.ndarray:
    """Arrange rows so that those of one kind share a batch, in the order in which batches fill.

    Every row stays exactly as often as it was. Where two kinds meet a batch is of both, so that all
    are full; with one kind nothing changes.

    Parameters
    ----------
    rows : numpy.ndarray
        Row numbers in random order, a multiple of the batch.
    kinds : numpy.ndarray
        Kind of each of them.
    size : int
        Rows of a batch.

    Examples
    --------
    >>> put_alike_together(np.arange(6), np.array([0, 1, 1, 0, 0, 0]), 2)
    array([1, 2, 0, 3, 4, 5])
    """
    batches = np.argsort(kinds, kind="stable").reshape(-1, size)
    return rows[batches[np.argsort(batches.max(axis=1))].reshape(-1)]
