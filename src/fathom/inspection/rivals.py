"""Rivals: machines with fixed kernels and boosted ensembles, on the split the probes have."""

from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import Field, FiniteFloat
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from fathom.errors import InputError
from fathom.inspection.aligned import align
from fathom.inspection.charts import Series, bar_chart, line_chart
from fathom.inspection.findings import Finding, find
from fathom.inspection.judging import Contest, Score, ScoreName, Task, set_contest
from fathom.inspection.probes import Probes, require_pairs
from fathom.inspection.representations import draw_rows
from fathom.values import Value

KernelName: TypeAlias = Literal["linear", "rbf", "poly"]
KERNELS: dict[KernelName, str] = {"linear": "linear", "rbf": "RBF", "poly": "polynomial"}
COSTS = (0.3, 1.0, 3.0, 10.0, 30.0)
WIDTHS = (0.3, 1.0, 3.0)  # of the RBF kernel, as multiples of what "scale" makes it


class Machine(Value):
    """A support vector machine with a fixed kernel.

    Attributes
    ----------
    kernel : {"linear", "rbf", "poly"}
        Its kernel.
    setting : str
        Cost and kernel width, as given or as chosen.
    score : Score
        Accuracy or R² on rows it has not seen.
    """

    kernel: KernelName
    setting: str
    score: Score

    @property
    def name(self) -> str:
        """Its name."""
        return f"{KERNELS[self.kernel]} kernel"


class Boosting(Value):
    """A boosted ensemble, stage by stage.

    Attributes
    ----------
    name : str
        What is boosted.
    scores : tuple of float
        Accuracy or R² after each stage, on rows it has not seen.
    score : Score
        The last of them, with its interval.
    """

    name: str
    scores: tuple[FiniteFloat, ...] = Field(min_length=1)
    score: Score


