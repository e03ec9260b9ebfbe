"""The verb ``descent``: the error surface of a network, and how networks descend it."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fathom.cli.engine import prepare_engine
from fathom.cli.plots import Mark, draw_curve, draw_map
from fathom.cli.rows import parse_network, read_known_rows
from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, refuse_overwriting, started_at
from fathom.deployment.archive import load
from fathom.deployment.container import require_writable
from fathom.errors import InputError
from fathom.estimators.opening import count_networks, open_model
from fathom.inspection.comparisons import INITIALIZERS, OPTIMIZERS
from fathom.inspection.curve import LossCurve
from fathom.inspection.descent_study import (
    LEADS,
    TITLES,
    DescentStudy,
    Effort,
    Part,
    affordable_epochs,
    study_descent,
    study_example,
)
from fathom.inspection.descents import Descent
from fathom.inspection.fog import Fog
from fathom.inspection.phrasebook import say_page
from fathom.inspection.surface import LossSurface
from fathom.inspection.tongues import as_language
from fathom.inspection.valleys import Starts
from fathom.inspection.weights import position_of

MOST_EPOCHS = 1000
SHARE = 0.5  # of the time, for walking; the rest is for compiling and maps
BAR = 30  # letters


@dataclass(frozen=True)
class DescentOptions:
    """What is to be looked at, as the user said it."""

    weights: str = ""
    rows: int = 2000
    network: str = "1"
    time_limit: float = 60.0
    output: str | None = None
    language: str = "en"


def run_example(asked: DescentOptions, is_json: bool) -> None:
    """Look at the descent of the network that can be worked out by hand."""
    began = started_at()
    _check(asked, "")
    screen = Screen(is_json)
    prepare_engine()
    screen.say(
        "The network of three layers with two sigmoid neurons each shall learn to add two bits:\n"
        "out come the last digit of their sum and what is carried. Its 18 weights begin as worked "
        "by hand."
    )
    view = _View(screen)
    _conclude(screen, study_example(view.show), asked, began)


def run_descent(
    model_path: str, options: TableOptions, asked: DescentOptions, is_json: bool
) -> None:
    """Look at the error surface of a model's network on rows, and walk it anew."""
    began = started_at()
    _check(asked, options.path)
    screen = Screen(is_json)
    prepare_engine()
    model = load(model_path)
    member, fold = parse_network(asked.network, count_networks(model))
    rows = read_known_rows(model, Path(model_path), options, asked.rows)
    opened = open_model(model, rows.x, rows.y, member=member, fold=fold)
    effort = Effort(n_points=41, seconds=asked.time_limit - (time.monotonic() - began))
    n_walks = 1 + effort.n_starts + 5 + effort.n_seeds * len(INITIALIZERS) + 5 * len(OPTIMIZERS)
    epochs = affordable_epochs(
        opened.architecture, rows.n_rows, n_walks, SHARE * asked.time_limit
    )  # fmt: skip
    recipe = opened.recipe.model_copy(
        update={"epochs": min(epochs, MOST_EPOCHS), "augmentation": None}
    )
    several = opened.n_members * opened.n_folds > 1
    which = f"network {asked.network} of {model_path}" if several else model_path
    about = f"{which}, {opened.architecture.n_parameters:,} weights, on {rows}"
    screen.say(about)
    weights = tuple(name.strip() for name in asked.weights.split(",") if name.strip())
    for name in weights:  # what is not there is refused before the walk rather than after it
        position_of(opened.network, name)
    view = _View(screen)
    study = study_descent(
        opened.architecture, opened.x, opened.y, recipe, network=opened.network, weights=weights,
        effort=effort, about=about, on_part=view.show,
    )  # fmt: skip
    _conclude(screen, study, asked, began)


def _check(asked: DescentOptions, source: str) -> None:
    if not 1 <= asked.time_limit <= 86_400:
        raise InputError("--time-limit from 1 to 86,400 seconds", got=f"{asked.time_limit:g}")
    if not 1 <= asked.rows <= 100_000:
        raise InputError("--rows from 1 to 100,000", got=f"{asked.rows:,}")
    as_language(asked.language)
    if asked.output is not None:
        if not asked.output.lower().endswith((".html", ".json")):
            raise InputError("--output with a name in .html, .json", got=asked.output[:200])
        refuse_overwriting(asked.output, source)
        require_writable(Path(asked.output))


