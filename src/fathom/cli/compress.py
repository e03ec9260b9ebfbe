"""The verb ``compress``: a model as small or as fast as asked for, and what that cost."""

import time
from pathlib import Path
from typing import Any

from fathom.cli.engine import prepare_engine
from fathom.cli.pictures import read_judged
from fathom.cli.rows import read_known_rows
from fathom.cli.screen import STOPPED, Screen, StopRequest
from fathom.cli.tables import TableOptions, refuse_overwriting, started_at
from fathom.compression.story import Compression, Measured, Tried
from fathom.data.schema import ImageInput
from fathom.deployment.archive import load, save
from fathom.deployment.container import require_writable
from fathom.deployment.shrinking import compress
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.training.monitor import Monitor

MISSED = 1  # exit code where the goal was not met, or more was lost than is thought small
MOST_ROWS = 100_000


class _Stop(Monitor):
    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop

    def should_stop(self) -> bool:
        return self._stop.is_asked


def run_compress(
    model_path: str,
    to: str | None,
    latency: str | None,
    options: TableOptions,
    output: str | None,
    tolerance: float,
    time_limit: float,
    is_json: bool,
) -> int:
    """Make a model smaller, save it, and say what that cost; return the exit code."""
    began = started_at()
    screen = Screen(is_json)
    path = Path(output or f"{Path(model_path).with_suffix('')}.small.fathom")
    refuse_overwriting(path, model_path, options.path)
    require_writable(path)
    prepare_engine()
    model = load(model_path)
    rows, target, origin = _read_rows(model, model_path, options)
    screen.say(f"{model_path}: {Path(model_path).stat().st_size:,} bytes{origin}")
    stop = StopRequest(screen)

    def tell(tried: Tried) -> None:
        screen.emit("tried", **tried.model_dump())
        loss = "" if tried.loss is None else f", loss {tried.loss:.4f}"
        fits = "" if tried.fits else " (does not fit)"
        screen.say(f"  {tried.bytes:>12,} bytes{loss}  {tried.way}{fits}")

    with stop.listening():
        small = compress(
            model, rows, target, to=to, latency=latency, tolerance=tolerance,
            time_limit=time_limit, seed=options.seed, tell=tell, monitor=_Stop(stop),
        )  # fmt: skip
        save(small, path)
    story = small.compression_
    _show(screen, story)
    screen.say(f"Saved as {path} after {time.monotonic() - began:.1f} s.")
    screen.emit("compression", **story.model_dump(mode="json"), words=list(story.words()))
    seconds = round(time.monotonic() - began, 3)
    screen.emit(
        "done", output=str(path), bytes=path.stat().st_size, is_met=story.is_met,
        is_worse=story.is_worse, seconds=seconds,
    )  # fmt: skip
    if stop.is_asked:
        return STOPPED
    return 0 if story.is_met and not story.is_worse else MISSED


def _read_rows(
    model: FathomClassifier | FathomRegressor, model_path: str, options: TableOptions
) -> tuple[Any, Any, str]:
    """Return rows, their target, and a word on them; nothing where no data are named."""
    if not options.path:
        return None, None, "; no --data, so nothing can be judged"
    described = model.schema_.input
    if isinstance(described, ImageInput) and described.is_photo:
        judged = read_judged(model, options)
        y: Any = judged.truth.to_series() if judged.truth.width == 1 else judged.truth
        return judged.x, y, f", {len(judged.names):,} files of {options.path}"
    known = read_known_rows(model, Path(model_path), options, MOST_ROWS)
    return known.x, known.y, f", {known}"


def _show(screen: Screen, story: Compression) -> None:
    """Print a table of what each step led to."""
    screen.say()
    names = f"{'bytes':>12} {'networks':>8} {'weights':>11} {story.loss_name:>9}"
    screen.say(f"{names} {story.score_name:>9}  after")
    for step in story.steps:
        loss = "–" if step.loss is None else f"{step.loss:.4f}"
        screen.say(
            f"{step.bytes:>12,} {step.n_networks:>8} {step.n_parameters:>11,} {loss:>9} "
            f"{_score(story, step):>9}  {step.step}"
        )
    for name, field in (("one row", "row_seconds"), ("each of 10,000", "many_seconds")):
        first, last = getattr(story.steps[0], field), getattr(story.steps[-1], field)
        if first is not None and last is not None:
            screen.say(f"{name}: {first * 1e6:,.1f} µs before, {last * 1e6:,.1f} µs after")
    screen.say()
    for line in story.words():
        screen.say(line)


def _score(story: Compression, step: Measured) -> str:
    if step.score is None:
        return "–"
    return f"{step.score:.2%}" if story.score_name == "accuracy" else f"{step.score:.4f}"
