"""The regressor: one number, or several."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags, check_array
from sklearn.utils.validation import validate_data

from fathom.data.audio import Recordings
from fathom.data.schema import Target
from fathom.estimators.base import (
    FathomEstimator,
    describe_input,
    lay_out,
    picture_shape,
)
from fathom.estimators.checking import (
    dense_target,
    read_rows,
    refuse_constant_target,
    refuse_words,
)
from fathom.estimators.listening import require_recordings, search_sounds
from fathom.search.rounds import Rounds
from fathom.training.devices import DataParallel
from fathom.training.monitor import Monitor


class FathomRegressor(RegressorMixin, FathomEstimator):
    """A deep network that predicts one number or several.

    The outputs are linear neurons, a = z, trained with the squared error ½ Σ_k (a_k - y_k)² on
    targets brought to mean 0 and standard deviation 1.

    Parameters
    ----------
    architecture : Architecture, optional
        The network; chosen to suit the data where left out, as in `FathomClassifier`. An output
        layer that is not linear is trained on the targets as they are.
    recipe : Recipe, optional
        How it is trained. Where left out: one that suits the number of rows.
    time_limit : float or None, default 60
        Seconds that fitting may take, compiling included; None for as long as it takes.
    column_kinds : mapping of str to str, optional
        Overrules what columns are taken for: number, category, yes_no, date, text, picture,
        identifier.
    warm_start : bool, default False
        Whether fitting the same rows again goes on with the search rather than begin anew.
    random_state : int, RandomState or None
        Seed of all random choices; where None, the recipe's seed, or a new one without a recipe.

    Attributes
    ----------
    architecture_, recipe_, history_, schema_ : Architecture, Recipe, History, Schema
        What was chosen, what happened, and what goes in and out.
    networks_ : tuple of Network
        The trained networks, whose outputs are averaged.
    design_, report_, leaderboard_ : Design, Report, list of dict
        Where networks were searched for, as in `FathomClassifier`.
    n_features_in_ : int
        Numbers per row.
    feature_names_in_ : numpy.ndarray
        Names of the columns, where X had them.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> model = FathomRegressor(time_limit=2, random_state=0).fit(x, y)
    >>> model.predict(x[:3]).shape
    (3,)
    """

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
            Numbers, shape (n,) or (n, outputs); finite.
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
        FathomRegressor
            The estimator itself.

        Raises
        ------
        InputError, ValueError
            If X, y or a parameter cannot be used.
        TrainingError
            If no learning rate gave a finite loss.
        """
        deadline = self._begin()
        refuse_words(y)
        designs = self._designs(X)
        x: Any
        if isinstance(X, Recordings):
            x, numbers = X, check_array(require_recordings(self, X, y), ensure_2d=False)
        elif designs:
            x, numbers = read_rows(self, X, y, y_numeric=True)
        else:
            x, numbers = validate_data(
                self, lay_out(X), y, dtype="numeric", multi_output=True, y_numeric=True
            )
        numbers = dense_target(numbers)
        columns = numbers.astype(np.float64).reshape(len(numbers), -1)
        weight = self._checked_weight(sample_weight, columns)
        target = Target(task="numbers", n_outputs=columns.shape[1], is_flat=numbers.ndim == 1)
        if isinstance(x, Recordings):
            refuse_constant_target(columns, weight)
            return self.restore(
                *search_sounds(
                    x,
                    columns,
                    target,
                    weight,
                    self._seed(),
                    monitor=monitor,
                    deadline=deadline,
                    groups=None if groups is None else np.asarray(groups),
                )
            )
        if designs:
            refuse_constant_target(columns, weight)
            return self._fit_design(
                x, columns, target, weight, groups, order, monitor, deadline, executor
            )
        described = describe_input(x, picture_shape(X), getattr(self, "feature_names_in_", ()))
        return self._fit(x, columns, described, target, weight, monitor, deadline, executor)

    def predict(self, X: ArrayLike | Recordings) -> np.ndarray:
        """Return the predicted numbers.

        Parameters
        ----------
        X : array-like
            Rows, pictures or recordings as in `fit`.

        Returns
        -------
        numpy.ndarray
            Shape (n,), or (n, outputs) where y had columns.
        """
        return self._from_outputs(self._predict_outputs(X))

    def _from_outputs(self, outputs: np.ndarray) -> np.ndarray:
        """Return the numbers that networks' outputs stand for."""
        if self.target_encoding_ is not None:
            outputs = self.target_encoding_.decode(outputs)
        return outputs[:, 0] if self.schema_.target.is_flat else outputs

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn what this estimator can do."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = self._designs(None)
        return tags
