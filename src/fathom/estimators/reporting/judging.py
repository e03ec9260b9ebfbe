"""Judging for a report: metrics beside those of guessing, the verdict, the worst rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fathom.data.schema import Task
from fathom.estimators.base import FathomEstimator
from fathom.estimators.evaluation import (
    Evaluation,
    Metric,
    evaluate_classes,
    evaluate_labels,
    evaluate_numbers,
)
from fathom.inspection.findings import Finding, find
from fathom.inspection.judging import Z
from fathom.inspection.report.contents import ClassFacts, MetricFacts

LEAST_PROBABILITY = 1e-7
LITTLE = 0.1  # share of a guess's loss, below which doing away with it is not much
LEANS = 0.02  # of the spread of the target, from which a mean error is worth a word
GROWS = 2.0
FEW_ROWS = 200  # below which there is no worst hundredth


def evaluate(
    task: Task, y: np.ndarray, said: np.ndarray, names: Sequence[Any]
) -> tuple[Evaluation, Evaluation]:
    """Return how good predictions are, and how good always giving the same answer is."""
    if task == "classes":
        shares = np.bincount(y, minlength=said.shape[1]) / len(y)
        guess = np.tile(shares, (len(y), 1))
        return evaluate_classes(y, said, names), evaluate_classes(y, guess, names, n_resamples=0)
    guess = np.tile(y.mean(axis=0), (len(y), 1))
    if task == "labels":
        return evaluate_labels(y, said, names), evaluate_labels(y, guess, names, n_resamples=0)
    return evaluate_numbers(y, said, names), evaluate_numbers(y, guess, names, n_resamples=0)


def metric_facts(evaluation: Evaluation, guess: Evaluation) -> tuple[MetricFacts, ...]:
    """Return every metric beside that of guessing."""
    return tuple(
        MetricFacts(
            name=one.name, value=one.value, low=one.low, high=one.high, baseline=other.value,
            is_better_high=one.is_better_high,
        )
        for one, other in zip(evaluation.metrics, guess.metrics, strict=True)
    )  # fmt: skip


def class_facts(evaluation: Evaluation) -> tuple[ClassFacts, ...]:
    """Return how well each class is told from the others."""
    return tuple(
        ClassFacts(str(one.label), one.precision, one.recall, one.f1, one.support)
        for one in evaluation.per_class
    )


def row_losses(task: Task, y: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Return the loss of each row: in nats, or in squared standard deviations of the target."""
    if task == "classes":
        right = said[np.arange(len(y)), y]
        return -np.log(np.maximum(right, LEAST_PROBABILITY))
    if task == "labels":
        right = np.where(y > 0.5, said, 1 - said)
        return -np.log(np.maximum(right, LEAST_PROBABILITY)).mean(axis=1)
    spread = y.std(axis=0)
    return (((said - y) / np.where(spread > 0, spread, 1.0)) ** 2).mean(axis=1)


def find_verdict(
    model: FathomEstimator,
    evaluation: Evaluation,
    guess: Evaluation,
    target: str,
    most_frequent: str,
    *,
    is_training: bool,
) -> list[Finding]:
    """Say how good the model is, against guessing and against rows held out in training."""
    found = [_headline(evaluation, guess, target, most_frequent), _against(evaluation, guess)]
    score = held_out(model)
    if is_training:
        found.append(find("report_same_rows", "warning" if score is None else "note"))
    if score is None:
        return found
    name, value = score
    code = "report_held_out_error" if name == "RMSE" else "report_held_out_share"
    found.append(find(code, value=value))
    now = evaluation[name]
    has_fallen = (now.low or 0) > value if name == "RMSE" else (now.high or 1) < value
    if has_fallen and not is_training:
        before = f"{value:.5g}" if name == "RMSE" else f"{value:.1%}"
        found.append(find("report_fell", "warning", held_out=before))
    return found


