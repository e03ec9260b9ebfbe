"""The classifier: one of several classes, several factors together, or several labels at once."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from fathom.data.audio import Recordings
from fathom.data.combinations import (
    Prior,
    check_prior,
    combinations_of,
    log_prior,
    marginals,
    probabilities,
)
from fathom.data.schema import ColumnKind, Target
from fathom.errors import InputError
from fathom.estimators.base import (
    FathomEstimator,
    describe_input,
    lay_out,
    picture_shape,
)
from fathom.estimators.checking import dense_target, read_rows
from fathom.estimators.designing import class_weights, unit_mean
from fathom.estimators.factoring import read_factors
from fathom.estimators.listening import require_recordings, search_sounds
from fathom.nn.architecture import Architecture
from fathom.search.rounds import Rounds
from fathom.training.devices import DataParallel
from fathom.training.monitor import Monitor
from fathom.training.recipe import Recipe


class FathomClassifier(ClassifierMixin, FathomEstimator):
    """A deep network that chooses one class, or says of each label how probable it is.

    For classes the outputs are a softmax layer, a_i = exp(z_i) / Σ_j exp(z_j), trained with cross
    entropy; for several labels (y of shape (n, m), 0 or 1) they are m independent sigmoid outputs
    trained with binary cross entropy. For several columns of classes (y of shape (n, m)), which are
    factors of one answer, each factor has its outputs and all are joined: combinations that are
    rare, or were never seen, get honest probabilities too.

    Parameters
    ----------
    architecture : Architecture, optional
        The network. Where left out: a convolutional one for pictures of 8×8 pixels and more
        (X of shape (n, height, width) or (n, height, width, channels)). For rows, where no recipe
        is given either, the estimator designs an ensemble of networks by itself within the time
        limit; with a recipe it takes a dense network.
    recipe : Recipe, optional
        How it is trained. Where left out: one that suits the number of rows.
    time_limit : float or None, default 60
        Seconds that fitting may take, compiling included; None for as long as it takes.
    class_weight : "balanced", mapping of class to weight, or None
        Weights of the classes, besides those of the rows; None for several labels.
    column_kinds : mapping of str to str, optional
        Overrules what columns are taken for: number, category, yes_no, date, text, picture,
        identifier.
    warm_start : bool, default False
        Whether fitting the same rows again goes on with the search rather than begin anew.
    random_state : int, RandomState or None
        Seed of all random choices; where None, the recipe's seed, or a new one without a recipe.
    prior : "training", "uniform", float or mapping, default "training"
        For factors: how probable each combination is before anything is known of a row. As frequent
        as in training, all alike, a number from 0 (uniform) to 1 (training), or your own shares by
        combination, such as ``{("f", "dark"): 3, ("m", "fair"): 1}``. It may be changed after `fit`
        (``model.set_params(prior="uniform")``): nothing is trained anew.

    Attributes
    ----------
    classes_ : numpy.ndarray or list of numpy.ndarray
        The classes; for labels an array (0, 1) for each, for factors the classes of each.
    combinations_ : numpy.ndarray
        For factors: every combination, seen in training or not, shape (combinations, m).
    combination_counts_ : numpy.ndarray
        How many training rows each of them had.
    architecture_, recipe_, history_, schema_ : Architecture, Recipe, History, Schema
        What was chosen, what happened, and what goes in and out.
    networks_ : tuple of Network
        The trained networks, whose outputs are averaged.
    design_, report_, leaderboard_ : Design, Report, list of dict
        Where networks were searched for: the ensemble; what was tried, kept and why; every network
        tried, the best first. ``architecture_`` and ``recipe_`` are those of the heaviest.
    n_features_in_ : int
        Numbers per row.
    feature_names_in_ : numpy.ndarray
        Names of the columns, where X had them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> model = FathomClassifier(time_limit=3, random_state=0).fit(x, y)
    >>> model.predict_proba(x[:2]).shape
    (2, 3)
    >>> bool(model.score(x, y) > 0.8)
    True

    Notes
    -----
    Classes of one type are told apart as scikit-learn does. Rows of weight 0 take no part.
    """

    def __init__(
        self,
        architecture: Architecture | None = None,
        recipe: Recipe | None = None,
        *,
        time_limit: float | None = 60.0,
        class_weight: Mapping[Any, float] | str | None = None,
        column_kinds: Mapping[str, ColumnKind] | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        prior: Prior = "training",
    ) -> None:
        super().__init__(
            architecture, recipe, time_limit=time_limit, column_kinds=column_kinds,
            warm_start=warm_start, random_state=random_state,
        )  # fmt: skip
        self.class_weight = class_weight
        self.prior = prior

    def fit(
        self,
        X: ArrayLike | Recordings,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        order: ArrayLike | None = None,
        monitor: Monitor | None = None,
        executor: DataParallel | Rounds | str | None = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : array-like or data frame
            Rows, shape (n, features), numbers finite; or pictures, shape (n, height, width) or
            (n, height, width, channels). Where no architecture and no recipe is given: also a
            table of any kinds of columns, with values missing, paths of pictures (from the working
            directory) among them; one text for each row; or recordings.
        y : array-like
            Classes, shape (n,); several columns of classes, factors of one answer, shape (n, m); or
            labels of 0 and 1, shape (n, m), each on its own. Factors that are all 0 and 1 are
            written as words.
        sample_weight : array-like, optional
            Weight of each row, at least 0.
        groups : array-like, optional
            Group of each row: in a search, rows of one group never both train and judge.
        order : array-like, optional
            Time of each row: in a search, the latest rows judge.
        monitor : Monitor, optional
            Told of every epoch, and asked whether to stop.
        executor : str, Rounds or DataParallel, optional
            Who trains the networks of a search on a table: ``processes:4`` for processes of this
            machine, ``HOST:PORT`` of a Ray cluster, or `fathom.search.rounds.Rounds`. The search
            goes in rounds then, and comes out the same however many workers there are, unless
            ``time_limit`` cuts it off. Where an architecture or a recipe is given: what trains that
            one network together, each with a part of every batch: ``processes:4``, ``devices`` for
            all accelerators of this process, or `fathom.training.devices.DataParallel`. Where left
            out, threads of this process train.

        Returns
        -------
        FathomClassifier
            The estimator itself.

        Raises
        ------
        InputError, ValueError
            If X, y or a parameter cannot be used.
        TrainingError
            If no learning rate gave a finite loss.
        """
        deadline = self._begin()
        check_prior(self.prior)
        x, numbers, target = self._read(X, y)
        self._require_prior(target)
        weight = self._checked_weight(sample_weight, numbers)
        if target.task == "classes":
            weight = unit_mean(weight * class_weights(numbers, target.classes, self.class_weight))
        elif self.class_weight is not None:
            raise InputError(
                "class_weight None for several labels", got=repr(self.class_weight)[:80],
                hint="give sample_weight",
            )  # fmt: skip
        if isinstance(x, Recordings):
            found = search_sounds(
                x, numbers, target, weight, self._seed(), monitor=monitor, deadline=deadline,
                groups=None if groups is None else np.asarray(groups),
            )  # fmt: skip
            return self.restore(*found)
        if self._designs(X):
            return self._fit_design(
                x, numbers, target, weight, groups, order, monitor, deadline, executor
            )
        names = getattr(self, "feature_names_in_", ())
        described = describe_input(x, picture_shape(X), names)
        return self._fit(x, numbers, described, target, weight, monitor, deadline, executor)

    def _read(self, X: ArrayLike | Recordings, y: ArrayLike) -> tuple[Any, np.ndarray, Target]:
        """Return checked rows, their class numbers or labels, and what these are."""
        parsed = read_factors(y)
        if parsed is not None:
            y = parsed.values
        x: Any
        if isinstance(X, Recordings):
            x, labels = X, require_recordings(self, X, y)
        elif self._designs(X):
            x, labels = read_rows(self, X, y)
        else:
            x, labels = validate_data(self, lay_out(X), y, dtype="numeric", multi_output=True)
        if parsed is not None:
            return x, labels, parsed.target
        target, numbers = self._read_classes(dense_target(labels))
        return x, numbers, target

    def _require_prior(self, target: Target) -> None:
        """Refuse a prior, or weights of classes, that do not go with what is predicted."""
        if target.factors:
            log_prior(target, self.prior)
            if self.class_weight is not None:
                raise InputError(
                    "class_weight None for several factors", got=repr(self.class_weight)[:80],
                    hint="prior='uniform' makes rare combinations count as much as common ones",
                )  # fmt: skip
        elif self.prior != "training":
            raise InputError(
                "several columns of classes, for a prior over their combinations",
                got=f"prior={self.prior!r} and one column"[:80], hint="leave prior out",
            )  # fmt: skip

    def _read_classes(self, labels: np.ndarray) -> tuple[Target, np.ndarray]:
        """Return what is predicted, and its class numbers or its labels."""
        check_classification_targets(labels)
        kind = type_of_target(labels)
        if kind == "multilabel-indicator":
            if not np.isin(labels, (0, 1)).all():
                raise InputError(
                    "labels of 0 and 1",
                    got=f"labels of {np.unique(labels)[:5].tolist()}",
                    hint="write 1 where a label holds and 0 where it does not",
                )
            return Target(task="labels", n_outputs=labels.shape[1], is_flat=False), labels
        classes, numbers = np.unique(labels.reshape(-1), return_inverse=True)
        if len(classes) < 2:
            raise InputError(
                "at least 2 classes", got=f"one class only: {classes.tolist()[0]!r}"[:80],
                hint="a classifier needs rows of every class it is to tell apart",
            )  # fmt: skip
        return Target(task="classes", classes=tuple(classes.tolist())), numbers

    @property
    def classes_(self) -> Any:
        """The classes; for labels an array (0, 1) for each, for factors the classes of each."""
        check_is_fitted(self, "schema_")
        target = self.schema_.target
        if target.factors:
            return [np.asarray(factor.classes) for factor in target.factors]
        if target.task == "labels":
            return [np.array([0, 1])] * target.n_outputs
        return np.asarray(target.classes)

    @property
    def combinations_(self) -> np.ndarray:
        """Of factors, every combination of their classes, shape (combinations, m)."""
        every = combinations_of(self._factored()).every
        columns = [classes[every[:, j]] for j, classes in enumerate(self.classes_)]
        return _beside(columns)

    @property
    def combination_counts_(self) -> np.ndarray:
        """Of factors, how many training rows each combination had."""
        return combinations_of(self._factored()).counts.copy()

    def _factored(self) -> Target:
        check_is_fitted(self, "schema_")
        target = self.schema_.target
        if not target.factors:
            raise AttributeError("combinations belong to a classifier of several factors")
        return target

    def predict_combination_proba(self, X: ArrayLike | Recordings) -> np.ndarray:
        """Return the probability of each combination of factors.

        Parameters
        ----------
        X : array-like
            Rows or pictures as in `fit`.

        Returns
        -------
        numpy.ndarray
            Shape (n, combinations), in the order of ``combinations_``, each row summing to 1.

        Raises
        ------
        AttributeError
            If it was not fitted to several factors.
        """
        target = self._factored()
        return probabilities(self._predict_outputs(X), log_prior(target, self.prior))

    def predict_proba(self, X: ArrayLike | Recordings) -> Any:
        """Return the probability of each class, or of each label.

        Parameters
        ----------
        X : array-like
            Rows, pictures or recordings as in `fit`.

        Returns
        -------
        numpy.ndarray
            Shape (n, classes), each row summing to 1; for labels (n, m), each its own; for factors
            a list of one array for each, as scikit-learn has it.
        """
        if hasattr(self, "schema_") and self.schema_.target.factors:
            return marginals(self.predict_combination_proba(X), self.schema_.target)
        return self._from_outputs(self._predict_outputs(X))

    def _from_outputs(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probabilities that networks' outputs stand for."""
        if self.schema_.target.task == "labels":
            return outputs
        if outputs.shape[1] == 1:
            return np.hstack([1 - outputs, outputs])
        if self.architecture_.output_activation == "softmax":
            return outputs
        return outputs / np.maximum(outputs.sum(axis=1, keepdims=True), np.finfo(float).tiny)

    def predict(self, X: ArrayLike | Recordings) -> np.ndarray:
        """Return the most probable class of each row, or the labels with probability ½ or more.

        For factors it is the most probable combination.

        Parameters
        ----------
        X : array-like
            Rows, pictures or recordings as in `fit`.

        Returns
        -------
        numpy.ndarray
            Shape (n,), of the type the classes had; for labels (n, m) of 0 and 1; for factors
            (n, m).
        """
        if hasattr(self, "schema_") and self.schema_.target.factors:
            chosen = self.predict_combination_proba(X).argmax(axis=1)
            return np.asarray(self.combinations_[chosen])
        probabilities = self.predict_proba(X)
        if self.schema_.target.task == "labels":
            return (probabilities >= 0.5).astype(int)
        return self.classes_[probabilities.argmax(axis=1)]

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the share of rows that are right, for factors and labels in every column.

        Parameters
        ----------
        X, y : array-like
            As in `fit`.
        sample_weight : array-like, optional
            Weight of each row.
        """
        if hasattr(self, "schema_") and self.schema_.target.factors:
            is_right = (self.predict(X) == np.asarray(y)).all(axis=1)
            weight = np.ones(len(is_right)) if sample_weight is None else np.asarray(sample_weight)
            return float(np.average(is_right, weights=weight))
        return float(super().score(X, y, sample_weight))

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn what this estimator can do."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = self._designs(None)
        return tags


def _beside(columns: list[np.ndarray]) -> np.ndarray:
    """Put columns side by side, each value of the type it had."""
    if len({column.dtype.kind for column in columns}) == 1:
        return np.stack(columns, axis=1)
    mixed = np.empty((len(columns[0]), len(columns)), object)
    for j, column in enumerate(columns):
        mixed[:, j] = column.tolist()
    return mixed
