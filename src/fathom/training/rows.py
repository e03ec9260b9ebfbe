"""The order in which a training sees its rows."""

import json

import numpy as np


class RowStream:
    """An endless stream of row numbers: one random permutation after another.

    A batch that reaches beyond the end of one permutation goes on with the next, so every batch
    is full and no row is seen twice before each has been seen once.
    """

    def __init__(self, rows: np.ndarray, rng: np.random.Generator) -> None:
        self._rows, self._rng = rows.astype(np.int32), rng
        self._waiting = np.zeros(0, np.int32)
        self._before = rng.bit_generator.state  # before the permutation of which rows wait

    def take(self, count: int) -> np.ndarray:
        """Return the next row numbers, as int32."""
        parts, found = [self._waiting], len(self._waiting)
        while found < count:
            self._before = self._rng.bit_generator.state
            parts.append(self._rng.permutation(self._rows))
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
