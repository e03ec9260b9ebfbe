"""The classifier: one of several classes, or several labels at once."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from fathom.data.schema import Target
from fathom.errors import InputError
from fathom.estimators.base import (
    FathomEstimator,
    dense_target,
    describe_input,
    lay_out,
    picture_shape,
)
from fathom.training.monitor import Monitor


class FathomClassifier(ClassifierMixin, FathomEstimator):
    """A deep network that chooses one class, or says of each label how probable it is.

    For classes the outputs are a softmax layer, a_i = exp(z_i) / Σ_j exp(z_j), trained with cross
    entropy; for several labels (y of shape (n, m), 0 or 1) they are m independent sigmoid outputs
    trained with binary cross entropy.

    Parameters
    ----------
    architecture : Architecture, optional
        The network. Where left out: a convolutional one for pictures of 8×8 pixels and more
        (X of shape (n, height, width) or (n, height, width, channels)), a dense one otherwise.
    recipe : Recipe, optional
        How it is trained. Where left out: one that suits the number of rows.
    time_limit : float or None, default 60
        Seconds that fitting may take, compiling included; None for as long as it takes.
    random_state : int, RandomState or None
        Seed of all random choices; where None, the recipe's seed, or a new one without a recipe.

    Attributes
    ----------
    classes_ : numpy.ndarray or list of numpy.ndarray
        The classes; for labels an array (0, 1) for each.
    architecture_, recipe_, history_, schema_ : Architecture, Recipe, History, Schema
        What was chosen, what happened, and what goes in and out.
    networks_ : tuple of Network
        The trained networks, whose outputs are averaged.
    n_features_in_ : int
        Numbers per row.
    feature_names_in_ : numpy.ndarray
        Names of the columns, where X had them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> model = FathomClassifier(random_state=0).fit(x, y)
    >>> model.predict_proba(x[:2]).shape
    (2, 3)
    >>> bool(model.score(x, y) > 0.9)
    True

    Notes
    -----
    Classes of one type are told apart as scikit-learn does. Rows of weight 0 take no part.
    """

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        monitor: Monitor | None = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : array-like
            Rows, shape (n, features), or pictures, shape (n, height, width) or
            (n, height, width, channels); finite.
        y : array-like
            Classes, shape (n,), or labels of 0 and 1, shape (n, m).
        sample_weight : array-like, optional
            Weight of each row, at least 0.
        monitor : Monitor, optional
            Told of every epoch, and asked whether to stop.

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
        x, labels = validate_data(self, lay_out(X), y, dtype="numeric", multi_output=True)
        labels = dense_target(labels)
        check_classification_targets(labels)
        names = getattr(self, "feature_names_in_", ())
        described = describe_input(x, picture_shape(X), names)
        kind = type_of_target(labels)
        if kind == "multilabel-indicator":
            if not np.isin(labels, (0, 1)).all():
                raise InputError(
                    "labels of 0 and 1", got=f"labels of {np.unique(labels)[:5].tolist()}",
                    hint="write 1 where a label holds and 0 where it does not",
                )  # fmt: skip
            target = Target(task="labels", n_outputs=labels.shape[1], is_flat=False)
            return self._fit(x, labels, described, target, sample_weight, monitor, deadline)
        if kind == "multiclass-multioutput":
            raise InputError(
                "one class per row, or labels of 0 and 1",
                got=f"{labels.shape[1]} columns of several classes",
                hint="fit one classifier for each column",
            )
        classes, numbers = np.unique(labels.reshape(-1), return_inverse=True)
        if len(classes) < 2:
            raise InputError(
                "at least 2 classes", got=f"one class only: {classes[0]!r}"[:80],
                hint="a classifier needs rows of every class it is to tell apart",
            )  # fmt: skip
        target = Target(task="classes", classes=tuple(classes.tolist()))
        return self._fit(x, numbers, described, target, sample_weight, monitor, deadline)

    @property
    def classes_(self) -> Any:
        """The classes; for labels an array (0, 1) for each."""
        check_is_fitted(self, "schema_")
        target = self.schema_.target
        if target.task == "labels":
            return [np.array([0, 1])] * target.n_outputs
        return np.asarray(target.classes)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the probability of each class, or of each label.

        Parameters
        ----------
        X : array-like
            Rows or pictures as in `fit`.

        Returns
        -------
        numpy.ndarray
            Shape (n, classes), each row summing to 1; for labels (n, m), each its own.
        """
        outputs = self._predict_outputs(X)
        if self.schema_.target.task == "labels":
            return outputs
        if outputs.shape[1] == 1:
            return np.hstack([1 - outputs, outputs])
        return outputs / np.maximum(outputs.sum(axis=1, keepdims=True), np.finfo(float).tiny)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the most probable class of each row, or the labels with probability ½ or more.

        Parameters
        ----------
        X : array-like
            Rows or pictures as in `fit`.

        Returns
        -------
        numpy.ndarray
            Shape (n,), of the type the classes had; for labels (n, m) of 0 and 1.
        """
        probabilities = self.predict_proba(X)
        if self.schema_.target.task == "labels":
            return (probabilities >= 0.5).astype(int)
        return self.classes_[probabilities.argmax(axis=1)]

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn what this estimator can do."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags
