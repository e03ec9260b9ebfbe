"""Facts for a report: columns, networks and curves of a fitted model, as plain values."""

import re
from collections.abc import Sequence

import numpy as np

from fathom.data.parsing import ParsedTable, lacks_picture
from fathom.data.schema import Column
from fathom.estimators.base import FathomEstimator
from fathom.inspection.findings import Finding, find
from fathom.inspection.report.contents import ColumnFacts, CurveFacts, NetworkFacts
from fathom.search.report import Candidate, Report
from fathom.training.history import StartHistory

MOST_NAMED = 4  # categories named
MOST_STRANGE = 3  # columns with strange values that are spoken of
MUCH_MORE = 0.05  # of the rows, by which more values are missing than in training
MOST_CURVES = 6
MOST_EPOCHS = 150  # points of a curve
MOST_UNUSED = 8


def column_facts(model: FathomEstimator, parsed: ParsedTable) -> tuple[ColumnFacts, ...]:
    """Return what the columns of a table are, and how they differ from training."""
    n_before = getattr(getattr(model, "design_", None), "n_rows", 0)
    return tuple(
        ColumnFacts(
            name=column.name, kind=column.kind, values=_values(column),
            n_distinct=column.n_distinct,
            missing=float(_is_missing(column, values).mean()) if len(values) else 0.0,
            missing_before=column.n_missing / n_before if n_before else None,
            n_strange=int(_is_strange(column, values).sum()),
        )
        for column, values in zip(parsed.columns, parsed.values, strict=True)
    )  # fmt: skip


def _values(column: Column) -> str:
    """Say what values a column had in training."""
    if column.shape is not None:
        return "×".join(map(str, column.shape[:2]))
    if column.categories:
        named = ", ".join(column.categories[:MOST_NAMED])
        return named + (", …" if len(column.categories) > MOST_NAMED else "")
    if column.low is None or column.high is None:
        return ""
    if column.kind == "date":
        low, high = (np.datetime64(int(day), "D") for day in (column.low, column.high))
        return f"{low} – {high}"
    return f"{column.low:.6g} – {column.high:.6g}"


def _is_missing(column: Column, values: np.ndarray) -> np.ndarray:
    if column.kind in ("category", "yes_no"):
        return values == -1
    if column.kind == "picture":
        return lacks_picture(values)
    return np.asarray(values == "", bool) if column.kind == "text" else np.isnan(values)


def _is_strange(column: Column, values: np.ndarray) -> np.ndarray:
    """Tell which values a prediction counts as unlike those of training."""
    if column.kind in ("category", "yes_no"):
        return values == len(column.categories)
    if column.low is None or column.high is None or not len(values):
        return np.zeros(0, bool)
    width = column.high - column.low
    return (values < column.low - width) | (values > column.high + width)


def on_columns(columns: Sequence[ColumnFacts], parsed: ParsedTable) -> list[Finding]:
    """Say what is missing, what is not used, and what is unlike training."""
    used = [one for one in columns if one.kind not in ("identifier", "constant")]
    found = []
    worst = max(used, key=lambda one: one.missing, default=None)
    if worst is not None and worst.missing:
        share = float(np.mean([one.missing for one in used]))
        found.append(find("data_missing", share=share, column=worst.name, most=worst.missing))
    elif used:
        found.append(find("data_complete", "good"))
    unused = [one.name for one in columns if one not in used]
    if unused:
        named = ", ".join(unused[:MOST_UNUSED]) + (", …" if len(unused) > MOST_UNUSED else "")
        found.append(find("data_unused", n_columns=len(unused), columns=named))
    n_unusual = int(parsed.is_unusual.sum())
    if n_unusual:
        found.append(find("data_unusual", "warning", n_unusual=n_unusual, n_rows=parsed.n_rows))
        strange = sorted(used, key=lambda one: -one.n_strange)[:MOST_STRANGE]
        found += [
            find("data_strange", column=one.name, n=one.n_strange)
            for one in strange if one.n_strange
        ]  # fmt: skip
    else:
        found.append(find("data_usual", "good"))
    for one in used:
        if one.missing_before is not None and one.missing > one.missing_before + MUCH_MORE:
            facts = {"column": one.name, "now": one.missing, "before": one.missing_before}
            found.append(find("data_more_missing", "warning", **facts))
    return found


def network_facts(model: FathomEstimator) -> tuple[NetworkFacts, ...]:
    """Return the networks that were tried, the best first."""
    report = getattr(model, "report_", None)
    if report is None:
        return _starts(model)
    order = sorted(
        report.candidates,
        key=lambda c: (-c.weight, c.loss is None, c.loss or 0.0, c.number),
    )
    return tuple(_network(candidate) for candidate in order)


