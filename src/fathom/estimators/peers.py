"""The systems a user would otherwise pick, made ready for the same mixed table."""

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Collection
from typing import Any, Literal, Self, TypeAlias

import narwhals as nw
import numpy as np
import polars as pl
from scipy.sparse import csr_matrix, hstack
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.utils.validation import check_is_fitted

from fathom.data.cells import to_cells, to_days, to_numbers, to_words
from fathom.data.schema import Column
from fathom.errors import InputError

PeerTask: TypeAlias = Literal["classes", "numbers"]

OURS_FROM_SCIKIT_LEARN = (
    "linear", "k-NN", "SVM", "random forest", "gradient boosting", "MLP",
)  # fmt: skip
OPTIONAL = {"XGBoost": "xgboost", "LightGBM": "lightgbm", "CatBoost": "catboost"}
PEER_NAMES = (*OURS_FROM_SCIKIT_LEARN, *OPTIONAL)
TAKE_TABLES = ("gradient boosting", *OPTIONAL)  # take categories and missing values as they are
GUESS_SEVERAL = ("linear", "k-NN", "random forest", "MLP", "XGBoost")  # several numbers at once
MOST_FOR_SVM = 20_000  # rows; its time grows with their square and more
MOST_BINS = 255  # categories that histogram gradient boosting takes in a column
MOST_WORDS = 10_000  # of one column of text


def make_peers(
    task: PeerTask,
    columns: tuple[Column, ...],
    names: Collection[str] | None = None,
    seed: int = 0,
    n_jobs: int = 2,
) -> dict[str, "Peer"]:
    """Return other systems with their documented defaults, ready to be fitted on a table.

    Parameters
    ----------
    task : {"classes", "numbers"}
        What is predicted.
    columns : tuple of Column
        What the columns of the table hold.
    names : collection of str, optional
        Which: ``linear``, ``k-NN``, ``SVM``, ``random forest``, ``gradient boosting``, ``MLP``,
        ``XGBoost``, ``LightGBM``, ``CatBoost``. Left out: all that are installed.
    seed : int
        Seed of every random choice.
    n_jobs : int
        How many cores each may use.

    Returns
    -------
    dict of str to Peer
        The systems by name, unfitted.

    Raises
    ------
    InputError
        If a name is unknown, or that system is not installed.

    Examples
    --------
    >>> columns = (Column(name="age", kind="number"), Column(name="city", kind="category"))
    >>> frame = pl.DataFrame({"age": [20, 30, None, 50], "city": ["Ulm", "Ulm", None, "Bonn"]})
    >>> peer = make_peers("classes", columns, ["linear"])["linear"]
    >>> peer.fit(frame, ["no", "no", "yes", "yes"]).predict(frame).tolist()
    ['no', 'no', 'yes', 'yes']
    """
    if names is None:
        names = [name for name in PEER_NAMES if _is_installed(name)]
    for name in names:
        if name not in PEER_NAMES:
            raise InputError(f"one of {', '.join(PEER_NAMES)}", got=repr(name))
        if not _is_installed(name):
            raise InputError(
                f"{name} to be installed", got="no such package",
                hint=f"pip install {OPTIONAL[name]}",
            )  # fmt: skip
    return {name: Peer(name, task, columns, seed=seed, n_jobs=n_jobs) for name in names}


def _is_installed(name: str) -> bool:
    return name not in OPTIONAL or importlib.util.find_spec(OPTIONAL[name]) is not None


