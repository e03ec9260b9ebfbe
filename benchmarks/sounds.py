"""Sound: spoken digits, by speakers held out and at random, strings of them, and depth.

    python benchmarks/senses.py --data DIR --only sound
    python benchmarks/senses.py --data DIR --only strings
    python benchmarks/senses.py --data DIR --only depth-of-sound

DIR holds ``audio/spoken_digits``, whose files are named digit_speaker_take. Strings are 3 to 7
recordings of one speaker, joined with silence and noise between; those for training and those for
testing are made of different recordings.
"""

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.fft import dct
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fathom import (
    Architecture,
    BatchNorm,
    Dense,
    Dropout,
    FathomClassifier,
    FathomTranscriber,
    Flatten,
    Recipe,
    Recordings,
)
from fathom.data.hearing import fit_length, hear, hear_at
from fathom.estimators.spelling import error_rate

MOMENTS, COEFFICIENTS, PLACES = 48, 13, 24
DEPTHS, WIDTH = (1, 2, 3, 4, 5, 7), 256
N_STRINGS, N_TESTED, FEWEST, MOST = 3000, 300, 3, 7


class Digits(NamedTuple):
    """Recordings, and the digit and the speaker of each."""

    heard: Recordings
    digit: np.ndarray
    speaker: np.ndarray


def read_digits(folder: Path) -> Digits:
    paths = sorted((folder / "audio" / "spoken_digits").glob("*.wav"))
    parts = np.array([path.stem.split("_") for path in paths])
    return Digits(Recordings.read(paths), parts[:, 0], parts[:, 1])


def cepstrum(heard: Recordings) -> np.ndarray:
    """Mel-frequency cepstral coefficients at 24 places of each recording (Davis 1980)."""
    found = []
    for picture in hear(heard.waves, hear_at(heard.rate)):
        each = dct(picture.astype(float), norm="ortho", axis=1)[:, :COEFFICIENTS]
        places = np.linspace(0, len(each) - 1, PLACES)
        found.append(
            np.concatenate([np.interp(places, np.arange(len(each)), one) for one in each.T])
        )
    return np.array(found)


def by_svm(heard: Recordings, y: np.ndarray, tested: Recordings) -> np.ndarray:
    model = make_pipeline(StandardScaler(), SVC(C=10))
    return model.fit(cepstrum(heard), y).predict(cepstrum(tested))


def compare_sounds(folder: Path, time_limit: float, seeds: int, has_peers: bool) -> None:
    digits = read_digits(folder)
    speakers = np.unique(digits.speaker)
    splits = [(f"without {name}", np.flatnonzero(digits.speaker != name)) for name in speakers]
    for seed in range(seeds):
        rows = np.arange(len(digits.digit))
        train, _ = train_test_split(rows, test_size=0.2, random_state=seed, stratify=digits.digit)
        splits.append((f"random split {seed}", np.sort(train)))

    def by_fathom(train: np.ndarray, tested: Recordings, is_random: bool) -> np.ndarray:
        model = FathomClassifier(time_limit=time_limit, random_state=0)
        groups = None if is_random else digits.speaker[train]  # who judges does not train
        model.fit(digits.heard[train], digits.digit[train], groups=groups)
        return model.predict(tested)

    systems = {f"Fathom, {time_limit:g} s": by_fathom}
    if has_peers:
        systems["MFCC + SVM"] = lambda train, tested, _: by_svm(
            digits.heard[train], digits.digit[train], tested
        )
    right: dict[str, list[float]] = {name: [] for name in systems}
    for what, train in splits:
        test = np.setdiff1d(np.arange(len(digits.digit)), train)
        for name, run in systems.items():
            began, used = time.monotonic(), time.process_time()
            said = run(train, digits.heard[test], what.startswith("random"))
            share = float(np.mean(said == digits.digit[test]))
            right[name].append(share)
            show("spoken_digits", what, name, f"{share:7.2%}", began, used)
    for name, shares in right.items():
        print(f"mean over speakers held out: {name} {np.mean(shares[: len(speakers)]):.2%}")


def show(data: str, what: str, name: str, figure: str, began: float, used: float) -> None:
    seconds, cpu = time.monotonic() - began, time.process_time() - used
    print(f"{data:<14} {what:<18} {name:<28} {figure}  {seconds:6.1f} s ({cpu:.1f})", flush=True)


