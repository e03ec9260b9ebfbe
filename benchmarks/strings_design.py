"""Ways to learn strings of digits, judged on recordings held out of the training part.

    python benchmarks/strings_design.py --data DIR --epochs 15

Three speakers are known (without jackson). Of the four fifths of their recordings that senses.py
learns from, a fifth judges; what senses.py tests is never heard. All ways pass over the same
strings equally often, on one core.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from sklearn.model_selection import train_test_split

from fathom import (
    Activation,
    Architecture,
    BatchNorm,
    Conv1D,
    Dense,
    Dropout,
    FathomTranscriber,
    Residual,
)
from fathom.estimators import transcriber
from fathom.estimators.spelling import error_rate
from fathom.search.contest import Entry
from fathom.search.transcribing import sequence_entry
from sounds import join, read_digits

N_STRINGS, N_SHOWN = 3000, 200
SPELLED = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
)  # fmt: skip


class Way(NamedTuple):
    """A network, and whether silence around a text is learned as a blank."""

    width: int
    n_blocks: int
    strides: tuple[int, ...]
    kernel: int  # of the blocks
    is_around: bool


WAYS = {
    "48 × 1, 4 to 1, kernel 5": Way(48, 1, (2, 2), 5, False),
    "48 × 1, 8 to 1, kernel 5": Way(48, 1, (2, 2, 2), 5, False),
    "64 × 2, 8 to 1, kernel 5": Way(64, 2, (4, 2), 5, False),
    "64 × 2, 8 to 1, kernel 5, silences": Way(64, 2, (4, 2), 5, True),
    "64 × 3, 8 to 1, kernel 3, silences": Way(64, 3, (4, 2), 3, True),
    "96 × 3, 8 to 1, kernel 3": Way(96, 3, (4, 2), 3, False),
    "96 × 3, 8 to 1, kernel 3, silences": Way(96, 3, (4, 2), 3, True),
    "64 × 3, 4 to 1, kernel 5, silences": Way(64, 3, (2, 2), 5, True),
}


def network(way: Way, shape: tuple[int, ...], n_signs: int) -> Architecture:
    def convolution(kernel: int, stride: int = 1) -> tuple:
        described = Conv1D(
            channels=way.width, kernel=kernel, stride=stride, activation="identity", has_bias=False
        )
        return described, BatchNorm()

    layers: list = [BatchNorm(momentum=0.8)]
    for stride in way.strides:
        layers += [*convolution(5, stride), Activation(activation="relu")]
    for _ in range(way.n_blocks):
        inner = (*convolution(way.kernel), Activation(activation="relu"), *convolution(way.kernel))
        layers += [Residual(layers=inner), Activation(activation="relu")]
    layers += [Dropout(rate=0.2), Dense(units=n_signs + 1, activation="softmax")]
    return Architecture(input_shape=shape, layers=tuple(layers), loss="ctc")


def learn(
    way: Way, asked: argparse.Namespace, heard: object, texts: list[str]
) -> FathomTranscriber:
    changes = {"epochs": asked.epochs, "n_lengths": asked.lengths}

    def entry(described: Architecture, n: int, seed: int, seconds: float) -> Entry:
        found = sequence_entry(network(way, described.input_shape, n_signs), n, seed, seconds)
        return replace(found, recipe=found.recipe.model_copy(update=changes))

    n_signs = len(set("".join(texts)))
    changed = {"sequence_entry": entry, "n_workers": lambda: 1}
    if not way.is_around:
        changed["between_silences"] = list
    with patch.multiple(transcriber, **changed):
        model = FathomTranscriber(
            time_limit=asked.time_limit, random_state=asked.seed, beam_width=1
        )
        return model.fit(heard, texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--time-limit", type=float, help="seconds, with epochs enough")
    parser.add_argument("--lengths", type=int, default=3, help="to which batches are filled up")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--judging", type=int, default=200, help="strings that judge")
    parser.add_argument("--only", nargs="*", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--spelled", action="store_true", help="digits are written as words")
    asked = parser.parse_args()
    digits = read_digits(asked.data)
    if asked.spelled:
        digits = digits._replace(digit=np.array([SPELLED[int(digit)] for digit in digits.digit]))
    known = np.flatnonzero(digits.speaker != "jackson")
    train, _ = train_test_split(known, test_size=0.2, random_state=0, stratify=digits.digit[known])
    train, judge = train_test_split(
        train, test_size=0.2, random_state=0, stratify=digits.digit[train]
    )
    learned, judging = join(digits, train, N_STRINGS, 0), join(digits, judge, asked.judging, 1)
    some = (learned[0][np.arange(N_SHOWN)], learned[1][:N_SHOWN])
    for name in asked.only:
        began = time.process_time()
        model = learn(WAYS[name], asked, *learned)
        took = time.process_time() - began
        of_learned = error_rate(some[1], model.predict(some[0]).tolist())
        said = model.predict(judging[0]).tolist()
        of_judging = error_rate(judging[1], said)
        pairs = zip(judging[1], said, strict=True)
        n_cut = sum(one.rpartition(" ")[0] == other for one, other in pairs)
        print(
            f"{name:<36} words wrong: learned {of_learned:6.2%}, judging {of_judging:6.2%}; "
            f"right but for the last word left out: {n_cut} of {asked.judging}; "
            f"{len(model.history_.starts[0].epochs)} passes, {took:.0f} s of the processor",
            flush=True,
        )


if __name__ == "__main__":
    main()
