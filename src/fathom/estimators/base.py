"""What both estimators share: from arrays to a trained model and back to outputs."""

import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, estimator_html_repr
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fathom.compression.story import Compression
from fathom.data.combinations import Combined
from fathom.data.encoding import Standardization
from fathom.data.parsing import ParsedTable, parse_table
from fathom.data.schema import (
    ColumnKind,
    ImageInput,
    NumbersInput,
    Schema,
    TableInput,
    Target,
)
from fathom.data.splitting import hold_out
from fathom.errors import InputError
from fathom.estimators.aims import aim_of, fit_target_encoding
from fathom.estimators.checking import is_table, read_features
from fathom.estimators.choosing import AnyEncoding, AnyPredictor, predictor_of, search_apart
from fathom.estimators.defaults import default_architecture, default_recipe
from fathom.estimators.designing import (
    Given,
    Searched,
    refuse_compressed,
    search_anew,
    search_on,
    unit_mean,
)
from fathom.estimators.factoring import combine_trained, likelihoods_of
from fathom.estimators.illustrated import RowPredictor
from fathom.estimators.listening import sound_rows
from fathom.estimators.matching import require_match
from fathom.estimators.photographs import is_photograph, photograph_rows, search_photographs
from fathom.estimators.predicting import Predictor, RowsInOrder, encode_rows, is_ink
from fathom.estimators.prose import TextPredictor
from fathom.estimators.showing import in_one_unit, summarize
from fathom.nn.architecture import Architecture
from fathom.nn.layer import Shape
from fathom.nn.network import Network
from fathom.search.design import Design
from fathom.search.factors import with_factors
from fathom.search.prediction import predict
from fathom.search.rounds import Rounds
from fathom.training.devices import DataParallel, refuse_executor
from fathom.training.history import History
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples, hold
from fathom.training.recipe import Recipe
from fathom.training.supervision import train_described

FEW = 32  # numbers