class Peer(BaseEstimator):
    """A system with its documented defaults, before it what it needs to take a mixed table.

    Gradient boosting takes numbers, missing values and categories as they are; a column of text is
    left out there. For the others missing numbers become the median, numbers are standardized,
    categories become one column each, text becomes TF-IDF. Dates become days, month, weekday and
    hour for all. Support vectors and networks learn standardized target numbers.

    Parameters
    ----------
    name : str
        One of the names of `make_peers`.
    task : {"classes", "numbers"}
        What is predicted.
    columns : tuple of Column
        What the columns of the table hold.
    seed, n_jobs : int
        As for `make_peers`.

    Attributes
    ----------
    classes_ : numpy.ndarray
        The classes, sorted, where classes are predicted.
    notes_ : tuple of str
        What a reader should know: rows or columns left out, no convergence.

    Examples
    --------
    >>> frame = pl.DataFrame({"x": [-1.0, 0.0, 1.0]})
    >>> peer = Peer("linear", "numbers", (Column(name="x", kind="number"),))
    >>> peer.fit(frame, [-2.0, 0.0, 2.0]).predict(frame).tolist()
    [-1.5, 0.0, 1.5]
    """

    def __init__(
        self, name: str, task: PeerTask, columns: tuple[Column, ...], seed: int = 0, n_jobs: int = 2
    ) -> None:
        self.name = name
        self.task = task
        self.columns = columns
        self.seed = seed
        self.n_jobs = n_jobs

    def fit(self, frame: Any, y: Any) -> Self:
        """Fit on the rows of a table.

        Parameters
        ----------
        frame : DataFrame
            The table; polars, pandas or any other that narwhals takes.
        y : array-like of shape (n,) or (n, m)
            One class of any type a row, or one or several numbers.
        """
        target = np.asarray(y)
        notes = []
        if self.task == "classes":
            self.classes_, target = np.unique(target, return_inverse=True)
        if self.name == "SVM" and len(target) > MOST_FOR_SVM:
            rows = np.sort(np.random.default_rng(self.seed).permutation(len(target))[:MOST_FOR_SVM])
            frame, target = _take(frame, rows), target[rows]
            notes.append(f"fitted on {MOST_FOR_SVM:,} rows drawn at random: it is slow above")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.encoding_ = _encoding_of(self)
            x = self.encoding_.fit_transform(frame)
            several = target.ndim == 2 and target.shape[1] > 1 and self.name not in GUESS_SEVERAL
            model = self._make_model(target)
            self.model_ = MultiOutputRegressor(model) if several else model
            if target.ndim == 2 and target.shape[1] == 1:
                target = target[:, 0]
            self.model_.fit(x, target, **self.encoding_.fit_arguments())
        slow = any("converge" in str(warning.message) for warning in caught)
        self.notes_ = (*notes, *self.encoding_.notes, *["did not converge"] * slow)
        return self

    def predict(self, frame: Any) -> np.ndarray:
        """Return the class, or the numbers, of each row."""
        predicted = np.asarray(self._ask("predict", frame))
        if self.task == "numbers":
            return predicted.astype(np.float64)
        known: np.ndarray = self.classes_[predicted.reshape(-1).astype(np.intp)]
        return known

    def predict_proba(self, frame: Any) -> np.ndarray:
        """Return the probability of each class in each row."""
        if self.task != "classes":
            raise InputError("a system that predicts classes", got="one that predicts numbers")
        return np.asarray(self._ask("predict_proba", frame), np.float64)

    def _ask(self, method: str, frame: Any) -> Any:
        check_is_fitted(self, "model_")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on names that columns have or have not
            return getattr(self.model_, method)(self.encoding_.transform(frame))

    def _make_model(self, target: np.ndarray) -> Any:
        if self.task == "classes" and len(self.classes_) < 2:
            raise InputError(
                "two classes or more", got=f"{len(self.classes_)}", hint="give rows of every class"
            )
        make = _MAKERS[self.task].get(self.name)
        if make is not None:
            return make(self, target)
        optional = {
            "XGBoost": _make_xgboost,
            "LightGBM": _make_lightgbm,
            "CatBoost": _make_catboost,
        }
        return optional[self.name](self)


def _encoding_of(peer: Peer) -> "_Encoding":
    if peer.name == "CatBoost":
        return _CatBoostEncoding(peer.name, peer.columns)
    if peer.name in TAKE_TABLES:
        return _CodeEncoding(peer.name, peer.columns)
    return _WideEncoding(peer.name, peer.columns)


def _make_svc(peer: Peer, target: np.ndarray) -> Any:
    rarest = int(np.bincount(target).min())
    if rarest < 2:  # no row to learn probabilities from once one is held out
        return _CertainSVC(random_state=peer.seed)
    return CalibratedClassifierCV(SVC(), ensemble=False, cv=min(5, rarest))


class _CertainSVC(SVC):
    """Support vectors where a class has one row: its probabilities are 0 and 1."""

    def predict_proba(self, x: Any) -> np.ndarray:
        """Return 1 for the predicted class."""
        return np.eye(len(self.classes_))[np.searchsorted(self.classes_, self.predict(x))]


def _scaled(model: Any) -> TransformedTargetRegressor:
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def _neighbors(target: np.ndarray) -> int:
    return min(5, len(target))


_MAKERS: dict[str, dict[str, Callable[[Peer, np.ndarray], Any]]] = {
    "classes": {
        "linear": lambda peer, _: LogisticRegression(max_iter=1000, random_state=peer.seed),
        "k-NN": lambda peer, y: KNeighborsClassifier(_neighbors(y), n_jobs=peer.n_jobs),
        "SVM": _make_svc,
        "random forest": lambda peer, _: RandomForestClassifier(
            n_jobs=peer.n_jobs, random_state=peer.seed
        ),
        "gradient boosting": lambda peer, _: HistGradientBoostingClassifier(
            categorical_features=peer.encoding_.categorical, random_state=peer.seed
        ),
        "MLP": lambda peer, _: MLPClassifier(random_state=peer.seed),
    },
    "numbers": {
        "linear": lambda peer, _: Ridge(random_state=peer.seed),
        "k-NN": lambda peer, y: KNeighborsRegressor(_neighbors(y), n_jobs=peer.n_jobs),
        "SVM": lambda peer, _: _scaled(SVR()),
        "random forest": lambda peer, _: RandomForestRegressor(
            n_jobs=peer.n_jobs, random_state=peer.seed
        ),
        "gradient boosting": lambda peer, _: HistGradientBoostingRegressor(
            categorical_features=peer.encoding_.categorical, random_state=peer.seed
        ),
        "MLP": lambda peer, _: _scaled(MLPRegressor(random_state=peer.seed)),
    },
}


