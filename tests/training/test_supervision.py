"""Processes that train one network together, begun by this one; killed, they go on."""

import os
import signal

import jax
import numpy as np
import pytest

from fathom.errors import InputError, TrainingError
from fathom.estimators import FathomClassifier
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Dropout
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.parallel.processes import Processes
from fathom.search.rounds import Rounds
from fathom.training import supervision
from fathom.training.devices import DataParallel, as_data_parallel, require_devices
from fathom.training.loop import make_plan, train
from fathom.training.monitor import Monitor
from fathom.training.plan import Examples
from fathom.training.program import make_program
from fathom.training.recipe import Recipe
from fathom.training.supervision import train_on_devices

RNG = np.random.default_rng(0)
STEPS = 100
X = RNG.normal(size=(80, 3)).astype(np.float32)
KNOWN = Examples(X, (X[:, 0] > 0).astype(np.int32), np.ones(80, np.float32))
LAYERS = Dense(units=5, activation="tanh"), Dropout(rate=0.1), Dense(units=2, activation="softmax")
DESCRIBED = Architecture(input_shape=(3,), layers=LAYERS, loss="cross_entropy")
RECIPE = Recipe(optimizer="momentum", batch_size=16, epochs=STEPS // 5, learning_rate=0.05)


class Heard(Monitor):
    """Hears of epochs, and may do something at the first."""

    def __init__(self, at_first=lambda: None):
        self.epochs, self.at_first = [], at_first

    def on_epoch(self, start, epoch):
        self.epochs.append(epoch.epoch)
        if len(self.epochs) == 1:
            self.at_first()


@pytest.fixture(scope="module")
def usual():
    """Return the network as one device trains it."""
    network = build(DESCRIBED, jax.random.fold_in(jax.random.key(0), 0))
    program = make_program(make_plan(DESCRIBED, RECIPE))
    return train(network, DESCRIBED, RECIPE, KNOWN, None, program=program)[0]


def assert_same(networks, usual):
    (network,) = networks
    for one, other in zip(jax.tree.leaves(network), jax.tree.leaves(usual), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_two_processes_come_to_the_weights_of_one_device(usual):
    monitor = Heard()
    setting = DataParallel(address="processes:2", sharded="optimizer")
    networks, history = train_on_devices(
        DESCRIBED, RECIPE, KNOWN, None, setting, monitor=monitor
    )  # fmt: skip
    assert_same(networks, usual)
    assert monitor.epochs == list(range(1, STEPS // 5 + 1))
    assert history.starts[0].events[-1].text == "all epochs done"


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_one_that_is_killed_in_the_middle_changes_nothing(usual, monkeypatch, tmp_path, victim):
    begun = []

    def begin(count):
        begun.append(Processes(count))
        return begun[-1]

    def kill():
        os.kill(begun[0].process_ids()[victim], signal.SIGKILL)

    monkeypatch.setattr(supervision, "Processes", begin)
    setting = DataParallel(
        address="processes:2", checkpoints=str(tmp_path / "kept"), checkpoint_seconds=0
    )
    monitor = Heard(kill)
    recipe = RECIPE.model_copy(update={"epochs": STEPS})
    networks, _ = train_on_devices(DESCRIBED, recipe, KNOWN, None, setting, monitor=monitor)
    program = make_program(make_plan(DESCRIBED, recipe))
    network = build(DESCRIBED, jax.random.fold_in(jax.random.key(0), 0))
    assert_same(networks, train(network, DESCRIBED, recipe, KNOWN, None, program=program)[0])
    assert len(begun) == 2
    assert monitor.epochs == list(range(1, STEPS + 1))
    assert not (tmp_path / "kept").exists()  # what is done leaves nothing behind


def test_an_estimator_trains_on_devices():
    model = FathomClassifier(DESCRIBED, RECIPE, time_limit=None)
    model.fit(X, KNOWN.y, executor="devices")
    (start,) = model.history_.starts
    assert start.steps.engine == "xla"  # here loops would have trained
    assert len(start.epochs) == RECIPE.epochs
    assert start.best.validation_score is not None
    assert model.score(X, KNOWN.y) > 0.8


def test_a_loss_that_is_never_finite_is_the_same_error_from_a_folder(tmp_path):
    huge = KNOWN._replace(x=X * np.float32(1e38))
    given = RECIPE.model_copy(update={"optimizer": "gradient_descent", "learning_rate": 1e6})
    square = Architecture(
        input_shape=(3,), layers=(Dense(units=1, activation="identity"),), loss="squared_error"
    )
    huge = huge._replace(y=KNOWN.y.astype(np.float32)[:, None])
    setting = DataParallel(address="devices:1", checkpoints=str(tmp_path / "kept"))
    with pytest.raises(TrainingError, match="expected a finite loss"):
        train_on_devices(square, given, huge, None, setting)


@pytest.mark.parametrize(("changes", "setting", "expected"), [
    ({"n_starts": 2}, {}, "n_starts=1"),
    ({"batch_size": 15}, {"address": "processes:2"}, "give batch_size=14 or 16"),
    ({"batch_size": 1}, {"address": "processes:3"}, "give batch_size=3"),
    ({}, {"address": "devices:9"}, "at most 1 device"),
])  # fmt: skip
def test_what_cannot_be_is_said_before_anything_begins(changes, setting, expected):
    recipe = RECIPE.model_copy(update=changes)
    with pytest.raises(InputError, match=expected):
        train_on_devices(DESCRIBED, recipe, KNOWN, None, DataParallel(**setting))


def test_what_is_no_place_to_train_is_refused():
    assert as_data_parallel("processes:3").n_processes == 3
    assert as_data_parallel("devices").n_processes is None
    for address in ("here", "devices:0", "devices:", "processes:99999", "head.lan:6379"):
        with pytest.raises(InputError, match="devices or devices:4 for those of this process"):
            require_devices(address)
    with pytest.raises(InputError, match="or DataParallel, for a described network"):
        as_data_parallel(Rounds())


def test_a_search_for_pictures_refuses_an_executor():
    pictures = RNG.integers(0, 255, (30, 20, 20, 3), np.uint8)
    with pytest.raises(InputError, match="an architecture or a recipe with executor"):
        FathomClassifier().fit(pictures, np.arange(30) % 2, executor="processes:2")
