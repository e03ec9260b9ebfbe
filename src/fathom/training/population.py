"""Populations: many different networks trained at once, spread over the cores."""

import atexit
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from fathom.errors import TrainingError
from fathom.nn.architecture import Architecture
from fathom.nn.forward import Forward
from fathom.nn.keys import fold_in, host_key
from fathom.nn.network import Network, build
from fathom.training.engines import are_loops_ready, choose_program, cores_each, loops_for, prepare
from fathom.training.history import EngineName, Epoch, Event, StartHistory, Steps
from fathom.training.loop import Judge, make_plan, pad_for_evaluation, train
from fathom.training.machine import platform
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.program import make_program
from fathom.training.recipe import Recipe
from fathom.training.starts import n_workers
from fathom.training.together import MOST, Together

WAIT_S = 0.02  # before a thread without work asks again
GRACE_S = 0.2  # past the deadline, or a request to stop, in which threads may still bring a network
THREAD_NAME = "fathom-population"


@dataclass(frozen=True)
class Job:
    """One network to be trained.

    Attributes
    ----------
    number : int
        Number of the candidate it belongs to.
    fold : int
        Which division into training and held-out rows.
    architecture, recipe : Architecture, Recipe
        What is trained, and how.
    examples, held_out : Examples
        All examples as this network sees them, and those held out.
    rows : numpy.ndarray
        Positions of the examples it trains on.
    judge : callable
        Loss and score of the held-out examples from their sums z.
    steps : Steps or None
        What the clock made of an earlier training that is to be done again, whatever the time.
    """

    number: int
    fold: int
    architecture: Architecture
    recipe: Recipe
    examples: Examples
    held_out: Examples
    rows: np.ndarray
    judge: Judge
    steps: Steps | None = None


@dataclass(frozen=True)
class Trained:
    """A network that was trained.

    Attributes
    ----------
    job : Job
        What was asked for.
    network : Network or None
        The network at its best epoch; None where no finite loss was found.
    z : numpy.ndarray or None
        Sums of its output layer for the held-out examples.
    history : StartHistory
        What happened.
    seconds : float
        How long it took, compiling included.
    """

    job: Job
    network: Network | None
    z: np.ndarray | None
    history: StartHistory
    seconds: float


@runtime_checkable
class Director(Protocol):
    """Decides what is trained next; its methods are called under one lock."""

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to be trained."""
        ...

    def next_job(self) -> Callable[[], Job] | None:
        """Return how to make the next job, or None where there is none just now."""
        ...

    def on_epoch(self, job: Job, epochs: list[Epoch]) -> str | None:
        """Hear of an epoch; return a reason to cut the network, or None."""
        ...

    def on_trained(self, trained: Trained) -> None:
        """Hear of a network that is trained."""
        ...


class _JobMonitor(Monitor):
    """Stands between one training and the outside: asks the director whether to cut it."""

    def __init__(
        self, job: Job, director: Director, outside: Monitor, lock: threading.Lock
    ) -> None:
        self._job, self._director, self._outside, self._lock = job, director, outside, lock
        self._epochs: list[Epoch] = []
        self._cut = False

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        self._epochs.append(epoch)
        with self._lock:
            reason = self._director.on_epoch(self._job, self._epochs)
        if reason is not None:
            self._cut, self.stop_reason = True, reason
        self._outside.on_epoch(self._job.number, epoch)

    def on_event(self, start: int, event: Event) -> None:
        self._outside.on_event(self._job.number, event)

    def should_stop(self) -> bool:
        return self._cut or self._outside.should_stop()


def train_population(
    director: Director,
    *,
    monitor: Monitor | None = None,
    deadline: Deadline | None = None,
    workers: int | None = None,
    cores: int = 1,
    takes_steps_together: bool | None = None,
) -> None:
    """Train what the director asks for until it is done, the time is over, or a stop is asked.

    On a processor networks are spread over its cores, a thread each; networks whose program is
    the same share it, compiled once. On an accelerator many train at once, and those alike that
    learn from the same examples take their steps together, as one program with one more axis.

    Parameters
    ----------
    director : Director
        Decides what is trained, and hears how it went.
    monitor : Monitor, optional
        Told of every epoch under the candidate's number, and asked whether to stop.
    deadline : Deadline, optional
        When every training is to end; each brings its learning rate down by then.
    workers : int, optional
        Networks trained at once; the number of cores where left out, on an accelerator 32.
    cores : int, default 1
        Cores for the matrix products of each.
    takes_steps_together : bool, optional
        Whether networks alike do so; on an accelerator alone where left out.

    References
    ----------
    Yandex Research (2026). TabPack. arXiv:2607.05380, for populations with an ensemble chosen
    as they train.

    Notes
    -----
    A thread that is still compiling past the deadline is left behind; it ends by itself.
    Members are not packed into one program with masks: on a processor that costs the widest
    member's time for each and gains nothing; programs are shared by structure instead.
    """
    monitor, deadline = monitor or Monitor(), deadline or Deadline(None)
    is_on_processor = platform() == "cpu"
    if takes_steps_together is None:
        takes_steps_together = not is_on_processor
    if workers is None:
        workers = n_workers() if is_on_processor else MOST
    together = Together() if takes_steps_together else None
    work = _Work(director, monitor, deadline, cores, together)
    threads = [
        threading.Thread(target=work.run, name=f"{THREAD_NAME}-{number}", daemon=True)
        for number in range(workers)
    ]
    if is_on_processor:
        prepare()
    with cores_each(cores):
        for thread in threads:
            thread.start()
        work.wait(threads)


class _Work:
    """What the threads of a population share."""

    def __init__(
        self,
        director: Director,
        monitor: Monitor,
        deadline: Deadline,
        cores: int,
        together: Together | None,
    ) -> None:
        self._director, self._monitor, self._deadline = director, monitor, deadline
        self._cores, self._together = cores, together
        self._lock, self._has_result, self._is_closed = threading.Lock(), False, False
        self._has_begun = False  # one network is begun however late it is
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Train until there is nothing more to train."""
        try:
            while self._next():
                pass
        except BaseException as error:  # raised again where the threads are waited for
            self._failure = error

    def _next(self) -> bool:
        with self._lock:
            if self._is_over() or self._director.is_done:
                return False
            make = self._director.next_job()
            self._has_begun |= make is not None
        if make is None:
            time.sleep(WAIT_S)
            return True
        watched = self._director, self._monitor, self._deadline, self._lock
        trained = _train_job(make(), *watched, self._cores, self._together)
        with self._lock:
            if self._is_closed:
                return False
            self._director.on_trained(trained)
            self._has_result |= trained.network is not None
        return True

    def _is_over(self) -> bool:
        is_late = self._deadline.remaining() <= 0 and self._has_begun
        return self._is_closed or self._monitor.should_stop() or is_late

    def wait(self, threads: list[threading.Thread]) -> None:
        """Wait for the threads; past the end only as long as there is no network at all."""
        try:
            stopped = math.inf  # when a stop was first heard of
            while any(thread.is_alive() for thread in threads) and self._failure is None:
                if self._monitor.should_stop():
                    stopped = min(stopped, time.monotonic())
                over_s = max(-self._deadline.remaining(), time.monotonic() - stopped)
                if over_s > GRACE_S and self._has_result:
                    break  # what is compiling just now cannot be interrupted, only left behind
                time.sleep(WAIT_S)
        finally:  # Ctrl-C included
            with self._lock:
                self._is_closed = True
            for thread in threads:  # the interpreter must not end under a compilation
                if thread.is_alive():
                    atexit.register(thread.join)
        if self._failure is not None:
            raise self._failure