class Rivals(Value):
    """What else a person might have used, on the same split.

    Attributes
    ----------
    score_name : {"accuracy", "R²"}
        What the scores are.
    n_rows, n_tested, folds : int
        Rows to learn from, rows judged on, and folds; 0 where those were held out.
    machines : tuple of Machine
        Support vector machines with fixed kernels.
    boosted : tuple of Boosting
        AdaBoost of stumps, and gradient boosting of trees.
    findings : tuple of Finding
        What is worth saying about it.
    """

    score_name: ScoreName
    n_rows: int
    n_tested: int
    folds: int
    machines: tuple[Machine, ...]
    boosted: tuple[Boosting, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def best_machine(self) -> Machine:
        """The machine with the best score."""
        return max(self.machines, key=lambda machine: machine.score.value)

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("model", self.score_name, "low", "high", "setting")]
        rows += [(f"SVM, {m.name}", *_figures(m.score), m.setting) for m in self.machines] + [
            (b.name, *_figures(b.score), f"{len(b.scores)} stages") for b in self.boosted
        ]
        return "\n".join([align(rows), *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        named = [(f"SVM, {m.name}", m.score) for m in self.machines]
        named += [(b.name, b.score) for b in self.boosted]
        bars = bar_chart(
            [name for name, _ in named], [s.value for _, s in named], title="Other models",
            x_label=self.score_name, low=[s.low for _, s in named],
            high=[s.high for _, s in named], as_text=lambda v: f"{v:.3f}", description=str(self),
        )  # fmt: skip
        return bars + draw_stages(self)


def _figures(score: Score) -> tuple[str, str, str]:
    return f"{score.value:.3f}", f"{score.low:.3f}", f"{score.high:.3f}"


def draw_stages(rivals: Rivals, probes: Probes | None = None) -> str:
    """Draw the stages of boosted ensembles, and the layers of a network beside them."""
    series = [Series(b.name, range(1, len(b.scores) + 1), b.scores) for b in rivals.boosted]
    if probes is not None:
        values = [layer.score.value for layer in probes.layers[1:-1]]
        name = "layers of the network, a linear model on each"
        series.append(Series(name, range(1, len(values) + 1), values, "both"))
    return line_chart(
        series, title="Stages of boosting, layers of a network", x_label="stages or layers",
        y_label=rivals.score_name, log_x=True,
    )  # fmt: skip


def train_rivals(
    x: Any,
    y: Any,
    x_test: Any = None,
    y_test: Any = None,
    *,
    kernels: tuple[KernelName, ...] = ("linear", "rbf", "poly"),
    is_tuned: bool = False,
    n_stages: int = 30,
    folds: int = 5,
    most_rows: int = 5000,
    seed: int = 0,
) -> Rivals:
    """Train support vector machines and boosted ensembles on the split the probes have.

    Parameters
    ----------
    x, y : array-like
        Rows of numbers, best of like size (pictures: pixels), and their target.
    x_test, y_test : array-like, optional
        Rows to judge on; by cross-validation within ``x`` where left out.
    kernels : tuple of {"linear", "rbf", "poly"}
        Kernels of the machines: x·x′, exp(-γ |x - x′|²), (γ x·x′)³.
    is_tuned : bool, default False
        Whether the RBF machine's cost C and width γ are chosen, by 3-fold cross-validation on the
        rows it learns from; otherwise C = 1 and γ = 1 / (features · variance).
    n_stages : int, default 30
        Stages of the boosted ensembles; 0 leaves them out.
    folds, most_rows, seed
        As for `fathom.inspection.probes.probe_layers`: the same give the same split.

    Returns
    -------
    Rivals
        The scores of all.

    Raises
    ------
    InputError
        If the rows or the target cannot be used.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> rivals = train_rivals(x, y, n_stages=3)
    >>> [machine.name for machine in rivals.machines]
    ['linear kernel', 'RBF kernel', 'polynomial kernel']
    >>> len(rivals.boosted[0].scores)
    3

    References
    ----------
    Cortes, Vapnik (1995). Support-vector networks. Freund, Schapire (1997). A decision-theoretic
    generalization of on-line learning. Friedman (2001). Greedy function approximation.
    """
    require_pairs(x, y, x_test, y_test)
    rows = draw_rows(len(x), most_rows, seed)
    contest = set_contest(np.asarray(y)[rows], y_test, folds=folds, seed=seed)
    learned = np.asarray(x)[rows]
    every = learned if x_test is None else np.concatenate([learned, np.asarray(x_test)])
    flat = every.reshape(len(every), -1).astype(np.float64)
    if not np.isfinite(flat).all():
        raise InputError("finite numbers in every row", got="NaN or infinity")
    machines = tuple(_train_machine(contest, flat, kernel, is_tuned) for kernel in kernels)
    boosters = _boosters(contest.task, n_stages, seed)
    boosted = tuple(_boost(contest, flat, name, booster) for name, booster in boosters)
    findings = (find("sampled", n_used=len(rows), n_rows=len(x)),) if len(rows) < len(x) else ()
    return Rivals(
        score_name=contest.score_name, n_rows=len(rows), n_tested=len(contest.tested),
        folds=0 if contest.is_held_out else len(contest.pairs), machines=machines,
        boosted=boosted, findings=findings,
    )  # fmt: skip


def _train_machine(contest: Contest, x: np.ndarray, kernel: KernelName, is_tuned: bool) -> Machine:
    is_tuned = is_tuned and kernel == "rbf"
    chosen: list[str] = []

    def make() -> BaseEstimator:
        plain = SVC(kernel=kernel) if contest.task == "classes" else SVR(kernel=kernel)
        if contest.task == "numbers":  # whose tube has a width in the target's own unit
            return TransformedTargetRegressor(plain, transformer=StandardScaler())
        return plain

    if not is_tuned:
        score = contest.score(contest.predict(make, x))
        return Machine(kernel=kernel, setting="C=1, γ=scale", score=score)
    first_train = contest.pairs[0][0]
    width = 1 / (x.shape[1] * (float(x[first_train].var()) or 1.0))
    prefix = "regressor__" if contest.task == "numbers" else ""
    grid = {f"{prefix}C": COSTS, f"{prefix}gamma": [w * width for w in WIDTHS]}

    def search() -> BaseEstimator:
        return _Noted(GridSearchCV(make(), grid, cv=3, n_jobs=1), chosen, prefix)

    score = contest.score(contest.predict(search, x))
    setting = chosen[0] if len(set(chosen)) == 1 else "chosen in each fold"
    return Machine(kernel=kernel, setting=setting, score=score)


class _Noted(BaseEstimator):
    """A search over settings that notes what it chose."""

    def __init__(self, search: GridSearchCV, chosen: list[str], prefix: str) -> None:
        self.search, self.chosen, self.prefix = search, chosen, prefix

    def fit(self, x: np.ndarray, y: np.ndarray) -> "_Noted":
        best = self.search.fit(x, y).best_params_
        cost, width = (best[f"{self.prefix}{name}"] for name in ("C", "gamma"))
        self.chosen.append(f"C={cost:g}, γ={width:.2g}, by cross-validation")
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.search.predict(x))


def _boosters(task: Task, n_stages: int, seed: int) -> list[tuple[str, BaseEstimator]]:
    if n_stages == 0:
        return []
    trees: dict[str, Any] = {"max_iter": n_stages, "early_stopping": False, "random_state": seed}
    if task == "classes":
        stumps = AdaBoostClassifier(
            DecisionTreeClassifier(max_depth=1), n_estimators=n_stages, random_state=seed
        )
        return [
            ("AdaBoost of stumps", stumps),
            ("gradient boosting of trees", HistGradientBoostingClassifier(**trees)),
        ]
    stumps = AdaBoostRegressor(
        DecisionTreeRegressor(max_depth=1), n_estimators=n_stages, random_state=seed
    )
    return [
        ("AdaBoost of stumps", stumps),
        ("gradient boosting of trees", HistGradientBoostingRegressor(**trees)),
    ]


def _boost(contest: Contest, x: np.ndarray, name: str, booster: BaseEstimator) -> Boosting:
    """Boost in every fold, and judge the rows tested after each stage."""
    folds = []
    for train, test in contest.pairs:
        booster.fit(x[train], contest.y[train])
        folds.append([np.asarray(stage) for stage in booster.staged_predict(x[test])])
    n_stages = max(map(len, folds))  # boosting that has no error left ends early
    stages = [
        np.concatenate([fold[min(stage, len(fold) - 1)] for fold in folds])
        for stage in range(n_stages)
    ]
    errors = [float(contest.errors(stage).mean()) for stage in stages]
    scores = tuple(1 - error / contest.scale() for error in errors)
    return Boosting(name=name, scores=scores, score=contest.score(stages[-1]))


def compare(probes: Probes, rivals: Rivals) -> tuple[Finding, ...]:
    """Say how the layers of a network stand beside fixed kernels and boosting.

    Raises
    ------
    InputError
        If they were not judged on the same split.

    Examples
    --------
    >>> import jax
    >>> from sklearn.datasets import load_iris
    >>> from fathom import Architecture, Dense, build
    >>> from fathom.inspection.probes import probe_layers
    >>> x, y = load_iris(return_X_y=True)
    >>> network = build(Architecture(
    ...     input_shape=(4,), loss="cross_entropy",
    ...     layers=(Dense(units=8), Dense(units=3, activation="softmax")),
    ... ), jax.random.key(0))
    >>> found = compare(probe_layers(network, x, y), train_rivals(x, y, n_stages=3))
    >>> found[0].code
    'learned_ties_svm'
    """
    if (probes.n_rows, probes.n_tested, probes.folds, probes.score_name) != (
        rivals.n_rows, rivals.n_tested, rivals.folds, rivals.score_name
    ):  # fmt: skip
        raise InputError(
            "probes and rivals judged on the same split", got="different splits",
            hint="give both the same test rows or the same folds",
        )  # fmt: skip
    last, found = probes.last_hidden.score, []
    if rivals.machines:
        best = rivals.best_machine
        theirs = best.score
        common = {"rival": best.name, "ours": last.value, "theirs": theirs.value}
        apart = last.low > theirs.value or theirs.low > last.value
        is_ahead = last.value >= theirs.value
        code = "learned_ties_svm"
        if apart:
            code = "learned_beats_svm" if is_ahead else "learned_behind_svm"
            common["difference"] = abs(last.value - theirs.value)
        found.append(find(code, "good" if is_ahead and apart else "note", **common))
    for rival in rivals.boosted:
        reached = [n for n, score in enumerate(rival.scores, 1) if score >= last.value]
        if reached:
            found.append(
                find("boosting_stages", rival=rival.name, ours=last.value, n_stages=reached[0])
            )
        else:
            found.append(
                find("boosting_never", rival=rival.name, ours=last.value,
                     n_stages=len(rival.scores), theirs=rival.score.value)
            )  # fmt: skip
    return tuple(found)
