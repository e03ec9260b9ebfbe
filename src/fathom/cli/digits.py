"""The verb ``digits``: learn to read handwriting and show how well."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fathom.cli.drawing import draw_confusion, draw_reading
from fathom.cli.engine import prepare_engine
from fathom.cli.screen import STOPPED, Screen, StopRequest, TrainingView, report_error
from fathom.data.datasets import Digits, load_digits
from fathom.deployment.archive import save
from fathom.deployment.container import require_writable
from fathom.errors import InputError
from fathom.estimators import FathomClassifier
from fathom.estimators.defaults import (
    reading_network,
    reading_recipe,
    small_reading_network,
    small_reading_recipe,
)
from fathom.nn.architecture import Architecture
from fathom.nn.convolution import Conv2D
from fathom.nn.dense import Dense
from fathom.training.recipe import Recipe

NETWORKS = {"dnn": ("dnn",), "cnn": ("cnn",), "both": ("dnn", "cnn")}
SIZES = ("small", "full")
TITLES = {
    "dnn": "deep network (dnn)",
    "cnn": "convolutional network (cnn)",
    "svc": "scikit-learn SVC",
    "mlp": "scikit-learn MLPClassifier",
}
DNN_SHARE = 0.3  # of the time, where both networks are trained
MOST_FOR_PEERS = 20_000  # pictures from which scikit-learn's SVC takes minutes
MOST_MISTAKES = 4  # drawn; there may be more


@dataclass(frozen=True)
class Result:
    """How well one network or classifier read the test pictures."""

    network: str
    accuracy: float
    seconds: float

    def as_event(self) -> dict[str, Any]:
        """Return the result as JSON fields."""
        return {
            "network": self.network,
            "accuracy": round(self.accuracy, 6),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Plan:
    """Which networks are trained, how large, and the seed of every random choice."""

    kinds: tuple[str, ...]
    size: str
    seed: int

    def design(self, digits: Digits, kind: str) -> tuple[Architecture, Recipe]:
        """Return a network for these pictures, and how it is trained."""
        side, classes = digits.x_train.shape[1], np.unique(digits.y_train).tolist()
        if self.size == "small":
            architecture = small_reading_network(classes, side, kind)
            recipe = small_reading_recipe(side, kind)
        else:
            architecture = reading_network(classes, side, kind)
            recipe = reading_recipe(side, kind)
        return architecture, recipe.model_copy(update={"seed": self.seed})


def run_digits(
    data: str,
    network: str,
    time_limit: float,
    seed: int,
    output: str,
    compare: bool | None,
    is_json: bool,
    size: str = "full",
) -> int:
    """Load, train, save, compare, show; return the exit code."""
    if network not in NETWORKS:
        raise InputError("--network dnn, cnn or both", got=repr(network))
    if size not in SIZES:
        raise InputError("--size small or full", got=repr(size))
    if not 0 < time_limit < float("inf"):
        raise InputError("--time-limit above 0, in seconds", got=f"{time_limit:g}")
    if not 0 <= seed < 2**32:
        raise InputError("--seed from 0 to 4,294,967,295", got=f"{seed}")
    require_writable(Path(output))
    screen = Screen(is_json)
    stop = StopRequest(screen)
    with stop.listening():
        prepare_engine()
        loaded = load_digits(data, seed=seed)
        _introduce(screen, loaded)
        plan = Plan(NETWORKS[network], size, seed)
        models = _train_all(screen, stop, loaded, plan, time_limit)
        if not models:
            report_error("stopped before any network was trained", is_json)
            return STOPPED
        best, its_result = max(models, key=lambda pair: _held_out_score(pair[0]))
        path = save(best, output)
        results = [result for _, result in models]
        if not stop.is_asked and _has_time_for_peers(screen, loaded, compare):
            results += _train_peers(screen, stop, loaded, seed)
        _show_results(screen, results)
        _show_mistakes(screen, best, its_result.network, loaded)
        _show_next(screen, str(path), data)
        screen.emit("done", results=[result.as_event() for result in results], output=str(path))
    return STOPPED if stop.is_asked else 0


def _introduce(screen: Screen, digits: Digits) -> None:
    n_train, n_test = len(digits.y_train), len(digits.y_test)
    classes = np.unique(digits.y_train)
    split = "the data set's own test part" if digits.is_official_split else "a random fifth"
    screen.emit("data", name=digits.name, train=n_train, test=n_test, classes=len(classes))
    screen.say(
        f"{digits.name}: {n_train:,} pictures to learn from and {n_test:,} to be tested on "
        f"({split}), {len(classes)} classes, 16×16 pixels of ink or no ink"
    )


def _train_all(
    screen: Screen,
    stop: StopRequest,
    digits: Digits,
    plan: Plan,
    time_limit: float,
) -> list[tuple[FathomClassifier, Result]]:
    """Train the networks one after another within the time for all of them."""
    began, trained = time.monotonic(), []
    for kind in plan.kinds:
        if stop.is_asked:
            break
        left = time_limit - (time.monotonic() - began)
        share = DNN_SHARE if len(plan.kinds) == 2 and kind == "dnn" else 1.0
        model, result = _train_one(screen, stop, digits, plan, kind, max(share * left, 0.1))
        trained.append((model, result))
        screen.emit("result", **result.as_event())
        screen.say(f"{kind}  read {result.accuracy:.2%} of the test in {result.seconds:.1f} s")
    return trained


def _train_one(
    screen: Screen, stop: StopRequest, digits: Digits, plan: Plan, kind: str, seconds: float
) -> tuple[FathomClassifier, Result]:
    architecture, recipe = plan.design(digits, kind)
    screen.say(f"{kind}  {_outline(architecture)}: {architecture.n_parameters:,} parameters")
    model = FathomClassifier(architecture, recipe, time_limit=seconds)
    view = TrainingView(screen, kind, recipe.epochs, recipe.n_starts, stop)
    began = time.monotonic()
    with view.shown():
        model.fit(digits.x_train, digits.y_train, monitor=view)
    seconds = time.monotonic() - began
    return model, Result(kind, float(model.score(digits.x_test, digits.y_test)), seconds)


def _outline(architecture: Architecture) -> str:
    """Return the widths of the layers with weights, from the picture to the classes."""
    steps = ["×".join(map(str, architecture.input_shape[:2]))]
    for layer in architecture.layers:
        if isinstance(layer, Conv2D):
            steps.append(f"{layer.channels} maps")
        elif isinstance(layer, Dense):
            steps.append(f"{layer.units}")
    return " → ".join(steps)


def _held_out_score(model: FathomClassifier) -> float:
    """Return the mean score on the pictures held out of training; the test part has no say."""
    bests = [model.history_.starts[start].best for start in model.history_.kept]
    known = [best for best in bests if best is not None]
    scores = [
        best.train_score if best.validation_score is None else best.validation_score
        for best in known
    ]
    return sum(scores) / len(scores)


def _has_time_for_peers(screen: Screen, digits: Digits, compare: bool | None) -> bool:
    if compare is None and len(digits.y_train) > MOST_FOR_PEERS:
        screen.say("scikit-learn's classifiers would take minutes here; --compare trains them too.")
        return False
    return compare is not False


def _train_peers(screen: Screen, stop: StopRequest, digits: Digits, seed: int) -> list[Result]:
    """Train scikit-learn's classifiers as they come, on the same pictures."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    flat = [x.reshape(len(x), -1).astype(np.float32) for x in (digits.x_train, digits.x_test)]
    results = []
    for name, peer in (("svc", SVC()), ("mlp", MLPClassifier(random_state=seed))):
        if stop.is_asked:
            break
        began = time.monotonic()
        peer.fit(flat[0], digits.y_train)
        seconds = time.monotonic() - began
        result = Result(name, float(peer.score(flat[1], digits.y_test)), seconds)
        screen.emit("result", **result.as_event())
        results.append(result)
    return results


