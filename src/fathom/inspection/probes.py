"""Probes: how well a plain linear model does on what each layer makes of the rows."""

from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import Field
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fathom.errors import InputError
from fathom.inspection.aligned import align
from fathom.inspection.charts import Series, line_chart
from fathom.inspection.findings import Finding, find
from fathom.inspection.judging import Contest, Score, ScoreName, set_contest
from fathom.inspection.representations import (
    Representation,
    draw_rows,
    label,
    representations,
    spread_codes,
)
from fathom.nn.network import Network
from fathom.values import Value

ProbeKind: TypeAlias = Literal["logistic", "ridge"]
MOST_FEATURES = 1024  # wider layers are brought to their main directions first
MAIN_DIRECTIONS = 256
MOST_STEPS = 300
DECAYS = tuple(10.0**power for power in range(-3, 5))


class LayerProbe(Value):
    """How well a plain linear model does on what one layer makes of the rows.

    Attributes
    ----------
    number, name
        The layer, numbered as `Architecture` prints it; 0 is the input.
    n_features : int
        How many numbers the layer gives for a row.
    score : Score
        Accuracy or R² on rows the linear model has not seen.
    gain : Score or None
        By how much that is more than one layer before; None for the input.
    """

    number: int = Field(ge=0)
    name: str
    n_features: int = Field(ge=1)
    score: Score
    gain: Score | None = None

    def __str__(self) -> str:
        return label(self.number, self.name)


