"""What a search came to: the model of its networks, and what is said of it at the end."""

from pathlib import Path

from fathom.cli.combinations import say_held_out
from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, say_saved, shown_notes
from fathom.data.schema import Target
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.search.report import Report


def model_for(target: Target, seed: int) -> FathomClassifier | FathomRegressor:
    """Return an estimator that predicts what a target is, not fitted yet."""
    kind = FathomRegressor if target.task == "numbers" else FathomClassifier
    return kind(random_state=seed)


def conclude_search(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    path: Path,
    seconds: float,
    options: TableOptions,
    *,
    can_go_on: bool = True,
) -> None:
    """Say what was tried, how good the model is, where it is, and what can be done with it."""
    report: Report = model.report_
    if report.notes:
        screen.say()
        screen.say("Worth knowing:")
        for line in shown_notes(report.notes):
            screen.say(line)
    screen.say()
    for line in report.words():
        screen.say(line)
    say_held_out(screen, model)
    screen.say(f"The search ended: {report.stopped}.")
    further = ("fathom train --continue {name} --time-limit 60",) if can_go_on else ()
    say_saved(screen, path, options.path, seconds, "NEW_ROWS.csv", *further)
    screen.emit("report", **report.model_dump(mode="json"), words=list(report.words()))
    metric, score = report.headline
    each = {one.output: one.value for one in report.scores if one.output}
    screen.emit(
        "done", metric=metric, score=score, **({"rmse": each} if each else {}),
        seconds=round(seconds, 3), output=str(path),
    )  # fmt: skip
