"""Which network and recipe read digits: variants on a held-out part of USPS's training part.

    python benchmarks/digits_design.py --data DIR

1,400 pictures to learn from, 2,500 held out; the official test part is never touched. Two starts
each; the accuracy of a single one and of the two averaged.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from fathom import Architecture, FathomClassifier, Recipe
from fathom.cli.engine import prepare_engine
from fathom.data.datasets import load_digits
from fathom.estimators.defaults import normalized, reading_network, reading_recipe
from fathom.nn.blocks import Dropout, Flatten
from fathom.nn.convolution import Conv2D, MaxPool
from fathom.nn.dense import Dense

OUTPUT = Dense(units=10, activation="softmax")


def network(*layers: object) -> Architecture:
    return Architecture(input_shape=(16, 16, 1), layers=(*layers, OUTPUT), loss="cross_entropy")


def wide(channels: int, kernel: int = 3) -> list:
    described = Conv2D(
        channels=channels, kernel=(kernel, kernel), activation="identity", has_bias=False
    )
    return normalized(described)


def head(width: int) -> list:
    return [
        *normalized(Dense(units=width, activation="identity", has_bias=False)),
        Dropout(rate=0.3),
    ]


def variants() -> dict[str, tuple[Architecture, Recipe]]:
    dnn, cnn = (reading_network(range(10), 16, kind) for kind in ("dnn", "cnn"))
    deep, convolved = (reading_recipe(16, kind) for kind in ("dnn", "cnn"))
    convolved = convolved.model_copy(update={"epochs": 60})
    plain = [Dense(units=512), Dense(units=512), Dense(units=512)]
    stages = [*wide(32), MaxPool(), *wide(64), *wide(64), MaxPool(), Flatten()]

    def moved(recipe: Recipe, **amounts: float | None) -> Recipe:
        changed = recipe.augmentation.model_copy(update=amounts)
        return recipe.model_copy(update={"augmentation": changed})

    def other(recipe: Recipe, **changes: object) -> Recipe:
        return recipe.model_copy(update=changes)

    return {
        "dnn: as shipped (512-512-512, normalized)": (dnn, deep),
        "dnn: not normalized": (network(Flatten(), *plain), deep),
        "dnn: two hidden layers": (network(Flatten(), *head(512)[:3] * 2), deep),
        "dnn: 60 epochs": (dnn, other(deep, epochs=60)),
        "dnn: no augmentation": (dnn, other(deep, augmentation=None)),
        "dnn: no bending": (dnn, moved(deep, bend=0.0)),
        "dnn: ink left grey after moving": (dnn, moved(deep, threshold=None)),
        "dnn: label smoothing 0.1": (dnn, other(deep, label_smoothing=0.1)),
        "cnn: as shipped, 60 epochs": (cnn, convolved),
        "cnn: 32-64-64 of 3×3, dense 128": (network(*stages, *head(128)), convolved),
        "cnn: the same without the dense layer": (network(*stages, Dropout(rate=0.3)), convolved),
        "cnn: as much augmentation as the dnn": (
            cnn, other(convolved, augmentation=deep.augmentation),
        ),
        "cnn: no augmentation": (cnn, other(convolved, augmentation=None)),
        "cnn: batches of 128": (cnn, other(convolved, batch_size=128)),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with usps.npz")
    digits = load_digits(str(parser.parse_args().data / "usps.npz"))
    order = np.random.default_rng(1).permutation(len(digits.y_train))
    train, test = order[:1400], order[1400:3900]
    x, y = digits.x_train, digits.y_train
    prepare_engine()
    print("| variant | one start % | two averaged % | seconds |\n|---|---|---|---|", flush=True)
    for name, (architecture, recipe) in variants().items():
        recipe = recipe.model_copy(update={"validation_fraction": 0.0})
        model = FathomClassifier(architecture, recipe, time_limit=None, random_state=0)
        began = time.perf_counter()
        model.fit(x[train], y[train])
        seconds = time.perf_counter() - began
        averaged = 100 * model.score(x[test], y[test])
        both, single = model.networks_, []
        for one in both:
            model.networks_ = (one,)
            single.append(100 * model.score(x[test], y[test]))
        print(f"| {name} | {np.mean(single):.2f} | {averaged:.2f} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
