"""Training by loops that are compiled once for all networks, behind the interface of a program."""

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar, TypeAlias

import numpy as np

from fathom.loops.activations import ACTIVATION_CODES
from fathom.loops.chain import combine, room_aside
from fathom.loops.descent import Known, Learner, Room, Rules
from fathom.loops.losses import compare
from fathom.loops.moving import LINE, whole_lines
from fathom.loops.pictures import combine_pictures
from fathom.loops.records import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, SQUARED_ERROR
from fathom.loops.wide import room_for_share
from fathom.nn.layer import Shape
from fathom.nn.network import Network
from fathom.nn.xla import jax, jitted, jnp
from fathom.parallel.cores import for_each
from fathom.training.augmentation import augment
from fathom.training.history import EngineName
from fathom.training.packing import Packing, can_pack, pack, pack_parameters
from fathom.training.plan import Examples, Knobs, Plan, Sums
from fathom.training.sharing import (
    Team,
    advance_in_parts,
    advance_side_by_side,
    has_pictures,
    is_wide,
    n_parts,
    takes_few_at_once,
)

_LOSSES = {
    "cross_entropy": CROSS_ENTROPY, "binary_cross_entropy": BINARY_CROSS_ENTROPY,
    "squared_error": SQUARED_ERROR,
}  # fmt: skip
_OPTIMIZERS = ("adam", "adamw")
EVALUATION_ROWS = 256  # examples evaluated at once: their activations stay near the core
EVALUATION_PICTURES = 32

Drawn: TypeAlias = tuple[int, ...]
"""What random numbers come from."""


@dataclass(frozen=True)
class Row:
    """A network's parameters in one row, and how to make the network of them."""

    packing: Packing
    parameters: np.ndarray
    statistics: np.ndarray | None


@dataclass
class Walker:
    """All that changes in training, and the memory that steps work in.

    Where it has an origin, its learner has memory but no numbers yet: the first step is taken from
    there.
    """

    packing: Packing
    learner: Learner
    n_steps: int
    origin: Learner | None = None
    team: Team = field(default_factory=Team)
    rooms: tuple[Room, ...] = ()
    gradients: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    rooms_are_for: tuple[int, int, int] = (0, 0, 0)
    known: tuple[Examples, Known] | None = None  # the examples it saw last, and as loops take them

    @property
    def now(self) -> Learner:
        """From where the next step is taken."""
        return self.origin or self.learner

    def rooms_for(self, n_rooms: int, batch: int, n_shares: int) -> tuple[Room, ...]:
        """Return so many rooms, each for so many examples and shares of neurons; they are kept.

        As is room for as many gradients, where neurons are not shared.
        """
        wanted = n_rooms, batch, n_shares
        if self.rooms_are_for != wanted:
            made = [_make_room(self.packing, batch, n_shares, n_rooms) for _ in range(n_rooms)]
            self.rooms, n = tuple(made), whole_lines(len(self.learner.parameters))
            self.gradients = _large_room(0 if n_shares else n_rooms * n).reshape(n_rooms, -1)
            self.rooms_are_for = wanted
        return self.rooms

    def as_known(self, examples: Examples) -> Known:
        """Return examples as loops take them; they are the same in call after call."""
        if self.known is None or self.known[0] is not examples:
            self.known = examples, _as_arrays(examples, np.asarray(examples.y))
        return self.known[1]


def can_loop(plan: Plan, network: Network, x: Any) -> bool:
    """Tell whether the loops can train a network as a plan asks.

    They know networks of columns, gains, dense layers, convolutions, pooling, batch normalization
    and dropout, learning by Adam; everything else is left to XLA, as are inputs in several arrays.
    """
    if isinstance(x, tuple):
        return False
    is_known = plan.optimizer in _OPTIMIZERS and plan.activation in (*ACTIVATION_CODES, "softmax")
    is_plain = plan.gradient_clip is None and plan.parts == 1
    is_soft_square = plan.activation == "softmax" and plan.loss != "cross_entropy"
    is_fit = x.ndim == 4 or (x.ndim == 2 and x.dtype == np.float32)
    is_sound = is_known and is_plain and not is_soft_square and is_fit
    return is_sound and can_pack(network, x.shape[1:])


