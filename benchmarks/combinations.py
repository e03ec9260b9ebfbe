"""Rare combinations: two factors of one answer, one combination of them rare or never seen.

    python benchmarks/combinations.py --data DIR --only digits celeba

DIR holds ``digits/usps.npz`` and ``attributes/list_attr_celeba.zip``. Every way has the same hidden
layers, recipe, rows, seed and number of steps; only the output differs, or how its probabilities
are read.

digits   two digits side by side with noise: 3 or 8 beside 4 or 9. 8 beside 9 is rare. Images for
         testing are those USPS keeps for testing.
celeba   Male and Blond_Hair from the other 38 attributes of 202,599 faces; blond men are rare
         (1,749), and cut down in the training rows further.

Given are the recall of the rare combination, the mean recall over the four combinations, and the
accuracy over rows that are as frequent as in training.
"""

import argparse
import time
import zipfile
from pathlib import Path

import numpy as np

from fathom import Architecture, Dense, FathomClassifier, Recipe

RARE = (1, 1)
NAMES = np.array(["no", "yes"])


def digits(folder: Path, rare: int, seed: int, _: int) -> tuple[np.ndarray, ...]:
    with np.load(folder / "digits" / "usps.npz") as found:
        parts = {name: found[name] for name in found.files}
    rng = np.random.default_rng(seed)
    made = []
    for part, counts in (("train", (660, 660, 660, rare)), ("test", (500,) * 4)):
        x, y = parts[f"{part}_data"].astype(np.float64), parts[f"{part}_target"]
        pictures, factors = [], []
        for number, count in enumerate(counts):
            first, second = divmod(number, 2)
            left = rng.choice(np.flatnonzero(y == (3, 8)[first]), count)
            right = rng.choice(np.flatnonzero(y == (4, 9)[second]), count)
            pictures.append(np.hstack([x[left], x[right]]))
            factors.append(np.tile((first, second), (count, 1)))
        clean = np.concatenate(pictures)
        made += [clean + rng.normal(0, NOISE, clean.shape), np.concatenate(factors)]
    return tuple(made)


def celeba(folder: Path, rare: int | None, seed: int, most: int) -> tuple[np.ndarray, ...]:
    path = folder / "attributes" / "list_attr_celeba.zip"
    with zipfile.ZipFile(path) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    names, *lines = text.strip().splitlines()
    names = names.split()
    words = " ".join(line.split(None, 1)[1] for line in lines)
    values = np.fromstring(words, dtype=np.float64, sep=" ").reshape(len(lines), len(names))
    targets = [names.index("Male"), names.index("Blond_Hair")]
    y = (values[:, targets] > 0).astype(int)
    x = np.delete(values, targets, axis=1)
    rows = np.random.default_rng(seed).permutation(len(x))
    test, training = rows[: len(x) // 5], rows[len(x) // 5 :][:most]
    if rare is not None:
        is_rare = (y[training] == RARE).all(axis=1)
        training = np.concatenate([training[~is_rare], training[is_rare][:rare]])
    return x[training], y[training], x[test], y[test]


NOISE = 0.5
SETS = {
    "digits": (digits, (100, 20, 0), (64, 64), {"epochs": 20, "batch_size": 64}),
    "celeba": (celeba, (None, 100, 20, 0), (64, 64), {"epochs": 4, "batch_size": 256}),
}


def network(n: int, widths: tuple[int, ...], units: int, output: str, loss: str) -> Architecture:
    hidden = [Dense(units=width, activation="relu") for width in widths]
    last = Dense(units=units, activation=output)
    return Architecture(input_shape=(n,), layers=(*hidden, last), loss=loss)


def probabilities(
    data: tuple[np.ndarray, ...], widths: tuple[int, ...], recipe: Recipe, seed: int
) -> dict[str, np.ndarray]:
    """Return what each way says of the test rows: a probability of each of the 4 combinations."""
    x, y, x_test, _ = data
    code, n = y @ [2, 1], x.shape[1]
    counts = np.bincount(code, minlength=4)
    seen = np.flatnonzero(counts)
    even = (len(code) / (len(seen) * np.maximum(counts, 1)))[code]

    def train(architecture: Architecture, y: np.ndarray, weight: np.ndarray | None = None):
        model = FathomClassifier(architecture, recipe, time_limit=None, random_state=seed)
        return model.fit(x, y, sample_weight=weight)

    found = {}
    joint = network(n, widths, len(seen), "softmax", "cross_entropy")
    for name, weight in (("joint softmax", None), ("joint, class weights", even)):
        p = np.zeros((len(x_test), 4))
        p[:, seen] = train(joint, code, weight).predict_proba(x_test)
        found[name] = p
    found["joint, logit adjustment"] = found["joint softmax"] / np.maximum(counts, 1)
    heads = network(n, widths, 2, "sigmoid", "binary_cross_entropy")
    for name, weight in (("two heads", None), ("two heads, class weights", even)):
        p = train(heads, y, weight).predict_proba(x_test)
        left, right = (np.stack([1 - p[:, j], p[:, j]], axis=1) for j in (0, 1))
        found[name] = (left[:, :, None] * right[:, None, :]).reshape(-1, 4)
    factors = network(n, widths, 4, "softmax", "cross_entropy")
    model = train(factors, NAMES[y])
    for prior in ("training", "uniform"):
        found[f"factors, prior {prior}"] = model.set_params(prior=prior).predict_combination_proba(
            x_test
        )
    return found


def run(name: str, asked: argparse.Namespace) -> None:
    make, amounts, widths, settings = SETS[name]
    seeds = asked.seeds
    for rare in amounts if asked.rare is None else asked.rare:
        began, figures = time.process_time(), {}
        for seed in range(seeds):
            data = make(asked.data, rare, seed, asked.rows)
            code, truth = data[1] @ [2, 1], data[3] @ [2, 1]
            share = np.bincount(code, minlength=4) / len(code)
            recipe = Recipe(learning_rate=1e-3, validation_fraction=0.0, **settings)
            for way, p in probabilities(data, widths, recipe, seed).items():
                chosen = p.argmax(axis=1)
                recall = np.array([(chosen[truth == k] == k).mean() for k in range(4)])
                figures.setdefault(way, []).append((recall[3], recall.mean(), recall @ share))
        n_rare = int((code == 3).sum())
        seconds = time.process_time() - began
        print(f"\n{name}: {n_rare:,} rare rows of {len(code):,}, {seeds} seeds, {seconds:.0f} s")
        print(f"{'':<26} {'rare':>12} {'mean':>12} {'overall':>12}")
        for way, each in figures.items():
            mean, spread = np.mean(each, axis=0), np.std(each, axis=0)
            told = " ".join(f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True))
            print(f"{way:<26} {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=list(SETS), default=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rare", type=int, nargs="*", help="rare rows; each amount if left out")
    parser.add_argument("--rows", type=int, default=10**9, help="training rows of celeba at most")
    asked = parser.parse_args()
    for name in asked.only:
        run(name, asked)


if __name__ == "__main__":
    main()
