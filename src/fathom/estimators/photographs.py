"""Estimators that design their own networks for pictures of levels, 0 to 255."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fathom.data.encoding import Standardization
from fathom.data.images import resize_levels
from fathom.data.schema import ImageInput, Schema, Target
from fathom.data.splitting import hold_out, make_folds
from fathom.errors import InputError
from fathom.estimators.aims import aim_of, fit_target_encoding
from fathom.estimators.defaults import output_layer
from fathom.nn.architecture import Architecture
from fathom.nn.network import Network
from fathom.nn.xla import jax, jnp
from fathom.search.contest import Entry, Ground, contest, go_on
from fathom.search.everything import LEAST_S, Learned, judge_and_learn, learn_more, pick
from fathom.search.factors import with_factors
from fathom.search.picturing import choose_size, picture_entries
from fathom.training.history import History
from fathom.training.metrics import score_name
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.recipe import Recipe

LEAST_SIDE = 8  # pixels from which convolutions have something to look at
END_SHARE, END_S = 0.01, 0.5  # of the time, kept back for what follows the last step
NO_DEADLINE_S = 600.0  # that pictures are designed for where there is no time limit


class Earlier(NamedTuple):
    """Networks that are trained on: what they are, how they are trained, and what happened."""

    architecture: Architecture
    recipe: Recipe
    networks: tuple[Network, ...]
    target_encoding: Standardization | None
    history: History

    @classmethod
    def of(cls, model: Any) -> "Earlier":
        """Return the networks of a fitted estimator of pictures or recordings."""
        return cls(
            model.architecture_, model.recipe_, model.networks_, model.target_encoding_,
            model.history_,
        )  # fmt: skip

    @property
    def knows_everything(self) -> bool:
        """Whether they learned from everything, once others had been judged."""
        bests = [start.best for start in self.history.starts]
        is_judged = [best is not None and best.validation_loss is not None for best in bests]
        return any(is_judged) and not any(is_judged[number] for number in self.history.kept)


class Found(NamedTuple):
    """Everything that `FathomEstimator.restore` takes."""

    schema: Schema
    architecture: Architecture
    recipe: Recipe
    history: History
    networks: tuple[Network, ...]
    encoding: Standardization
    target_encoding: Standardization | None


def is_photograph(x: np.ndarray, described: Any) -> bool:
    """Tell whether rows are pictures of levels, for which networks are designed.

    Parameters
    ----------
    x : numpy.ndarray
        Pictures, laid out.
    described : NumbersInput or ImageInput
        What one of them is.
    """
    if not isinstance(described, ImageInput) or described.is_ink or x.dtype != np.uint8:
        return False
    return min(described.shape[:2]) >= LEAST_SIDE and described.channels in (1, 3)


def time_for(deadline: Deadline) -> float:
    """Return the seconds networks for pictures are designed for."""
    remaining = deadline.remaining()
    return remaining if np.isfinite(remaining) else NO_DEADLINE_S


def search_photographs(
    x: np.ndarray,
    y: np.ndarray,
    target: Target,
    weight: np.ndarray,
    seed: int,
    *,
    monitor: Monitor | None,
    deadline: Deadline,
    width: int | None = None,
) -> Found:
    """Find a convolutional network for pictures within a time.

    Parameters
    ----------
    x : numpy.ndarray
        Levels, shape (n, height, width, channels), uint8; brought to a smaller size where the
        time asks for it.
    y : numpy.ndarray
        Class numbers (n,), or labels or numbers (n, outputs).
    target : Target
        What is predicted.
    weight : numpy.ndarray
        Weight of each picture, mean 1.
    seed : int
        Seed of every random choice.
    monitor : Monitor or None
        Told of what happens, and asked whether to stop.
    deadline : Deadline
        When to be done.
    width : int, optional
        Channels of the first stage, where the pictures have their final size already.
    """
    if width is None:
        size = choose_size(len(x), min(x.shape[1:3]), time_for(deadline))
        height, wide = scaled(x.shape[1:3], size.side)
        x, width = resize_levels(x, height, wide), size.width
    schema = Schema(
        input=ImageInput(height=x.shape[1], width=x.shape[2], channels=x.shape[3], is_photo=True),
        target=target,
    )
    output, loss = output_layer(schema)
    entries = picture_entries(x.shape[1:], width, output, loss, int(np.count_nonzero(weight)), seed)
    return search_levels(x, y, schema, weight, seed, entries, monitor=monitor, deadline=deadline)


def search_levels(
    x: np.ndarray,
    y: np.ndarray,
    schema: Schema,
    weight: np.ndarray,
    seed: int,
    entries: Sequence[Entry],
    *,
    monitor: Monitor | None,
    deadline: Deadline,
    groups: np.ndarray | None = None,
    earlier: Earlier | None = None,
) -> Found:
    """Hold a contest of described networks on pictures of their final size.

    Parameters
    ----------
    x : numpy.ndarray
        Levels, shape (n, height, width, channels), uint8.
    y : numpy.ndarray
        Class numbers (n,), or labels or numbers (n, outputs).
    schema : Schema
        What goes in and what comes out.
    weight : numpy.ndarray
        Weight of each picture, mean 1.
    seed : int
        Seed of what is held out.
    entries : sequence of Entry
        The networks.
    monitor : Monitor or None
        Told of what happens, and asked whether to stop.
    deadline : Deadline
        When to be done.
    groups : numpy.ndarray, optional
        Group of each picture: those of one never both train and judge.
    earlier : Earlier, optional
        Networks that are trained on instead; there are no entries then.
    """
    target = schema.target
    if earlier is None:
        entries = [
            replace(entry, architecture=with_factors(entry.architecture, target))
            for entry in entries
        ]
    else:
        entries = [Entry("the network before", earlier.architecture, earlier.recipe)]
    first, rows = entries[0], np.flatnonzero(weight > 0)
    training, held_out = _divide(rows, y, target, first.recipe, seed, groups)
    if earlier is None:
        target_encoding = fit_target_encoding(first.architecture, target, y[training])
    else:
        target_encoding = earlier.target_encoding
    aim = aim_of(y, first.architecture, target, target_encoding)
    pictures = jax.device_put(x, may_alias=True)  # many may be in a file rather than in memory
    examples = Examples(pictures, jnp.asarray(aim), jnp.asarray(weight))
    judges = None if held_out is None else jax.tree.map(lambda part: part[held_out], examples)
    began, reserve = deadline.remaining(), END_S + END_SHARE * time_for(deadline)
    last = Deadline(max(began - reserve, 0.1)) if np.isfinite(began) else deadline
    ground = Ground(examples, training, judges)
    found = _compete(entries, ground, rows, earlier, last, monitor or Monitor())
    history = History(
        starts=found.starts,
        kept=found.kept,
        score_name=score_name(found.entry.architecture.output_activation),
        seconds=began - deadline.remaining() if np.isfinite(began) else 0.0,
    )
    return Found(
        schema, found.entry.architecture, found.entry.recipe, history, found.networks,
        Standardization(np.zeros(1), np.ones(1)), target_encoding,
    )  # fmt: skip


def _compete(
    entries: Sequence[Entry],
    ground: Ground,
    rows: np.ndarray,
    earlier: Earlier | None,
    deadline: Deadline,
    monitor: Monitor,
) -> Learned:
    """Find the best of the entries, or train on what there is."""
    watch: Any = {"deadline": deadline, "monitor": monitor}
    first = entries[0]
    if earlier is not None:
        before = earlier.history
        known = Learned(first, earlier.networks, before.starts, before.kept)
        if earlier.knows_everything:
            return learn_more(known, pick(ground.examples, rows), **watch)
        number = len(before.starts)
        network, newest, is_better = go_on(number, first, known.networks[0], ground, **watch)
        kept = (number if is_better else before.kept[0],)
        return Learned(first, (network,), (*before.starts, newest), kept)
    if ground.held_out is not None and LEAST_S <= deadline.remaining() < np.inf:
        return judge_and_learn(entries, ground, rows, **watch)
    found = contest(entries, ground, **watch)
    return Learned(found.entry, (found.network,), found.starts, (len(found.starts) - 1,))


def _divide(
    rows: np.ndarray,
    y: np.ndarray,
    target: Target,
    recipe: Recipe,
    seed: int,
    groups: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the rows that train, and those that judge."""
    classes, fraction = y[rows] if target.task == "classes" else None, recipe.validation_fraction
    training, held_out = hold_out(len(rows), fraction, seed, classes)
    if groups is not None and fraction > 0:
        fold = make_folds(len(rows), 1, fraction, seed, classes=classes, groups=groups[rows])[0]
        training, held_out = fold.training, fold.held_out
    return rows[training], None if held_out is None else rows[held_out]