class FathomEstimator(BaseEstimator):
    """Base of the estimators: everything but what the target means."""

    compression_: Compression  # of a model that was made smaller

    def __init__(
        self,
        architecture: Architecture | None = None,
        recipe: Recipe | None = None,
        *,
        time_limit: float | None = 60.0,
        column_kinds: Mapping[str, ColumnKind] | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.architecture = architecture
        self.recipe = recipe
        self.time_limit = time_limit
        self.column_kinds = column_kinds
        self.warm_start = warm_start
        self.random_state = random_state

    def _designs(self, x: Any) -> bool:
        """Tell whether networks are to be found for these rows, none being described."""
        return self.architecture is None and self.recipe is None and picture_shape(x) is None

    def _begin(self) -> Deadline:
        """Start the clock."""
        limit: Any = self.time_limit
        is_number = isinstance(limit, Real) and not isinstance(limit, bool)
        if limit is not None and not (is_number and 0 < float(limit) < math.inf):
            raise InputError("a time_limit above 0, in seconds, or None", got=repr(limit))
        return Deadline(None if limit is None else float(limit))

    def _fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        described: NumbersInput | ImageInput,
        target: Target,
        weight: np.ndarray,
        monitor: Monitor | None,
        deadline: Deadline,
        executor: DataParallel | Rounds | str | None,
    ) -> Self:
        """Train on checked rows, and set everything that is learned.

        The target is one number per row for classes, one row of numbers otherwise.
        """
        is_free = self.architecture is None and self.recipe is None
        if is_free and is_photograph(x, described):
            refuse_executor(executor)
            pictures = x.reshape(len(x), *described.shape)
            photographs = search_photographs(
                pictures, y, target, weight, self._seed(), monitor=monitor, deadline=deadline,
            )  # fmt: skip
            self.restore(*photographs)
            if not target.factors:
                return self
            shown = photographs.schema.input
            assert isinstance(shown, ImageInput)
            small = photograph_rows(pictures, shown)
            return self._combine(small, y, weight, None)
        schema = Schema(input=described, target=target)
        architecture = self._chosen_architecture(schema, len(x))
        recipe = self._chosen_recipe(schema, architecture, len(x))
        rows = np.flatnonzero(weight > 0)
        classes = y[rows] if target.task == "classes" else None
        training, held_out = hold_out(len(rows), recipe.validation_fraction, recipe.seed, classes)
        training = rows[training]
        encoding = _fit_encoding(schema, x[training])
        target_encoding = fit_target_encoding(architecture, target, y[training])
        encoded = encode_rows(encoding, x, schema, architecture)
        aim = aim_of(y, architecture, target, target_encoding)
        if architecture.loss == "binary_cross_entropy" and (aim.min() < 0 or aim.max() > 1):
            raise InputError(
                "targets from 0 to 1 for binary cross entropy",
                got=f"{aim.min():g} to {aim.max():g}",
                hint="scale the target, or give the architecture another loss",
            )

        def pick(chosen: np.ndarray) -> Examples:
            return hold(encoded[chosen], aim[chosen], weight[chosen])

        networks, history = train_described(
            architecture, recipe, pick(training),
            None if held_out is None else pick(rows[held_out]),
            monitor=monitor, deadline=deadline, executor=executor,
        )  # fmt: skip
        self.restore(schema, architecture, recipe, history, networks, encoding, target_encoding)
        if not target.factors:
            return self
        return self._combine(x, y, weight, None if held_out is None else rows[held_out])

    def _combine(
        self, x: np.ndarray, y: np.ndarray, weight: np.ndarray, held_out: np.ndarray | None
    ) -> Self:
        """Learn what turns the networks' sums into probabilities of combinations."""
        assert isinstance(self._predictor, Predictor)
        target = self.schema_.target
        self.combined_: Combined | None = combine_trained(
            self._predictor, x, y, weight, held_out, target
        )
        return self

    def _fit_design(
        self,
        frame: pl.DataFrame,
        y: np.ndarray,
        target: Target,
        weight: np.ndarray,
        groups: Any,
        order: Any,
        monitor: Monitor | None,
        deadline: Deadline,
        executor: DataParallel | Rounds | str | None,
    ) -> Self:
        """Search for networks on checked rows, and set everything that is learned."""
        given = Given(target, y, weight, _checked_rows(groups, frame), _checked_rows(order, frame))
        if not self.warm_start and not target.factors:
            apart = search_apart(
                frame, self.column_kinds, given, self._seed, has_names=_has_names(self, frame),
                monitor=monitor, deadline=deadline,
            )  # fmt: skip
            if apart is not None:
                return self.restore(*apart)
        before: Searched | Design | None = None
        if self.warm_start:
            refuse_compressed(self, "to go on with")
            before = getattr(self, "_searched", getattr(self, "design_", None))
        if before is None:
            found = search_anew(
                frame, given, self.column_kinds, has_names=_has_names(self, frame),
                seed=self._seed(), monitor=monitor, deadline=deadline, executor=executor,
            )  # fmt: skip
        else:
            found = search_on(
                frame, given, self.schema_, before, monitor=monitor, deadline=deadline
            )
        self._searched = found
        return self.restore_design(found.schema, found.design)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the search as it stood, which holds every training row."""
        state = dict(super().__getstate__())
        state.pop("_searched", None)
        return state

    def _seed(self) -> int:
        given: Any = self.random_state
        if isinstance(given, Integral):
            return int(given)
        return int(check_random_state(given).randint(2**31))

    def restore_design(self, schema: Schema, found: Design) -> Self:
        """Set everything that a search learns; a model read from a file is made whole by this."""
        heaviest = max(found.members, key=lambda member: member.weight)
        self.__dict__.pop("compression_", None)
        self.schema_: Schema = schema
        self.design_, self.report_ = found, found.report
        self.architecture_ = heaviest.architecture
        self.recipe_ = heaviest.genes.recipe(0)
        self.history_ = found.history
        self.networks_ = tuple(n for member in found.members for n in member.networks)
        self.encoding_: AnyEncoding | None = None
        self.target_encoding_: Standardization | None = None
        self.n_features_in_ = schema.input.n_features
        self._predictor: AnyPredictor | None = None
        self.combined_ = found.combined
        return self

    def _html_repr(self) -> str:
        """Return scikit-learn's HTML, and once fitted what was found."""
        shown = str(estimator_html_repr(self))
        if not hasattr(self, "networks_"):
            return shown
        report = getattr(self, "report_", None)
        return shown + summarize(self.architecture_, self._comparable_history(), report)

    def _comparable_history(self) -> History:
        """Return the history with losses of rows learned and of rows held out in one unit."""
        if hasattr(self, "design_") and self.schema_.target.task == "numbers":
            return in_one_unit(self.history_, self.architecture_.n_outputs)
        return self.history_

    @property
    def leaderboard_(self) -> list[dict[str, Any]]:
        """Every network the search tried, the best first, as rows for a data frame."""
        check_is_fitted(self, "report_")
        candidates = sorted(
            self.report_.candidates, key=lambda c: (c.loss is None, c.loss or 0.0, c.number)
        )
        return [
            {
                "network": c.number + 1, "status": c.status, "weight": c.weight, "loss": c.loss,
                "train_loss": c.train_loss, **c.genes.model_dump(), "best_epoch": c.best_epoch,
                "epochs_trained": c.n_epochs, "folds": c.n_folds, "seconds": c.seconds,
                "origin": c.origin, "reason": c.reason,
            }
            for c in candidates
        ]  # fmt: skip

    def find_unusual(self, X: Any) -> np.ndarray:
        """Tell which rows are unlike those of training: trust what is predicted for them less.

        Parameters
        ----------
        X : array-like or data frame
            Rows as in `fit`, of an estimator that designed itself for a table.

        Returns
        -------
        numpy.ndarray
            True for rows with a number far outside what was seen, a category that was not, or no
            value at all; shape (n,). It is the column ``is_unusual`` of ``fathom predict``.

        Raises
        ------
        InputError
            If X does not fit the columns of training, or those were no table.
        """
        check_is_fitted(self, "networks_")
        if not isinstance(self.schema_.input, TableInput):
            raise InputError("an estimator of a table", got="one of numbers or pictures")
        return self._parse_rows(X).is_unusual

    def _parse_rows(self, x: Any) -> ParsedTable:
        """Return rows of a table as arrays, its columns those of training."""
        table = self.schema_.input
        assert isinstance(table, TableInput)
        frame = read_features(self, x, reset=False)
        is_named = table.is_named and is_table(x)
        if not is_named and frame.width != len(table.columns):
            raise InputError(
                f"rows of {len(table.columns)} columns, as in fit", got=f"{frame.width} columns"
            )
        return parse_table(frame, table.columns, is_named=is_named)

    def _require_finite(self, outputs: np.ndarray) -> np.ndarray:
        flat = outputs.reshape(-1)
        # Of few, their sum tells sooner; it may overflow, so it has not the last word.
        is_surely = len(flat) <= FEW and math.isfinite(sum(flat.tolist()))
        if not (is_surely or np.isfinite(flat).all()):
            raise InputError(
                "a network that gives finite outputs", got="NaN or infinity",
                hint="its weights are damaged: train it again",
            )  # fmt: skip
        return outputs

    def restore(
        self,
        schema: Schema,
        architecture: Architecture,
        recipe: Recipe,
        history: History,
        networks: tuple[Network, ...],
        encoding: AnyEncoding,
        target_encoding: Standardization | None,
        combined: Combined | None = None,
    ) -> Self:
        """Set everything that fitting learns; a model read from a file is made whole by this."""
        self.combined_ = combined
        for earlier in ("design_", "report_", "_searched", "compression_"):  # of a search
            self.__dict__.pop(earlier, None)
        self.schema_, self.architecture_, self.recipe_ = schema, architecture, recipe
        self.history_, self.networks_ = history, networks
        self.encoding_, self.target_encoding_ = encoding, target_encoding
        self.n_features_in_ = schema.input.n_features
        if isinstance(schema.input, NumbersInput) and schema.input.names:
            self.feature_names_in_ = np.asarray(schema.input.names, object)
        self._predictor = predictor_of(networks, schema, architecture, encoding)
        return self

    def _predict_outputs(self, x: Any) -> np.ndarray:
        """Return the networks' outputs, averaged, as float64 of shape (rows, outputs).

        Besides what a user gives, x may be a `ParsedTable` or `RowsInOrder`, checked before.
        """
        predictor = self.__dict__.get("_predictor")
        if isinstance(predictor, (TextPredictor, RowPredictor)):
            parsed = x if isinstance(x, ParsedTable) else self._parse_rows(x)
            return self._require_finite(predictor.outputs_of(parsed))
        if predictor is not None and predictor.networks is not self.networks_:  # they were changed
            assert isinstance(self.encoding_, Standardization)
            predictor = Predictor(self.networks_, self.schema_, self.architecture_, self.encoding_)
        is_ready = isinstance(x, RowsInOrder)
        if is_ready:
            x = x.values
        if predictor is not None and self.combined_ is not None:
            rows = x if is_ready else self._check_rows(x)
            found = likelihoods_of(predictor, rows, self.combined_, self.schema_.target)
            return self._require_finite(found)
        if predictor is not None and (is_ready or "feature_names_in_" not in self.__dict__):
            outputs = predictor.try_plain(x)
            if outputs is not None:
                return self._require_finite(outputs)
        check_is_fitted(self, "networks_")
        if isinstance(self.schema_.input, TableInput):
            parsed = x if isinstance(x, ParsedTable) else self._parse_rows(x)
            return self._require_finite(predict(self.design_, parsed))
        rows = x if is_ready else self._check_rows(x)
        assert predictor is not None
        return self._require_finite(predictor.outputs(rows))

    def _check_rows(self, x: Any) -> np.ndarray:
        """Return rows of numbers, or pictures laid out, once they are what they were in fit."""
        if isinstance(self.schema_.input, ImageInput):
            if self.schema_.input.is_photo:
                to_rows = sound_rows if self.schema_.input.hearing else photograph_rows
                return to_rows(x, self.schema_.input)
            self._require_same_picture(x)
        rows = validate_data(self, lay_out(x), reset=False, dtype="numeric")
        if is_ink(self.schema_) and len(rows) and (rows.min() < 0 or rows.max() > 1):
            raise InputError(
                "pixels from 0 (paper) to 1 (ink), as in fit",
                got=f"pixels from {rows.min():g} to {rows.max():g}",
                hint="bring pictures to ink with fathom.data.images.all_to_ink",
            )
        return rows

    def _require_same_picture(self, x: Any) -> None:
        picture = picture_shape(x)
        if picture is not None and picture != self.schema_.input.shape:
            raise InputError(
                f"pictures of shape {self.schema_.input.shape}, as in fit", got=f"{picture}"
            )

    def _checked_weight(self, sample_weight: Any, x: np.ndarray) -> np.ndarray:
        weight = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        if not (weight > 0).any():
            raise InputError(
                "a sample_weight above 0 for some row", got="0 for every row",
                hint="leave sample_weight out to weigh all rows alike",
            )  # fmt: skip
        return unit_mean(weight)

    def _chosen_architecture(self, schema: Schema, n_rows: int) -> Architecture:
        given = self.architecture
        if given is None:
            return with_factors(default_architecture(schema, n_rows), schema.target)
        if not isinstance(given, Architecture):
            raise InputError("architecture as an Architecture or None", got=repr(given)[:80])
        require_match(given, schema)
        return with_factors(given, schema.target)

    def _chosen_recipe(self, schema: Schema, architecture: Architecture, n_rows: int) -> Recipe:
        given = self.recipe
        if given is not None and not isinstance(given, Recipe):
            raise InputError("recipe as a Recipe or None", got=repr(given)[:80])
        recipe = given or default_recipe(schema, architecture, n_rows)
        if recipe.augmentation is not None and len(architecture.input_shape) != 3:
            raise InputError(
                "an architecture for pictures, (height, width, channels), with augmentation",
                got=f"input_shape={architecture.input_shape}",
                hint="give the architecture that input_shape, or leave augmentation out",
            )
        if self.random_state is None and given is not None:
            return recipe
        return recipe.model_copy(update={"seed": self._seed()})


