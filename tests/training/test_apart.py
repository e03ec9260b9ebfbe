"""One network on workers that share nothing: the weights of one, whoever works and is lost."""

import jax
import numpy as np
import pytest

from fathom.errors import ExecutorError, InputError
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Dropout
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.nn.normalization import BatchNorm
from fathom.parallel.executor import Node, Outcome
from fathom.parallel.here import Here
from fathom.training.apart import ApartProgram, Given
from fathom.training.devices import DataParallel
from fathom.training.loop import make_plan, train
from fathom.training.monitor import Monitor
from fathom.training.plan import Examples
from fathom.training.program import make_program
from fathom.training.recipe import Recipe
from fathom.training.supervision import train_on_devices

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)).astype(np.float32)
KNOWN = Examples(X, (X[:, 0] > 0).astype(np.int32), RNG.uniform(0.5, 1.5, 80).astype(np.float32))
LAYERS = Dense(units=5, activation="tanh"), Dense(units=2, activation="softmax")
DESCRIBED = Architecture(input_shape=(3,), layers=LAYERS, loss="cross_entropy")
RECIPE = Recipe(
    optimizer="adam", batch_size=16, epochs=20, learning_rate=0.01, weight_decay=0.01,
    gradient_clip=0.5,
)  # fmt: skip


def leaves(network):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(network)]


def random_start(described=DESCRIBED):
    return build(described, jax.random.fold_in(jax.random.key(0), 0))


@pytest.fixture(scope="module")
def usual():
    """Return the network as one device trains it, in 100 steps."""
    program = make_program(make_plan(DESCRIBED, RECIPE))
    return train(random_start(), DESCRIBED, RECIPE, KNOWN, None, program=program)


class Losing(Here):
    """Loses every so-and-so-many-th task, and has more workers than it should need."""

    def __init__(self, every, slots=2):
        super().__init__()
        self.every, self.slots, self.n = every, slots, 0

    def wait(self, timeout_s):
        found = super().wait(timeout_s)
        self.n += len(found)
        lost = self.n % self.every == 0
        return [Outcome(one.ticket, node="lost") if lost else one for one in found]

    def nodes(self):
        return (Node("here", self.slots),)


def trained_by(executor, n_parts, described=DESCRIBED, recipe=RECIPE):
    program = ApartProgram(executor, Given(described, recipe, KNOWN), "rows", n_parts)
    network, history = train(
        random_start(described), described, recipe, KNOWN, None, program=program
    )
    return program, network, history


@pytest.mark.parametrize("n_parts", [1, 4])
def test_the_weights_are_those_of_one_device(usual, n_parts):
    _, network, history = trained_by(Here(), n_parts)
    for one, other in zip(leaves(network), leaves(usual[0]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    losses = [[epoch.train_loss for epoch in one.epochs] for one in (history, usual[1])]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    scores = [[epoch.train_score for epoch in one.epochs] for one in (history, usual[1])]
    np.testing.assert_allclose(*scores, rtol=1e-5)


def test_who_works_and_who_is_lost_changes_no_bit():
    layers = (LAYERS[0], Dropout(rate=0.3), LAYERS[1])
    described = DESCRIBED.model_copy(update={"layers": layers})
    recipe = RECIPE.model_copy(update={"epochs": 3})
    given = {"n_parts": 2, "described": described, "recipe": recipe}
    _, alone, _ = trained_by(Here(), **given)
    losing, network, _ = trained_by(Losing(every=3), **given)
    assert losing.n_lost > 5
    assert all(map(np.array_equal, leaves(alone), leaves(network)))


def test_where_nobody_answers_it_is_said():
    with pytest.raises(ExecutorError, match="finds the gradient of a part"):
        trained_by(Losing(every=1), 2)


def test_parts_are_as_many_as_workers_at_the_beginning():
    assert ApartProgram(Losing(9, slots=8), Given(DESCRIBED, RECIPE, KNOWN), "rows").n_parts == 8
    with pytest.raises(InputError, match="a batch that divides evenly among 3 devices"):
        ApartProgram(Losing(9, slots=3), Given(DESCRIBED, RECIPE, KNOWN), "rows")


def test_layers_that_look_at_a_whole_batch_are_refused():
    described = DESCRIBED.model_copy(update={"layers": (LAYERS[0], BatchNorm(), LAYERS[1])})
    with pytest.raises(InputError, match="a network without batch normalization"):
        ApartProgram(Here(), Given(described, RECIPE, KNOWN), "rows", 2)


def test_settings():
    assert DataParallel(address="workers:10.0.0.1:6379").workers == "10.0.0.1:6379"
    assert DataParallel(address="workers:here", n_parts=4).n_processes is None
    assert DataParallel(address="processes:2").workers is None
    with pytest.raises(InputError, match="nothing of it is sharded"):
        DataParallel(address="workers:auto", sharded="weights")
    with pytest.raises(InputError, match="an address of workers"):
        DataParallel(address="workers:somewhere")


class Ending(Monitor):
    """Fails at an epoch, as a process does that is killed there."""

    def __init__(self, at):
        self.at = at

    def on_epoch(self, start, epoch):
        if epoch.epoch == self.at:
            raise KeyboardInterrupt


def test_a_training_that_was_cut_off_goes_on_from_its_checkpoint(usual, tmp_path):
    setting = DataParallel(
        address="workers:here", n_parts=2, checkpoints=str(tmp_path / "kept"), checkpoint_seconds=0
    )
    given = DESCRIBED, RECIPE, KNOWN, None
    with pytest.raises(KeyboardInterrupt):
        train_on_devices(*given, setting, monitor=Ending(8))
    setting = setting.model_copy(update={"n_parts": 4})  # on other workers than before
    (network,), history = train_on_devices(*given, setting)
    assert len(history.starts[0].epochs) == RECIPE.epochs
    for one, other in zip(leaves(network), leaves(usual[0]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
