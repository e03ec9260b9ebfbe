"""Same rows, same recipe, same seed: the same file, apart from the times in it."""

import json

import numpy as np
import pytest

from fathom import Architecture, Dense, Dropout, FathomClassifier, FathomRegressor, Recipe, save
from fathom.deployment.container import unpack

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 3))


def without_times(card):
    """Leave out what a clock says: it is in fields named seconds, and nowhere else."""
    if isinstance(card, dict):
        return {name: without_times(part) for name, part in card.items() if name != "seconds"}
    return [without_times(part) for part in card] if isinstance(card, list) else card


@pytest.mark.parametrize("kind", [FathomClassifier, FathomRegressor])
def test_the_same_training_gives_the_same_file_however_many_run_at_once(
    kind, tmp_path, monkeypatch
):
    is_classifier = kind is FathomClassifier
    output = Dense(units=2, activation="softmax") if is_classifier else Dense(
        units=1, activation="identity"
    )  # fmt: skip
    given = Architecture(
        input_shape=(3,), layers=(Dense(units=12), Dropout(rate=0.2), output),
        loss="cross_entropy" if is_classifier else "squared_error",
    )  # fmt: skip
    recipe = Recipe(epochs=4, batch_size=32, n_starts=3, combine="average", seed=9)
    y = (X[:, 0] > 0).astype(int) if is_classifier else X[:, 0] - X[:, 1]
    files = []
    for number, workers in enumerate((1, 2, 2)):
        monkeypatch.setattr("fathom.training.starts.n_workers", lambda n=workers: n)
        model = kind(given, recipe, time_limit=None).fit(X, y)
        files.append(save(model, tmp_path / f"{number}.fathom").read_bytes())
    parts = [unpack(content) for content in files]
    for _, metadata, data in parts:
        assert data == parts[0][2]
        card, first = (json.loads(m["card"]) for m in (metadata, parts[0][1]))
        assert without_times(card) == without_times(first)
