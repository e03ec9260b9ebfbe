"""Opening: one network of a fitted estimator, and rows as that network sees them."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import polars as pl
from sklearn.utils.validation import check_is_fitted

from fathom.data.cells import quoted
from fathom.data.combinations import combinations_of
from fathom.data.encoding import Standardization
from fathom.data.schema import ImageInput, NumbersInput, TableInput, Target
from fathom.data.target import read_target
from fathom.data.text import TextEncoding
from fathom.errors import InputError
from fathom.estimators.aims import aim_of
from fathom.estimators.base import FathomEstimator
from fathom.estimators.checking import dense_target
from fathom.estimators.factoring import read_combinations
from fathom.estimators.illustrated import refuse_illustrated
from fathom.estimators.naming import embedded_names, name_columns, output_names, sources_of
from fathom.estimators.predicting import encode_rows
from fathom.inspection.trace import trace
from fathom.inspection.traced import Trace
from fathom.nn.architecture import Architecture
from fathom.nn.network import Network
from fathom.search.design import Design, Member
from fathom.search.material import TargetScale
from fathom.search.prediction import to_matrix
from fathom.training.recipe import Recipe


@dataclass(frozen=True)
class Opened:
    """One network of a fitted estimator, with rows as it sees them.

    Attributes
    ----------
    network : Network
        The network.
    architecture : Architecture
        Its description.
    recipe : Recipe
        How it was trained.
    x : numpy.ndarray
        The rows, encoded as for a prediction, float32, each of the shape
        ``architecture.input_shape``.
    y : numpy.ndarray or None
        What the outputs should be, as in training: class numbers (n,), int32, for a softmax layer;
        rows (n, outputs), float32, otherwise. None where no target was given.
    input_names : tuple of str
        What each number of ``x`` is, in the order of a row laid out.
    feature_names : tuple of str
        What the first dense layer of a searched network sees, after the embedding of the columns:
        ``"sex = male"`` where the input is the code of ``"sex"``. The input names for others.
    codes : dict of int to tuple of str
        For the position of each input that is a category's code: what each code stands for.
    output_names : tuple of str
        What each output neuron stands for.
    class_names : tuple of str
        The classes; empty where no class is predicted.
    units : str
        For numbers, how outputs are made of what is predicted, in words; empty for others.
    member, fold : int
        Which network it is, both from 0: members by weight, the heaviest first.
    n_members, n_folds : int
        How many members there are, and networks of this member.
    weight : float
        Share of the member in the predictions.
    sources : tuple of str
        Of a searched network, for each number of ``x`` the column it was made of; empty for what
        trees say, who see all columns.
    """

    network: Network
    architecture: Architecture
    recipe: Recipe
    x: np.ndarray
    y: np.ndarray | None
    input_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    codes: dict[int, tuple[str, ...]]
    output_names: tuple[str, ...]
    class_names: tuple[str, ...]
    units: str
    member: int
    fold: int
    n_members: int
    n_folds: int
    weight: float
    sources: tuple[str, ...] = ()

    def trace(self, row: int | None = None, **options: Any) -> Trace:
        """Compute the rows forward and backward and keep every number.

        Parameters
        ----------
        row : int, optional
            Which of the rows, from 0; all of them as one batch where left out.
        **options
            As for `fathom.inspection.trace.trace`, in place of what the network was trained with.

        Returns
        -------
        Trace
            With the names of inputs and outputs.
        """
        rows = slice(None) if row is None else slice(row, row + 1)
        known: dict[str, Any] = {
            "loss": self.architecture.loss, "reduction": self.architecture.reduction,
            "recipe": self.recipe, "input_names": self.input_names,
            "feature_names": self.feature_names, "output_names": self.output_names,
        }  # fmt: skip
        y = None if self.y is None else self.y[rows]
        return trace(self.network, self.x[rows], y, **{**known, **options})


def open_model(
    model: FathomEstimator, X: Any, y: Any = None, *, member: int = 0, fold: int = 0
) -> Opened:
    """Take one network out of a fitted estimator, and bring rows into the form it sees.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A fitted estimator, its architecture given or searched for.
    X : array-like or data frame
        Rows or pictures, as for ``predict``.
    y : array-like, optional
        Their target, as for ``fit``.
    member : int, default 0
        Which network: of a searched ensemble the members by weight, the heaviest first; otherwise
        the random starts that are averaged.
    fold : int, default 0
        Which of the member's networks, each trained on other rows; always 0 where there is one.

    Returns
    -------
    Opened
        The network, and the rows as it sees them.

    Raises
    ------
    InputError
        If there is no such network, or a target is unknown to the model.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fathom import Architecture, Dense, FathomClassifier
    >>> x, y = load_iris(return_X_y=True, as_frame=True)
    >>> layers = (Dense(units=4, activation="tanh"), Dense(units=3, activation="softmax"))
    >>> described = Architecture(input_shape=(4,), layers=layers, loss="cross_entropy")
    >>> model = FathomClassifier(described, time_limit=5, random_state=0).fit(x, y)
    >>> opened = open_model(model, x[:2], y[:2])
    >>> opened.input_names[0], opened.x.shape, opened.y
    ('sepal length (cm)', (2, 4), array([0, 0], dtype=int32))
    >>> opened.trace(row=0).layer("output").a.shape
    (1, 3)
    """
    check_is_fitted(model, "networks_")
    refuse_texts(model)
    target = model.schema_.target
    given = None if y is None else target_numbers(y, target)
    if isinstance(model.schema_.input, TableInput):
        opened = _open_design(model, X, given, member, fold)
    else:
        opened = _open_described(model, X, given, member, fold)
    if opened.y is not None and len(opened.y) != len(opened.x):
        raise InputError(
            f"a target for each of {len(opened.x)} rows", got=f"{len(opened.y)}",
            hint="give X and y of the same rows",
        )  # fmt: skip
    return opened


def count_networks(model: FathomEstimator) -> tuple[int, ...]:
    """Return how many networks each member of a fitted estimator has, the heaviest member first."""
    check_is_fitted(model, "networks_")
    refuse_texts(model)
    if isinstance(model.schema_.input, TableInput):
        return tuple(len(member.networks) for member in _by_weight(model.design_))
    return (1,) * len(model.networks_)


def refuse_texts(model: FathomEstimator) -> None:
    """Refuse a model of texts or of pictures beside columns.

    Raises
    ------
    InputError
        If it is one.
    """
    if isinstance(model.encoding_, TextEncoding):
        raise InputError(
            "a model of tables, numbers or pictures", got="a model of texts",
            hint="fathom inspect MODEL --row N shows which words decided",
        )  # fmt: skip
    refuse_illustrated(
        model.encoding_, "to look inside", "fathom evaluate tells how good it is; train without "
        "the pictures (--kind COLUMN=identifier) for what columns do",
    )  # fmt: skip


def _by_weight(found: Design) -> list[Member]:
    return sorted(found.members, key=lambda member: -member.weight)


def _require_place(name: str, place: int, count: int) -> None:
    if not 0 <= place < count:
        raise InputError(
            f"{name} from 0 to {count - 1}" if count > 1 else f"{name} 0, the only one",
            got=f"{place}",
        )


def target_numbers(y: Any, target: Target) -> np.ndarray:
    """Return class numbers (n,), or labels or numbers (n, outputs), of a target as for ``fit``.

    Of factors, the numbers of their combinations among those that training saw.

    Raises
    ------
    InputError
        If it is none that the model knows.
    """
    if target.factors:
        return _seen_numbers(y, target)
    if target.task == "classes":
        labels = y if isinstance(y, pl.Series) else np.asarray(y)
        numbers = read_target(labels, target)
        if (numbers < 0).any():
            row = int(np.argmax(numbers < 0))
            raise InputError(
                "classes that the model knows", got=f"{labels[row]!r} in row {row + 1}",
                hint=f"it knows {', '.join(map(str, target.classes[:8]))}",
            )  # fmt: skip
        return numbers
    values = np.asarray(dense_target(y), np.float64)
    if values.ndim not in (1, 2) or not np.isfinite(values).all():
        raise InputError(
            "a target of finite numbers, one row each", got=f"shape {values.shape}",
            hint="give y as in training",
        )  # fmt: skip
    values = values.reshape(len(values), -1)
    if values.shape[1] != target.n_outputs:
        raise InputError(
            f"{target.n_outputs} columns of target", got=f"{values.shape[1]}",
            hint="give y as in training",
        )  # fmt: skip
    return values


def _seen_numbers(y: Any, target: Target) -> np.ndarray:
    """Return numbers of combinations among those that training saw, which networks answer."""
    places = read_combinations(y, target)
    found = combinations_of(target)
    numbers = found.to_seen(places)
    if (numbers < 0).any():
        row = int(np.argmax(numbers < 0))
        name = "a class it does not know" if places[row] < 0 else found.names[places[row]]
        raise InputError(
            "combinations that training saw", got=f"{quoted(name)} in row {row + 1}",
            hint="leave y out to look at it without an answer",
        )  # fmt: skip
    return numbers


def _open_described(
    model: FathomEstimator, x: Any, y: np.ndarray | None, member: int, fold: int
) -> Opened:
    """Open a network whose architecture was given or chosen by rule."""
    _require_place("member", member, len(model.networks_))
    _require_place("fold", fold, 1)
    architecture, schema, encoding = model.architecture_, model.schema_, model.encoding_
    assert isinstance(encoding, Standardization)
    rows = model._check_rows(x)
    names = _numbered_names(schema.input)
    return Opened(
        network=model.networks_[member],
        architecture=architecture,
        recipe=model.recipe_,
        x=encode_rows(encoding, rows, schema, architecture).astype(np.float32),
        y=None if y is None else aim_of(y, architecture, schema.target, model.target_encoding_),
        input_names=names,
        feature_names=names,
        codes={},
        output_names=output_names(schema.target, architecture.n_outputs),
        class_names=tuple(map(str, schema.target.classes)),
        units=units_of("y", model.target_encoding_),
        member=member,
        fold=0,
        n_members=len(model.networks_),
        n_folds=1,
        weight=1 / len(model.networks_),
    )


def _numbered_names(described: NumbersInput | ImageInput | TableInput) -> tuple[str, ...]:
    if isinstance(described, ImageInput):
        sides = (described.height, described.width, described.channels)
        places = product(*(range(1, side + 1) for side in sides))
        if described.channels == 1:
            return tuple(f"pixel ({row}, {column})" for row, column, _ in places)
        return tuple(f"pixel ({row}, {column}) channel {c}" for row, column, c in places)
    assert isinstance(described, NumbersInput)
    return described.names or tuple(f"x{n}" for n in range(1, described.n_features + 1))


def _open_design(
    model: FathomEstimator, x: Any, y: np.ndarray | None, member: int, fold: int
) -> Opened:
    """Open a network of a searched ensemble."""
    found: Design = model.design_
    members = _by_weight(found)
    _require_place("member", member, len(members))
    chosen = members[member]
    _require_place("fold", fold, len(chosen.networks))
    place = chosen.folds[fold]
    encoding, genes = found.encodings[place], chosen.genes
    parsed = model._parse_rows(x)
    trees = found.trees[place] if genes.has_trees else None
    inputs, codes = name_columns(encoding, found.target, trees)
    return Opened(
        network=chosen.networks[fold],
        architecture=chosen.architecture,
        recipe=genes.recipe(found.seed % 2**32),
        x=to_matrix(found, parsed, place, genes.view, genes.has_trees),
        y=None if y is None else _aim(found, chosen, y),
        input_names=inputs,
        feature_names=tuple(embedded_names(chosen.architecture, encoding, inputs, codes)),
        sources=sources_of(encoding, found.target, trees),
        codes=codes,
        output_names=output_names(found.target, chosen.architecture.n_outputs),
        class_names=tuple(map(str, found.target.classes)),
        units=_scaled_units(found, chosen),
        member=member,
        fold=fold,
        n_members=len(members),
        n_folds=len(chosen.networks),
        weight=chosen.weight,
    )


def _scaled_units(found: Design, member: Member) -> str:
    scale = found.scales.get(member.genes.is_log_target)
    if scale is None or scale.offset is None:
        return units_of("y", scale)
    return units_of(f"ln(y + {scale.offset:.4g})" if scale.offset else "ln y", scale)


def units_of(what: str, scale: Standardization | TargetScale | None) -> str:
    """Say how outputs are brought to mean 0 and spread 1."""
    if scale is None:
        return ""
    if len(scale.center) > 1:
        return "(y − mean) / standard deviation, each by its own"
    return f"({what} − {scale.center[0]:.6g}) / {scale.scale[0]:.6g}"


def _aim(found: Design, member: Member, y: np.ndarray) -> np.ndarray:
    if found.target.task == "classes":
        return y.astype(np.int32)
    if found.target.task == "labels":
        return y.astype(np.float32)
    scale = found.scales[member.genes.is_log_target]
    if scale.offset is not None and (y + scale.offset <= 0).any():
        raise InputError(
            f"a target above {-scale.offset:g}, whose logarithm this network predicts",
            got=f"{y.min():g}",
            hint="leave these rows out",
        )
    return scale.encode(y)