def _has_names(estimator: BaseEstimator, frame: pl.DataFrame) -> bool:
    """Tell whether columns were named by the user rather than by their place."""
    has_place_names = frame.columns == [f"x{place}" for place in range(frame.width)]
    return hasattr(estimator, "feature_names_in_") or not has_place_names


def _checked_rows(values: Any, frame: pl.DataFrame) -> np.ndarray | None:
    """Return one value for each row, or None; words and dates become whole numbers in order."""
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != (frame.height,):
        raise InputError(f"one value for each of {frame.height} rows", got=f"shape {array.shape}")
    try:
        return np.asarray(np.unique(array, return_inverse=True)[1])
    except TypeError:
        raise InputError(
            "groups and times of one type, none missing",
            got=f"values of {', '.join(sorted({type(value).__name__ for value in array}))}",
        ) from None


def describe_input(
    x: np.ndarray, picture: Shape | None, names: Iterable[object]
) -> NumbersInput | ImageInput:
    """Describe what one example is.

    Parameters
    ----------
    x : numpy.ndarray
        Rows, pictures laid out.
    picture : tuple of int or None
        Height, width and channels where the rows are pictures.
    names : iterable
        Names of the columns, or nothing.
    """
    if picture is None:
        return NumbersInput(n_features=x.shape[1], names=tuple(map(str, names)))
    height, width, channels = picture
    has_only_ink = bool(np.isin(x, (0, 1)).all())
    return ImageInput(height=height, width=width, channels=channels, is_ink=has_only_ink)


def picture_shape(x: Any) -> tuple[int, int, int] | None:
    """Return (height, width, channels) where x holds pictures, else None."""
    shape = tuple(getattr(x, "shape", ()))
    if len(shape) not in (3, 4) or 0 in shape:
        return None
    return (shape[1], shape[2], shape[3] if len(shape) == 4 else 1)


def lay_out(x: Any) -> Any:
    """Lay out pictures, shape (n, height, width) or with channels, as rows of pixels."""
    return x if picture_shape(x) is None else np.asarray(x).reshape(len(x), -1)


def _fit_encoding(schema: Schema, x: np.ndarray) -> Standardization:
    return (
        Standardization.of_pixels(x)
        if isinstance(schema.input, ImageInput)
        else Standardization.fit(x)
    )