def join(digits: Digits, rows: np.ndarray, n: int, seed: int) -> tuple[Recordings, list[str]]:
    """Strings of digits of one speaker each, with silence and noise between."""
    rng, rate = np.random.default_rng(seed), digits.heard.rate
    waves, texts = [], []
    for _ in range(n):
        speaker = rng.choice(digits.speaker[rows])
        own = rows[digits.speaker[rows] == speaker]
        chosen = rng.choice(own, rng.integers(FEWEST, MOST + 1))
        parts = [np.zeros(int(rng.uniform(0, 0.3) * rate), np.float32)]
        for row in chosen:
            gap = np.zeros(int(rng.uniform(0.02, 0.3) * rate), np.float32)
            parts += [digits.heard.waves[row], gap]
        wave = np.concatenate(parts)
        level = np.abs(wave).max() * 10 ** (-rng.uniform(30, 50) / 20)
        waves.append((wave + level * rng.normal(size=len(wave))).astype(np.float32))
        texts.append(" ".join(digits.digit[row] for row in chosen))
    return Recordings(tuple(waves), rate), texts


def transcribe(folder: Path, time_limit: float, unknown: str | None, n_strings: int) -> None:
    digits = read_digits(folder)
    speakers = np.unique(digits.speaker).tolist() if unknown is None else [unknown]
    for speaker in speakers:
        known = np.flatnonzero(digits.speaker != speaker)
        train, test = train_test_split(
            known, test_size=0.2, random_state=0, stratify=digits.digit[known]
        )
        heard, texts = join(digits, train, n_strings, 0)
        began, used = time.monotonic(), time.process_time()
        model = FathomTranscriber(time_limit=time_limit, random_state=0).fit(heard, texts)
        name = f"Fathom, {time_limit:g} s"
        for who, rows in (("known", test), (speaker, np.flatnonzero(digits.speaker == speaker))):
            tested, right = join(digits, rows, N_TESTED, 1)
            for beam, width in (("greedy", 1), ("beam 16", 16)):
                said = model.set_params(beam_width=width).predict(tested).tolist()
                words, signs = (error_rate(right, said, of_words=is_w) for is_w in (True, False))
                figure = f"words {words:6.2%}, characters {signs:6.2%} wrong"
                show("digit strings", f"{who}, {beam}", name, figure, began, used)


def deep(n_hidden: int, width: int, shape: tuple[int, ...]) -> Architecture:
    hidden = [
        layer
        for _ in range(n_hidden)
        for layer in (Dense(units=width, activation="relu"), Dropout(rate=0.2))
    ]
    output = Dense(units=10, activation="softmax")
    layers = (Flatten(), BatchNorm(), *hidden, output)
    return Architecture(input_shape=shape, layers=layers, loss="cross_entropy")


def study_depth(folder: Path, epochs: int, seeds: int) -> None:
    """Error of each speaker held out against hidden layers, and one fat layer of equal size."""
    digits = read_digits(folder)
    x = fit_length(hear(digits.heard.waves, hear_at(digits.heard.rate)), MOMENTS)
    y, shape = digits.digit.astype(int), x.shape[1:]
    cases = [(f"{n} × {WIDTH}", deep(n, WIDTH, shape)) for n in DEPTHS]
    n_in = int(np.prod(shape))
    fat = (cases[-1][1].n_parameters - 2 * n_in - 10) // (n_in + 11)
    cases.append((f"1 × {fat}, as large as the deepest", deep(1, fat, shape)))
    for name, described in cases:
        began, used = time.monotonic(), time.process_time()
        wrong = []
        for seed in range(seeds):
            recipe = Recipe(
                learning_rate=1e-3, batch_size=64, epochs=epochs, weight_decay=0.01,
                validation_fraction=0.0, seed=seed,
            )  # fmt: skip
            for speaker in np.unique(digits.speaker):
                test = digits.speaker == speaker
                model = FathomClassifier(described, recipe, time_limit=None)
                said = model.fit(x[~test], y[~test]).predict(x[test])
                wrong.append(float(np.mean(said != y[test])))
        each = " ".join(f"{one:.1%}" for one in wrong[:4])
        show("depth", name, f"{described.n_parameters:,} parameters",
             f"{np.mean(wrong):.2%} wrong ({each})", began, used)  # fmt: skip
