"""Steps: single ways of making a fitted estimator smaller, each from model to model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fathom.compression.factors import factorize, find_spectra
from fathom.compression.neurons import Order, counts_within, order_neurons, prune_neurons
from fathom.compression.sites import Check, nothing
from fathom.compression.storage import Storage, can_store, input_squares, narrow
from fathom.compression.story import Compression, Measured
from fathom.data.schema import ImageInput
from fathom.deployment.archive import to_bytes
from fathom.deployment.shrinking.rows import Part, predictions, rate
from fathom.deployment.shrinking.teaching import Lesson, aims_for, form_of, teach
from fathom.deployment.shrinking.units import (
    Model,
    Unit,
    batch_of,
    is_designed,
    is_of_texts,
    open_units,
    restored_design,
    with_units,
)
from fathom.nn.network import Network
from fathom.nn.xla import jax, jnp
from fathom.training.augmentation import augment
from fathom.training.calibration import fit_sharpness
from fathom.training.monitor import Deadline, Monitor
from fathom.training.recipe import Augmentation, Recipe

CALIBRATION_ROWS = 1024
MOMENT_ROWS = 4096
LESSON_ROWS = 60_000  # pictures a student is shown, changed a little each time
STORY_BYTES = 2000  # of the file, for what is said of a compression
LEAST_P = 1e-7


def size_of(model: Model) -> int:
    """Return the bytes of a model's file."""
    return sum(map(len, to_bytes(model)))


def n_parameters(model: Model) -> int:
    """Return the trainable parameters of all networks."""
    return sum(unit.described.architecture.n_parameters for unit in open_units(model))


def stored(
    model: Model, storage: Storage, part: Part | None, check: Check = nothing
) -> Model | None:
    """Return the model with weights as a file of that storage gives them back.

    Scales are calibrated on rows where there are any; None where weights are out of range.
    """
    units = open_units(model)
    if not all(can_store(unit.described.network, storage) for unit in units):
        return None
    made = []
    for unit in units:
        check()
        squares = None
        if storage == "int8" and part is not None and not is_of_texts(model):
            batch = batch_of(model, unit, _some(part, CALIBRATION_ROWS).x)
            squares = input_squares(unit.described.network, batch)
        network = narrow(unit.described.network, storage, squares)
        made.append(_changed(unit, network))
    smaller = with_units(model, made)
    smaller.compression_ = placeholder(model, storage)
    return smaller


def placeholder(model: Model, storage: Storage) -> Compression:
    """Return a story that says no more than how weights are kept."""
    is_numbers = model.schema_.target.task == "numbers"
    return Compression(
        asked="", is_met=False, storage=storage,
        steps=(Measured(step="", bytes=0, n_networks=1, n_parameters=0),),
        loss_name="RMSE" if is_numbers else "log loss",
        score_name="R²" if is_numbers else "accuracy",
    )  # fmt: skip


def _changed(unit: Unit, network: Network) -> Unit:
    return replace(unit, described=replace(unit.described, network=network))


def _some(part: Part, n: int) -> Part:
    """Return some of the rows, evenly spread."""
    if len(part.y) <= n:
        return part
    return part.take(np.unique(np.linspace(0, len(part.y) - 1, n).astype(int)))


def order_units(model: Model, part: Part, check: Check = nothing) -> tuple[tuple[Unit, ...], ...]:
    """Return ever fewer networks: backwards from all, each time without the one missed least.

    Returns
    -------
    tuple of tuple of Unit
        All networks, all but one, and so on down to one.
    """
    left, target = list(open_units(model)), model.schema_.target
    said = {}
    for unit in left:
        check()
        said[unit.member, unit.fold] = predictions(with_units(model, [unit]), part.x)
    found = [tuple(left)]
    total = np.sum([unit.weight * said[unit.member, unit.fold] for unit in left], axis=0)
    while len(left) > 1:
        weight = sum(unit.weight for unit in left)
        losses = [
            rate((total - u.weight * said[u.member, u.fold]) / (weight - u.weight), part.y, target)[
                0
            ]
            for u in left
        ]
        gone = left.pop(int(np.argmin(losses)))
        total = total - gone.weight * said[gone.member, gone.fold]
        found.append(tuple(left))
    return tuple(found)


