"""The study from end to end: networks of every depth, trained in the time there is."""

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fathom.errors import InputError
from fathom.inspection.depth.laboratory import (
    DepthMonitor,
    Laboratory,
    Order,
    Outcome,
    Widths,
    choose_rates,
)
from fathom.inspection.depth.material import DepthData
from fathom.inspection.depth.plan import (
    MOST_SEEDS,
    Plan,
    aimed_epochs,
    batch_for,
    make_plan,
    n_tuning_starts,
)
from fathom.inspection.depth.rows import DepthRow
from fathom.inspection.depth.shapes import (
    SHAPES,
    TITLES,
    Shape,
    choose_widths,
    count_parameters,
)
from fathom.inspection.depth.study import DepthStudy
from fathom.inspection.depth.verdict import Comparison, compare, row_spread
from fathom.inspection.depth.words import spans
from fathom.nn.named import ActivationName
from fathom.training.monitor import Deadline

DEPTHS = tuple(range(1, 9))
MOST_DEPTH = 64
SIZES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
FIRST_RATES = (3e-3, 1e-2)  # then their neighbors, until the best is not at an end
TUNING_START = 1_000_000  # number of the first start that chooses rates, and is not judged
PILOT_SHARE = 0.4  # of the time, for compiling and measuring speed
TUNING_SHARE = 0.6  # of what is left then, at most, for choosing learning rates
VERDICT_S = 0.5  # kept back for working out what was found


@dataclass(frozen=True)
class _Place:
    """A network's place in the study."""

    shape: Shape
    depth: int
    widths: Widths


def study_depth(
    data: DepthData,
    *,
    depths: Sequence[int] = DEPTHS,
    shapes: Sequence[Shape] = SHAPES,
    width: int = 64,
    activation: ActivationName = "relu",
    sizes: Sequence[float] = SIZES,
    n_seeds: int | None = None,
    epochs: int | None = None,
    time_limit: float | None = 120.0,
    seed: int = 0,
    monitor: DepthMonitor | None = None,
) -> DepthStudy:
    """Train networks of few and many hidden layers from many starts, and compare their errors.

    Every network has the same epochs, is trained at the learning rate that did best for it on the
    validation rows (0.003 and 0.01 first, then on in the direction of the better one, up to
    0.1 or down to 0.0001, for as long as it gets better) from starts that are not judged, keeps
    the epoch with the lowest validation loss, and is judged on test rows nothing else has seen.

    Parameters
    ----------
    data : DepthData
        The examples; see `from_table`, `from_digits` and `from_arrays`.
    depths : sequence of int
        Hidden layers, 1 to 64.
    shapes : sequence of str
        What is equal: parameters, neurons, width.
    width : int
        Neurons in each of the two hidden layers of the network that all shapes have in common.
    activation : str
        Activation function of the hidden layers.
    sizes : sequence of float
        Training rows for the learning curves of the first shape: shares below 1, numbers from 1;
        none for no learning curves.
    n_seeds, epochs : int, optional
        Starts of every network, and epochs of every training; as many as there is time for, up
        to 30 starts and some 4000 steps, where left out. Where both are given the study depends
        on nothing but the seed, if there is time for all of it.
    time_limit : float or None
        Seconds for everything; None for no limit.
    seed : int
        Seed of every random choice.
    monitor : DepthMonitor, optional
        Watches, and may ask to stop; what is done by then is the study.

    Returns
    -------
    DepthStudy
        What they came to.

    Raises
    ------
    InputError
        If a depth or a size cannot be, or there was no time for any two networks.
    """
    _check(depths, shapes, width, activation, n_seeds, epochs, time_limit)
    limit = None if time_limit is None else max(time_limit - VERDICT_S, 0.0)
    laboratory = Laboratory(
        data, activation, batch_for(len(data.training)), seed, monitor or DepthMonitor(),
        Deadline(limit),
    )  # fmt: skip
    order, each = _spread_out(sorted(set(depths))), tuple(dict.fromkeys(shapes))
    ends = [(shape, depth) for shape in each for depth in order[:2]]
    rest = [(shape, depth) for depth in order[2:] for shape in each]
    places = [
        _Place(shape, depth, choose_widths(shape, depth, width, data.n_inputs, data.n_outputs))
        for shape, depth in ends + rest
    ]
    study = _Study(laboratory, places, _count_sizes(sizes, len(data.training)))
    study.train(epochs, n_seeds)
    return study.conclude(width, activation)


