"""The transcriber: sound into text."""

import math
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fathom.data.audio import Recordings, resample
from fathom.data.encoding import Standardization
from fathom.data.hearing import fit_length, hear, hear_at
from fathom.data.schema import MAX_SIGNS, ImageInput, Schema, Target
from fathom.data.splitting import hold_out
from fathom.errors import InputError
from fathom.estimators.decoding import decode_together
from fathom.estimators.photographs import END_S, END_SHARE, time_for
from fathom.estimators.spelling import error_rate
from fathom.nn.architecture import Architecture
from fathom.nn.network import Network
from fathom.nn.xla import jax, jitted, jnp
from fathom.search.contest import Entry, Ground, loss_of
from fathom.search.everything import learn_side_by_side
from fathom.search.transcribing import STRIDES, choose_sequence, sequence_entry
from fathom.training.history import History
from fathom.training.lengths import AFTER
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.recipe import Recipe
from fathom.training.starts import n_workers

MOST_MOMENTS = 3000  # of one recording: half a minute
LENGTHS = 64  # recordings are filled up to a multiple of so many moments: few shapes to compile
AT_ONCE = 32  # recordings that go through the network together
TOGETHER_S = 480.0  # from which each core trains a network; before, one that is trained enough pays
WORSE = 1.5  # times the least loss of a network beside it, with which one ended in a poor valley
FEWEST = 20  # recordings to learn from
MANY = 200  # recordings, from which on the longest are left out, to whose length all are filled up
LONG_SHARE = 0.02  # of them: so many are