def _train_job(
    job: Job,
    director: Director,
    monitor: Monitor,
    deadline: Deadline,
    lock: threading.Lock,
    cores: int,
    together: Together | None,
) -> Trained:
    return train_job(
        job,
        monitor=_JobMonitor(job, director, monitor, lock),
        deadline=deadline,
        cores=cores,
        together=together,
    )


def train_job(
    job: Job,
    *,
    monitor: Monitor,
    deadline: Deadline | None = None,
    engine: EngineName | None = None,
    cores: int = 1,
    together: Together | None = None,
) -> Trained:
    """Train one network.

    Parameters
    ----------
    job : Job
        What is trained, and on what.
    monitor : Monitor
        Told of every epoch, and asked whether to stop.
    deadline : Deadline, optional
        When it has to be over.
    engine : {"xla", "loops"}, optional
        What takes the steps; loops where left out, as far as they are compiled already.
    cores : int, default 1
        Cores for its matrix products.
    together : Together, optional
        Where networks that train at the same time meet.

    Returns
    -------
    Trained
        Without a network where no finite loss was found.
    """
    began = time.monotonic()
    key = fold_in(host_key(job.recipe.seed), job.fold)
    network = build(job.architecture, key)
    loops = loops_for(network)
    if engine is None and (together is not None or not are_loops_ready(loops)):
        engine = "xla"
        if platform() == "cpu":
            prepare(loops)
    try:
        network, history = train(
            network, job.architecture, job.recipe, job.examples, job.held_out,
            start=job.fold, rows=job.rows, judge=job.judge, deadline=deadline,
            monitor=monitor, steps=job.steps, engine=engine, cores=cores, together=together,
        )  # fmt: skip
    except TrainingError as error:
        event = Event(epoch=1, kind="stopped", text=f"left out: {error}")
        history = StartHistory(events=(event,))
        return Trained(job, None, None, history, time.monotonic() - began)
    z = combine_held_out(job, network, history.steps)
    return Trained(job, network, z, history, time.monotonic() - began)


def combine_held_out(job: Job, network: Network, steps: Steps | None = None) -> np.ndarray:
    """Return the sums z of a network's output layer for the examples its job holds out.

    By the engine that took its steps, where that is known and NumPy does not do.
    """
    forward, x = Forward.of(network), job.held_out.x
    if forward is not None:
        return forward.combine(np.asarray(x))
    plan = make_plan(job.architecture, job.recipe)
    if steps is not None and steps.engine == "loops":
        loops = choose_program(plan, network, x, engine="loops")
        return np.asarray(loops.combine(loops.weights(loops.start(network)), x))
    program = make_program(plan)
    padded = pad_for_evaluation(job.held_out)
    return np.asarray(program.combine(network, padded.x))[: len(job.held_out.weight)]
