"""Ways to bring a picture to 16×16 ink, judged by scikit-learn's SVC on training parts only.

python benchmarks/ink.py --data DIR
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.svm import SVC

from fathom.data.datasets import read_idx

LEVELS = (0.3, 0.4, 0.5, 0.6)
SIZE = 16


def fit(grey: np.ndarray, crop: bool, resampling: Image.Resampling) -> np.ndarray:
    """Bring one picture to the grid, cropped to its ink or not; strongest ink 1."""
    grey = grey / grey.max()
    if crop:
        is_ink = grey >= 0.4
        rows, columns = np.flatnonzero(is_ink.any(1)), np.flatnonzero(is_ink.any(0))
        grey = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = SIZE / max(grey.shape)
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    small = Image.fromarray(np.ascontiguousarray(grey, np.float32))
    grid = np.zeros((SIZE, SIZE))
    top, left = (SIZE - height) // 2, (SIZE - width) // 2
    grid[top : top + height, left : left + width] = small.resize((width, height), resampling)
    return grid / grid.max()


def held_out_score(x: np.ndarray, y: np.ndarray, n: int) -> float:
    """Train on the first n pictures and test on the others."""
    x = x.reshape(len(x), -1).astype(np.float32)
    return 100 * SVC(C=5).fit(x[:n], y[:n]).score(x[n:], y[n:])


def report(name: str, scores: list[float]) -> None:
    print(f"| {name} | " + " | ".join(f"{score:.2f}" for score in scores) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with usps.npz and mnist/")
    folder = parser.parse_args().data
    print("| pictures | " + " | ".join(f"level {level}" for level in LEVELS) + " |")
    print("|---|" + "---|" * len(LEVELS))

    usps = np.load(folder / "usps.npz")
    order = np.random.default_rng(0).permutation(len(usps["train_target"]))
    x, y = usps["train_data"][order], usps["train_target"][order]
    report("USPS as they are", [held_out_score(x >= level, y, 5000) for level in LEVELS])

    images = read_idx(folder / "mnist" / "train-images-idx3-ubyte.gz")[:9000]
    y = read_idx(folder / "mnist" / "train-labels-idx1-ubyte.gz")[:9000]
    for crop in (False, True):
        for resampling in (Image.Resampling.BILINEAR, Image.Resampling.LANCZOS):
            grids = np.stack([fit(image, crop, resampling) for image in images])
            name = f"MNIST {'cropped' if crop else 'whole'}, {resampling.name.lower()}"
            report(name, [held_out_score(grids >= level, y, 6000) for level in LEVELS])

    x, y = load_digits(return_X_y=True)
    x, _, y, _ = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    for crop in (False, True):
        for resampling in (Image.Resampling.BILINEAR, Image.Resampling.LANCZOS):
            grids = np.stack([fit(image, crop, resampling) for image in x.reshape(-1, 8, 8)])
            scores = []
            for level in LEVELS:
                flat = (grids >= level).reshape(len(x), -1).astype(float)
                scores.append(100 * cross_val_score(SVC(), flat, y, cv=5).mean())
            name = f"bundled 8×8 {'cropped' if crop else 'whole'}, {resampling.name.lower()}"
            report(name, scores)


if __name__ == "__main__":
    main()