class FathomTranscriber(BaseEstimator):
    """A network that writes down what is said in recordings.

    Convolutions over time give the probability of each sign, or of none (the blank), at each
    moment; the loss is that of connectionist temporal classification, so nothing has to say when
    each sign is spoken.

    Parameters
    ----------
    time_limit : float or None, default 60
        Seconds that fitting may take, compiling included; None for as long as it takes.
    beam_width : int, default 16
        Beginnings of a text that are followed at once; 1 takes the likeliest sign of each moment.
    random_state : int or None
        Seed of all random choices.

    Attributes
    ----------
    architecture_, recipe_, history_, schema_ : Architecture, Recipe, History, Schema
        What was chosen, what happened, and what goes in and out.
    networks_ : tuple of Network
        The trained networks; with eight minutes or more one for each core. What is written down is
        what they, on average, hold for the most probable.

    Examples
    --------
    >>> FathomTranscriber(time_limit=600, beam_width=8).beam_width
    8

    References
    ----------
    Graves, Fernández, Gomez, Schmidhuber (2006). Connectionist temporal classification. ICML.
    """

    def __init__(
        self,
        *,
        time_limit: float | None = 60.0,
        beam_width: int = 16,
        random_state: int | None = None,
    ) -> None:
        self.time_limit = time_limit
        self.beam_width = beam_width
        self.random_state = random_state

    def fit(
        self, X: Recordings, y: Sequence[str], *, monitor: Monitor | None = None,
        deadline: Deadline | None = None,
    ) -> Self:  # fmt: skip
        """Train.

        Parameters
        ----------
        X : Recordings
            What is heard.
        y : sequence of str
            What is said in each.
        monitor : Monitor, optional
            Told of every epoch, and asked whether to stop.
        deadline : Deadline, optional
            When to be done, where the clock runs already.

        Raises
        ------
        InputError
            If there are too few recordings, or no text.
        """
        deadline = deadline or _begin(self.time_limit)
        texts = [tidy(text) for text in y]
        _require_texts(X, texts)
        texts = between_silences(texts)
        seed = 0 if self.random_state is None else int(self.random_state)
        hearing = hear_at(X.rate)
        pictures = hear(X.waves, hearing)
        signs = tuple(sorted(set("".join(texts))))
        if len(signs) > MAX_SIGNS:
            raise InputError(
                f"texts of at most {MAX_SIGNS:,} different signs", got=f"{len(signs)}",
                hint="write them in fewer kinds of signs, for example in small letters",
            )  # fmt: skip
        stride = _stride(pictures, texts)
        length = min(MOST_MOMENTS, _rounded(_usual_length([*map(len, pictures)]) + AFTER))
        kept = np.array(
            [
                len(picture) <= length and _moments_for(text) <= len(picture) // stride
                for picture, text in zip(pictures, texts, strict=True)
            ]
        )
        if kept.sum() < FEWEST:
            raise InputError(
                f"{FEWEST} recordings long enough for what is said in them", got=f"{kept.sum()}",
                hint="check that texts and recordings go together",
            )  # fmt: skip
        x = _at_their_begin(pictures, length)[kept]
        aim = to_numbers(
            [text for text, is_kept in zip(texts, kept, strict=True) if is_kept], signs
        )
        n_starts = _starts_for(deadline)
        seconds = time_for(deadline)
        network = choose_sequence(
            len(x), x.shape[1:], len(signs), seconds, max(1, n_workers() // n_starts), stride
        )
        described = ImageInput(
            height=length, width=hearing.bands, channels=1, is_photo=True, hearing=hearing
        )
        schema = Schema(input=described, target=Target(task="text", signs=signs))
        entry = sequence_entry(network, len(x), seed, seconds)
        return self._learn(schema, entry, n_starts, x, aim, monitor or Monitor(), deadline)

    def _learn(
        self,
        schema: Schema,
        entry: Entry,
        n_starts: int,
        x: np.ndarray,
        aim: np.ndarray,
        monitor: Monitor,
        deadline: Deadline,
    ) -> Self:
        recipe = entry.recipe
        training, held_out = hold_out(len(x), recipe.validation_fraction, recipe.seed)
        examples = Examples(jnp.asarray(x), jnp.asarray(aim), jnp.ones(len(x), jnp.float32))
        judges = None
        if held_out is not None:
            judges = jax.tree.map(lambda part: part[held_out], examples)
        began = deadline.remaining()
        reserve = END_S + END_SHARE * time_for(deadline)
        last = Deadline(max(began - reserve, 0.1)) if np.isfinite(began) else deadline
        found = learn_side_by_side(
            entry, Ground(examples, training, judges), n_starts, deadline=last, monitor=monitor
        )  # fmt: skip
        seconds = began - deadline.remaining() if np.isfinite(began) else 0.0
        losses = [loss_of(found.starts[number]) for number in found.kept]
        chosen = [place for place, loss in enumerate(losses) if loss <= WORSE * min(losses)]
        networks = tuple(found.networks[place] for place in chosen)
        kept = tuple(found.kept[place] for place in chosen)
        history = History(starts=found.starts, kept=kept, score_name="accuracy", seconds=seconds)
        plain = Standardization(np.zeros(1), np.ones(1))
        return self.restore(
            schema, entry.architecture, found.entry.recipe, history, networks, plain, None
        )

    def restore(
        self,
        schema: Schema,
        architecture: Architecture,
        recipe: Recipe,
        history: History,
        networks: tuple[Network, ...],
        encoding: Standardization,
        target_encoding: None,
    ) -> Self:
        """Set everything that fitting learns; a model read from a file is made whole by this."""
        self.schema_, self.architecture_, self.recipe_ = schema, architecture, recipe
        self.history_, self.networks_ = history, networks
        self.encoding_, self.target_encoding_ = encoding, target_encoding
        return self

    def predict_log_proba(self, X: Recordings) -> list[np.ndarray]:
        """Return the logarithm of each sign's probability at each moment, the blank first.

        Of several networks the mean of the probabilities is taken moment by moment.

        Parameters
        ----------
        X : Recordings
            What is heard.

        Returns
        -------
        list of numpy.ndarray
            One of shape (moments, signs + 1) for each recording.
        """
        found = self._log_probabilities(X)
        return [np.logaddexp.reduce(each, axis=0) - math.log(len(each)) for each in found]

    def _log_probabilities(self, X: Recordings) -> list[np.ndarray]:
        """Return what each network says of each recording, shape (networks, moments, signs + 1)."""
        check_is_fitted(self, "networks_")
        described = self.schema_.input
        if not isinstance(X, Recordings) or not isinstance(described, ImageInput):
            raise InputError(
                "recordings", got=type(X).__name__,
                hint="read files with fathom.Recordings.read(paths)",
            )  # fmt: skip
        assert described.hearing is not None
        pictures = hear(resample(X, described.hearing.rate).waves, described.hearing)
        found: list[np.ndarray] = [np.zeros(0)] * len(pictures)
        order = np.argsort([len(picture) for picture in pictures], kind="stable")
        for begin in range(0, len(order), AT_ONCE):
            rows = order[begin : begin + AT_ONCE]
            some = [pictures[row] for row in rows]
            length = _rounded(max(map(len, some)) + AFTER)
            x = _at_their_begin(some, length)
            padded = np.pad(x, [(0, AT_ONCE - len(x)), (0, 0), (0, 0)])
            z = np.stack([_combine(network, padded) for network in self.networks_], axis=1)
            z = z.astype(np.float64)
            shifted = z - z.max(axis=3, keepdims=True)
            each = shifted - np.log(np.exp(shifted).sum(axis=3, keepdims=True))
            for place, row in enumerate(rows):
                n = -(-(len(some[place]) + AFTER) * z.shape[2] // length)
                found[row] = each[place, :, :n]
        return found

    def predict(self, X: Recordings) -> np.ndarray:
        """Return what is said in each recording.

        Parameters
        ----------
        X : Recordings
            What is heard.

        Returns
        -------
        numpy.ndarray
            Texts, shape (n,).
        """
        signs = self._signs()
        found = [decode_together([*each], self.beam_width) for each in self._log_probabilities(X)]
        texts = [tidy("".join(signs[number - 1] for number in numbers)) for numbers in found]
        return np.asarray(texts, object)

    def _signs(self) -> tuple[str, ...]:
        check_is_fitted(self, "networks_")
        return self.schema_.target.signs

    def score(self, X: Recordings, y: Sequence[str]) -> float:
        """Return 1 less the word error rate."""
        said = self.predict(X).tolist()
        return 1.0 - error_rate([tidy(text) for text in y], said)


@jitted()
def _combine(network: Network, x: Any) -> Any:
    return network.combine(x.astype(jnp.float32))


def tidy(text: object) -> str:
    """Return a text in composed form, with one blank between its words."""
    return " ".join(unicodedata.normalize("NFC", str(text)).split())


def between_silences(texts: Sequence[str]) -> list[str]:
    """Return tidy texts as they are learned: where words are parted, a blank around each text too.

    Between words there is silence, and a blank is written; before the first and after the last
    there is silence as well. A network told only of the former writes blanks to the end of all that
    it hears, and no last word: a valley that it leaves late, or never.

    Examples
    --------
    >>> between_silences(["one two", "three"])
    [' one two ', ' three ']
    >>> between_silences(["一二", "三"])
    ['一二', '三']
    """
    if not any(" " in text for text in texts):
        return list(texts)
    return [f" {text} " if text else text for text in texts]


def to_numbers(texts: Sequence[str], signs: Sequence[str]) -> np.ndarray:
    """Return texts as numbers of signs from 1 on, filled up with 0."""
    number = {sign: place for place, sign in enumerate(signs, start=1)}
    longest = max(1, max(map(len, texts), default=1))
    found = np.zeros((len(texts), longest), np.int32)
    for row, text in enumerate(texts):
        found[row, : len(text)] = [number[sign] for sign in text]
    return found


def _begin(limit: float | None) -> Deadline:
    if limit is not None and not 0 < limit < math.inf:
        raise InputError(
            "a time_limit above 0, in seconds, or None", got=repr(limit),
            hint="time_limit=600 is ten minutes",
        )  # fmt: skip
    return Deadline(None if limit is None else float(limit))


def _require_texts(recordings: Recordings, texts: Sequence[str]) -> None:
    if len(texts) != len(recordings):
        raise InputError(
            f"a text for each of {len(recordings):,} recordings", got=f"{len(texts):,}"
        )
    if len(recordings) < FEWEST:
        raise InputError(f"{FEWEST} recordings or more", got=f"{len(recordings)}")
    if not any(texts):
        raise InputError(
            "something that is said", got="empty texts only",
            hint="write what is said beside each recording",
        )  # fmt: skip


def _moments_for(text: str) -> int:
    """Return the moments a text needs: one for each sign, and a blank between equal ones."""
    return len(text) + sum(a == b for a, b in pairwise(text))


def _stride(pictures: Sequence[np.ndarray], texts: Sequence[str]) -> int:
    """Return how many moments may become one, so that nearly all texts have room."""
    room = [
        len(picture) / (1.5 * max(1, _moments_for(text)))
        for picture, text in zip(pictures, texts, strict=True)
    ]
    allowed = float(np.quantile(room, 0.02))
    return next((stride for stride in STRIDES if stride <= allowed), STRIDES[-1])


def _starts_for(deadline: Deadline) -> int:
    """Return how many networks are trained, side by side."""
    return n_workers() if TOGETHER_S <= deadline.remaining() < math.inf else 1


def _usual_length(lengths: Sequence[int]) -> int:
    """Return the length that nearly all recordings have at most: to learn from, the rest may go."""
    return int(np.ceil(np.quantile(lengths, 1 - LONG_SHARE if len(lengths) >= MANY else 1.0)))


def _rounded(length: int) -> int:
    return -(-max(length, 1) // LENGTHS) * LENGTHS


def _at_their_begin(pictures: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Return pictures of one length that all begin at once, shape (n, length, bands)."""
    cut = [picture[:length] for picture in pictures]
    filled = [np.pad(picture, [(0, length - len(picture)), (0, 0)]) for picture in cut]
    return fit_length(filled, length)[..., 0]
