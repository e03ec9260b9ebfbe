"""The systems whose training is timed, each in a process of its own that is asked case by case.

`open_system` starts such a process, `wait_for` waits until it has loaded what it is to measure, and
`ask` measures in one or several of them at the same time.
"""

import importlib
import importlib.util
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice, pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from engine_cases import CASES, CHANNELS, RATE, SIDE, Case

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
METHODS = {
    "Fathom": ("fathom", "Fathom"),
    "torch": ("torch", "torch"),
    "torch fused": ("torch", "torch fused"),
    "torch, 2 processes": ("torch", "torch"),
    "torch vmap": ("torch", "vmap"),
    "torch bmm": ("torch", "bmm"),
    "torch bmm fused": ("torch", "bmm fused"),
    "torch bmm, 2 processes": ("torch", "bmm"),
    "scikit-learn": ("sklearn", "sklearn"),
    "scikit-learn, 2 processes": ("sklearn", "sklearn"),
}
TURN = 8  # steps a network takes before the next one has its turn, in systems of one at a time
MOST_EPOCHS = 200


def is_on_accelerator() -> bool:
    """Tell whether training is timed on an accelerator; processes that are started inherit it."""
    return os.environ.get("ENGINE_DEVICE") == "gpu"


def is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def suits(name: str, case: Case) -> bool:
    """Tell whether a system can train the networks of a case, and it makes sense to."""
    method = METHODS[name][1]
    if is_on_accelerator() and (name.endswith("processes") or method == "sklearn"):
        return False
    if method.split()[0] in ("vmap", "bmm"):
        return case.is_uniform and len(case.members) > 1
    if name.endswith("processes") and len(case.members) == 1:
        return False
    return not (method == "sklearn" and case.is_picture)


# --- processes ----------------------------------------------------------------------------------


def open_system(package: str, threads: int) -> Connection:
    """Start a process for a package that computes on so many threads."""
    context = get_context("spawn")
    here, there = context.Pipe()
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, str(threads)))  # read as libraries are loaded
    context.Process(target=_serve, args=(there, package, threads), daemon=True).start()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
    return here


def wait_for(connection: Connection) -> Any:
    """Return what a process answers; raise what failed in it."""
    answer = connection.recv()
    if isinstance(answer, str):
        raise RuntimeError(answer)
    return answer


def ask(connections: list[Connection], method: str, case: Any, seconds: float) -> Any:
    """Have processes measure at once; return seconds a network-step of them together, and more.

    Returns
    -------
    tuple
        Seconds of wall clock a network-step; the figures the first process gave besides.
    """
    for connection in connections:
        connection.send((method, case, seconds))
    answers = [wait_for(connection) for connection in connections]
    return 1 / sum(1 / answer[0] for answer in answers), answers[0][1]


def _serve(connection: Connection, package: str, threads: int) -> None:
    try:
        connection.send(_load(package, threads))
    except Exception as error:  # told where it is waited for
        connection.send(f"{package}: {error!r}")
        return
    made: dict[str, Any] = {}  # by method
    made_for: Any = None
    while True:
        try:
            method, case, seconds = connection.recv()
        except EOFError:
            return
        try:
            if method == "peak":
                connection.send(product_peak(seconds))
                continue
            if case != made_for:
                made.clear()  # earlier ones are asked no more
                made_for = case
            if method not in made:
                made[method] = _make(method, CASES[case] if isinstance(case, str) else case)
                made[method].warm_up()
            connection.send(made[method].measure(seconds))
        except Exception as error:  # told where it is asked
            connection.send(f"{package}, {method}, {case}: {error!r}")


def _load(package: str, threads: int) -> bool:
    """Import what a system needs: seconds in which nothing may be measured."""
    if package == "fathom":
        os.environ.setdefault("JAX_PLATFORMS", "cuda" if is_on_accelerator() else "cpu")
        importlib.import_module("fathom.training.population")
    if package == "torch":
        import torch

        torch.set_num_threads(threads)
        torch.optim.Adam([torch.zeros(1)])  # the first imports as much again as torch itself
    if package == "sklearn":
        importlib.import_module("sklearn.neural_network")
    return True


