"""The loop: one network walks down the error surface, epoch by epoch."""

import math
import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from fathom.errors import TrainingError
from fathom.nn.architecture import Architecture
from fathom.nn.network import Network
from fathom.nn.xla import jax, jnp
from fathom.training.engines import choose_program
from fathom.training.history import (
    EngineName,
    Epoch,
    Event,
    EventKind,
    StartHistory,
    Steps,
)
from fathom.training.keeping import Keeper, Moment, Notes
from fathom.training.lengths import Lengths, choose_lengths
from fathom.training.machine import (
    SMALL,
    evaluated_at_once,
    parts_for,
    platform,
    room_for_steps,
    step_bytes,
    tell_parts,
)
from fathom.training.metrics import score
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import EVALUATION_BATCH, Examples, Knobs, Plan, Sums
from fathom.training.recipe import Recipe
from fathom.training.rows import AlikeRows, RowStream
from fathom.training.schedules import learning_rate_factors
from fathom.training.stopping import Best
from fathom.training.together import Together

Judge: TypeAlias = Callable[[np.ndarray], tuple[float, float]]
MAX_ROLLBACKS = 10
CALL_FLOP = 3e10  # work of one call of the compiled program: some tenths of a second on a core
CALL_BYTES = 2**26  # memory for the examples of one call


def train(
    network: Network,
    architecture: Architecture,
    recipe: Recipe,
    examples: Examples,
    held_out: Examples | None,
    *,
    start: int = 0,
    rows: np.ndarray | None = None,
    judge: Judge | None = None,
    monitor: Monitor | None = None,
    deadline: Deadline | None = None,
    steps: Steps | None = None,
    engine: EngineName | None = None,
    cores: int = 1,
    together: Together | None = None,
    program: Any | None = None,
    keeper: Keeper | None = None,
) -> tuple[Network, StartHistory]:
    """Train one network and return it with its best weights.

    Parameters
    ----------
    network : Network
        The network at its random start, built from the architecture.
    architecture : Architecture
        Gives loss, reduction and output layer.
    recipe : Recipe
        How to train.
    examples : Examples
        Training examples.
    held_out : Examples or None
        Examples that choose the best epoch, never trained on.
    start : int
        Number of the random start; with the recipe's seed it fixes every random choice.
    rows : numpy.ndarray, optional
        Positions of the examples to train on; all of them where left out.
    judge : callable, optional
        Takes the sums z of the held-out examples, shape (n, outputs), and returns their loss, which
        chooses the best epoch, and their score; the network's own loss where left out.
    monitor : Monitor, optional
        Told of every epoch, and asked whether to stop.
    deadline : Deadline, optional
        When to be done: the learning rate is brought down in the time there is.
    steps : Steps, optional
        What the clock made of an earlier training: the same is done again, whatever the time.
    engine : {"xla", "loops"}, optional
        What takes the steps; chosen by `fathom.training.engines` where left out.
    cores : int, default 1
        Cores that this network has to itself.
    together : Together, optional
        Where networks that train at the same time meet, to have XLA take their steps as one.
    program : object, optional
        The functions that train, such as a `fathom.training.mesh.MeshProgram`; chosen where left
        out.
    keeper : Keeper, optional
        Keeps the training as it stands now and then, and gives back one that was cut off.

    Returns
    -------
    tuple of Network and StartHistory
        The network at its best epoch, and what happened.

    Raises
    ------
    TrainingError
        If the loss is not finite even after halving the learning rate ten times, or not even a step
        with one example at a time fits into memory.
    """
    lengths = None
    if architecture.loss == "ctc" and program is None and together is None:
        lengths = choose_lengths(np.asarray(examples.x), recipe.n_lengths)
    # XLA's gradient of a convolution is far slower inside a scan than on its own, on CPU.
    is_scanned = lengths is None and not (network.has_convolution and platform() == "cpu")
    if rows is None:
        rows = np.arange(len(examples.weight))
    deadline = deadline or Deadline(None)
    parts = 1
    if program is None:
        parts = steps.parts if steps else choose_parts(architecture, recipe, len(rows), cores)
        plan = make_plan(architecture, recipe, is_scanned, parts)
        program = choose_program(
            plan, network, examples.x,
            engine=engine if steps is None else steps.engine, deadline=deadline, cores=cores,
        )  # fmt: skip
        if program.name == "xla":  # which would fetch what is NumPy's anew in every call
            examples, held_out = jax.device_put((examples, held_out))
        if lengths is not None:
            program = lengths.program(plan)
    walk = _Walk(
        architecture, recipe, examples, held_out, start, rows, judge, monitor or Monitor(),
        deadline, program, is_scanned or program.name == "loops", steps, keeper,
        parts, lengths,
    )  # fmt: skip
    if together is None or program.name == "loops":
        return walk.run(network)
    shape = walk.steps, walk.batch
    with together.join(program, network, examples, shape) as walk.program:
        return walk.run(network)


