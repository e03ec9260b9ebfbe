"""Executors: whatever does tasks, near or far, behind five functions."""

import hashlib
import json
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Placed:
    """Data that many tasks look at, brought to each node once.

    Attributes
    ----------
    key : str
        Hash of all that the results depend on; workers know the data by it.
    value : object
        The data; it has to survive `pickle` for other processes.
    """

    key: str
    value: Any


@dataclass(frozen=True)
class Task:
    """One call of a pure function of frozen values: done twice, it gives the same bytes.

    Attributes
    ----------
    function : str
        ``module:name`` of a function that takes the placed data, the config and the seed, and
        returns a `Result`.
    data : str
        Key of the placed data.
    config : str
        What else the function is given, as JSON.
    seed : int
        Seed of all its random choices.
    beside : Placed or None
        Data for this task and few others: the function is then given both, as a pair.
    """

    function: str
    data: str
    config: str
    seed: int
    beside: Placed | None = None

    @cached_property
    def key(self) -> str:
        """The SHA-256 of everything the result depends on, in hexadecimal digits."""
        said = {
            "function": self.function, "data": self.data, "config": self.config, "seed": self.seed
        }  # fmt: skip
        if self.beside is not None:
            said["beside"] = self.beside.key
        text = json.dumps(said, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Result:
    """What a task gave.

    Attributes
    ----------
    payload : bytes
        The same for the same task, to the bit, whoever does it.
    notes : str
        What is not part of it, such as times, as JSON.
    """

    payload: bytes
    notes: str = "{}"


@dataclass(frozen=True)
class Outcome:
    """What became of a task that was submitted.

    Attributes
    ----------
    ticket : int
        Number of the submission.
    result : Result or None
        What it gave; None where it was lost, or failed.
    failure : str
        The error it raised, in words; empty where its worker was lost, which says nothing of it.
    node : str
        Where it ran.
    seconds : float
        How long.
    """

    ticket: int
    result: Result | None = None
    failure: str = ""
    node: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Node:
    """A machine, or a group of cores.

    Attributes
    ----------
    name : str
        Its name.
    slots : int
        Tasks it does at once.
    """

    name: str
    slots: int


class Executor(ABC):
    """Does tasks; it promises nothing.

    A task may be lost, done twice, or answered after it was canceled: what that means is up to the
    `Controller`.
    """

    @abstractmethod
    def submit(self, task: Task, placed: Placed) -> int:
        """Have a task done, and return the number of this submission."""

    @abstractmethod
    def wait(self, timeout_s: float) -> list[Outcome]:
        """Return what became of submissions, at once or as soon as there is news.

        Raises
        ------
        ExecutorError
            If there is nobody left to do anything.
        """

    @abstractmethod
    def cancel(self, ticket: int) -> None:
        """Have a submission given up; it may be answered all the same."""

    @abstractmethod
    def nodes(self) -> tuple[Node, ...]:
        """Return who is there at this moment."""

    @abstractmethod
    def close(self) -> None:
        """Give up everything, and end what was started for it."""

    def __enter__(self) -> "Executor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def call(task: Task, value: Any) -> tuple[Result | None, str, float]:
    """Do a task here; return its result or its failure in words, and the seconds it took."""
    began = time.monotonic()
    module, name = task.function.split(":")
    given = value if task.beside is None else (value, task.beside.value)
    try:
        result = getattr(import_module(module), name)(given, task.config, task.seed)
    except Exception as error:  # told to whoever waits, in another process or on another machine
        failure = f"{type(error).__name__}: {error}"
        return None, failure, time.monotonic() - began
    return result, "", time.monotonic() - began