def _make(method: str, case: Case) -> Any:
    kinds: dict[str, Callable[..., Any]] = {
        "Fathom": FathomPopulation, "torch": TorchEager, "vmap": TorchVmap, "bmm": TorchBatched,
        "sklearn": ScikitLearn,
    }  # fmt: skip
    kind, *options = method.split()
    return kinds[kind](case, *options)


def product_peak(seconds: float) -> tuple[float, dict[str, float]]:
    """Return operations a second of large matrix products on all cores, the best seen."""
    import jax
    import jax.numpy as jnp

    best: dict[str, float] = {}
    precision = "BF16_BF16_F32" if is_on_accelerator() else "default"
    for size in (4096, 8192) if is_on_accelerator() else (1024, 2048):
        a = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
        b, product = jnp.asarray(a), jax.jit(partial(jnp.matmul, precision=precision))
        ways = [("XLA", lambda b=b, product=product: product(b, b).block_until_ready())]
        if not is_on_accelerator():
            ways.append(("BLAS", lambda a=a: a @ a))
        for name, run in ways:
            run()
            end, shortest = time.perf_counter() + seconds / 4, np.inf
            while time.perf_counter() < end:
                began = time.perf_counter()
                run()
                shortest = min(shortest, time.perf_counter() - began)
            best[name] = max(best.get(name, 0.0), 2 * size**3 / shortest)
    return 1 / max(best.values()), best


# --- Fathom -------------------------------------------------------------------------------------