def _conclude(screen: Screen, study: DescentStudy, asked: DescentOptions, began: float) -> None:
    if study.left_out:
        names = ", ".join(TITLES[name].lower() for name in study.left_out)
        screen.say(f"\nNo time was left for: {names} (give more with --time-limit).")
    if asked.output is not None:
        is_page = asked.output.lower().endswith(".html")
        page = say_page(study.page(), as_language(asked.language)) if is_page else ""
        text = page or study.model_dump_json(indent=1)
        Path(asked.output).write_text(text, encoding="utf-8")
        screen.say(f"\nSaved as {asked.output} after {time.monotonic() - began:.1f} s.")
    else:
        screen.say("\nWith charts: --output descent.html")
    seconds = round(time.monotonic() - began, 3)
    screen.emit("done", left_out=list(study.left_out), seconds=seconds, output=asked.output)


class _View:
    """Shows the parts of a study as they come."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def show(self, name: str, part: Part) -> None:
        """Show a part: drawn, then in words."""
        self.screen.emit(name, **part.model_dump(mode="json"))
        if self.screen.is_json:
            return
        self.screen.say(f"\n{TITLES[name].upper()}. {LEADS[name]}\n")
        drawn = _draw(part, blocks=self.screen.can_draw)
        if drawn:
            self.screen.say(drawn)
            self.screen.say()
        self.screen.say(str(part))


def _draw(part: Part, *, blocks: bool) -> str:
    if isinstance(part, LossCurve):
        return _draw_curve(part, blocks=blocks)
    if isinstance(part, LossSurface):
        return _draw_surface(part, blocks=blocks)
    if isinstance(part, Fog):
        return _draw_surface(part.surface, known=part.known(), blocks=blocks)
    if isinstance(part, Descent):
        drawn = draw_curve(part.epochs, part.losses, blocks=blocks, height=10)
        return f"loss over the epochs\n{drawn}"
    if isinstance(part, Starts):
        return _draw_valleys(part, blocks=blocks)
    return ""


def _draw_curve(curve: LossCurve, *, blocks: bool) -> str:
    marks = [
        Mark(value, loss, str(number) if number < 10 else "+")
        for number, (value, loss) in enumerate(zip(curve.steps, curve.step_losses, strict=True))
    ]
    marks = [*reversed(marks[1:]), Mark(curve.value, curve.loss, "X"), *marks[:1]]
    begins = marks[-1].x == curve.value
    if begins:
        marks[-1] = Mark(curve.value, curve.loss, "X")
    drawn = draw_curve(curve.values, curve.losses, marks, blocks=blocks)
    start = "" if begins else "0 where the steps begin, "
    return f"loss over {curve.weight}\n{drawn}\nX as it is, {start}1 after the first step, 2, 3, …"


def _draw_surface(surface: LossSurface, *, known: np.ndarray | None = None, blocks: bool) -> str:
    marks, signs = [], ["X the network"]
    if surface.path is not None:
        track = zip(surface.path.x, surface.path.y, strict=True)
        marks = [Mark(float(x), float(y), "o") for x, y in track]
        marks[0] = Mark(marks[0].x, marks[0].y, "S")
        marks = [*marks[1:], marks[0]]
        signs = ["S start", "o the way", "X the end"]
    if surface.other is not None and known is None:
        marks.append(Mark(surface.other[0], surface.other[1], "V"))
        signs.append("V another start's valley")
    marks.append(Mark(*surface.at, "X"))
    if known is not None:
        signs.append("? never seen")
    drawn = draw_map(surface.x, surface.y, surface.losses, marks, known=known, blocks=blocks)
    across, up = (axis.label() for axis in surface.axes)
    return f"up: {up}, across: {across}\n{drawn}\n{', '.join(signs)}"


def _draw_valleys(starts: Starts, *, blocks: bool) -> str:
    """Draw how many starts reached each valley, the deepest first."""
    full = "█" if blocks else "#"
    n = len(starts.descents)
    lines = [
        f"loss {valley.loss:<9.4g} {full * max(1, round(BAR * len(valley.starts) / n))} "
        f"{len(valley.starts)}"
        for valley in starts.valleys[:12]
    ]
    return "\n".join(lines)