def _make_xgboost(peer: Peer) -> Any:
    library = importlib.import_module("xgboost")
    kind = library.XGBClassifier if peer.task == "classes" else library.XGBRegressor
    types = ["c" if flag else "q" for flag in peer.encoding_.categorical]
    return kind(
        enable_categorical=True, feature_types=types, n_jobs=peer.n_jobs, random_state=peer.seed
    )


def _make_lightgbm(peer: Peer) -> Any:
    library = importlib.import_module("lightgbm")
    kind = library.LGBMClassifier if peer.task == "classes" else library.LGBMRegressor
    return kind(n_jobs=peer.n_jobs, random_state=peer.seed, verbose=-1)


def _make_catboost(peer: Peer) -> Any:
    library = importlib.import_module("catboost")
    kind = library.CatBoostClassifier if peer.task == "classes" else library.CatBoostRegressor
    return kind(
        thread_count=peer.n_jobs, random_seed=peer.seed, verbose=False, allow_writing_files=False
    )


class _Encoding:
    """Takes the columns of a table apart; what becomes of the parts is for those below."""

    notes: tuple[str, ...] = ()

    def __init__(self, name: str, columns: tuple[Column, ...]) -> None:
        self.name = name
        self.columns = tuple(column for column in columns if column.is_used)
        self.categorical: list[bool] = []

    def fit_arguments(self) -> dict[str, Any]:
        """Return what the system is to be told besides when it is fitted."""
        return {}

    def fit_transform(self, frame: Any) -> Any:
        """Learn from a table and return it as the system takes it."""
        raise NotImplementedError

    def transform(self, frame: Any) -> Any:
        """Return a table as the system takes it."""
        raise NotImplementedError

    def _require_features(self, n: int) -> None:
        if not n:
            raise InputError(
                f"a column that {self.name} can use", got="none", hint=f"leave {self.name} out"
            )

    def _numbers(self, frame: Any) -> np.ndarray:
        """Return the numbers, and what dates become, float64 with NaN where missing."""
        parts: list[np.ndarray] = []
        for column in self.columns:
            if column.kind == "number":
                parts.append(_array(to_numbers(_cells(frame, column), column.style)))
            elif column.kind == "date":
                parts += _parts_of_dates(_array(to_days(_cells(frame, column), column.style)))
        numbers = np.stack(parts, axis=1) if parts else np.empty((len(frame), 0))
        numbers[~np.isfinite(numbers)] = np.nan
        return numbers

    def _words(self, frame: Any, *kinds: str) -> list[pl.Series]:
        """Return the columns of categories or of text, null where missing."""
        return [to_words(_cells(frame, column)) for column in self.columns if column.kind in kinds]


class _CodeEncoding(_Encoding):
    """Numbers, then categories as numbers of their own; NaN where missing or never seen."""

    def fit_transform(self, frame: Any) -> np.ndarray:
        numbers, words = self._numbers(frame), self._words(frame, "category", "yes_no")
        most = MOST_BINS - 1 if self.name == "gradient boosting" else None
        self._codes = [_codes_of(series, most) for series in words]
        self._known = ~np.isnan(numbers).all(axis=0)  # not every system takes an empty column
        self.categorical = [False] * int(self._known.sum()) + [True] * len(words)
        self._require_features(len(self.categorical))
        n_text = sum(column.kind == "text" for column in self.columns)
        if n_text:
            self.notes = (f"{n_text} column{'s' * (n_text > 1)} of text left out",)
        return self._join(numbers, words)

    def transform(self, frame: Any) -> np.ndarray:
        return self._join(self._numbers(frame), self._words(frame, "category", "yes_no"))

    def fit_arguments(self) -> dict[str, Any]:
        argument = {"LightGBM": "categorical_feature", "CatBoost": "cat_features"}.get(self.name)
        places = [j for j, flag in enumerate(self.categorical) if flag]
        return {argument: places} if argument else {}

    def _join(self, numbers: np.ndarray, words: list[pl.Series]) -> np.ndarray:
        codes = [_coded(series, known) for series, known in zip(words, self._codes, strict=True)]
        return np.column_stack([numbers[:, self._known], *codes])