@dataclass(frozen=True)
class Pruner:
    """Leaves out neurons of every network of a model, by what rows say of them.

    Attributes
    ----------
    model : estimator
        The model.
    part : Part
        The rows.
    orders : tuple
        For every network in which order its neurons go.
    """

    model: Model
    part: Part
    orders: tuple[tuple[Order, ...], ...]

    @classmethod
    def of(cls, model: Model, part: Part, check: Check = nothing) -> "Pruner":
        """Look at the networks of a model."""
        few = _some(part, MOMENT_ROWS)
        units = open_units(model)
        orders = tuple(
            order_neurons(unit.described.network, batch_of(model, unit, few.x), check)
            for unit in units
        )
        return cls(model, few, orders)

    def to_parameters(self, most: float, check: Check = nothing) -> Model | None:
        """Return the model with networks of at most so many parameters each; None if it cannot."""
        units, made = open_units(self.model), []
        counts: dict[int, dict[tuple[int, ...], int]] = {}
        for unit, orders in zip(units, self.orders, strict=True):
            if unit.member not in counts:
                found = counts_within(unit.described.architecture, orders, most)
                if found is None:
                    return None
                counts[unit.member] = found
            if not is_designed(self.model):  # all its networks are of one architecture
                counts.setdefault(unit.member + 1, counts[unit.member])
            keep = {
                one.site.producer: one.neurons[-counts[unit.member][one.site.producer] :]
                for one in orders
            }
            batch = batch_of(self.model, unit, self.part.x)
            smaller = prune_neurons(unit.described, batch, keep, check)
            made.append(replace(unit, described=smaller))
        return with_units(self.model, made)


def factored(model: Model, part: Part, error: float, check: Check = nothing) -> Model | None:
    """Return the model with dense layers as two where that pays; None where it pays nowhere."""
    units, made, few = open_units(model), [], _some(part, MOMENT_ROWS)
    ranks: dict[int, dict[int, int]] = {}
    for unit in units:
        batch = batch_of(model, unit, few.x)
        key = unit.member if is_designed(model) else 0
        if key not in ranks:
            spectra = find_spectra(unit.described.network, batch, check)
            found = {one.place: one.rank_within(error) for one in spectra}
            ranks[key] = {place: rank for place, rank in found.items() if rank is not None}
        made.append(replace(unit, described=factorize(unit.described, batch, ranks[key])))
    return with_units(model, made) if any(ranks.values()) else None


def taught(
    model: Model,
    teacher: Model,
    part: Part,
    *,
    deadline: Deadline,
    rate_of_learning: float = 1e-3,
    epochs: int = 60,
    seed: int = 0,
    monitor: Monitor | None = None,
    most_rows: int = LESSON_ROWS,
) -> Model:
    """Return the model after each of its networks has learned what the teacher says."""
    units, made = open_units(model), []
    shown = _shown_rows(model, _some(part, most_rows), seed, most_rows)
    said = predictions(teacher, shown.x)
    recipe = Recipe(
        learning_rate=rate_of_learning, epochs=epochs, weight_decay=0.01, seed=seed % 2**32,
        batch_size=128 if len(shown.y) >= 4000 else 64, schedule="cosine",
    )  # fmt: skip
    for number, unit in enumerate(units):
        described = unit.described
        form = form_of(described.architecture)
        aim = aims_for(
            form, said, shown.y, model.schema_.target, described.architecture.n_outputs,
            _scale_for(model, unit),
        )  # fmt: skip
        lesson = Lesson(batch_of(model, unit, shown.x), aim)
        mine = deadline.share(1 / (len(units) - number))
        learned = teach(described, lesson, recipe, deadline=mine, monitor=monitor)
        made.append(replace(unit, described=learned))
    return with_units(model, made)


def _scale_for(model: Model, unit: Unit) -> object:
    if not is_designed(model):
        return model.target_encoding_
    found = model.design_
    return found.scales.get(found.members[unit.member].genes.is_log_target)


def _shown_rows(model: Model, part: Part, seed: int, most: int) -> Part:
    """Return the rows a student is shown: pictures of ink many times, changed a little each."""
    described, changes = model.schema_.input, model.recipe_.augmentation
    if not isinstance(described, ImageInput) or changes is None or described.is_photo:
        return part
    copies = int(np.clip(min(LESSON_ROWS, most) // len(part.y), 1, 12))
    shape = (described.height, described.width, described.channels)
    pictures = np.asarray(part.x).reshape(len(part.y), *shape)
    changed: list[np.ndarray] = [_change(pictures, changes, seed + n) for n in range(copies - 1)]
    every = np.concatenate([pictures, *changed]).reshape(copies * len(part.y), -1)
    return Part(every, np.tile(part.y, (copies, *[1] * (part.y.ndim - 1))))


def _change(pictures: np.ndarray, changes: Augmentation, seed: int) -> np.ndarray:
    plain = jnp.asarray(pictures, jnp.float32)
    return np.asarray(augment(plain, jax.random.key(seed), changes)).astype(pictures.dtype)


def recalibrated(model: Model, part: Part) -> Model:
    """Return an ensemble whose probabilities mean what they say on these rows."""
    if not is_designed(model) or model.schema_.target.task != "classes":
        return model
    plain = restored_design(model, replace(model.design_, sharpness=1.0))
    logs = np.log(np.maximum(predictions(plain, part.x), LEAST_P))
    sharpness = fit_sharpness(logs, part.y, np.ones(len(part.y)))
    return restored_design(model, replace(model.design_, sharpness=sharpness))


def networks_in(units: Sequence[Unit]) -> str:
    """Say how many networks there are."""
    return f"{len(units)} network{'s' * (len(units) != 1)}"