def choose_parts(architecture: Architecture, recipe: Recipe, n_rows: int, cores: int) -> int:
    """Return in how many parts a batch is worked through so that its step fits into memory."""
    batch = min(recipe.batch_size, n_rows)
    if step_bytes(architecture, batch) <= SMALL:  # nobody needs to ask what there is
        return 1
    return parts_for(architecture, batch, room_for_steps(cores))


def make_plan(
    architecture: Architecture, recipe: Recipe, is_scanned: bool = True, parts: int = 1
) -> Plan:
    """Return what of an architecture and a recipe is compiled into their program."""
    return Plan(
        architecture.loss, architecture.reduction, architecture.output_activation,
        recipe.optimizer, recipe.momentum, recipe.beta_2, recipe.rates, recipe.gradient_clip,
        recipe.augmentation, is_scanned,
        "bfloat16" if platform() == "gpu" else "float32",
        parts, evaluated_at_once(architecture, EVALUATION_BATCH),
    )  # fmt: skip


def pad_for_evaluation(examples: Examples, batch: int = EVALUATION_BATCH) -> Examples:
    """Fill up examples with weightless ones to a multiple of the evaluation batch."""
    missing = -len(examples.weight) % batch
    if not missing:
        return examples
    pad = lambda part: jnp.pad(part, [(0, missing)] + [(0, 0)] * (part.ndim - 1))  # noqa: E731
    return jax.tree.map(pad, examples)


def split_epoch(n_steps: int, architecture: Architecture, batch: int) -> tuple[int, int]:
    """Split an epoch into calls of the compiled program, short enough to be interrupted.

    Returns
    -------
    tuple of int
        Calls per epoch and steps per call; together at least ``n_steps`` steps.
    """
    # Each weight is used once per example forward and twice backward, in two operations each.
    # Those of a convolution are used at every place of its picture.
    places = [math.prod(shape[:-1]) for shape in architecture.shapes[1:]]
    flop = 6.0 * batch * sum(map(operator.mul, places, architecture.parameter_counts))
    memory = 4.0 * batch * math.prod(architecture.input_shape)
    most = max(1, int(min(CALL_FLOP / flop, CALL_BYTES / memory)))
    fewest = math.ceil(n_steps / most)
    # Of calls of equal length, a few more may make fewer steps too many: 10 steps are 5 × 2.
    choices = range(fewest, min(2 * fewest, n_steps) + 1)
    calls = min(choices, key=lambda calls: calls * math.ceil(n_steps / calls))
    return calls, math.ceil(n_steps / calls)


