"""Answers: rows looked at, what they are, and what was said of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fathom.estimators.evaluation import Evaluation
from fathom.estimators.reporting.asking import Asker
from fathom.inspection.tabular import take_rows


@dataclass(frozen=True)
class Answers:
    """Rows looked at, what they are, and what was said of them."""

    asker: Asker
    y: np.ndarray
    said: np.ndarray
    losses: np.ndarray
    numbers: np.ndarray  # of the rows in the data, from 1
    evaluation: Evaluation


def take(x: Any, rows: np.ndarray) -> Any:
    """Return some rows of a table or of an array of pictures."""
    if isinstance(x, list):
        x = np.asarray(x)
    return x[rows] if isinstance(x, np.ndarray) else take_rows(x, rows)
