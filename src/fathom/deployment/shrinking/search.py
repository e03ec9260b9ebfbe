"""The search for the best model under a size or a time: ways tried, one chosen, all of it told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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
from fathom.deployment.shrinking.rows import Parts, part_rows, predictions, rate
from fathom.deployment.shrinking.steps import (
    LESSON_ROWS,
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
from fathom.deployment.shrinking.timing import (
    MOST_TIMED_S,
    TIMED_ROWS,
    measure,
    row_seconds,
    time_rows,
)
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
NARROW: tuple[Storage, ...] = ("float16", "int8")
LOW_RANK_ERRORS = (1e-4, 1e-2)
PRUNED = (8, 4, 2, 1)  # numbers of networks that are made smaller each
MOST_TAUGHT = 2  # networks that are taught after that
FEWEST_TREES = 4  # of a forest, whose mean is worth something
MOST_LEFT_OUT = 0.85  # of the weights of several networks; one alone may lose more
SHARES = (0.5, 0.25, 0.1, 0.04)  # of the parameters that are kept where a time is asked for
SPARE, LEAST_SPARE = 1.1, 300  # bytes left out beyond what is too much, so that it surely fits
FEWEST_TAUGHT = 400  # rows, below which a network that is taught learns little
SHOWN_SHARE = 0.25  # of the time that is left, in which a teacher may say what a network learns
TOLD_STEPS = 4  # models that are judged at the end
TELLING_SHARE = 0.3  # of the time, that judging them may take
FEWEST_JUDGES = 200
MOST_TOLD = 12  # ways that the story names, where there is room for them
COMPUTES = "weights are kept in fewer bits and computed with as float32"


class _OutOfTimeError(Exception):
    """The time is used, or the user asked to stop: what was found so far is the result."""


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
    seconds: float | None
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
        self.row_seconds = 0.0 if parts is None else row_seconds(model, parts.choose)
        self._keep_time_to_tell()

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
            try:
                for attempt in self._attempts(start, self.parts):
                    if self._is_good_enough() or self._is_over():
                        break
                    attempt()
            except _OutOfTimeError:
                pass
        return self._best()

    def _keep_time_to_tell(self) -> None:
        """End trying in time for judging what is told, on fewer rows where those take too long."""
        limit = self.deadline.remaining()
        if self.parts is None or not np.isfinite(limit):
            return
        each = TOLD_STEPS * self.row_seconds
        judge = self.parts.judge
        n = max(FEWEST_JUDGES, int(TELLING_SHARE * limit / max(each, 1e-9)))
        if n < len(judge.y):
            fewer = judge.take(np.unique(np.linspace(0, len(judge.y) - 1, n).astype(int)))
            self.parts = replace(self.parts, judge=fewer)
        needed = each * len(self.parts.judge.y) + 4 * (MOST_TIMED_S + TIMED_ROWS * self.row_seconds)
        self.deadline = Deadline(limit - min(needed, 0.5 * limit))

    def _check(self) -> None:
        """Look at the clock within a step."""
        if self._is_over():
            raise _OutOfTimeError

    def _attempts(self, start: Way, parts: Parts) -> Iterator[Callable[[], None]]:
        """Yield what else can be tried, one after another."""
        paths = order_units(start.model, parts.choose, self._check)
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
        # The most networks first, which lose least neurons; for a time the fewest.
        for units in wholes if self.goal.most_seconds is None else reversed(wholes):
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
            model = stored(with_units(start.model, paths[middle]), "int8", None, self._check)
            if model is not None and self._fits(self._bytes(model), self._seconds(model)):
                high = middle
            else:
                low = middle + 1
        return paths[low : low + 1] or (paths[-1:] if self.goal.most_seconds is not None else [])

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
        most = self._affordable_rows()
        if most < min(FEWEST_TAUGHT, len(parts.learn.y)):
            return
        learned = taught(
            way.model, self.model, parts.learn, deadline=self.deadline.share(0.6),
            seed=self.seed, monitor=self.monitor, most_rows=most,
        )  # fmt: skip
        self._store(way.then("taught by the model as it was", learned), "int8")

    def _affordable_rows(self) -> int:
        """Return how many rows the model as it was can say something of while there is time."""
        left = self.deadline.remaining()
        if not np.isfinite(left):
            return LESSON_ROWS
        rows = SHOWN_SHARE * max(left, 0.0) / max(self.row_seconds, 1e-9)
        return int(min(rows, LESSON_ROWS))

    def _factor(self, way: Way, parts: Parts, error: float) -> None:
        made = factored(way.model, parts.learn, error, self._check)
        if made is not None:
            further = way.then(f"wide layers as two at an error of {error:g}", made)
            self._store(further, "int8")

    def _prune(self, way: Way, parts: Parts) -> None:
        pruner = Pruner.of(way.model, parts.learn, self._check)
        per_network = n_parameters(way.model) / len(open_units(way.model))
        for most in self._parameters_wanted(way, per_network):
            made = pruner.to_parameters(most, self._check)
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
        if self._affordable_rows() < len(parts.learn.y):
            return
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
        n_bytes, seconds = self._bytes(way.model), self._seconds(way.model)
        loss = None if self.parts is None else self._loss(way.model)
        rated = Rated(way, n_bytes, seconds, loss, self._fits(n_bytes, seconds))
        self.rated.append(rated)
        self._tell(Tried(way=str(way)[:1000], bytes=n_bytes, loss=loss, fits=rated.fits))

    def _bytes(self, model: Any) -> int:
        return size_of(model) + STORY_BYTES

    def _seconds(self, model: Any) -> float | None:
        """Return the time of a row where one is asked for and there are rows to take it of."""
        if self.goal.most_seconds is None or self.parts is None:
            return None
        return time_rows(model, self.parts.choose.x, 1)

    def _fits(self, n_bytes: int, seconds: float | None) -> bool:
        goal = self.goal
        if goal.most_bytes is not None and n_bytes > goal.most_bytes:
            return False
        return goal.most_seconds is None or (seconds is not None and seconds <= goal.most_seconds)

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
        if self.goal.most_seconds is not None:
            return min(self.rated, key=lambda one: one.seconds or np.inf)
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
        Seconds for all of it: trying ends in time to judge what was found on rows that judge, on
        fewer of them where a prediction takes long.
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