class FathomPopulation:
    """Fathom as its search uses it: `train_population`, every network rated after every epoch."""

    def __init__(self, case: Case) -> None:
        import jax.numpy as jnp

        from fathom.training.plan import Examples

        self._case, self._second = case, 0.0
        self._architectures = [_describe(case, widths) for widths in case.members]
        x, y = case.arrays()
        weight = np.ones(len(y), np.float32)
        whole = [jnp.asarray(part) for part in (x, y.astype(np.int32), weight)]
        self._examples = Examples(*whole)
        self._held_out = Examples(*(part[-case.n_held_out :] for part in whole))
        self._classes = y[-case.n_held_out :]

    def warm_up(self) -> None:
        """Compile and allocate; see how long a step takes."""
        members = self._case.members
        if is_on_accelerator():  # programs are for as many networks as train together
            self._train(range(len(members)), 2)
            return
        alike = {widths: [n for n, w in enumerate(members) if w == widths] for widths in members}
        self._train([number for found in alike.values() for number in found[:CORES]], 2)

    def measure(self, seconds: float) -> tuple[float, dict[str, float]]:
        """Train all networks; return seconds a network-step with all cores busy.

        The first epoch of each network, in which it is set up, comes before and is told by itself.
        """
        per_epoch = self._second * self._case.n_steps * len(self._case.members)
        epochs = 1 + min(max(1, math.ceil(seconds / per_epoch)), MOST_EPOCHS)
        return self._train(range(len(self._case.members)), epochs)

    def _train(self, numbers: Sequence[int], epochs: int) -> tuple[float, dict[str, float]]:
        from fathom.training.population import train_population
        from fathom.training.together import MOST

        case = self._case
        director = _Queue([self._job(number, epochs) for number in numbers])
        began = time.perf_counter()
        n = min(MOST if is_on_accelerator() else CORES, len(numbers))
        train_population(director, workers=n, cores=max(1, CORES // n))
        wall = time.perf_counter() - began
        spent = [_seconds(trained.history.epochs) for trained in director.trained]
        self._second = sum(spent) / len(spent) / case.n_steps / n
        begun = [t.seconds - epochs * s for t, s in zip(director.trained, spent, strict=True)]
        losses = [trained.history.epochs[-1].train_loss for trained in director.trained]
        return self._second, {
            "begin_s": float(np.median(begun)), "wall_s": wall, "loss": float(np.mean(losses)),
            "epochs": epochs,
        }  # fmt: skip

    def _job(self, number: int, epochs: int) -> Any:
        from fathom import Recipe
        from fathom.training.population import Job

        recipe = Recipe(
            optimizer="adam", learning_rate=RATE, schedule="constant", seed=number,
            batch_size=self._case.batch, epochs=epochs,
        )  # fmt: skip
        return Job(
            number=number, fold=0, architecture=self._architectures[number], recipe=recipe,
            examples=self._examples, held_out=self._held_out, rows=np.arange(self._case.rows),
            judge=self._judge,
        )  # fmt: skip

    def _judge(self, z: np.ndarray) -> tuple[float, float]:
        logs = z - np.logaddexp.reduce(z, axis=1)[:, None]
        right = z.argmax(axis=1) == self._classes
        return -float(logs[np.arange(len(z)), self._classes].mean()), float(right.mean())


def _seconds(epochs: Any) -> float:
    """Return seconds an epoch, the first left out."""
    return (epochs[-1].seconds - epochs[0].seconds) / (len(epochs) - 1)


class _Queue:
    """Directs a population: these networks, one after another."""

    def __init__(self, jobs: list[Any]) -> None:
        self._jobs, self.trained = jobs, []

    @property
    def is_done(self) -> bool:
        return not self._jobs

    def next_job(self) -> Callable[[], Any]:
        job = self._jobs.pop(0)
        return lambda: job

    def on_epoch(self, job: Any, epochs: Any) -> None:
        return None

    def on_trained(self, trained: Any) -> None:
        self.trained.append(trained)


def _describe(case: Case, widths: tuple[int, ...]) -> Any:
    """Describe a network of a case."""
    from fathom import Architecture
    from fathom.nn.blocks import Flatten
    from fathom.nn.convolution import Conv2D, MaxPool
    from fathom.nn.dense import Dense

    layers: list[Any] = [Dense(units=units) for units in widths[1:-1]]
    shape = (SIDE, SIDE, 1) if case.is_picture else case.members[0][:1]
    if case.is_picture:
        first, second, third = (Conv2D(channels=channels) for channels in CHANNELS)
        layers = [first, MaxPool(), second, third, MaxPool(), Flatten()]
    output = Dense(units=widths[-1], activation="softmax")
    return Architecture(input_shape=shape, layers=(*layers, output), loss="cross_entropy")


# --- torch --------------------------------------------------------------------------------------


def _torch_model(case: Case, widths: tuple[int, ...]) -> Any:
    from torch import nn

    if case.is_picture:
        first, second, third = CHANNELS
        return nn.Sequential(
            nn.Conv2d(1, first, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(first, second, 3, padding=1), nn.ReLU(),
            nn.Conv2d(second, third, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(third * 16, widths[-1]),
        )  # fmt: skip
    layers: list[Any] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _torch_device() -> str:
    return "cuda" if is_on_accelerator() else "cpu"


class _Torch:
    """What the ways to use torch share: examples, and how steps are counted."""

    def __init__(self, case: Case, adam: str = "usual") -> None:
        import torch

        torch.manual_seed(0)
        self._case, self._torch, self._is_fused = case, torch, adam == "fused"
        x, y = (torch.from_numpy(part[: case.rows]) for part in case.arrays())
        if case.is_picture:
            x = x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        self._x, self._y = x.to(_torch_device()), y.to(_torch_device())
        self._models = [_torch_model(case, w).to(_torch_device()) for w in case.members]
        self._turns = self._make_turns()

    def _make_turns(self) -> Iterator[int]:
        raise NotImplementedError

    def warm_up(self) -> None:
        """Allocate what the first steps allocate."""
        self.measure(0.0)

    def measure(self, seconds: float) -> tuple[float, dict[str, float]]:
        """Train for so many seconds; return seconds a network-step."""
        steps, began = 0, time.perf_counter()
        while steps == 0 or time.perf_counter() - began < seconds:
            steps += next(self._turns)
        if is_on_accelerator():
            self._torch.cuda.synchronize()
        return (time.perf_counter() - began) / steps, {}

    def _adam(self, parameters: Any) -> Any:
        return self._torch.optim.Adam(parameters, lr=RATE, fused=self._is_fused or None)


class TorchEager(_Torch):
    """torch as its tutorials use it: one network after another, step by step."""

    def _make_turns(self) -> Iterator[int]:
        if self._case.is_picture:
            channels_last = self._torch.channels_last
            self._models = [model.to(memory_format=channels_last) for model in self._models]
        walks = [self._steps(model) for model in self._models]
        for walk in cycle(walks):
            yield sum(islice(walk, TURN))

    def _steps(self, model: Any) -> Iterator[int]:
        optimizer, loss = self._adam(model.parameters()), self._torch.nn.CrossEntropyLoss()
        while True:
            order = self._torch.randperm(self._case.rows)
            for rows in order.split(self._case.batch):
                optimizer.zero_grad()
                loss(model(self._x[rows]), self._y[rows]).backward()
                optimizer.step()
                yield 1


class _Stacked(_Torch):
    """Networks of one shape as one: every parameter gets an axis for the members."""

    def _orders(self) -> Iterator[Any]:
        torch, case = self._torch, self._case
        while True:
            order = torch.stack([torch.randperm(case.rows) for _ in case.members])
            yield from order.split(case.batch, dim=1)


class TorchVmap(_Stacked):
    """torch.func: the gradient of one network, mapped over all."""

    def _make_turns(self) -> Iterator[int]:
        from torch.func import functional_call, grad, stack_module_state, vmap

        parameters, _ = stack_module_state(self._models)
        leaves = {name: value.detach().clone() for name, value in parameters.items()}
        optimizer, model = self._adam(list(leaves.values())), self._models[0]
        loss = self._torch.nn.functional.cross_entropy
        one = lambda p, x, y: loss(functional_call(model, p, (x,)), y)
        gradients = vmap(grad(one))
        for rows in self._orders():
            found = gradients(leaves, self._x[rows], self._y[rows])
            for name, leaf in leaves.items():
                leaf.grad = found[name]
            optimizer.step()
            yield len(self._models)


class TorchBatched(_Stacked):
    """Batched by hand: a product of stacks of matrices for every layer."""

    def _make_turns(self) -> Iterator[int]:
        torch, n = self._torch, len(self._models)
        linear = [[layer for layer in model if hasattr(layer, "weight")] for model in self._models]
        places = list(zip(*linear, strict=True))
        stack = lambda parts: torch.stack(parts).detach().clone().requires_grad_()
        weights = [stack([layer.weight.T for layer in place]) for place in places]
        biases = [stack([layer.bias[None] for layer in place]) for place in places]
        optimizer = self._adam([*weights, *biases])
        for rows in self._orders():
            a = self._x[rows]
            for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
                a = torch.baddbmm(bias, a, weight).relu()
            z = torch.baddbmm(biases[-1], a, weights[-1]).flatten(0, 1)
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(z, self._y[rows].flatten(), reduction="sum")
            (loss / rows.shape[1]).backward()
            optimizer.step()
            yield n


# --- scikit-learn -------------------------------------------------------------------------------


class ScikitLearn:
    """MLPClassifier, an epoch of one network after another."""

    def __init__(self, case: Case) -> None:
        from sklearn.neural_network import MLPClassifier

        warnings.simplefilter("ignore")
        self._x, self._y = (part[: case.rows] for part in case.arrays())
        self._case, self._classes = case, np.arange(case.members[0][-1])
        models = [
            MLPClassifier(
                hidden_layer_sizes=widths[1:-1], batch_size=case.batch, learning_rate_init=RATE,
                alpha=0.0, random_state=number,
            )
            for number, widths in enumerate(case.members)
        ]  # fmt: skip
        self._turns = cycle(models)

    def warm_up(self) -> None:
        """Allocate the first network: one step."""
        n = self._case.batch
        next(self._turns).partial_fit(self._x[:n], self._y[:n], classes=self._classes)

    def measure(self, seconds: float) -> tuple[float, dict[str, float]]:
        """Train whole epochs for about so many seconds; return seconds a network-step."""
        case, epochs, began = self._case, 0, time.perf_counter()
        is_mixed = len(set(case.members)) > 1
        fewest = len(case.members) if is_mixed else 1  # every shape counts alike
        while epochs < fewest or time.perf_counter() - began < seconds or epochs % fewest:
            next(self._turns).partial_fit(self._x, self._y, classes=self._classes)
            epochs += 1
        return (time.perf_counter() - began) / epochs / case.n_steps, {}
