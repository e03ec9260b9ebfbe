"""A designed ensemble as tensors and a card, and back.

Besides the encodings and the trees of each fold (see `fathom.deployment.encodings` and
`fathom.deployment.trees`):

===================== ============================================================================
network.MEMBER.FOLD   every weight of a network in one row of float32, layer after layer; of a
                      compressed one see `fathom.deployment.weights`
target.range          (2, outputs): smallest and largest value in training
target.scale          (2, outputs), for numbers: center and scale
target.log_scale      the same of the logarithm, where it was worth trying
===================== ============================================================================
"""

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Annotated, Self, TypeAlias

import numpy as np
from pydantic import Field, FiniteFloat, model_validator

from fathom.compression.storage import Storage
from fathom.data.cells import YEARS
from fathom.data.combinations import Combined
from fathom.data.features import Layout, with_trees
from fathom.data.schema import MAX_COLUMNS, Column, ColumnKind, Name, Schema, TableInput, Target
from fathom.data.trees import Growth
from fathom.deployment.container import Tensors
from fathom.deployment.encodings import encoding_tensors, restore_encodings
from fathom.deployment.trees import count_tree_columns, restore_trees, tree_tensors
from fathom.deployment.weights import fill, take_weights, weight_tensors
from fathom.errors import ModelFileError
from fathom.estimators.base import FathomEstimator
from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.vectors import outline_of
from fathom.search.design import Design, Member
from fathom.search.material import TargetScale
from fathom.search.record import Record
from fathom.search.report import Report
from fathom.search.space import MOST_DEPTH, Genes
from fathom.training.calibration import LEAST_SHARPNESS, MOST_SHARPNESS
from fathom.training.history import History
from fathom.values import Value

MOST_HIDDEN = 2 * MOST_DEPTH  # layers of a compressed network, each in two at most
MOST_DAYS = 366 * max(abs(year - 1970) for year in YEARS)  # before or after 1970


Count: TypeAlias = Annotated[int, Field(ge=0, le=100_000)]
GrowthCard: TypeAlias = tuple[Count, Count, Count]


class MemberCard(Value):
    """One candidate in the model.

    Attributes
    ----------
    genes : Genes
        What was chosen about it.
    weight : float
        Its share in the predictions.
    folds : tuple of int
        The folds it has a network for, ascending.
    layers : tuple of Dense, or None
        The hidden layers of a compressed network, where they are others than the genes say.
    """

    genes: Genes
    weight: FiniteFloat = Field(gt=0, le=1)
    folds: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1, max_length=1000)
    layers: tuple[Dense, ...] | None = Field(default=None, max_length=MOST_HIDDEN)

    def architecture(self, layout: Layout, target: Target) -> Architecture:
        """Return the description of its networks; the genes give what surrounds the hidden layers.

        Raises
        ------
        ArchitectureError
            If the layers cannot stand there.
        """
        described = self.genes.architecture(layout, target)
        if self.layers is None:
            return described
        first, last = described.layers[:2], described.layers[-1:]
        return described.model_copy(update={"layers": (*first, *self.layers, *last)})


