"""What a lesson is made of, and the networks that lessons put on the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from fathom.inspection.why import why
from fathom.nn.named import ActivationName
from fathom.studio.lesson_messages import PageName
from fathom.studio.messages import Example, LayerState, NetworkState, ShownLoss
from fathom.studio.networks import trace_state
from fathom.studio.wording import Words


@dataclass(frozen=True)
class Number:
    """A number to be found: one of the network on the page, by its name, or of a text.

    Attributes
    ----------
    ask : Words
        What is wanted.
    right : str, float or callable
        The number's name in a trace, or the number itself, or what computes it.
    decimals : int
        To how many decimals.
    """

    ask: Words
    right: str | float | Callable[[], float]
    decimals: int = 2


@dataclass(frozen=True)
class Choice:
    """A question with answers to choose from; why the right one is right is said afterwards."""

    ask: Words
    choices: tuple[Words, ...]
    right: int
    because: Words


@dataclass(frozen=True)
class Reach:
    """Something to be done on the network page; whether it is, is computed."""

    ask: Words
    is_reached: Callable[[NetworkState], bool]
    hint: Words


Task: TypeAlias = Number | Choice | Reach


@dataclass(frozen=True)
class Step:
    """A few sentences, a state of a page, and something to do."""

    text: Words
    task: Task | None = None
    state: NetworkState | None = None
    focus: str = ""
    page: PageName = "network"
    hides: bool = False
    formula: str = ""


@dataclass(frozen=True)
class Lesson:
    """A lesson."""

    key: str
    title: Words
    about: Words
    steps: tuple[Step, ...] = field(default_factory=tuple)


def both(en: str, zh: str) -> Words:
    """Return a text in both languages."""
    return Words(en=en, zh=zh)


def network(
    *layers: tuple[ActivationName, Sequence[Sequence[float]], Sequence[float]],
    rows: Sequence[tuple[Sequence[float], Sequence[float]]],
    loss: ShownLoss = "squared_error",
    learning_rate: float = 0.5,
) -> NetworkState:
    """Return a network to put on the page: activation, weights and biases of each layer."""
    return NetworkState(
        layers=tuple(
            LayerState(
                activation=activation, weights=tuple(map(tuple, weights)), biases=tuple(biases)
            )
            for activation, weights, biases in layers
        ),
        examples=tuple(Example(x=tuple(x), target=tuple(target)) for x, target in rows),
        loss=loss, learning_rate=learning_rate,
    )  # fmt: skip


def number_of(state: NetworkState, name: str) -> float:
    """Return a number of a network by its name, that of the chosen example where it is of one."""
    is_of_all = name.startswith("loss") or name.endswith((".gradient", ".new"))
    if len(state.examples) > 1 and not is_of_all:
        name = f"row{state.row + 1}.{name}"
    return why(trace_state(state), name).value


def loss_of(state: NetworkState) -> float:
    """Return the mean loss of a network over its examples."""
    return float(trace_state(state).loss or 0.0)


def is_all_right(state: NetworkState) -> bool:
    """Tell whether every output is on the right side of one half."""
    traced = trace_state(state)
    return all(
        (said >= 0.5) == (wanted >= 0.5)
        for outputs, one in zip(traced.output, state.examples, strict=True)
        for said, wanted in zip(outputs, one.target, strict=True)
    )