def _network(candidate: Candidate) -> NetworkFacts:
    genes = candidate.genes
    traits: list[tuple[str, str | float]] = []
    if genes.depth:
        traits += [("activation", genes.activation), ("dropout", genes.dropout)]
    traits += [("input_form", genes.input_form), ("learning_rate", genes.learning_rate)]
    traits += [("has_trees", "")] * genes.has_trees + [("is_log_target", "")] * genes.is_log_target
    reason = None
    if candidate.status == "cut":
        at = re.match(r"cut at epoch (\d+) of (\d+)", candidate.reason)
        reason = find("search_behind")
        if at:
            reason = find("search_cut_at", epoch=int(at[1]), n_planned=int(at[2]))
        fold = re.match(
            r"cut after the first of (\d+) folds: its loss was (\d+)%", candidate.reason
        )
        if fold:
            # A loss on the first fold alone is no match for those on all of them.
            reason = find("search_cut_fold", n_folds=int(fold[1]), behind=int(fold[2]))
            candidate = candidate.model_copy(update={"loss": None, "train_loss": None})
    return NetworkFacts(
        number=candidate.number + 1, state=candidate.status, weight=candidate.weight,
        loss=candidate.loss, train_loss=candidate.train_loss, n_hidden=genes.depth,
        width=genes.width, traits=tuple(traits), best_epoch=candidate.best_epoch,
        n_epochs=candidate.n_epochs, reason=reason,
    )  # fmt: skip


def _starts(model: FathomEstimator) -> tuple[NetworkFacts, ...]:
    """Return the random starts of a network that was given."""
    history, recipe = model.history_, model.recipe_
    hidden = [shape for shape, count in zip(
        model.architecture_.shapes[1:-1], model.architecture_.parameter_counts[:-1], strict=True
    ) if count]  # fmt: skip
    found = []
    kept = [history.starts[number].best for number in history.kept]
    judged = [best is not None and best.validation_loss is not None for best in kept]
    why_not = "search_behind" if any(judged) else "search_judged"
    for number, start in enumerate(history.starts):
        best, is_kept = start.best, number in history.kept
        found.append(
            NetworkFacts(
                number=number + 1, state="kept" if is_kept else "cut",
                weight=is_kept / len(history.kept), loss=best.validation_loss if best else None,
                train_loss=best.train_loss if best else None, n_hidden=len(hidden),
                width=max((shape[-1] for shape in hidden), default=0),
                traits=(("learning_rate", recipe.learning_rate),), best_epoch=start.best_epoch,
                n_epochs=len(start.epochs), reason=None if is_kept else find(why_not),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda one: (-one.weight, one.loss is None, one.loss or 0.0)))


def on_search(model: FathomEstimator) -> list[Finding]:
    """Say what was tried, and why the model is what it is."""
    report: Report | None = getattr(model, "report_", None)
    if report is None:
        history = model.history_
        code = "search_starts"
        if len(history.starts) > model.recipe_.n_starts:
            code = "search_contest"
        return [find(code, n_starts=len(history.starts), n_kept=len(history.kept))]
    kept = report.kept
    found = [find("search_tried", n_tried=len(report.candidates), n_kept=len(kept))]
    if report.n_folds > 1:
        found.append(find("search_folds", n_folds=report.n_folds))
    else:
        found.append(find("search_held_out", n_train=report.n_train, n_held_out=report.n_held_out))
    n_cut = sum(one.status == "cut" for one in report.candidates)
    if n_cut:
        found.append(find("search_cut", n_cut=n_cut))
    return found + _on_losses(report)


def _on_losses(report: Report) -> list[Finding]:
    name, together = report.loss_name, report.validation_loss
    found = []
    losses = [one.loss for one in report.kept if one.loss is not None]
    if together is not None and len(losses) > 1:
        alone = min(losses)
        code = "search_together" if together < alone else "search_alone"
        found.append(find(code, loss_name=name, together=together, alone=alone))
    complete = [one for one in report.candidates if one.loss is not None and one.status != "cut"]
    linear = [one.loss for one in complete if not one.genes.depth and one.loss is not None]
    deep = [one.loss for one in complete if one.genes.depth and one.loss is not None]
    if linear and deep:
        best, rival = min(deep), min(linear)
        code = "search_depth_pays" if best < rival else "search_depth_idle"
        found.append(find(code, loss_name=name, linear=rival, deep=best))
    if together is not None and report.baseline_loss > 0:
        baseline, gain = report.baseline_loss, report.gain
        found.append(find("search_baseline", loss_name=name, baseline=baseline, gain=gain))
    return found


def curve_facts(model: FathomEstimator) -> tuple[CurveFacts, ...]:
    """Return the trainings of the kept networks, the heaviest first, one of each."""
    history = model._comparable_history()
    if getattr(model, "report_", None) is None:
        kept = [n for n in history.kept if history.starts[n].epochs]
        return tuple(_curve(n + 1, history.starts[n]) for n in kept[:MOST_CURVES])
    chosen = [one for one in model.report_.candidates if one.status == "kept"]
    found, place = [], 0
    for candidate, member in zip(chosen, model.design_.members, strict=True):
        start, n_alike = history.starts[place], len(member.networks)
        place += n_alike
        if start.epochs:
            found.append((member.weight, _curve(candidate.number + 1, start, n_alike)))
    return tuple(curve for _, curve in sorted(found, key=lambda pair: -pair[0])[:MOST_CURVES])


def _curve(number: int, start: StartHistory, n_alike: int = 1) -> CurveFacts:
    every = -(-len(start.epochs) // MOST_EPOCHS)
    epochs = [
        e for n, e in enumerate(start.epochs) if n % every == 0 or e.epoch == start.best_epoch
    ]
    return CurveFacts(
        network=number, epochs=tuple(e.epoch for e in epochs), best_epoch=start.best_epoch,
        train=tuple(e.train_loss for e in epochs), n_alike=n_alike,
        held_out=tuple(
            float("nan") if e.validation_loss is None else e.validation_loss for e in epochs
        ),
    )  # fmt: skip