class Probes(Value):
    """How well a plain linear model does on each layer of a network.

    Attributes
    ----------
    kind : {"logistic", "ridge"}
        The linear model.
    score_name : {"accuracy", "R²"}
        What the scores are.
    n_rows, n_tested : int
        Rows given to learn from, and rows judged on.
    folds : int
        Folds of cross-validation; 0 where the rows to be judged on were held out.
    layers : tuple of LayerProbe
        The input, every hidden layer, and the sums of the output layer.
    gain : Score
        By how much the last hidden layer's score is above the input's.
    findings : tuple of Finding
        What is worth saying about it.
    """

    kind: ProbeKind
    score_name: ScoreName
    n_rows: int
    n_tested: int
    folds: int
    layers: tuple[LayerProbe, ...] = Field(min_length=2)
    gain: Score
    findings: tuple[Finding, ...] = ()

    @property
    def last_hidden(self) -> LayerProbe:
        """The probe of the last hidden layer; of the input where there is none."""
        return self.layers[-2]

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("layer", "numbers", self.score_name, "low", "high")]
        rows += [
            (str(p), f"{p.n_features:,}", *(f"{s:.3f}" for s in (p.score.value, p.score.low)),
             f"{p.score.high:.3f}")
            for p in self.layers
        ]  # fmt: skip
        return "\n".join([align(rows), *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        score = [p.score for p in self.layers]
        drawn = Series(
            "", range(len(score)), [s.value for s in score], "both",
            low=[s.low for s in score], high=[s.high for s in score],
        )  # fmt: skip
        return line_chart(
            [drawn], title=f"A linear {self.kind} on each layer", x_label="layers from the input",
            y_label=self.score_name, description=str(self),
        )  # fmt: skip


def probe_layers(
    network: Network,
    x: Any,
    y: Any,
    x_test: Any = None,
    y_test: Any = None,
    *,
    kind: ProbeKind = "logistic",
    folds: int = 5,
    most_rows: int = 5000,
    seed: int = 0,
) -> Probes:
    """Fit a plain linear model on each layer, and see where the classes come apart.

    Logistic regression (or, with ``kind="ridge"``, a ridge classifier) learns from what a layer
    makes of some rows, each number standardized, and is judged on others; for a target of numbers
    it is ridge regression. What a linear model can read, the layer has made plain.

    Parameters
    ----------
    network : Network
        The network.
    x, y : array-like
        Rows as the network takes them, and their target; best rows it was not trained on, unless
        others are held out. Whole numbers, yes/no and text are classes.
    x_test, y_test : array-like, optional
        Rows to judge on; by cross-validation within ``x`` where left out.
    kind : {"logistic", "ridge"}, default "logistic"
        The linear classifier.
    folds : int, default 5
        Folds of cross-validation.
    most_rows : int, default 5000
        Rows to learn from, drawn at random from more.
    seed : int, default 0
        Seed of the folds and the draw.

    Returns
    -------
    Probes
        One probe a layer, with intervals.

    Raises
    ------
    InputError
        If the rows or the target cannot be used.

    Examples
    --------
    >>> import jax
    >>> from sklearn.datasets import load_iris
    >>> from fathom import Architecture, Dense, build
    >>> x, y = load_iris(return_X_y=True)
    >>> network = build(Architecture(
    ...     input_shape=(4,), loss="cross_entropy",
    ...     layers=(Dense(units=8), Dense(units=3, activation="softmax")),
    ... ), jax.random.key(0))
    >>> probes = probe_layers(network, x, y)
    >>> [str(layer) for layer in probes.layers]
    ['input', '1 dense 8 relu', '2 dense 3 softmax']
    >>> probes.layers[0].score.value > 0.9
    True

    References
    ----------
    Alain, Bengio (2016). Understanding intermediate layers using linear classifier probes.
    arXiv:1610.01644.

    Notes
    -----
    A layer of more than 1,024 numbers is first brought to its 256 main directions.
    """
    require_pairs(x, y, x_test, y_test)
    rows = draw_rows(len(x), most_rows, seed)
    contest = set_contest(np.asarray(y)[rows], y_test, folds=folds, seed=seed)
    learned = np.asarray(x)[rows]
    every = learned if x_test is None else np.concatenate([learned, np.asarray(x_test)])
    # Codes of categories are no numbers: a linear model on the input gets them as 0 and 1.
    first, *others = representations(network, every)
    seen = [replace(first, values=spread_codes(network, every)), *others]
    predicted = [probe(contest, layer, kind, seed) for layer in seen]
    found = tuple(
        LayerProbe(
            number=layer.number, name=layer.name, n_features=layer.flat.shape[1],
            score=contest.score(now), gain=contest.gain(before, now) if place else None,
        )
        for place, (layer, before, now) in enumerate(
            zip(seen, [predicted[0], *predicted[:-1]], predicted, strict=True)
        )
    )  # fmt: skip
    probes = Probes(
        kind=kind, score_name=contest.score_name, n_rows=len(rows), n_tested=len(contest.tested),
        folds=0 if contest.is_held_out else len(contest.pairs), layers=found,
        gain=contest.gain(predicted[0], predicted[-2]),
    )  # fmt: skip
    findings = _findings(probes)
    if len(rows) < len(x):
        findings.append(find("sampled", n_used=len(rows), n_rows=len(x)))
    return probes.model_copy(update={"findings": tuple(findings)})


def require_pairs(x: Any, y: Any, x_test: Any, y_test: Any) -> None:
    """Refuse rows without a target each, and a half of what is held out."""
    for rows, target in ((x, y), (x_test, y_test)):
        if (rows is None) != (target is None):
            raise InputError("x_test and y_test together", got="one of them")
        if rows is not None and len(rows) != len(target):
            raise InputError("a target for each row", got=f"{len(rows)} rows, {len(target)} of y")


def probe(
    contest: Contest, layer: Representation, kind: ProbeKind = "logistic", seed: int = 0
) -> np.ndarray:
    """Return what a linear model on one layer predicts for the rows tested."""
    return contest.predict(
        lambda: linear_model(contest, kind, layer.flat.shape[1], seed),
        layer.flat.astype(np.float64),
    )


def linear_model(contest: Contest, kind: ProbeKind, n_features: int, seed: int) -> BaseEstimator:
    """Make the plain linear model for a task and a number of features."""
    if contest.task == "numbers":
        model = RidgeCV(alphas=DECAYS)
    elif kind == "ridge":
        model = RidgeClassifierCV(alphas=DECAYS)
    else:
        model = LogisticRegression(max_iter=MOST_STEPS, tol=1e-3)
    steps: list[BaseEstimator] = [StandardScaler()]
    if n_features > MOST_FEATURES:
        n = min(MAIN_DIRECTIONS, min(len(train) for train, _ in contest.pairs) - 1)
        main = PCA(n, svd_solver="randomized", random_state=seed)
        steps = [main, StandardScaler()]
    return make_pipeline(*steps, model)


def _findings(probes: Probes) -> list[Finding]:
    first, last = probes.layers[0], probes.last_hidden
    if last is first:
        return []
    gain = probes.gain
    common = {
        "layer": str(last), "score": probes.score_name,
        "first": first.score.value, "last": last.score.value,
    }  # fmt: skip
    if gain.low > 0:
        found = [find("probe_rises", "good", **common, gain=gain.value)]
    elif gain.high < 0:
        found = [find("probe_falls", "warning", **common)]
    else:
        found = [find("probe_flat", "note", **common, low=gain.low, high=gain.high)]
    gains = [layer.gain for layer in probes.layers[1:-1] if layer.gain is not None]
    if len(gains) > 1:
        n_up, n_clear = sum(g.value > 0 for g in gains), sum(g.low > 0 for g in gains)
        found.append(find("probe_steps", n_up=n_up, n_steps=len(gains), n_clear=n_clear))
    best = max(probes.layers[1:-1], key=lambda layer: layer.score.value)
    if best.score.low > last.score.value:
        difference = best.score.value - last.score.value
        found.append(
            find("probe_best", layer=str(best), score=probes.score_name, best=best.score.value,
                 difference=difference)
        )  # fmt: skip
    return found