def _check(
    depths: Sequence[int],
    shapes: Sequence[Shape],
    width: int,
    activation: str,
    n_seeds: int | None,
    epochs: int | None,
    time_limit: float | None,
) -> None:
    wrong = [depth for depth in depths if not 1 <= depth <= MOST_DEPTH]
    if wrong or not depths:
        raise InputError(
            f"hidden layers from 1 to {MOST_DEPTH}", got=", ".join(map(str, wrong)) or "none"
        )
    unknown = [shape for shape in shapes if shape not in SHAPES]
    if unknown or not shapes:
        raise InputError(f"shapes among {', '.join(SHAPES)}", got=", ".join(unknown) or "none")
    for name, value, most in (("width", width, 4096), ("n_seeds", n_seeds, 1000),
                              ("epochs", epochs, 100_000)):  # fmt: skip
        if value is not None and not 1 <= value <= most:
            raise InputError(f"{name} from 1 to {most:,}", got=f"{value}")
    if activation == "softmax":
        raise InputError("an activation function for hidden layers", got="softmax")
    if time_limit is not None and not 0 < time_limit < math.inf:
        raise InputError("a time limit above 0, in seconds", got=f"{time_limit:g}")


def _count_sizes(sizes: Sequence[float], n: int) -> tuple[int, ...]:
    """Return sizes of the training set as numbers of rows, those below all of them."""
    for size in sizes:
        if not 0 < size < math.inf:
            raise InputError("sizes above 0: shares below 1, or rows", got=f"{size:g}")
    counts = {math.ceil(size * n) if size < 1 else int(size) for size in sizes}
    return tuple(sorted(count for count in counts if count < n))


def _spread_out(depths: Sequence[int]) -> list[int]:
    """Return the ends first, then ever finer what lies between, for when time is short.

    Examples
    --------
    >>> _spread_out([1, 2, 3, 4, 5, 6, 7, 8])
    [1, 8, 4, 2, 6, 3, 5, 7]
    """
    order, gaps = [depths[0], depths[-1]], [(0, len(depths) - 1)]
    while gaps:
        low, high = gaps.pop(0)
        middle = (low + high) // 2
        if low < middle:
            order.append(depths[middle])
            gaps += [(low, middle), (middle, high)]
    return list(dict.fromkeys(order))


def _beyond(best: float, tried: Collection[float]) -> tuple[float, ...]:
    """Return the next learning rate beyond those tried, where the best is at their end."""
    place = RATES.index(best)
    near = [RATES[at] for at in (place - 1, place + 1) if 0 <= at < len(RATES)]
    return tuple(rate for rate in near if rate not in tried)


