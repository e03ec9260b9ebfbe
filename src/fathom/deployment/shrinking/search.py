"""The search for the best model under a size or a time: ways tried, one chosen, all of it told."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fathom.compression.storage import Storage
from fathom.compression.story import Measured, Tried
from fathom.deployment.shrinking.goals import Goal, parse_goal
from fathom.deployment.shrinking.groves import (
    count_trees,
    forest_bytes,
    with_fewer_trees,
    without_forests,
)
from fathom.deployment.shrinking.rows import Part, Parts, part_rows, predictions, rate, take_rows
from fathom.deployment.shrinking.steps import (
    STORY_BYTES,
    Pruner,
    factored,
    n_parameters,
    networks_in,
    order_units,
    placeholder,
    recalibrated,
    size_of,
    stored,
    taught,
)
from fathom.deployment.shrinking.students import Student
from fathom.deployment.shrinking.units import (
    Model,
    is_designed,
    is_of_texts,
    open_units,
    trimmed,
    with_units,
)
from fathom.errors import InputError
from fathom.estimators.illustrated import refuse_illustrated
from fathom.training.monitor import Deadline, Monitor

NEAR = 0.002  # relative loss up to which nothing further is tried
MANY = 10_000  # rows predicted at once, for their time
ROUNDS = 9
NARROW: tuple[Storage, ...] = ("float16", "int8")
LOW_RANK_ERRORS = (1e-4, 1e-2)
PRUNED = (8, 4, 2, 1)  # numbers of networks that are made smaller each
MOST_TAUGHT = 2  # networks that are taught after that
FEWEST_TREES = 4  # of a forest, whose mean is worth something
MOST_LEFT_OUT = 0.85  # of the weights of several networks; one alone may lose more
SHARES = (0.5, 0.25, 0.1, 0.04)  # of the parameters that are kept where a time is asked for
SPARE, LEAST_SPARE = 1.1, 300  # bytes left out beyond what is too much, so that it surely fits
MOST_TOLD = 12  # ways that the story names, where there is room for them
COMPUTES = "weights are kept in fewer bits and computed with as float32"


@dataclass(frozen=True)
class Way:
    """A way to make a model smaller: the steps, each with the model it leads to.

    Attributes
    ----------
    steps : tuple of (str, model)
        What was done, in words, and what came of it.
    """

    steps: tuple[tuple[str, Any], ...]

    @property
    def model(self) -> Any:
        """What it ends with."""
        return self.steps[-1][1]

    def then(self, words: str, model: Any) -> "Way":
        """Return the way with a further step."""
        return Way((*self.steps, (words, model)))

    def __str__(self) -> str:
        return ", then ".join(words for words, _ in self.steps[1:]) or "as it is"


@dataclass(frozen=True)
class Rated:
    """A way that was tried, and what it came to on the rows that choose."""

    way: Way
    n_bytes: int
    loss: float | None
    fits: bool


class Search:
    """Tries ways to make a model smaller, the least harmful first.

    Parameters
    ----------
    model : estimator
        The model as it was.
    parts : Parts or None
        Rows, where there are any.
    goal : Goal
        What is asked for.
    deadline : Deadline
        When trying ends.
    seed : int
        Seed of every random choice.
    tell : callable
        Hears of every way that was tried.
    monitor : Monitor or None
        Asked whether to stop.
    """

    def __init__(
        self,
        model: Any,
        parts: Parts | None,
        goal: Goal,
        deadline: Deadline,
        seed: int,
        tell: Callable[[Tried], None],
        monitor: Monitor | None,
    ) -> None:
        self.model, self.parts, self.goal, self.deadline = model, parts, goal, deadline
        self.seed, self._tell, self.monitor = seed, tell, monitor or Monitor()
        self.rated: list[Rated] = []
        self.before = None if parts is None else self._loss(model)

    def run(self) -> Rated:
        """Try, and return the best way that fits, or the one that comes nearest."""
        start = Way((("as it was", self.model),))
        lean = trimmed(self.model)
        if size_of(lean) < size_of(self.model):
            start = start.then("what no network looks at left out", lean)
            self._try(start)
        for storage in NARROW:
            self._store(start, storage)
        if self.parts is not None and not is_of_texts(self.model):
            for attempt in self._attempts(start, self.parts):
                if self._is_good_enough() or self._is_over():
                    break
                attempt()
        return self._best()

    def _attempts(self, start: Way, parts: Parts) -> Iterator[Callable[[], None]]:
        """Yield what else can be tried, one after another."""
        paths = order_units(start.model, parts.choose)
        fits = [units for units in paths if len(units) < len(paths[0])]
        if count_trees(start.model):
            yield partial(self._fewer_trees, start)
        for units in self._promising(start, fits):
            yield partial(self._fewer, start, units)
        few = [units for units in paths if len(units) <= MOST_TAUGHT]
        if count_trees(start.model):
            yield partial(self._without_forests, self._with(start, few[0]), parts)
        if is_designed(self.model):
            yield partial(self._distil, start, parts)
        wholes = [units for units in paths if len(units) in PRUNED]
        for units in wholes:  # the most networks first, which lose least neurons
            yield partial(self._prune, self._with(start, units), parts)
        for error in LOW_RANK_ERRORS:
            yield partial(self._factor, self._with(start, paths[-1]), parts, error)

    def _is_over(self) -> bool:
        return self.deadline.remaining() <= 0 or self.monitor.should_stop()

    def _is_good_enough(self) -> bool:
        """Tell whether a way that fits lost next to nothing."""
        assert self.before is not None
        found = [one.loss for one in self.rated if one.fits and one.loss is not None]
        return bool(found) and min(found) <= self.before * (1 + NEAR)

    def _promising(self, start: Way, paths: list[Any]) -> list[Any]:
        """Return the most networks that are small enough, and the most that are fast enough."""
        low, high = 0, len(paths)  # ever fewer networks: the first that fits is looked for
        while low < high:
            middle = (low + high) // 2
            model = stored(with_units(start.model, paths[middle]), "int8", None)
            if model is not None and self._fits(model, self._bytes(model)):
                high = middle
            else:
                low = middle + 1
        return paths[low : low + 1]

    def _with(self, way: Way, units: Any) -> Way:
        if len(units) == len(open_units(way.model)):
            return way
        return way.then(f"{networks_in(units)} kept", with_units(way.model, units))

    def _fewer(self, start: Way, units: Any) -> None:
        assert self.parts is not None
        way = self._with(start, units)
        self._store(way, "float16")
        self._store(way, "int8")

    def _fewer_trees(self, start: Way) -> None:
        """Try as many trees as fit beside all networks, where those are enough for a mean."""
        n = before = count_trees(start.model)
        if self.goal.most_bytes is not None:
            whole = stored(start.model, "int8", None)
            assert whole is not None
            size = forest_bytes(start.model)
            left = self.goal.most_bytes - LEAST_SPARE - (self._bytes(whole) - size)
            n = int(before * left / size)
        if self.goal.most_seconds is not None:
            n = min(n, before // 4)
        if FEWEST_TREES <= n < before:
            lean = with_fewer_trees(start.model, n)
            self._store(start.then(f"{n} trees of {before} in forests", lean), "int8")

    def _without_forests(self, start: Way, parts: Parts) -> None:
        """Try networks that have learned to do without forests, smaller where they must be."""
        way = start.then("forests left out", without_forests(start.model))
        self._teach(way, parts)
        self._prune(way, parts)

    def _teach(self, way: Way, parts: Parts) -> None:
        learned = taught(
            way.model, self.model, parts.learn, deadline=self.deadline.share(0.6),
            seed=self.seed, monitor=self.monitor,
        )  # fmt: skip
        self._store(way.then("taught by the model as it was", learned), "int8")

    def _factor(self, way: Way, parts: Parts, error: float) -> None:
        made = factored(way.model, parts.learn, error)
        if made is not None:
            further = way.then(f"wide layers as two at an error of {error:g}", made)
            self._store(further, "int8")

    def _prune(self, way: Way, parts: Parts) -> None:
        pruner = Pruner.of(way.model, parts.learn)
        per_network = n_parameters(way.model) / len(open_units(way.model))
        for most in self._parameters_wanted(way, per_network):
            made = pruner.to_parameters(most)
            if made is None or n_parameters(made) == n_parameters(way.model):
                continue
            share = 1 - n_parameters(made) / n_parameters(way.model)
            further = way.then(f"neurons with {share:.0%} of the weights left out", made)
            self._store(further, "int8")
            if self._is_over() or len(open_units(made)) > MOST_TAUGHT:
                continue
            self._teach(further, parts)

    def _parameters_wanted(self, way: Way, per_network: float) -> list[float]:
        """Return how many parameters each network may have so that the goal is met."""
        n = len(open_units(way.model))
        if self.goal.most_bytes is None:
            return [share * per_network for share in SHARES[: 2 if n > 1 else None]]
        whole = stored(way.model, "int8", None)
        assert whole is not None
        surplus = self._bytes(whole) - self.goal.most_bytes
        if surplus <= 0:
            return [0.9 * per_network] if self.goal.most_seconds is not None else []
        most = per_network - (SPARE * surplus + LEAST_SPARE) / n
        return [most] if n == 1 or most > (1 - MOST_LEFT_OUT) * per_network else []

    def _distil(self, start: Way, parts: Parts) -> None:
        student = Student(self.model, parts.learn, parts.choose, self.seed)
        most = self.goal.most_bytes
        width = student.widest_within(np.inf if most is None else most)
        if width is None:
            return
        made = student.learned(width, self.deadline.share(0.6), self.monitor)
        way = Way(start.steps[:1]).then(
            f"distilled into one network of {width} neurons a layer", made
        )
        self._store(way, "int8")

    def _store(self, way: Way, storage: Storage) -> None:
        """Try a way with its weights kept in fewer bits."""
        learn = None if self.parts is None else self.parts.learn
        model = way.model
        if self.parts is not None and len(way.steps) > 1:
            model = recalibrated(model, self.parts.choose)
        made = stored(model, storage, learn)
        if made is not None:
            self._try(way.then(f"weights as {storage}", made))

    def _try(self, way: Way) -> None:
        n_bytes = self._bytes(way.model)
        loss = None if self.parts is None else self._loss(way.model)
        rated = Rated(way, n_bytes, loss, self._fits(way.model, n_bytes))
        self.rated.append(rated)
        self._tell(Tried(way=str(way)[:1000], bytes=n_bytes, loss=loss, fits=rated.fits))

    def _bytes(self, model: Any) -> int:
        return size_of(model) + STORY_BYTES

    def _fits(self, model: Any, n_bytes: int) -> bool:
        goal = self.goal
        if goal.most_bytes is not None and n_bytes > goal.most_bytes:
            return False
        if goal.most_seconds is None:
            return True
        if self.parts is None:
            return False
        return time_rows(model, self.parts.choose.x, 1) <= goal.most_seconds

    def _loss(self, model: Any) -> float:
        assert self.parts is not None
        part = self.parts.choose
        return rate(predictions(model, part.x), part.y, model.schema_.target)[0]

    def _best(self) -> Rated:
        fitting = [one for one in self.rated if one.fits]
        if fitting and self.parts is not None:
            return min(fitting, key=lambda one: one.loss or 0.0)
        if fitting:  # without rows the one that changes least
            return max(fitting, key=lambda one: one.n_bytes)
        return min(self.rated, key=lambda one: one.n_bytes)


def compress(
    model: Model,
    X: Any = None,
    y: Any = None,
    *,
    to: str | float | None = None,
    latency: str | float | None = None,
    tolerance: float = 0.005,
    time_limit: float | None = 60.0,
    seed: int = 0,
    tell: Callable[[Tried], None] | None = None,
    monitor: Monitor | None = None,
) -> Model:
    """Return a smaller model: the best that was found under a size or a time.

    What is tried: fewer networks, weights in 16 or 8 bits, fewer trees or none where networks look
    at a forest, whole neurons left out, low rank, and one small network that learns what the
    ensemble says. Without rows only what needs none is done.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A fitted model; it stays as it is.
    X, y : optional
        Rows and their target, as for ``fit``: a part of them teaches, a part chooses, a part judges
        what is told in ``compression_``. Best are rows the model has not seen.
    to : str or float, optional
        Share of the file's size, as 0.25, or a size, as ``"200kB"``.
    latency : str or float, optional
        Time for a prediction of one row, as ``"50us"``, or in seconds.
    tolerance : float, default 0.005
        Loss of accuracy, or of R², from which the story says loudly that the model is worse.
    time_limit : float or None, default 60
        Seconds after which nothing further is tried.
    seed : int
        Seed of every random choice.
    tell : callable, optional
        Hears of every way that was tried.
    monitor : Monitor, optional
        Asked whether to stop.

    Returns
    -------
    FathomClassifier or FathomRegressor
        With ``compression_``, which says what was done, what it cost, and whether the goal is met.

    Raises
    ------
    InputError
        If neither a size nor a time is asked for, or the rows do not go with the model.
    """
    if (X is None) != (y is None):
        raise InputError(
            "rows and their target, or neither", got="one without the other",
            hint="give both, or leave both out",
        )  # fmt: skip
    if not hasattr(model, "networks_"):
        raise InputError("a fitted estimator", got=f"{model}", hint="call fit first")
    if model.schema_.target.factors:
        raise InputError(
            "a model of one target", got="one of several factors, which is kept whole",
            hint="compress models of one column",
        )  # fmt: skip
    refuse_illustrated(model.encoding_, "to be made smaller", "it is kept whole")
    if not 0 <= tolerance <= 1:
        raise InputError("a tolerance from 0 to 1", got=f"{tolerance:g}")
    goal = parse_goal(to, latency, size_of(model))
    if X is None and goal.most_seconds is not None:
        raise InputError("rows, to take the time of predictions", got="none", hint="--data FILE")
    parts = None if X is None else part_rows(model, X, y, seed)
    deadline = Deadline(None if time_limit is None else float(time_limit))
    search = Search(model, parts, goal, deadline, seed, tell or (lambda tried: None), monitor)
    return _told(search, search.run(), tolerance)


def _told(search: Search, best: Rated, tolerance: float) -> Any:
    """Return the chosen model with its story, once its size is known with the story in it."""
    made, parts = best.way.model, search.parts
    steps = _steps(best.way, parts)
    story = placeholder(search.model, made.compression_.storage if _has_story(made) else "float32")
    story = story.model_copy(
        update={
            "asked": search.goal.words, "is_met": best.fits, "steps": steps, "tolerance": tolerance,
            "n_rows": 0 if parts is None else len(parts.judge.y), "notes": _notes(search, made),
            "tried": tuple(
                Tried(way=str(one.way)[:200], bytes=one.n_bytes, loss=one.loss, fits=one.fits)
                for one in search.rated[:MOST_TOLD]
            ),
        }
    )  # fmt: skip
    for _ in range(4):  # its size is part of what it says
        made.compression_ = story
        last = story.steps[-1].model_copy(update={"bytes": size_of(made)})
        is_small = search.goal.most_bytes is None or last.bytes <= search.goal.most_bytes
        is_fast = search.goal.most_seconds is None or best.fits
        changes = {"steps": (*story.steps[:-1], last), "is_met": is_small and is_fast}
        story = story.model_copy(update=changes | ({} if is_small else {"tried": ()}))
    made.compression_ = story
    return made


def _has_story(model: Any) -> bool:
    return hasattr(model, "compression_")


def _steps(way: Way, parts: Parts | None) -> tuple[Measured, ...]:
    found = []
    for number, (words, model) in enumerate(way.steps):
        is_end = number in (0, len(way.steps) - 1)
        found.append(measure(words, model, None if parts is None else parts.judge, is_timed=is_end))
    return tuple(found)


def measure(words: str, model: Any, part: Part | None, *, is_timed: bool) -> Measured:
    """Say what a model weighs, how good it is on rows, and how fast."""
    loss = score = one = many = None
    if part is not None:
        loss, score = rate(predictions(model, part.x), part.y, model.schema_.target)
        if is_timed:
            one, many = time_rows(model, part.x, 1), time_rows(model, part.x, MANY)
    return Measured(
        step=words, bytes=size_of(model), n_networks=len(open_units(model)),
        n_parameters=n_parameters(model), loss=loss, score=score, row_seconds=one,
        many_seconds=many,
    )  # fmt: skip


def time_rows(model: Any, x: Any, n: int) -> float:
    """Return the seconds a prediction takes for each of so many rows, the median of some."""
    n_rows = x.n_rows if hasattr(x, "n_rows") else len(x)
    rows = take_rows(x, np.arange(n) % n_rows)
    predictions(model, rows)  # the first prepares
    seconds = []
    for _ in range(ROUNDS if n == 1 else 3):
        began = time.perf_counter()
        predictions(model, rows)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds)) / n


def _notes(search: Search, made: Any) -> tuple[str, ...]:
    notes = []
    if _has_story(made) and made.compression_.storage != "float32":
        notes.append(COMPUTES)
    if search.parts is None:
        notes.append(
            "without rows nothing was pruned, distilled or left out: weights in fewer bits alone"
        )
    elif is_of_texts(search.model):
        notes.append("of a model of texts weights in fewer bits are all that is tried")
    if search.parts is not None:
        notes.append("where the model was trained on these rows, its figures before are flattered")
    return tuple(notes)