class _CatBoostEncoding(_CodeEncoding):
    """Numbers as numbers and categories as words, as CatBoost asks for them."""

    def _join(self, numbers: np.ndarray, words: list[pl.Series]) -> Any:
        library = importlib.import_module("pandas")  # comes with CatBoost
        columns: dict[str, Any] = {
            f"number {j}": part for j, part in enumerate(numbers[:, self._known].T)
        }
        for j, series in enumerate(words):
            columns[f"category {j}"] = np.asarray(series.fill_null("(missing)").to_list(), object)
        return library.DataFrame(columns)


class _WideEncoding(_Encoding):
    """Standardized numbers, one column for each category, TF-IDF of each column of text."""

    def fit_transform(self, frame: Any) -> Any:
        numbers, words = self._numbers(frame), self._words(frame, "category", "yes_no")
        self._codes = [_codes_of(series, None) for series in words]
        n = numbers.shape[1]
        self._transformer = ColumnTransformer([
            ("numbers", make_pipeline(
                SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
            ), list(range(n))),
            ("categories", OneHotEncoder(handle_unknown="ignore"),
             list(range(n, n + len(words)))),
        ])  # fmt: skip
        self._vectorizers: list[TfidfVectorizer | None] = [
            _vectorizer(series) for series in self._words(frame, "text")
        ]
        self._transformer.fit(self._coded(numbers, words))
        wide = self.transform(frame)
        self._require_features(wide.shape[1])
        return wide

    def transform(self, frame: Any) -> Any:
        words = self._words(frame, "category", "yes_no")
        wide = self._transformer.transform(self._coded(self._numbers(frame), words))
        texts = [
            vectorizer.transform(series.fill_null("").to_list())
            for series, vectorizer in zip(
                self._words(frame, "text"), self._vectorizers, strict=True
            )
            if vectorizer is not None
        ]
        return hstack([csr_matrix(wide), *texts], format="csr") if texts else wide

    def _coded(self, numbers: np.ndarray, words: list[pl.Series]) -> np.ndarray:
        codes = [_coded(series, known) for series, known in zip(words, self._codes, strict=True)]
        return np.column_stack([numbers, *codes])


def _take(frame: Any, rows: np.ndarray) -> Any:
    return nw.to_native(nw.from_native(frame, eager_only=True)[rows.tolist()])


def _cells(frame: Any, column: Column) -> pl.Series:
    """Return a column as cells, whichever library the table is of."""
    table = nw.from_native(frame, eager_only=True)
    if column.name not in table.columns:
        raise InputError(
            f"a column {column.name}", got=", ".join(table.columns)[:200],
            hint="give the columns of training",
        )  # fmt: skip
    values = table[column.name]
    if isinstance(values.to_native(), pl.Series):
        return to_cells(values.to_native())
    array = values.to_numpy()
    if array.dtype.kind in "biufM":
        return to_cells(pl.Series(array))
    is_missing = values.is_null().to_numpy()
    words = [None if gap else str(v) for v, gap in zip(array, is_missing, strict=True)]
    return to_cells(pl.Series(words, dtype=pl.String))


def _array(values: pl.Series) -> np.ndarray:
    return np.array(values.cast(pl.Float64).fill_null(np.nan).to_numpy())


def _parts_of_dates(days: np.ndarray) -> list[np.ndarray]:
    """Return days since 1970, month, day of the week and hour."""
    whole = np.floor(days)
    known = np.where(np.isnan(days), 0, whole).astype("datetime64[D]")
    month = known.astype("datetime64[M]").astype(np.float64) % 12
    parts = [month, (whole + 3) % 7, np.round((days - whole) * 24 * 3600) / 3600]
    return [days, *(np.where(np.isnan(days), np.nan, part) for part in parts)]


def _codes_of(words: pl.Series, most: int | None) -> dict[str, int]:
    """Give each category a number; beyond `most`, the rare ones share the last."""
    counts = words.drop_nulls().rename("word").value_counts(sort=True, name="n")
    ranked = sorted(counts.iter_rows(), key=lambda pair: (-pair[1], pair[0]))
    last = len(ranked) if most is None else most - 1
    return {word: min(number, last) for number, (word, _) in enumerate(ranked)}


def _coded(words: pl.Series, codes: dict[str, int]) -> np.ndarray:
    found = [np.nan if word is None else codes.get(word, np.nan) for word in words.to_list()]
    return np.asarray(found, np.float64)


def _vectorizer(series: pl.Series) -> TfidfVectorizer | None:
    """Learn the words of a column of text; None where it has none."""
    vectorizer = TfidfVectorizer(max_features=MOST_WORDS)
    try:
        return vectorizer.fit(series.fill_null("").to_list())
    except ValueError:  # no word of two letters in it
        return None