@dataclass(frozen=True)
class LoopProgram:
    """The functions of one plan, by loops; see `fathom.training.program.Program`."""

    plan: Plan
    input_shape: Shape
    cores: int = 1

    name: ClassVar[EngineName] = "loops"
    evaluation_batch: ClassVar[int] = 1

    def start(self, network: Network) -> Walker:
        """Return the state in which a network begins."""
        parameters = _at_line(pack_parameters(network))
        packing = pack(network, self.input_shape, is_by_role=self.plan.rates == "by_role")
        means = tuple(_at_line(np.zeros_like(parameters)) for _ in range(2))
        statistics = None if packing.statistics is None else _at_line(packing.statistics)
        return Walker(packing, Learner(parameters, statistics, *means), 0)

    def fresh(self, state: Walker, spare: Walker | None = None) -> Walker:
        """Return one to `advance` from a state that stays, in a spare one's memory if given.

        Memory that a process asks for anew is handed over page by page, each wiped before, which
        takes longer than copying. Copied is what no step changes, or all at once; what steps learn
        is read where it is by the first one, which writes it here.
        """
        now = state.now
        own = spare.learner if spare else Learner(*(_room_like(part) for part in now))
        n_learned = int(state.packing.pieces["end"].max(initial=0))
        own.parameters[n_learned:] = now.parameters[n_learned:]
        if now.statistics is not None and own.statistics is not None:
            own.statistics[:] = now.statistics
        return replace(state, learner=own, origin=now._replace(statistics=own.statistics))

    def weights(self, state: Walker) -> Row:
        """Return what the network is now; it stays so until the state is advanced."""
        return Row(state.packing, state.now.parameters, state.now.statistics)

    def network(self, weights: Row) -> Network:
        """Return the network with these weights."""
        return weights.packing.unpack(weights.parameters, weights.statistics)

    def draw(self, seed: int, start: int, call: int) -> Drawn:
        """Return what seeds a call's dropout and augmentation, where it has any."""
        return seed, start, call

    def advance(
        self,
        state: Walker,
        examples: Examples,
        rows: np.ndarray,
        key: Drawn,
        rates: np.ndarray,
        knobs: Knobs,
    ) -> tuple[Walker, Sums, bool]:
        """Take steps; the state is overwritten."""
        smoothing = float(knobs.label_smoothing)
        # What has to be made anew of examples is made of those of the call alone.
        makes_outputs = self.plan.loss != "cross_entropy" and examples.y.ndim == 1
        if len(self.input_shape) > 1 or makes_outputs:
            examples, rows = self._gather(examples, rows, key)
            known, smoothing = self._as_known(examples, state.packing.n_outputs, smoothing)
        else:
            known = state.as_known(examples)
        rules = self._rules(smoothing, float(knobs.weight_decay))
        sums = np.zeros(4 + known.values.shape[1])
        seeds = np.zeros(len(rows), np.uint32)
        if state.packing.drops:
            seeds = np.random.default_rng(_seed_of(key)).integers(0, 2**32, len(rows), np.uint32)
        rates = rates.astype(np.float64)
        n_broken = self._take_steps(state, rules, known, rows, rates, seeds, sums)
        state.n_steps, state.origin = state.n_steps + len(rows), None
        return state, self._as_sums(sums), n_broken == 0 and bool(np.isfinite(sums[0]))

    def _take_steps(
        self,
        state: Walker,
        rules: Rules,
        known: Known,
        rows: np.ndarray,
        rates: np.ndarray,
        seeds: np.ndarray,
        sums: np.ndarray,
    ) -> int:
        """Take steps on one core, or shared among several; return how many weights are broken."""
        packing, batch = state.packing, rows.shape[1]
        where = rules, state.now, state.learner
        if is_wide(packing, batch, self.cores):
            (room,) = state.rooms_for(1, batch, self.cores)
            return advance_side_by_side(
                state.team, packing, *where, room, self.cores, known, rows, rates, seeds,
                state.n_steps, sums,
            )  # fmt: skip
        parts = n_parts(packing, batch, self.cores)
        rooms = state.rooms_for(parts, -(-batch // parts), 0)
        return advance_in_parts(
            state.team, packing, *where, rooms, state.gradients, known, rows, rates, seeds,
            state.n_steps, sums,
        )  # fmt: skip

    def _gather(
        self, examples: Examples, rows: np.ndarray, key: Drawn
    ) -> tuple[Examples, np.ndarray]:
        """Return the examples of a call one after another, augmented, and their new row numbers."""
        chosen = rows.reshape(-1)
        x = np.asarray(examples.x)[chosen]
        if self.plan.augmentation is not None:
            x = np.asarray(_augmented(x, jax.random.key(_seed_of(key)), self.plan.augmentation))
        y, weight = np.asarray(examples.y)[chosen], np.asarray(examples.weight)[chosen]
        own = np.arange(rows.size, dtype=np.int32).reshape(rows.shape)
        return Examples(x, y, weight), own

    def combine(self, weights: Row, x: Any) -> np.ndarray:
        """Return the sums z of the output layer for rows."""
        chain, x = weights.packing.chain, np.asarray(x)
        z = np.empty((len(x), weights.packing.n_outputs), np.float32)
        at_once = EVALUATION_ROWS if x.ndim == 2 else EVALUATION_PICTURES
        part = len(x) if x.dtype == np.float32 else EVALUATION_ROWS  # as float32 all at once?
        go = combine if weights.statistics is None else combine_pictures
        pays = has_pictures(weights.packing) or is_wide(weights.packing, len(x), self.cores)
        n_threads = self.cores if pays else 1
        part = min(part, -(-len(x) // n_threads))

        def combine_part(begin: int) -> None:
            rows, sums = _as_rows(x[begin : begin + part]), z[begin : begin + part]
            go(chain, weights.parameters, weights.statistics, rows, at_once, sums)

        for_each(combine_part, range(0, len(x), max(1, part)), n_threads)
        return z

    def evaluate(self, weights: Row, examples: Examples) -> Sums:
        """Return loss and score of examples."""
        z = self.combine(weights, examples.x)
        known, _ = self._as_known(examples, weights.packing.n_outputs, 0.0)
        sums = np.zeros(4 + known.values.shape[1])
        compare(
            self._rules(0.0, 0.0), z, known.classes.copy(), known.values.copy(),
            known.weight.copy(), np.float32(1), np.empty_like(z), sums,
        )  # fmt: skip
        return self._as_sums(sums)

    def _as_known(
        self, examples: Examples, n_outputs: int, smoothing: float
    ) -> tuple[Known, float]:
        """Return examples as the loops take them, and the label smoothing left to do.

        Where the loss is not cross entropy, classes become outputs of 0 and 1, smoothed already.
        """
        y = np.asarray(examples.y)
        if y.ndim > 1 or self.plan.loss == "cross_entropy":
            return _as_arrays(examples, y), smoothing
        values = np.full((len(y), n_outputs), smoothing / n_outputs, np.float32)
        values[np.arange(len(y)), y] += 1.0 - smoothing
        return _as_arrays(examples, values), 0.0

    def _rules(self, smoothing: float, decay: float) -> Rules:
        plan = self.plan
        return Rules(
            _LOSSES[plan.loss], ACTIVATION_CODES.get(plan.activation, 0), self._counts_right,
            plan.reduction == "mean", smoothing, decay, plan.optimizer == "adamw", plan.beta_2,
        )  # fmt: skip

    @cached_property
    def _counts_right(self) -> bool:
        return self.plan.activation in ("softmax", "sigmoid")

    def _as_sums(self, sums: np.ndarray) -> Sums:
        score = sums[2:3] if self._counts_right else sums[2:]
        return Sums(sums[0], score, sums[1])


def _seed_of(key: Drawn) -> int:
    return int(np.random.SeedSequence(key).generate_state(1)[0])


@lru_cache(maxsize=128)
def make_loop_program(plan: Plan, input_shape: Shape, cores: int = 1) -> LoopProgram:
    """Return the program of a plan, for examples of a shape, with so many cores to itself."""
    return LoopProgram(plan, input_shape, cores)


def _at_line(numbers: np.ndarray) -> np.ndarray:
    """Return a copy that begins a line of memory."""
    copied = _large_room(len(numbers))
    copied[:] = numbers
    return copied


def _room_like(numbers: np.ndarray | None) -> Any:
    return None if numbers is None else _large_room(len(numbers))


def _large_room(n: int) -> np.ndarray:
    """Return room as `fathom.loops.moving.room` does, but in NumPy's memory.

    NumPy asks for large pages, which are some hundred times fewer to be provided one by one.
    """
    whole = np.empty(n + LINE, np.float32)
    skip = (-whole.ctypes.data // 4) % LINE
    return whole[skip : skip + n]


@jitted(static_argnames="augmentation")
def _augmented(x: Any, key: Any, augmentation: Any) -> Any:
    return augment(x.astype(jnp.float32), key, augmentation)


def _as_arrays(examples: Examples, y: np.ndarray) -> Known:
    """Return examples as the loops take them; arrays on a processor are not copied."""
    is_classes = y.ndim == 1
    classes = y if is_classes else np.zeros(0, np.int32)
    values = np.zeros((0, 0), np.float32) if is_classes else y
    return Known(
        _as_rows(examples.x), _fixed(classes, np.int32), _fixed(values, np.float32),
        _fixed(examples.weight, np.float32),
    )  # fmt: skip


def _as_rows(x: Any) -> np.ndarray:
    """Return every example as one row of float32."""
    rows: np.ndarray = np.asarray(x)
    return _fixed(rows.reshape(len(rows), -1), np.float32)


def _fixed(values: Any, kind: type) -> np.ndarray:
    """Return an array that cannot be written to, as those of JAX are: one kind to compile for."""
    fixed: np.ndarray = np.ascontiguousarray(values, kind).view()
    fixed.flags.writeable = False
    return fixed


def _make_room(packing: Packing, batch: int, n_shares: int, n_rooms: int) -> Room:
    """Make room for steps; aside for each share of neurons, if they are shared.

    For a gradient, too, where a core adds up those of a few pictures at a time.
    """
    chain = packing.chain
    wide = batch * chain.widest
    if n_shares:
        beside = n_shares * room_for_share(chain.layers, batch)
    else:
        beside = room_aside(chain.layers, packing.statistics, chain.widest, batch)
    adds_up = n_rooms > 1 and takes_few_at_once(packing)
    n = int(chain.layers[-1]["end"]) if adds_up else 0
    sizes = (batch * chain.places, beside, wide, wide, wide, n)
    return Room(*(_large_room(size) for size in sizes))