def _headline(
    evaluation: Evaluation, guess: Evaluation, target: str, most_frequent: str
) -> Finding:
    if evaluation.task == "numbers":
        explained = evaluation["R²"]
        if explained.value is not None:
            return find(
                "report_numbers", **_ends(explained), error=evaluation["MAE"].value,
                baseline=guess["MAE"].value, target=target or "y",
            )  # fmt: skip
    first = evaluation.metrics[0]
    facts = {**_ends(first), "n_rows": evaluation.n_rows, "baseline": guess[first.name].value}
    if evaluation.task == "classes":
        return find("report_accuracy", guess=most_frequent, **facts)
    return find("report_labels", **facts)


def _ends(metric: Metric) -> dict[str, Any]:
    value = metric.value
    low, high = (value if end is None else end for end in (metric.low, metric.high))
    return {"value": value, "low": low, "high": high}


def _against(evaluation: Evaluation, guess: Evaluation) -> Finding:
    """Say whether the model is better than an answer that looks at nothing."""
    name = "RMSE" if evaluation.task == "numbers" else "log loss"
    one, baseline = evaluation[name], guess[name].value or 0.0
    facts = {**_ends(one), "measure": name, "baseline": baseline}
    low, high = facts["low"] or 0.0, facts["high"] or 0.0
    if low > baseline:
        return find("report_worse", "warning", **facts)
    if high >= baseline:
        return find("report_no_better", "warning", **facts)
    gain = 1 - (one.value or 0.0) / baseline
    if gain < LITTLE:
        return find("report_little_better", "note", measure=name, gain=gain)
    return find("report_better", "good", measure=name, gain=gain)


def held_out(model: FathomEstimator) -> tuple[str, float] | None:
    """Return name and value of the score on rows held out in training, where it is known."""
    report = getattr(model, "report_", None)
    if report is not None:
        one = report.scores[0] if len(report.scores) == 1 else None
        return None if one is None else (one.name, one.value)
    history = model.history_
    bests = [history.starts[number].best for number in history.kept]
    scores = [one.validation_score for one in bests if one is not None]
    known = [score for score in scores if score is not None]
    if not known:  # they learned from all rows; the best of those that were judged stands for them
        judged = [s.best for s in history.starts if s.best and s.best.validation_score is not None]
        best = min(judged, key=lambda epoch: epoch.validation_loss or 0.0, default=None)
        known = [best.validation_score] if best and best.validation_score is not None else []
    if history.score_name != "accuracy" or not known:
        return None
    return "accuracy", float(np.mean(known))


def held_out_facts(model: FathomEstimator) -> MetricFacts | None:
    """Return the same score as a metric, with what guessing has where it is known."""
    score = held_out(model)
    if score is None:
        return None
    report = getattr(model, "report_", None)
    baseline = report.scores[0].baseline if report is not None else None
    return MetricFacts(score[0], score[1], None, None, baseline, score[0] == "accuracy")


def on_errors(y: np.ndarray, said: np.ndarray) -> list[Finding]:
    """Say whether errors of numbers lean to one side, and whether they grow."""
    off = said[:, 0] - y[:, 0]
    mean, half = float(off.mean()), Z * float(off.std()) / np.sqrt(len(off))
    spread = float(y[:, 0].std()) or 1.0
    if abs(mean) <= max(half, LEANS * spread):
        ends = {"low": mean - half, "high": mean + half}
        found = [find("residual_centered", "good", mean=mean, **ends)]
    else:
        code, near, far = "residual_high", mean - half, mean + half
        if mean < 0:
            code, near, far = "residual_low", -mean - half, -mean + half
        found = [find(code, "warning", mean=abs(mean), low=near, high=far)]
    tenth = len(off) // 10
    if tenth >= 10:
        order = np.argsort(said[:, 0], kind="stable")
        small, large = (float(np.abs(off[part]).mean()) for part in (order[:tenth], order[-tenth:]))
        if small > 0 and large / small > GROWS:
            found.append(find("residual_grows", ratio=large / small))
    return found


def on_losses(task: Task, losses: np.ndarray) -> list[Finding]:
    """Say how much of the loss the worst rows make up."""
    total = float(losses.sum())
    if len(losses) < FEW_ROWS or total <= 0:
        return []
    worst = np.sort(losses)[-(len(losses) // 100) :]
    code = "worst_few" if task == "numbers" else "worst_share"
    return [find(code, share=float(worst.sum()) / total)]