class _Study:
    """A study in the making."""

    def __init__(
        self, laboratory: Laboratory, places: Sequence[_Place], sizes: tuple[int, ...]
    ) -> None:
        self.laboratory, self.places, self.sizes = laboratory, list(places), sizes
        self.data, self.curve_shape = laboratory.data, places[0].shape
        self.notes = list(self.data.notes)
        self.rates: dict[Widths, float] = {}
        self.outcomes: dict[tuple[Widths, int], dict[int, Outcome]] = {}
        self.began, self.plan = time.monotonic(), Plan(0, 0, False)

    def all_widths(self) -> list[Widths]:
        """Return every network once: shapes have some in common."""
        return list(dict.fromkeys(place.widths for place in self.places))

    def curve_widths(self) -> list[Widths]:
        """Return the networks of the learning curves: those of the first shape asked for."""
        return [place.widths for place in self.places if place.shape == self.curve_shape]

    def train(self, epochs: int | None, n_seeds: int | None) -> None:
        """Measure, plan, choose the learning rates, and train from every start."""
        laboratory, n = self.laboratory, len(self.data.training)
        aim = aimed_epochs(n, batch_for(n))
        left = laboratory.deadline.remaining()
        if epochs is not None and n_seeds is not None:
            self.plan = Plan(epochs, n_seeds, bool(self.sizes))
        else:
            if left < math.inf:
                self._measure(left)
            main, curves = self._round_s(self.all_widths()), self._round_s(self.curve_widths())
            left = laboratory.deadline.remaining()
            self.plan = make_plan(
                left, main, curves * len(self.sizes), aim,
                n_tuning=n_tuning_starts(n), epochs=epochs, n_seeds=n_seeds,
            )  # fmt: skip
        if self.sizes and not self.plan.has_sizes:
            self.notes.append("no time for learning curves; give more time")
        if left < math.inf and self.plan.epochs < aim and epochs is None:
            self.notes.append(
                f"time for {self.plan.epochs} epochs rather than {aim}: deep networks may want more"
            )
        self._tune()
        self._train_rounds(is_open=n_seeds is None and left < math.inf)

    def _measure(self, seconds: float) -> None:
        """Compile, measure speed, and leave out what there is no time to compile."""
        widths = self.all_widths()
        self.laboratory.monitor.on_stage("compiling, measuring speed", len(widths))
        self.laboratory.measure(widths, FIRST_RATES[0], PILOT_SHARE * seconds)
        self._leave_out([w for w in widths if w not in self.laboratory.epoch_s])

    def _leave_out(self, absent: Sequence[Widths]) -> None:
        if not absent:
            return
        gone = [place for place in self.places if place.widths in absent]
        self.places = [place for place in self.places if place.widths not in absent]
        named = [
            f"{spans([p.depth for p in gone if p.shape == shape])} with {TITLES[shape]}"
            for shape in SHAPES
            if any(p.shape == shape for p in gone)
        ]
        self.notes.append(f"no time to train hidden layers: {', '.join(named)}; give more time")

    def _round_s(self, all_widths: Sequence[Widths]) -> float:
        """Return the seconds in which networks take an epoch each, side by side."""
        known = [self.laboratory.epoch_s.get(widths, 0.0) for widths in all_widths]
        return sum(known) / self.laboratory.n_workers

    def _slowest_first(self, orders: Sequence[Order]) -> list[Order]:
        """Order networks so that the last to end are short ones; by size where not measured."""
        n_in, n_out = self.data.n_inputs, self.data.n_outputs
        seconds = self.laboratory.epoch_s

        def cost(order: Order) -> tuple[float, int]:
            return seconds.get(order.widths, 0.0), count_parameters(n_in, order.widths, n_out)

        return sorted(orders, key=cost, reverse=True)

    def _tune(self) -> None:
        """Choose a learning rate for every network."""
        laboratory, n = self.laboratory, len(self.data.training)
        all_widths, epochs = self.all_widths(), self.plan.epochs
        starts = [TUNING_START + number for number in range(n_tuning_starts(n))]
        wanted: dict[Widths, tuple[float, ...]] = dict.fromkeys(all_widths, FIRST_RATES)
        tried: dict[Widths, set[float]] = {widths: set() for widths in all_widths}
        outcomes: list[Outcome] = []
        until = laboratory.deadline.share(TUNING_SHARE)
        while wanted and until.remaining() > 0:
            orders = [
                Order(widths, rate, start, n)
                for widths, rates in wanted.items()
                for rate in rates
                for start in starts
            ]
            laboratory.monitor.on_stage("choosing learning rates", len(orders))
            outcomes += laboratory.train(
                self._slowest_first(orders), epochs, is_wanted=lambda _: until.remaining() > 0
            )
            for widths, rates in wanted.items():
                tried[widths].update(rates)
            best = {} if laboratory.is_over else choose_rates(outcomes)
            wanted = {w: beyond for w, rate in best.items() if (beyond := _beyond(rate, tried[w]))}
        if wanted and not laboratory.monitor.should_stop():
            self.notes.append("no time to choose every learning rate well; give more time")
        self.rates = dict.fromkeys(all_widths, FIRST_RATES[-1]) | choose_rates(outcomes)

    def _train_rounds(self, *, is_open: bool) -> None:
        """Train every network from one start after another, a round for each."""
        rounds = [self._round(start) for start in range(MOST_SEEDS if is_open else
            self.plan.n_seeds)]  # fmt: skip
        orders = [order for those in rounds for order in those]
        firsts = set(np.cumsum([0, *map(len, rounds)]).tolist())
        n_whole = dict(zip(sorted(firsts), rounds, strict=False))
        laboratory, epochs = self.laboratory, self.plan.epochs

        def is_wanted(place: int) -> bool:
            """Begin no round that cannot be ended, except the first."""
            if place not in firsts or place == 0:
                return True
            seconds = sum(laboratory.expected_s(order, epochs) for order in n_whole[place])
            return seconds / laboratory.n_workers < laboratory.deadline.remaining()

        n_planned = sum(map(len, rounds[: self.plan.n_seeds]))
        laboratory.monitor.on_stage(
            f"training from {self.plan.n_seeds} or so starts" if is_open else
            f"training from {self.plan.n_seeds} starts", n_planned,
        )  # fmt: skip
        for outcome in laboratory.train(orders, epochs, is_wanted):
            order = outcome.order
            self.outcomes.setdefault((order.widths, order.n_rows), {})[order.start] = outcome

    def _round(self, start: int) -> list[Order]:
        n = len(self.data.training)
        orders = [Order(widths, self.rates[widths], start, n) for widths in self.all_widths()]
        is_curve_round = self.plan.has_sizes and start % 2 == 0
        sizes = self.sizes if is_curve_round else ()
        orders += [
            Order(widths, self.rates[widths], start, size)
            for widths in dict.fromkeys(self.curve_widths())
            for size in sizes
        ]
        return self._slowest_first(orders)

    def conclude(self, width: int, activation: ActivationName) -> DepthStudy:
        """Return what was found."""
        n, data = len(self.data.training), self.data
        self._leave_out([w for w in self.all_widths() if (w, n) not in self.outcomes])
        starts = self._common(self.all_widths(), (n,))
        if not self.places or not starts:
            raise InputError(
                "time enough to train networks of some depths",
                got=f"{time.monotonic() - self.began:.1f} s for it, in which none came to its end",
                hint=(
                    "it was asked to stop; let it go on"
                    if self.laboratory.monitor.should_stop()
                    else "give a longer time limit, fewer depths or shapes"
                ),
            )
        rows = [self._row(place, n, starts) for place in self.places]
        order = {shape: number for number, shape in enumerate(SHAPES)}
        rows.sort(key=lambda row: (order[row.shape], row.depth))
        return DepthStudy(
            data=data.name, task=data.task, error_name=data.error_name, n_inputs=data.n_inputs,
            n_outputs=data.n_outputs, n_training=n, n_validation=len(data.validation),
            n_test=len(data.test), activation=activation, width=width, epochs=self.plan.epochs,
            batch_size=min(batch_for(n), n), seconds=round(time.monotonic() - self.began, 3),
            rows=tuple(rows), curves=self._curves(), comparisons=self._comparisons(rows, starts),
            notes=tuple(self.notes),
        )  # fmt: skip

    def _common(self, all_widths: Sequence[Widths], sizes: Sequence[int]) -> list[int]:
        """Return the starts from which all of these networks were trained."""
        found = [set(self.outcomes.get((w, n), {})) for w in all_widths for n in sizes]
        return sorted(set.intersection(*found)) if found else []

    def _row(self, place: _Place, n_rows: int, starts: Sequence[int]) -> DepthRow:
        of_start = self.outcomes[place.widths, n_rows]
        those = [of_start[start] for start in starts]
        return DepthRow(
            shape=place.shape, depth=place.depth, widths=place.widths,
            n_parameters=count_parameters(self.data.n_inputs, place.widths, self.data.n_outputs),
            n_neurons=sum(place.widths), n_rows=n_rows, learning_rate=self.rates[place.widths],
            errors=tuple(o.error for o in those), losses=tuple(o.loss for o in those),
            validation_losses=tuple(o.validation_loss for o in those),
            epochs=tuple(o.epoch for o in those),
        )  # fmt: skip

    def _curves(self) -> tuple[DepthRow, ...]:
        starts = self._common(self.curve_widths(), self.sizes) if self.plan.has_sizes else ()
        if not starts:
            return ()
        those = [place for place in self.places if place.shape == self.curve_shape]
        those.sort(key=lambda place: place.depth)
        return tuple(self._row(place, size, starts) for place in those for size in self.sizes)

    def _comparisons(
        self, rows: Sequence[DepthRow], starts: Sequence[int]
    ) -> tuple[Comparison, ...]:
        found = []
        for shape in SHAPES:
            of_shape = [row for row in rows if row.shape == shape]
            if len(of_shape) < 2:
                continue
            first, *others = of_shape
            deep = min(others, key=lambda row: float(np.median(row.validation_losses)))
            means = [self._mean_parts(row, starts) for row in (first, deep)]
            errors = None if self.data.error_name == "error" else (first.median, deep.median)
            spread = row_spread(means[0], means[1], errors)
            found.append(
                compare(shape, (first.depth, first.errors), (deep.depth, deep.errors), spread)
            )
        return tuple(found)

    def _mean_parts(self, row: DepthRow, starts: Sequence[int]) -> np.ndarray:
        """Return what each test row adds to the error, mean over the starts."""
        of_start = self.outcomes[row.widths, row.n_rows]
        return np.asarray(np.mean([of_start[start].parts for start in starts], axis=0))