class DesignCard(Value):
    """What a model file says of a designed ensemble besides its numbers.

    Attributes
    ----------
    members : tuple of MemberCard
        The candidates in the model.
    sharpness : float
        The exponent that calibrates probabilities.
    log_offset : float or None
        Added to the target before its logarithm; None where no logarithm was tried.
    report : Report
        What was tried, and why this was kept.
    seed : int
        Seed of the search.
    n_rows : int
        Rows the search was given.
    growth : tuple
        How far the trees of each fold were grown; empty in older files.
    column_kinds : dict or None
        The estimator's parameter.
    feature_names : tuple of str or None
        Names of the columns as they were given, where they had any.
    record : Record or None
        What it takes to train the networks again; None in older files.
    """

    members: tuple[MemberCard, ...] = Field(min_length=1, max_length=1000)
    sharpness: FiniteFloat = Field(ge=LEAST_SHARPNESS, le=MOST_SHARPNESS)
    log_offset: FiniteFloat | None = Field(ge=0)
    report: Report
    seed: int = Field(ge=0, lt=2**63)
    n_rows: int = Field(ge=0, lt=2**63)
    growth: tuple[GrowthCard | None, ...] = Field(default=(), max_length=1000)
    column_kinds: dict[Name, ColumnKind] | None = Field(max_length=MAX_COLUMNS)
    feature_names: tuple[Name, ...] | None = Field(max_length=MAX_COLUMNS)
    record: Record | None = None

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if abs(sum(member.weight for member in self.members) - 1) > 1e-6:
            raise ValueError("the weights of the members have the sum 1")
        for member in self.members:
            if list(member.folds) != sorted(set(member.folds)):
                raise ValueError("the folds of a member ascend")
            if member.folds[-1] >= self.report.n_folds:
                raise ValueError("a member has the folds of the report, and no others")
            if member.genes.is_log_target and self.log_offset is None:
                raise ValueError("a logarithm of the target has an offset")
        if [c.number for c in self.report.candidates] != list(range(len(self.report.candidates))):
            raise ValueError("candidates are numbered from 0, in order")
        if not {m.genes for m in self.members} <= {c.genes for c in self.report.kept}:
            raise ValueError("every member is a candidate that was kept")
        return self


def _growths(card: DesignCard) -> Iterator[Growth | None]:
    """Return how far the trees of each fold were grown, None for as long as it is not known."""
    known = (None if told is None else Growth(*told) for told in card.growth)
    return chain(known, repeat(None))


def describe_design(model: FathomEstimator) -> DesignCard:
    """Return what a model file says of an estimator that designed its networks."""
    found: Design = model.design_
    names = getattr(model, "feature_names_in_", None)
    kinds = model.column_kinds
    return DesignCard(
        members=tuple(
            MemberCard(
                genes=member.genes, weight=member.weight, folds=member.folds,
                layers=_other_layers(member),
            )
            for member in found.members
        ),
        sharpness=found.sharpness,
        log_offset=found.scales[True].offset if True in found.scales else None,
        report=found.report,
        seed=found.seed,
        n_rows=found.n_rows,
        growth=tuple(trees.growth for trees in found.trees),
        column_kinds=None if kinds is None else dict(kinds),
        feature_names=None if names is None else tuple(map(str, names)),
        record=found.record,
    )  # fmt: skip


def _other_layers(member: Member) -> tuple[Dense, ...] | None:
    """Return the hidden layers of a compressed member; None where the genes tell them."""
    hidden = member.architecture.layers[2:-1]
    dense = tuple(layer for layer in hidden if isinstance(layer, Dense))
    genes = member.genes
    usual = (Dense(units=genes.width, activation=genes.activation),) * genes.depth
    return None if dense == usual and len(hidden) == 2 * genes.depth else dense


def design_tensors(found: Design, storage: Storage = "float32") -> dict[str, np.ndarray]:
    """Return the arrays of a designed ensemble by name, its networks in a storage."""
    tensors = {"target.range": np.stack([found.low, found.high])}
    for is_log, scale in found.scales.items():
        tensors[_scale_name(is_log)] = np.stack([scale.center, scale.scale])
    tensors = {name: np.asarray(array, np.float64) for name, array in tensors.items()}
    for fold, encoding in enumerate(found.encodings):
        tensors |= encoding_tensors(encoding, f"encoding.{fold}")
    for fold, view in enumerate(found.trees):
        tensors |= tree_tensors(view, f"trees.{fold}")
    for number, member in enumerate(found.members):
        for fold, network in zip(member.folds, member.networks, strict=True):
            tensors |= weight_tensors(network, f"network.{number}.{fold}", storage)
    return tensors


def _scale_name(is_log: bool) -> str:
    return "target.log_scale" if is_log else "target.scale"