def _show_results(screen: Screen, results: list[Result]) -> None:
    screen.say()
    screen.say(f"{'':<28} test accuracy  seconds")
    for result in sorted(results, key=lambda result: -result.accuracy):
        title = TITLES[result.network]
        screen.say(f"{title:<28} {result.accuracy:>13.2%}  {result.seconds:>7.1f}")


def _show_mistakes(screen: Screen, model: FathomClassifier, kind: str, digits: Digits) -> None:
    """Show where the network went wrong, and the pictures it misread, the surest first."""
    if screen.is_json:
        return
    classes = [label.item() for label in model.classes_]
    probabilities = model.predict_proba(digits.x_test)
    predicted = probabilities.argmax(axis=1)
    true = np.searchsorted(model.classes_, digits.y_test)
    title = f"The {TITLES[kind]} misread {sum(predicted != true)} of {len(true)}"
    if len(classes) <= 12:
        screen.say(f"\n{title}; rows are the truth, columns what was read:\n")
        screen.say(draw_confusion(true, predicted, classes, blocks=screen.can_draw))
    else:
        screen.say(f"\n{title}.")
    wrong = np.flatnonzero(predicted != true)
    surest = wrong[np.argsort(-probabilities[wrong, predicted[wrong]])][:MOST_MISTAKES]
    for row in surest:
        screen.say(f"\nRead as {classes[predicted[row]]}, but it is {classes[true[row]]}:")
        drawn = draw_reading(
            digits.x_test[row], classes, probabilities[row], blocks=screen.can_draw
        )
        screen.say(drawn)


def _show_next(screen: Screen, path: str, data: str) -> None:
    other = "mnist" if data == "digits" else "digits"
    steps = {
        f"fathom predict {path} PICTURE.png": "read a picture of a digit",
        f"fathom digits --data {other}": "learn from other handwriting",
        "fathom digits --data FOLDER": "learn from one sub-folder of pictures per class",
    }
    width = max(map(len, steps))
    screen.say(f"\nSaved as {path}. Next:")
    for command, purpose in steps.items():
        screen.say(f"  {command:<{width}}   {purpose}")
