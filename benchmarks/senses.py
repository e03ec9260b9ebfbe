"""Images, texts and sound: Fathom beside what one would otherwise pick, on the same split.

    python benchmarks/senses.py --data DIR --only text

DIR holds ``images/NAME/CLASS/…``, ``digits/mnist``, ``text/…`` and ``audio/…`` (for which see
sounds.py). A fifth of each data set is held out, keeping the shares of the classes; everyone learns
from the rest, and of MNIST from its official 60,000, the 10,000 others tested. Rounds differ in the
seed of the split. Seconds are of the wall clock, with the processor's in brackets:
where other work runs on the machine they differ.
"""

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from fathom import FathomClassifier
from fathom.data.datasets import read_idx
from fathom.data.folders import list_classes
from fathom.data.pictures import read_pictures_of
from sounds import N_STRINGS, compare_sounds, study_depth, transcribe

IMAGES = ("cats_dogs", "flowers", "mnist")
TEXTS = ("thucnews_titles", "ag_news", "sms_spam", "chinese_hotel_reviews")
CHINESE = ("thucnews_titles", "chinese_hotel_reviews")
SIDE, PEER_SIDE, CELL, BINS = 96, 48, 8, 9


def read_images(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    files = list_classes(folder / "images" / name)
    pictures = read_pictures_of(files.paths, SIDE, SIDE, 3)
    return pictures.x, np.asarray(files.labels)[pictures.kept]


def read_mnist(folder: Path) -> list[np.ndarray]:
    """x_train, x_test, y_train, y_test as they are distributed, in the order of a split."""
    kinds = ("train-images-idx3", "t10k-images-idx3", "train-labels-idx1", "t10k-labels-idx1")
    parts = [read_idx(folder / "digits" / "mnist" / f"{kind}-ubyte.gz") for kind in kinds]
    return [*(x[..., None] for x in parts[:2]), *parts[2:]]


def read_texts(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    path = folder / "text"
    if name == "sms_spam":
        rows = [line.split("\t", 1)[::-1] for line in _lines(path / "sms_spam.tsv")]
    elif name == "thucnews_titles":
        rows = [line.rsplit("\t", 1) for line in _lines(path / "thucnews_titles.tsv")]
    elif name == "ag_news":
        with (path / "ag_news.csv").open(encoding="utf-8") as file:
            rows = [[f"{title} {text}", kind] for kind, title, text in csv.reader(file)]
    else:
        with (path / "chinese_hotel_reviews.csv").open(encoding="utf-8") as file:
            rows = [[row["review"], row["label"]] for row in csv.DictReader(file)]
    texts, labels = zip(*rows, strict=True)
    return np.asarray(texts, object), np.asarray(labels)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


def gradients(pictures: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (Dalal, Triggs 2005): cells of 8×8, blocks of 2×2 cells."""
    grey = pictures.mean(axis=3, dtype=np.float32)
    down, right = np.gradient(grey, axis=(1, 2))
    size = np.hypot(down, right)
    turned = (np.arctan2(down, right) % np.pi) / np.pi * BINS
    low = np.floor(turned).astype(int) % BINS
    share = turned - np.floor(turned)
    n, cells = len(grey), grey.shape[1] // CELL
    found = np.zeros((n, cells, cells, BINS), np.float32)
    for number in range(BINS):
        part = size * ((low == number) * (1 - share) + ((low + 1) % BINS == number) * share)
        blocks = part.reshape(n, cells, CELL, cells, CELL)
        found[..., number] = blocks.sum(axis=(2, 4))
    joined = [found[:, i : cells - 1 + i, j : cells - 1 + j] for i in (0, 1) for j in (0, 1)]
    block = np.concatenate(joined, axis=3)
    block /= np.linalg.norm(block, axis=3, keepdims=True) + 1.0
    return block.reshape(n, -1)


def image_peers(seed: int) -> dict[str, Callable]:
    def small(x: np.ndarray) -> np.ndarray:
        if x.shape[1] != SIDE:  # MNIST, at its own size
            return x.repeat(2, axis=1).repeat(2, axis=2)
        half = x.reshape(len(x), PEER_SIDE, 2, PEER_SIDE, 2, 3)
        return half.mean(axis=(2, 4))

    def flat(x: np.ndarray) -> np.ndarray:
        return small(x)[:, ::2, ::2].reshape(len(x), -1) / 255

    mlp = MLPClassifier((256, 128), early_stopping=True, random_state=seed)
    svm = make_pipeline(StandardScaler(), SVC(C=3))
    return {
        "scikit-learn MLP": lambda x, y, t: mlp.fit(flat(x), y).predict(flat(t)),
        "HOG + SVM": lambda x, y, t: svm.fit(gradients(x), y).predict(gradients(t)),
    }


def text_peers(name: str) -> dict[str, Callable]:
    words = {"analyzer": "word", "ngram_range": (1, 2), "sublinear_tf": True}
    letters = {"analyzer": "char_wb", "ngram_range": (2, 5), "sublinear_tf": True}
    if name in CHINESE:
        words = {"analyzer": "char", "ngram_range": (1, 2), "sublinear_tf": True}
        letters = {"analyzer": "char", "ngram_range": (1, 3), "sublinear_tf": True}

    def tuned(model: object, key: str, values: tuple[float, ...], how: dict) -> Callable:
        def run(x: np.ndarray, y: np.ndarray, t: np.ndarray) -> np.ndarray:
            pipeline = make_pipeline(TfidfVectorizer(**how), model)
            return GridSearchCV(pipeline, {key: values}, cv=3).fit(x, y).predict(t)

        return run

    svc = (LinearSVC(), "linearsvc__C", (0.1, 0.3, 1.0))
    logistic = (LogisticRegression(max_iter=200), "logisticregression__C", (3.0, 30.0))
    return {
        "tf-idf words + LinearSVC": tuned(*svc, words),
        "tf-idf characters + LinearSVC": tuned(*svc, letters),
        "tf-idf words + logistic regression": tuned(*logistic, words),
    }


def compare(name: str, parts: list[np.ndarray], peers: dict[str, Callable], seed: int) -> None:
    x_train, x_test, y_train, y_test = parts
    for peer, run in peers.items():
        began, used = time.monotonic(), time.process_time()
        right = np.mean(np.asarray(run(x_train, y_train, x_test)) == y_test)
        seconds, cpu = time.monotonic() - began, time.process_time() - used
        print(
            f"{name:<22} seed {seed}  {peer:<36} {right:7.2%}  {seconds:6.1f} s ({cpu:.1f})",
            flush=True,
        )


def fathom_on(time_limit: float, seed: int) -> Callable:
    def run(x: np.ndarray, y: np.ndarray, t: np.ndarray) -> np.ndarray:
        model = FathomClassifier(time_limit=time_limit, random_state=seed)
        if x.dtype == object:
            frame = lambda texts: pl.DataFrame({"text": list(texts)})
            return model.fit(frame(x), y).predict(frame(t))
        return model.fit(x, y).predict(t)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=("images", "text", "sound", "strings", "depth-of-sound"))
    parser.add_argument("--sets", help="names of data sets, with commas between")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--time-limit", type=float, help="60 for texts, 600 else, if left out")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument(
        "--speaker", help="strings: the one who is unknown; each, one after another"
    )
    parser.add_argument("--strings", type=int, default=N_STRINGS, help="strings to learn from")
    parser.add_argument("--epochs", type=int, default=40, help="of every network of the study")
    asked = parser.parse_args()
    if asked.only == "sound":
        compare_sounds(asked.data, asked.time_limit or 600, asked.seeds, not asked.no_peers)
    elif asked.only == "strings":
        transcribe(asked.data, asked.time_limit or 600, asked.speaker, asked.strings)
    elif asked.only == "depth-of-sound":
        study_depth(asked.data, asked.epochs, asked.seeds)
    else:
        compare_files(asked)


def compare_files(asked: argparse.Namespace) -> None:
    names = asked.sets.split(",") if asked.sets else [*TEXTS, *IMAGES]
    for name in names:
        is_text = name in TEXTS
        if asked.only and is_text != (asked.only == "text"):
            continue
        if name == "mnist":
            official = read_mnist(asked.data)
        else:
            x, y = (read_texts if is_text else read_images)(asked.data, name)
        for seed in range(asked.seeds):
            limit = asked.time_limit or (60 if is_text else 600)
            systems = {f"Fathom, {limit:g} s": fathom_on(limit, seed)}
            if not asked.no_peers:
                systems |= text_peers(name) if is_text else image_peers(seed)
            if name == "mnist":
                parts = official
            else:
                parts = train_test_split(x, y, test_size=0.2, random_state=seed, stratify=y)
            compare(name, parts, systems, seed)


if __name__ == "__main__":
    main()
