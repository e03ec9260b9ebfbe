"""Ways to train a bag of n-grams, judged on texts held out of the training part.

    python benchmarks/texts_design.py --data DIR --sets ag_news,sms_spam --folds 2

Of the four fifths that senses.py learns from, a quarter judges; what senses.py tests is never seen.
"""

import argparse
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.svm import LinearSVC

from fathom import Activation, Architecture, Bag, Dense, Dropout, Recipe, Residual
from fathom.data.text import TextEncoding
from fathom.estimators.prose import TextPredictor
from fathom.training.plan import Examples
from fathom.training.starts import train_starts
from senses import TEXTS, read_texts

RELU = (Activation(activation="relu"),)
INNER = (Dense(units=32, activation="relu"), Dropout(rate=0.2))
ADAM = {"learning_rate": 3e-3, "epochs": 5}
MOMENTUM = {"optimizer": "nesterov", "learning_rate": 0.1, "epochs": 10}
VARIANTS = {  # units of the bag, n-grams dropped, layers behind it, recipe
    "hidden layer, adam": (32, 0.3, RELU, ADAM),
    "the same, half dropped": (32, 0.5, RELU, ADAM),
    "linear, adam, half dropped": (4, 0.5, (), {**ADAM, "epochs": 8}),
    "linear, adam and decay 1e-4": (
        4, 0.3, (), {"optimizer": "adam", "weight_decay": 1e-4, "learning_rate": 1e-2, "epochs": 16}
    ),
    "linear, momentum": (4, 0.5, (), {**MOMENTUM, "epochs": 12}),
    "linear beside deep, adam": (16, 0.3, (Residual(layers=(*INNER, Dense(units=16))),), ADAM),
    "hidden layer, momentum": (16, 0.3, RELU, MOMENTUM),
    "hidden layer, momentum, half dropped": (16, 0.5, RELU, MOMENTUM),
}  # fmt: skip


def predict(
    encoding: TextEncoding, rows: np.ndarray, y: np.ndarray, texts: list[str], how: tuple
) -> np.ndarray:
    units, dropped, layers, recipe = how
    bag = Bag(codes=encoding.n_codes, units=units, dropout=dropped)
    output = Dense(units=int(y.max()) + 1, activation="softmax")
    architecture = Architecture(
        input_shape=(2 * encoding.length,), layers=(bag, *layers, output), loss="cross_entropy"
    )
    networks, _ = train_starts(
        architecture, Recipe(batch_size=64, validation_fraction=0.0, **recipe),
        Examples(jnp.asarray(rows), jnp.asarray(y), jnp.ones(len(y), jnp.float32)),
    )  # fmt: skip
    return np.asarray(TextPredictor(networks, encoding).outputs(texts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(TEXTS), help="with commas between")
    parser.add_argument("--folds", type=int, default=1, help="of four")
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    asked = parser.parse_args()
    for name in asked.sets.split(","):
        x, y = read_texts(asked.data, name)
        x, _, y, _ = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
        y = np.unique(y, return_inverse=True)[1]
        folds = StratifiedKFold(4, shuffle=True, random_state=1).split(x, y)
        for fold, (training, judging) in zip(range(asked.folds), folds, strict=False):
            where = f"{name:<22} fold {fold}"
            compare(where, asked.only, x[training], y[training], x[judging], y[judging])


def compare(
    where: str, names: list[str], x: np.ndarray, y: np.ndarray, texts: np.ndarray, truth: np.ndarray
) -> None:
    encoding = TextEncoding.fit(list(x))
    rows, length = encoding.encode(list(x)), encoding.length
    print(where, f"{encoding.n_codes:,} codes, {length} a text", flush=True)
    for label in names:
        how, began = VARIANTS[label], time.process_time()
        said = predict(encoding, rows, y, list(texts), how)
        took = time.process_time() - began
        right = np.mean(said.argmax(axis=1) == truth)
        loss = -np.mean(np.log(np.maximum(said[np.arange(len(truth)), truth], 1e-12)))
        print(f"{where}  {label:<38} {right:7.2%}  {loss:.4f}  ({took:.1f} s)", flush=True)
    ours, asked = (bag_of(encoding, part) for part in (x, texts))
    for c in (0.1, 0.3, 1.0):
        right = np.mean(LinearSVC(C=c).fit(ours, y).predict(asked) == truth)
        print(f"{where}  LinearSVC on these n-grams, C = {c:<11} {right:7.2%}", flush=True)


def bag_of(encoding: TextEncoding, texts: np.ndarray) -> csr_matrix:
    rows, length = encoding.encode(list(texts)), encoding.length
    parts = (rows[:, length:].ravel(), rows[:, :length].astype(int).ravel())
    return csr_matrix((*parts, np.arange(len(rows) + 1) * length), (len(rows), encoding.n_codes))


if __name__ == "__main__":
    main()