def restore_design(
    card: DesignCard,
    schema: Schema,
    history: History,
    arrays: dict[str, np.ndarray],
    storage: Storage = "float32",
    combined: Combined | None = None,
) -> Design:
    """Make a designed ensemble again, once all that is in the file belongs together.

    Parameters
    ----------
    card : DesignCard
        What the file says of it.
    schema : Schema
        What goes in and out.
    history : History
        The epochs of its networks.
    arrays : dict of str to numpy.ndarray
        The tensors of the file.
    storage : {"float32", "float16", "int8"}
        How the weights of its networks are kept.
    combined : Combined, optional
        For factors: what turns sums into probabilities of combinations.

    Raises
    ------
    ModelFileError
        If a tensor is absent, not asked for, or not what the card and the schema make of it.
    """
    target, table = schema.target, schema.input
    assert isinstance(table, TableInput)
    require_usable(table.columns)
    if table.has_pictures:
        raise ModelFileError("a designed ensemble of columns", got="one of pictures")
    if card.feature_names is not None and len(card.feature_names) != len(table.columns):
        raise ModelFileError("a name for each column", got=f"{len(card.feature_names)} names")
    tensors = Tensors(arrays)
    low, high = tensors.take("target.range", 2, target.n_outputs)
    if (low > high).any():
        raise ModelFileError("a smallest target below the largest", got="one above it")
    scales = _restore_scales(card, target, tensors)
    encodings = restore_encodings(table.columns, target, card.report.n_folds, tensors)
    plain = encodings[0].layout
    has_trees = any(member.genes.has_trees for member in card.members)
    if has_trees and not count_tree_columns(target):
        raise ModelFileError("trees for classes or for one number", got=f"{target.task}")
    trees = tuple(
        restore_trees(target, plain, tensors, f"trees.{fold}", growth)
        for fold, growth in zip(
            range(card.report.n_folds * has_trees), _growths(card), strict=False
        )
    )
    members = _restore_members(card, plain, target, tensors, storage)
    return Design(
        target=target, encodings=encodings, trees=trees, members=members,
        sharpness=card.sharpness, scales=scales, low=low, high=high,
        report=card.report, history=history, seed=card.seed, n_rows=card.n_rows,
        record=card.record, combined=combined,
    )  # fmt: skip


def _restore_members(
    card: DesignCard, plain: Layout, target: Target, tensors: Tensors, storage: Storage
) -> tuple[Member, ...]:
    """Make the networks again; all shapes are compared before the first of them is made."""
    drafts = []
    for number, member in enumerate(card.members):
        n_columns = count_tree_columns(target) if member.genes.has_trees else 0
        architecture = member.architecture(with_trees(plain, n_columns), target)
        outline = outline_of(architecture)
        found = [
            take_weights(tensors, f"network.{number}.{fold}", outline, storage)
            for fold in member.folds
        ]
        drafts.append((member, architecture, outline, found))
    tensors.require_none_left()
    return tuple(
        Member(
            member.genes, member.weight, architecture, member.folds,
            tuple(fill(outline, stored, storage) for stored in found),
        )
        for member, architecture, outline, found in drafts
    )  # fmt: skip


def require_usable(columns: tuple[Column, ...]) -> None:
    """Refuse columns that no table has: a prediction would stumble over them.

    Raises
    ------
    ModelFileError
        If there are any.
    """
    if len({column.name for column in columns}) != len(columns):
        raise ModelFileError("columns of different names", got="a name given twice")
    for column in columns:
        low, high = column.low, column.high
        is_range = low is None or high is None or low <= high
        is_date = column.kind == "date"
        if not is_range or (is_date and any(abs(end or 0) > MOST_DAYS for end in (low, high))):
            raise ModelFileError("columns with a range", got=f"from {low} to {high}")


def _restore_scales(card: DesignCard, target: Target, tensors: Tensors) -> dict[bool, TargetScale]:
    is_numbers = target.task == "numbers"
    if card.log_offset is not None and not is_numbers:
        raise ModelFileError("no logarithm of classes or labels", got="an offset for it")
    offsets: dict[bool, float | None] = {False: None} if is_numbers else {}
    if card.log_offset is not None:
        offsets[True] = card.log_offset
    scales = {}
    for is_log, offset in offsets.items():
        center, scale = tensors.take(_scale_name(is_log), 2, target.n_outputs)
        if (scale <= 0).any():
            raise ModelFileError("scales above 0", got="a scale of 0 or less")
        scales[is_log] = TargetScale(center, scale, offset)
    return scales
