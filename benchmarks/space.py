"""What each layer of a deep network does to the space of USPS's digits, beside fixed kernels.

    python benchmarks/space.py --data DIR

DIR holds ``digits/usps.npz``: grey pictures of 16×16, the official split. Networks of dense layers
of 256 neurons, each normalized, a fifth of them dropped while learning, are trained on the 7,291
pictures of the training part, without and with augmentation, from several starts each. On what
every layer makes of the pictures a linear classifier learns the training part and is judged on the
2,007 of the test part. Beside it, on the same split and the same pixels: support vector machines
with fixed kernels, the RBF one also with cost and width chosen by 3-fold cross-validation on the
training part, and boosting. Nothing is chosen on the test part.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fathom import (
    Activation,
    Architecture,
    Augmentation,
    BatchNorm,
    Dense,
    Dropout,
    FathomClassifier,
    Flatten,
    Recipe,
)  # fmt: skip
from fathom.cli.engine import prepare_engine
from fathom.estimators.opening import open_model
from fathom.inspection.funnel import measure_funnel
from fathom.inspection.kernels import learn_kernel
from fathom.inspection.probes import Probes, probe_layers
from fathom.inspection.rivals import compare, train_rivals

ALL = 10_000  # rows: none is left out
CHANGES = Augmentation(shift=1.5, rotate=12, scale=0.12, shear=0.15, bend=0.6)
PARTS = ("rivals", "plain", "augmented")


def load(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return pictures and digits of the training part, then of the test part."""
    with np.load(folder / "digits" / "usps.npz") as usps:
        names = ("train_data", "train_target", "test_data", "test_target")
        x, y, x_test, y_test = (usps[name] for name in names)
    return x.reshape(-1, 16, 16), y, x_test.reshape(-1, 16, 16), y_test


def train(x: np.ndarray, y: np.ndarray, depth: int, changes: Augmentation | None, seed: int):
    """Train one network of a number of hidden layers, holding no picture out."""
    layers: list = [Flatten()]
    for _ in range(depth):
        layers += [Dense(units=256, activation="identity", has_bias=False), BatchNorm()]
        layers += [Activation(activation="relu"), Dropout(rate=0.2)]
    output = Dense(units=10, activation="softmax")
    network = Architecture(input_shape=(16, 16, 1), layers=(*layers, output), loss="cross_entropy")
    recipe = Recipe(
        learning_rate=2e-3, epochs=60, weight_decay=0.05, validation_fraction=0.0,
        augmentation=changes,
    )  # fmt: skip
    model = FathomClassifier(network, recipe, time_limit=None, random_state=seed)
    return model.fit(x, y)


def show_rivals(data: tuple[np.ndarray, ...], given: argparse.Namespace) -> None:
    x, y, x_test, y_test = data
    for is_tuned in (False, True):
        kernels = ("rbf",) if is_tuned else ("linear", "rbf", "poly")
        n_stages = 0 if is_tuned else given.stages
        began = time.perf_counter()
        rivals = train_rivals(
            x, y, x_test, y_test, kernels=kernels, is_tuned=is_tuned, n_stages=n_stages,
            most_rows=ALL,
        )  # fmt: skip
        print(rivals, f"\n{time.perf_counter() - began:.0f} s\n", flush=True)


def show_layers(
    data: tuple[np.ndarray, ...], changes: Augmentation | None, given: argparse.Namespace
) -> None:
    x, y, x_test, y_test = data
    found: list[Probes] = []
    for seed in range(given.seeds):
        began = time.perf_counter()
        model = train(x, y, given.depth, changes, seed)
        seconds = time.perf_counter() - began
        accuracy = float((model.predict(x_test) == y_test).mean())
        opened, tested = open_model(model, x, y), open_model(model, x_test, y_test)
        pairs = (opened.x, opened.y, tested.x, tested.y)
        probes = probe_layers(opened.network, *pairs, most_rows=ALL, kind=given.probe)
        found.append(probes)
        print(f"start {seed}: the network itself {accuracy:.4f}, {seconds:.0f} s", flush=True)
        print(probes, flush=True)
        if seed == 0:
            print(learn_kernel(opened.network, *pairs, most_rows=2007), flush=True)
            print(measure_funnel(opened.network, tested.x, tested.y, most_rows=ALL), flush=True)
            rivals = train_rivals(x, y, x_test, y_test, n_stages=0, most_rows=ALL)
            print(*compare(probes, rivals), sep="\n", flush=True)
    print("\n" + "\n".join(summary(found)) + "\n", flush=True)


def summary(found: list[Probes]) -> Iterator[str]:
    """Yield the lines of a table: each layer's accuracy over the starts."""
    yield "| layer | mean % | least % | most % |"
    yield "|---|---|---|---|"
    for place, layer in enumerate(found[0].layers):
        values = [100 * probes.layers[place].score.value for probes in found]
        yield f"| {layer} | {np.mean(values):.2f} | {min(values):.2f} | {max(values):.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with digits/usps.npz")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--depth", type=int, default=5, help="hidden layers")
    parser.add_argument("--seeds", type=int, default=3, help="random starts")
    parser.add_argument("--stages", type=int, default=100, help="stages of boosting")
    parser.add_argument("--probe", choices=("logistic", "ridge"), default="logistic")
    given = parser.parse_args()
    prepare_engine()
    data = load(given.data)
    if "rivals" in given.parts:
        show_rivals(data, given)
    for part, changes in (("plain", None), ("augmented", CHANGES)):
        if part in given.parts:
            print(f"{part}:", flush=True)
            show_layers(data, changes, given)


if __name__ == "__main__":
    main()