def scaled(size: tuple[int, ...], side: int) -> tuple[int, int]:
    """Return height and width whose shorter side is the given one; at most twice as long."""
    height, width = size[:2]
    factor = side / min(height, width)
    return min(2 * side, round(height * factor)), min(2 * side, round(width * factor))


def photograph_rows(x: Any, described: ImageInput) -> np.ndarray:
    """Return pictures of any size as rows of the levels a network takes.

    Raises
    ------
    InputError
        If they are no levels, or have other channels.
    """
    pictures = np.asarray(x)
    if pictures.ndim == 3:
        pictures = pictures[..., None]
    channels = described.channels
    if pictures.ndim != 4 or pictures.shape[3] != channels or 0 in pictures.shape[1:]:
        wanted = "(n, height, width, 3)" if channels == 3 else "(n, height, width)"
        raise InputError(f"pictures of shape {wanted}, as in fit", got=f"{np.shape(x)}")
    if pictures.dtype != np.uint8:
        in_range = pictures.dtype.kind in "iu" and (
            not pictures.size or (pictures.min() >= 0 and pictures.max() <= 255)
        )
        if not in_range:
            raise InputError(
                "pictures of whole levels from 0 to 255 (uint8), as in fit",
                got=f"{pictures.dtype}",
                hint="convert them: (255 * x).astype('uint8') for shares from 0 to 1",
            )
        pictures = pictures.astype(np.uint8)
    small = resize_levels(pictures, described.height, described.width)
    return small.reshape(len(small), described.n_features)
