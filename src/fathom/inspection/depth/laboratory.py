"""The laboratory: trains many networks side by side and keeps what each came to."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fathom.inspection.depth.material import Bench, DepthData
from fathom.inspection.depth.plan import SLACK
from fathom.inspection.depth.shapes import describe
from fathom.nn.named import ActivationName
from fathom.training.history import Epoch, Event, StartHistory
from fathom.training.loop import MAX_ROLLBACKS, make_plan
from fathom.training.monitor import Deadline, Monitor
from fathom.training.population import Job, Trained, train_population
from fathom.training.program import make_program
from fathom.training.recipe import Recipe
from fathom.training.starts import n_workers

PILOT_EPOCHS = 3  # the first compiles, the others are measured
REPEAT_SHARE = 0.05  # of the time for measuring, in which to measure again
COMPILE_S = 1.5  # guessed, for a network of a new shape

Widths = tuple[int, ...]


@dataclass(frozen=True)
class Order:
    """One network to be trained.

    Attributes
    ----------
    widths : tuple of int
        Neurons of its hidden layers.
    learning_rate : float
        Learning rate η.
    start : int
        Number of its random start, which also draws its rows where they are not all.
    n_rows : int
        Training rows it learns from.
    """

    widths: Widths
    learning_rate: float
    start: int
    n_rows: int


@dataclass(frozen=True)
class Outcome:
    """What became of a network.

    Attributes
    ----------
    order : Order
        What was asked for.
    error, loss : float
        Error and loss on the test rows.
    validation_loss : float
        Loss on the validation rows, at its best epoch.
    epoch : int
        The epoch that was kept.
    parts : numpy.ndarray
        What each test row adds to the error.
    """

    order: Order
    error: float
    loss: float
    validation_loss: float
    epoch: int
    parts: np.ndarray


class DepthMonitor(Monitor):
    """Watches a study of depth; the default one sees nothing and never asks to stop."""

    def on_stage(self, stage: str, n_networks: int) -> None:
        """Hear that a stage begins: what is done, and how many networks at most it takes."""

    def on_result(self, outcome: Outcome) -> None:
        """Hear of a network that is trained."""


class Laboratory:
    """Trains networks for a study.

    Parameters
    ----------
    data : DepthData
        The examples.
    activation : str
        Activation function of the hidden layers.
    batch_size : int
        Examples per step.
    seed : int
        Seed of every random choice.
    monitor : DepthMonitor
        Told of what happens.
    deadline : Deadline
        When all is to be over.
    """

    def __init__(
        self,
        data: DepthData,
        activation: ActivationName,
        batch_size: int,
        seed: int,
        monitor: DepthMonitor,
        deadline: Deadline,
    ) -> None:
        self.data, self.monitor, self.deadline = data, monitor, deadline
        self._bench = Bench(data)
        self._activation, self._batch, self._seed = activation, batch_size, seed
        self.epoch_s: dict[Widths, float] = {}  # of one network, while others train beside it
        self.n_workers = n_workers()

    @property
    def is_over(self) -> bool:
        """Whether time is over or a stop was asked for."""
        return self.deadline.remaining() <= 0 or self.monitor.should_stop()

    def measure(self, all_widths: Sequence[Widths], rate: float, seconds: float) -> None:
        """Compile networks and measure their speed, in order, until the seconds are over."""
        orders = [Order(widths, rate, 0, len(self.data.training)) for widths in all_widths]
        until = Deadline(None if seconds == math.inf else seconds)
        self.train(orders, PILOT_EPOCHS, is_wanted=lambda _: until.remaining() > 0)
        again = PILOT_EPOCHS * sum(self.epoch_s.values()) / self.n_workers
        if again < REPEAT_SHARE * seconds:  # without compilations beside them
            known = [order for order in orders if order.widths in self.epoch_s]
            self.train(known, PILOT_EPOCHS)

    def train(
        self,
        orders: Sequence[Order],
        epochs: int,
        is_wanted: Callable[[int], bool] = lambda _: True,
    ) -> list[Outcome]:
        """Train networks side by side; those that were cut short are left out.

        Parameters
        ----------
        orders : sequence of Order
            What to train, in this order.
        epochs : int
            Epochs of each.
        is_wanted : callable
            Whether to begin the order of this position; where not, none after it is begun.

        Returns
        -------
        list of Outcome
            Those that were trained, in the order of the orders.
        """
        queue = _Queue(self, orders, epochs, is_wanted)
        if orders and not self.is_over:
            train_population(queue, monitor=_Clock(self))
        return [outcome for _, outcome in sorted(queue.outcomes.items())]

    def expected_s(self, order: Order, epochs: int) -> float:
        """Return the seconds a network may take."""
        return SLACK * epochs * self.epoch_s.get(order.widths, COMPILE_S / epochs)

    def make_job(self, number: int, order: Order, epochs: int) -> Job:
        """Make the job of training a network."""
        data = self.data
        recipe = Recipe(
            optimizer="adam", learning_rate=order.learning_rate, batch_size=self._batch,
            epochs=epochs, patience=max(10, epochs // 3), seed=self._seed,
        )  # fmt: skip
        return Job(
            number=number,
            fold=order.start,
            architecture=describe(
                order.widths, data.n_inputs, data.n_outputs, self._activation, data.output
            ),
            recipe=recipe,
            examples=self._bench.examples,
            held_out=self._bench.validation,
            rows=choose_rows(data.training, order.n_rows, [self._seed, order.start]),
            judge=self._bench.judge,
        )

    def note_speed(self, trained: Trained, widths: Widths) -> None:
        """Learn how long an epoch takes, from the second on."""
        seconds = [epoch.seconds for epoch in trained.history.epochs]
        if len(seconds) > 1:
            gaps = np.diff(seconds)
            is_first = widths not in self.epoch_s  # while others compile
            self.epoch_s[widths] = float(gaps.min() if is_first else gaps.mean())

    def assess(self, order: Order, trained: Trained) -> Outcome | None:
        """Return what became of a network; None where it found no finite loss."""
        best = trained.history.best
        if trained.network is None or trained.z is None or best is None:
            return None
        program = make_program(make_plan(trained.job.architecture, trained.job.recipe))
        z = np.asarray(program.combine(trained.network, self._bench.test_x))
        parts, loss = self._bench.assess(z, trained.z)
        assert best.validation_loss is not None
        error = self._bench.error(parts)
        return Outcome(order, error, loss, best.validation_loss, best.epoch, parts)


class _Clock(Monitor):
    """Asks to stop when the time is over.

    A training that knew the deadline would bring its learning rate down by it, and no longer be
    trained as all the others are.
    """

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        self._laboratory.monitor.on_epoch(start, epoch)

    def on_event(self, start: int, event: Event) -> None:
        self._laboratory.monitor.on_event(start, event)

    def should_stop(self) -> bool:
        return self._laboratory.is_over


class _Queue:
    """Hands out orders one after another, as long as there is time for the next."""

    def __init__(
        self,
        laboratory: Laboratory,
        orders: Sequence[Order],
        epochs: int,
        is_wanted: Callable[[int], bool],
    ) -> None:
        self._laboratory, self._orders = laboratory, orders
        self._epochs, self._is_wanted = epochs, is_wanted
        self._next = 0
        self.outcomes: dict[int, Outcome] = {}

    @property
    def is_done(self) -> bool:
        return self._next >= len(self._orders)

    def next_job(self) -> Callable[[], Job] | None:
        number, laboratory = self._next, self._laboratory
        order = self._orders[number]
        is_late = laboratory.expected_s(order, self._epochs) > laboratory.deadline.remaining()
        if is_late or not self._is_wanted(number):
            self._next = len(self._orders)
            return None
        self._next += 1
        return lambda: laboratory.make_job(number, order, self._epochs)

    def on_epoch(self, job: Job, epochs: list[Epoch]) -> str | None:
        return None

    def on_trained(self, trained: Trained) -> None:
        order = self._orders[trained.job.number]
        self._laboratory.note_speed(trained, order.widths)
        if not is_whole(trained.history, trained.job.recipe):
            return
        outcome = self._laboratory.assess(order, trained)
        if outcome is not None:
            self.outcomes[trained.job.number] = outcome
            self._laboratory.monitor.on_result(outcome)


def is_whole(history: StartHistory, recipe: Recipe) -> bool:
    """Tell whether a training went as planned, rather than being cut short by time or request."""
    n = len(history.epochs)
    is_patient = recipe.patience is not None and n - history.best_epoch < recipe.patience
    n_rollbacks = sum(event.kind == "rolled_back" for event in history.events)
    return n >= recipe.epochs or not is_patient or n_rollbacks >= MAX_ROLLBACKS


def choose_rows(rows: np.ndarray, n: int, seed: Sequence[int]) -> np.ndarray:
    """Return n of the rows, repeated until there are as many as before.

    Whatever the size of the training set, a network then takes the same number of steps, and runs
    in the same compiled program. A larger choice of the same seed holds the smaller one.
    """
    if n >= len(rows):
        return rows
    chosen = np.random.default_rng(list(seed)).permutation(rows)[:n]
    return np.resize(chosen, len(rows))


def choose_rates(outcomes: Sequence[Outcome]) -> dict[Widths, float]:
    """Return for each network the learning rate of the lowest validation loss, mean over starts.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Networks that differ in widths, learning rate and start.
    """
    losses: dict[tuple[Widths, float], list[float]] = {}
    for outcome in outcomes:
        key = (outcome.order.widths, outcome.order.learning_rate)
        losses.setdefault(key, []).append(outcome.validation_loss)
    means = {key: float(np.mean(those)) for key, those in losses.items()}
    best: dict[Widths, float] = {}
    for widths, rate in sorted(means, key=lambda key: (means[key], key[1])):
        best.setdefault(widths, rate)
    return best
