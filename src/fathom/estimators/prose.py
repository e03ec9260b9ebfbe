"""Estimators that design their own networks for texts, and what words decide."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from fathom.data.encoding import Standardization
from fathom.data.parsing import ParsedTable, join_texts
from fathom.data.schema import Schema, TableInput, Target
from fathom.data.splitting import hold_out
from fathom.data.text import TextEncoding, find_grams, normalize
from fathom.errors import InputError
from fathom.estimators.aims import aim_of, fit_target_encoding
from fathom.estimators.defaults import output_layer
from fathom.nn.architecture import Architecture
from fathom.nn.bag import BagLayer
from fathom.nn.forward import Forward
from fathom.nn.network import Network
from fathom.nn.xla import Array, jax, jitted, jnp
from fathom.search.contest import Entry
from fathom.search.prose import (
    MOST_TOGETHER,
    Prepared,
    find_for_texts,
    text_entries,
    train_more,
)
from fathom.training.history import History
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.recipe import Recipe

HELD_OUT = 0.1
MOST_DIVISIONS = 3  # into texts to learn from and texts that judge
END_S = 0.3  # kept back for what follows the last step
STEPS = 32  # of the way from no text to the text, in integrated gradients


class FoundForTexts(NamedTuple):
    """Everything that `FathomEstimator.restore` takes."""

    schema: Schema
    architecture: Architecture
    recipe: Recipe
    history: History
    networks: tuple[Network, ...]
    encoding: TextEncoding
    target_encoding: Standardization | None

    @classmethod
    def of(cls, model: Any) -> "FoundForTexts":
        """Return what was found for a fitted estimator of texts."""
        return cls(
            model.schema_, model.architecture_, model.recipe_, model.history_, model.networks_,
            model.encoding_, model.target_encoding_,
        )  # fmt: skip


def search_texts(
    texts: Sequence[str],
    y: np.ndarray,
    table: TableInput,
    target: Target,
    weight: np.ndarray,
    seed: int,
    *,
    monitor: Monitor | None,
    deadline: Deadline,
) -> FoundForTexts:
    """Find networks for texts within a time.

    Parameters
    ----------
    texts : sequence of str
        One for each row.
    y : numpy.ndarray
        Class numbers (n,), or labels or numbers (n, outputs).
    table : TableInput
        The table they come from.
    target : Target
        What is predicted.
    weight : numpy.ndarray
        Weight of each row, mean 1; rows of weight 0 take no part.
    seed : int
        Seed of every random choice.
    monitor : Monitor or None
        Told of what happens, and asked whether to stop.
    deadline : Deadline
        When to be done.
    """
    counted = np.flatnonzero(weight > 0)
    texts = [normalize(texts[row]) for row in counted.tolist()]
    y, weight = y[counted], weight[counted]
    schema = Schema(input=table, target=target)
    output, loss = output_layer(schema)
    classes = y if target.task == "classes" else None
    drawn = [hold_out(len(texts), HELD_OUT, seed + n, classes) for n in range(MOST_DIVISIONS)]
    divisions = [(training, judges) for training, judges in drawn if judges is not None]
    encodings: list[TextEncoding] = []
    scales: list[Standardization | None] = []

    def prepare(rows: np.ndarray | None) -> Prepared:
        learned = texts if rows is None else [texts[row] for row in rows]
        encoding = TextEncoding.fit(learned, n_rows=len(texts))
        shape = text_entries(encoding.length, encoding.n_codes, output, loss, 1, seed)
        scale = fit_target_encoding(shape[0].architecture, target, y if rows is None else y[rows])
        aim = aim_of(y, shape[0].architecture, target, scale)
        encodings.append(encoding)
        scales.append(scale)
        parts = (encoding.encode(texts), aim, weight.astype(np.float32))
        return Prepared(Examples(*map(jnp.asarray, parts)), encoding.n_codes)

    def describe(prepared: Prepared, n: int) -> tuple[Entry, ...]:
        x = prepared.examples.x
        assert not isinstance(x, tuple)
        return text_entries(x.shape[1] // 2, prepared.n_codes, output, loss, n, seed)

    remaining = deadline.remaining()
    last = Deadline(max(remaining - END_S, 0.1)) if np.isfinite(remaining) else deadline
    found = find_for_texts(
        prepare, describe, divisions, deadline=last, monitor=monitor or Monitor()
    )
    learned_last = -1 if found.is_whole else 0  # of all texts, or of those of the first division
    return FoundForTexts(
        schema, found.entry.architecture, found.entry.recipe, found.history, found.networks,
        encodings[learned_last], scales[learned_last],
    )  # fmt: skip


def go_on_with_texts(
    before: FoundForTexts,
    texts: Sequence[str],
    y: np.ndarray,
    weight: np.ndarray,
    *,
    monitor: Monitor | None,
    deadline: Deadline,
) -> FoundForTexts:
    """Train more networks of the kind that was chosen, and average them with those there are.

    Parameters
    ----------
    before : FoundForTexts
        What was found so far.
    texts : sequence of str
        The texts, one for each row.
    y, weight : numpy.ndarray
        As for `search_texts`.
    monitor : Monitor or None
        Told of what happens, and asked whether to stop.
    deadline : Deadline
        When to be done.

    Raises
    ------
    InputError
        If the model has as many networks as it may have.
    """
    room = MOST_TOGETHER - len(before.networks)
    if room <= 0:
        raise InputError(
            f"a model of texts with fewer than {MOST_TOGETHER} networks to go on with",
            got=f"one with {len(before.networks)}",
            hint="more of them would change next to nothing",
        )  # fmt: skip
    counted = np.flatnonzero(weight > 0)
    encoding, target, architecture = before.encoding, before.schema.target, before.architecture
    aim = aim_of(y[counted], architecture, target, before.target_encoding)
    rows = encoding.encode([texts[row] for row in counted.tolist()])
    parts = (rows, aim, weight[counted].astype(np.float32))
    entry = Entry("a bag of n-grams as before", architecture, before.recipe)
    remaining, n_before = deadline.remaining(), len(before.history.starts)
    last = Deadline(max(remaining - END_S, 0.1)) if np.isfinite(remaining) else deadline
    networks, starts, kept = train_more(
        entry, Examples(*map(jnp.asarray, parts)), n_before, deadline=last,
        monitor=monitor or Monitor(),
    )  # fmt: skip
    spent = remaining - deadline.remaining() if np.isfinite(remaining) else 0.0
    history = before.history.model_copy(
        update={
            "starts": (*before.history.starts, *starts),
            "kept": (*before.history.kept, *(n_before + place for place in kept[:room])),
            "seconds": before.history.seconds + spent,
        }
    )
    together = (*before.networks, *networks[:room])
    return before._replace(history=history, networks=together)


class TextPredictor:
    """Outputs of networks for texts, averaged, by NumPy.

    Parameters
    ----------
    networks : tuple of Network
        The networks, each of which begins with a bag.
    encoding : TextEncoding
        How texts become codes and weights.
    """

    def __init__(self, networks: tuple[Network, ...], encoding: TextEncoding) -> None:
        self.networks, self.encoding = networks, encoding
        self._tables: list[np.ndarray] = []
        self._rest: list[Forward] = []
        for network in networks:
            bag = network.layers[0]
            assert isinstance(bag, BagLayer)
            self._tables.append(np.asarray(bag.table))
            self._rest.append(Forward(Network(network.layers[1:])))

    def outputs_of(self, parsed: ParsedTable) -> np.ndarray:
        """Return the outputs for rows of a table, float64 of shape (rows, outputs)."""
        return self.outputs(join_texts(parsed))

    def outputs(self, texts: Sequence[str]) -> np.ndarray:
        """Return the outputs, float64 of shape (texts, outputs)."""
        rows = self.encoding.encode(texts)
        length = self.encoding.length
        codes, weights = rows[:, :length].astype(np.int64), rows[:, length:]
        bounds = np.arange(len(rows) + 1) * length
        shape = (len(rows), self.encoding.n_codes)
        bag = csr_matrix((weights.ravel(), codes.ravel(), bounds), shape)
        each = [
            rest(np.asarray(bag @ table, np.float32))
            for table, rest in zip(self._tables, self._rest, strict=True)
        ]
        return np.asarray(np.mean(each, axis=0), np.float64)


class WordShare(NamedTuple):
    """What a stretch of a text contributed.

    Attributes
    ----------
    word : str
        The word, as the network is shown it.
    place : int
        Where it begins, in characters.
    share : float
        What it added to the sum z of the output.
    """

    word: str
    place: int
    share: float


def explain_text(
    networks: Sequence[Network], encoding: TextEncoding, text: str, output: int
) -> tuple[tuple[WordShare, ...], float, float]:
    """Say what each word of a text added to the sum z of an output, averaged over the networks.

    Parameters
    ----------
    networks : sequence of Network
        The networks, each of which begins with a bag.
    encoding : TextEncoding
        How texts become codes and weights.
    text : str
        The text.
    output : int
        Which output.

    Returns
    -------
    tuple of (tuple of WordShare), float and float
        The words in their order, z of the text, and z of a text without any known n-gram.

    Notes
    -----
    Integrated gradients (Sundararajan, Taly, Yan 2017, arXiv:1703.01365) along the way from no
    n-gram to all: the shares of the n-grams add up to the difference of the two sums. An n-gram's
    share is divided evenly over the places it stands at, and there over its characters; those of a
    word are added up, blanks and signs going to the word before them.
    """
    text = normalize(text)
    row = jnp.asarray(encoding.encode([text]))
    found = [_integrate(network, row, jnp.int32(output)) for network in networks]
    shares, one, none = (np.mean([np.asarray(each, np.float64) for each in part], axis=0)
                         for part in zip(*found, strict=True))  # fmt: skip
    of_code: dict[int, float] = {}
    for code, share in zip(np.asarray(row[0, : encoding.length], np.int64), shares, strict=True):
        of_code[int(code)] = of_code.get(int(code), 0.0) + share
    grams = find_grams([text])
    codes = encoding.codes_of(grams.hash)
    counts = np.bincount(codes, minlength=encoding.n_codes)
    letters = np.zeros(len(text))
    for code, begin, end in zip(codes, grams.begin, grams.end, strict=True):
        share = of_code.get(int(code), 0.0)
        letters[begin:end] += share / counts[code] / (end - begin)
    words = _by_word(text, letters, grams.begin[grams.is_word], grams.end[grams.is_word])
    return words, float(one), float(none)


@jitted()
def _integrate(network: Network, row: Array, output: Array) -> tuple[Array, Array, Array]:
    """Return the integrated gradients of an output's z by the weights, and z at both ends."""
    length = row.shape[1] // 2
    codes, weights = row[:, :length], row[:, length:]

    def z(given: Array) -> Array:
        sums = network.combine(jnp.concatenate([codes, given], axis=1))
        return jnp.take(sums[0], output)

    parts = (jnp.arange(STEPS, dtype=jnp.float32) + 0.5) / STEPS
    slopes = jax.lax.map(lambda part: jax.grad(z)(part * weights)[0], parts)
    return slopes.mean(axis=0) * weights[0], z(weights), z(jnp.zeros_like(weights))


def _by_word(
    text: str, letters: np.ndarray, begins: np.ndarray, ends: np.ndarray
) -> tuple[WordShare, ...]:
    """Add up the shares of characters by word."""
    shortest: dict[int, int] = {}
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        shortest[begin] = min(end, shortest.get(begin, end))
    places = sorted(shortest)
    if not places:
        return (WordShare(text, 0, float(letters.sum())),) if text else ()
    found = []
    for place, after in zip(places, [*places[1:], len(text)], strict=True):
        first = 0 if place == places[0] else place
        word = text[place : shortest[place]]
        found.append(WordShare(word, place, float(letters[first:after].sum())))
    return tuple(found)