class _Walk:
    """One network's training, as seen from the host."""

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        examples: Examples,
        held_out: Examples | None,
        start: int,
        rows: np.ndarray,
        judge: Judge | None,
        monitor: Monitor,
        deadline: Deadline,
        program: Any,  # a Program or a LoopProgram, whose functions are the same
        takes_runs: bool,
        replayed: Steps | None,
        keeper: Keeper | None,
        parts: int,
        lengths: Lengths | None,
    ) -> None:
        self.recipe, self.examples, self.start = recipe, examples, start
        self.keeper = keeper
        self.midway: tuple[Any, Sums, int] | None = None  # of an epoch that was cut off
        self.spare: Any = None  # a state whose memory may be written over
        self.n_held_out = 0 if held_out is None else len(held_out.weight)
        self.judge, self.parts = judge, parts
        self.monitor, self.deadline, self.replayed = monitor, deadline, replayed
        self.hurried: dict[int, int] = {}  # calls planned for by a call, where the time was short
        self.architecture, self.activation = architecture, architecture.output_activation
        self.program = program
        self.held_out = held_out and pad_for_evaluation(held_out, program.evaluation_batch)
        n = len(rows)
        self.batch = min(recipe.batch_size, n)
        n_steps = math.ceil(n / self.batch)
        self.calls, self.steps = (
            split_epoch(n_steps, architecture, self.batch) if takes_runs else (n_steps, 1)
        )
        self.knobs = Knobs(np.float32(recipe.weight_decay), np.float32(recipe.label_smoothing))
        self.rows: RowStream | AlikeRows
        self.rows = RowStream(rows, np.random.default_rng([recipe.seed, start]))
        if lengths is not None:
            self.rows = AlikeRows(self.rows, lengths.needed, self.batch, self.calls)
        self.epochs: list[Epoch] = []
        self.events: list[Event] = []
        self.best = Best()
        self.middles = np.arange(self.steps) + 0.5  # of the steps of a call
        self.progress, self.rate_factor, self.learning_rate = 0.0, 1.0, 0.0
        self.n_calls, self.n_rollbacks, self.n_calls_before = 0, 0, 0
        self.is_shortened, self.has_given_up = False, False
        self.call_seconds = math.nan  # from call to call, once one has run that did not compile
        self.reserve = 0.02  # seconds kept back for the evaluation at the end
        self.began = self.mark = self.deadline.now()

    def run(self, network: Network) -> tuple[Network, StartHistory]:
        if self.parts > 1:
            self._say("divided", tell_parts(self.architecture, self.batch, self.parts))
        state = self._begin(self.program.start(network))
        reason = self._why_stop() if self.epochs and self.midway is None else None
        while reason is None:
            state = self._go_on(state)
            reason = self._why_stop()
        self._say("stopped", reason)
        return self.program.network(self.kept), StartHistory(
            epochs=tuple(self.epochs), events=tuple(self.events), best_epoch=self.best.epoch,
            steps=Steps(
                n_calls=self.n_calls, hurried=tuple(self.hurried.items()),
                engine=self.program.name, parts=self.parts,
            ),
        )  # fmt: skip

    def _go_on(self, before: Any) -> Any:
        """Train for an epoch, and keep its weights if they are the best."""
        state = self._epoch(before, len(self.epochs) + 1)
        if self.best.epoch == len(self.epochs):
            self.kept = self.program.weights(state)
        is_kept = state is before or self.best.epoch == len(self.epochs) - 1
        self._leave(None if is_kept else before)
        self._keep(state)
        return state

    def _leave(self, state: Any) -> None:
        """Let the memory of a state be written over; XLA sees to it itself."""
        self.spare = state if self.program.name == "loops" else None

    def _begin(self, state: Any) -> Any:
        """Return the state to go on from: the first, or that of a training that was cut off."""
        self.kept = self.program.weights(state)
        moment = None if self.keeper is None else self.keeper.recall(state)
        if moment is None:
            return state
        notes, self.kept = moment.notes, moment.kept
        self.epochs, self.events = list(notes.epochs), list(notes.events)
        for epoch in self.epochs:
            self.best = self.best.after(epoch.epoch, epoch.validation_loss)
        self.progress, self.rate_factor = notes.progress, notes.rate_factor
        self.learning_rate, self.is_shortened = notes.learning_rate, notes.is_shortened
        self.n_calls = self.n_calls_before = notes.n_calls
        self.n_rollbacks, self.hurried = notes.n_rollbacks, dict(notes.hurried)
        self.began -= notes.seconds
        self.rows.go_to(notes.rows)
        if moment.now is not None:
            self.midway = (
                moment.now,
                Sums(*(np.asarray(part, np.float32) for part in notes.total or ())),
                notes.call,
            )
        return moment.good

    def _keep(self, good: Any, now: Any = None, total: Sums | None = None, call: int = 0) -> None:
        """Have the training kept as it stands, where it is time for that."""
        if self.keeper is None:
            return

        def look() -> Moment:
            notes = Notes(
                epochs=tuple(self.epochs), events=tuple(self.events), progress=self.progress,
                rate_factor=self.rate_factor, learning_rate=self.learning_rate,
                n_calls=self.n_calls, n_rollbacks=self.n_rollbacks,
                hurried=tuple(self.hurried.items()), is_shortened=self.is_shortened,
                seconds=self.deadline.now() - self.began, rows=self.rows.place(), call=call,
                total=total and tuple(np.asarray(part).tolist() for part in total),
            )  # fmt: skip
            return Moment(notes, good, self.kept, now)

        self.keeper.consider(look)

    def _epoch(self, state: Any, number: int) -> Any:
        """Train until an epoch ends well, from the last good weights each time it does not."""
        while not self.has_given_up:
            trained, sums = self._advance(state, number)
            if sums is not None:
                held_out_loss, held_out_score = self._evaluate(self.program.weights(trained))
                if held_out_loss is None or math.isfinite(held_out_loss):
                    self._record(number, sums, held_out_loss, held_out_score)
                    return trained
            self._leave(trained)
            self._roll_back()
        if not self.epochs:
            raise TrainingError(
                "a finite loss",
                got=f"NaN or infinity with every learning rate down to "
                f"{self.recipe.learning_rate * self.rate_factor:.3g}",
                hint="look for extreme values in the data, or give a smaller learning_rate",
            )
        return state

    def _advance(self, state: Any, number: int) -> tuple[Any, Sums | None]:
        """Run the calls of one epoch; None for the sums where something was not finite."""
        good, total, first = state, None, 0
        if self.midway is None:
            state, self.spare = self.program.fresh(state, self.spare), None
        else:
            (state, total, first), self.midway = self.midway, None
        for call in range(first, self.calls):
            if call > 0 and (self.monitor.should_stop() or self._is_late() or self._is_replayed()):
                break
            rates = self._plan_rates((self.recipe.epochs - number) * self.calls + self.calls - call)
            rows = self.rows.take(self.steps * self.batch).reshape(self.steps, self.batch)
            key = self.program.draw(self.recipe.seed, self.start, self.n_calls)
            state, sums, is_finite = self.program.advance(
                state, self.examples, rows, key, rates, self.knobs
            )
            if not is_finite:
                return state, None
            self._note_call()
            total = sums if total is None else Sums(*map(operator.add, total, sums))
            if call + 1 < self.calls:
                self._keep(good, state, total, call + 1)
        return state, total

    def _plan_rates(self, calls_left: int) -> np.ndarray:
        """Return the learning rates of the next call, and move on along the schedule.

        The schedule is stretched over the calls that are left, or over those there is time for.
        """
        affordable = (self.deadline.remaining() - self.reserve) / self.call_seconds
        begun = self.n_calls + self.n_rollbacks  # each call's own, also where it is taken back
        if self.replayed is not None:
            calls_left = dict(self.replayed.hurried).get(begun, calls_left)
        elif affordable < calls_left:
            if not self.is_shortened and affordable < 0.95 * calls_left:
                self.is_shortened = True
                done = len(self.epochs) + max(affordable, 1) / self.calls
                self._say(
                    "shortened",
                    f"time for about {done:.0f} of {self.recipe.epochs} epochs: "
                    "the learning rate falls accordingly",
                )
            calls_left = self.hurried[begun] = max(1, int(affordable))
        share = (1.0 - self.progress) / calls_left
        middle = self.progress + share * self.middles / self.steps
        self.progress += share
        full = self.recipe.learning_rate * self.rate_factor
        rates = full * learning_rate_factors(self.recipe.schedule, middle)
        self.learning_rate = float(rates[-1])
        return rates.astype(np.float32)

    def _note_call(self) -> None:
        """Learn how long it takes from one call to the next, evaluations between them included."""
        seconds, self.mark = self.deadline.now() - self.mark, self.deadline.now()
        self.n_calls += 1
        n_timed = self.n_calls - self.n_calls_before
        if n_timed == 2:
            self.call_seconds = seconds
        elif n_timed > 2:
            self.call_seconds += 0.2 * (seconds - self.call_seconds)

    def _evaluate(self, weights: Any) -> tuple[float | None, float | None]:
        if self.held_out is None:
            return None, None
        began = self.deadline.now()
        loss, rated = self._rate(weights, self.held_out)
        if self.epochs:
            self.reserve = 0.02 + 2 * (self.deadline.now() - began)
        else:
            self.mark = self.deadline.now()  # the first evaluation compiles, which says nothing
        return loss, rated

    def _rate(self, weights: Any, held_out: Examples) -> tuple[float, float]:
        if self.judge is not None:
            z = self.program.combine(weights, held_out.x)
            return self.judge(np.asarray(z)[: self.n_held_out])
        sums = self.program.evaluate(weights, held_out)
        weight = float(sums.weight)
        return float(sums.loss) / weight, score(sums.score, weight, self.activation)

    def _record(
        self, number: int, sums: Sums, held_out_loss: float | None, held_out_score: float | None
    ) -> None:
        weight = float(sums.weight)
        epoch = Epoch(
            epoch=number,
            train_loss=float(sums.loss) / weight,
            train_score=score(sums.score, weight, self.activation),
            validation_loss=held_out_loss,
            validation_score=held_out_score,
            learning_rate=self.learning_rate,
            seconds=self.deadline.now() - self.began,
        )
        self.epochs.append(epoch)
        self.best = self.best.after(number, held_out_loss)
        self.monitor.on_epoch(self.start, epoch)

    def _roll_back(self) -> None:
        if self.n_rollbacks == MAX_ROLLBACKS:
            self.has_given_up = True
            return
        self.n_rollbacks += 1
        self.rate_factor /= 2
        self._say(
            "rolled_back",
            "the loss was not finite: back to the last good weights, learning rate halved to "
            f"{self.recipe.learning_rate * self.rate_factor:.3g}",
        )

    def _say(self, kind: EventKind, text: str) -> None:
        event = Event(epoch=len(self.epochs) + (kind != "stopped"), kind=kind, text=text)
        self.events.append(event)
        self.monitor.on_event(self.start, event)

    def _is_replayed(self) -> bool:
        return self.replayed is not None and self.n_calls >= self.replayed.n_calls

    def _is_late(self) -> bool:
        pause = 0.0 if math.isnan(self.call_seconds) else self.call_seconds
        return self.deadline.remaining() < self.reserve + pause

    def _why_stop(self) -> str | None:
        """Return why training is over, or None where it goes on."""
        n = len(self.epochs)
        if self.has_given_up:
            return f"stopped after {MAX_ROLLBACKS} halvings of the learning rate"
        if self.monitor.should_stop():
            return self.monitor.stop_reason
        if self.best.is_out_of_patience(n, self.recipe.patience):
            return f"no better validation loss for {self.recipe.patience} epochs"
        if n >= self.recipe.epochs:
            return "all epochs done"
        if self._is_replayed():
            return "as many steps as before"
        if self._is_late() or self.progress > 1 - 1e-9:
            return f"time limit reached in epoch {n} of {self.recipe.epochs}"
        return None
