"""The verb ``space``: what each layer of a network does to the space of the rows."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fathom.cli.engine import prepare_engine
from fathom.cli.rows import KnownRows, parse_network, read_known_rows
from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, refuse_overwriting, started_at
from fathom.data.cells import quoted
from fathom.data.schema import ImageInput
from fathom.deployment.archive import load
from fathom.deployment.container import require_writable
from fathom.errors import InputError
from fathom.estimators.opening import Opened, count_networks, open_model
from fathom.inspection.aligned import align
from fathom.inspection.arithmetic import write_number
from fathom.inspection.features import NeuronView
from fathom.inspection.phrasebook import say_page
from fathom.inspection.projections import Projections
from fathom.inspection.space_study import LEADS, TITLES, Part, study_space
from fathom.inspection.tongues import as_language

FEWEST_ROWS = 20
MOST_INPUTS = 8  # of the input made for a neuron


@dataclass(frozen=True)
class SpaceOptions:
    """What is to be looked at, as the user said it."""

    rows: int = 2000
    network: str = "1"
    neuron: str = ""
    time_limit: float = 60.0
    output: str | None = None
    language: str = "en"


def run_space(model_path: str, options: TableOptions, asked: SpaceOptions, is_json: bool) -> None:
    """Look at what a model's network does to the space of rows, layer by layer."""
    began = started_at()
    _check(asked, model_path, options.path)
    neuron = _parse_neuron(asked.neuron)
    screen = Screen(is_json)
    prepare_engine()
    model = load(model_path)
    member, fold = parse_network(asked.network, count_networks(model))
    if model.schema_.target.task == "labels":
        raise InputError(
            "a model of classes or of numbers", got="one of several labels",
            hint="fathom evaluate says how good this one is",
        )  # fmt: skip
    rows = read_known_rows(model, Path(model_path), options, asked.rows, is_fresh=True)
    if rows.n_rows < FEWEST_ROWS:
        raise InputError(
            f"{FEWEST_ROWS} rows or more", got=f"{rows.n_rows}", hint="name more with --data FILE"
        )
    opened = open_model(model, rows.x, rows.y, member=member, fold=fold)
    several = opened.n_members * opened.n_folds > 1
    which = f"network {asked.network} of {model_path}" if several else model_path
    about = f"{which}, on {rows}"
    screen.say(about)
    described = model.schema_.input
    view = _View(screen, opened, rows)
    study = study_space(
        opened.network, opened.x, _answers(opened, rows), about=about, neuron=neuron,
        picture_shape=described.shape if isinstance(described, ImageInput) else None,
        seconds=asked.time_limit - (time.monotonic() - began), seed=options.seed,
        on_part=view.show,
    )  # fmt: skip
    screen.emit("beside", findings=[str(finding) for finding in study.beside])
    for finding in study.beside:
        screen.say(str(finding))
    if study.left_out:
        names = ", ".join(TITLES[name].lower() for name in study.left_out)
        screen.say(f"\nNo time was left for: {names} (give more with --time-limit).")
    if asked.output is None:
        screen.say("\nWith charts: --output space.html")
    else:
        is_page = asked.output.lower().endswith(".html")
        page = say_page(study.page(), as_language(asked.language)) if is_page else ""
        text = page or study.model_dump_json(indent=1)
        Path(asked.output).write_text(text, encoding="utf-8")
        screen.say(f"\nSaved as {asked.output} after {time.monotonic() - began:.1f} s.")
    seconds = round(time.monotonic() - began, 3)
    screen.emit("done", left_out=list(study.left_out), seconds=seconds, output=asked.output)


def _answers(opened: Opened, rows: KnownRows) -> np.ndarray:
    """Return the right answers, of several factors their combinations in words."""
    y = np.asarray(rows.y)
    if y.ndim == 2 and opened.class_names and opened.y is not None:
        return np.array(opened.output_names)[opened.y]
    return y


def _check(asked: SpaceOptions, *sources: str) -> None:
    if not 1 <= asked.time_limit <= 86_400:
        raise InputError("--time-limit from 1 to 86,400 seconds", got=f"{asked.time_limit:g}")
    if not FEWEST_ROWS <= asked.rows <= 100_000:
        raise InputError(f"--rows from {FEWEST_ROWS} to 100,000", got=f"{asked.rows:,}")
    as_language(asked.language)
    if asked.output is not None:
        if not asked.output.lower().endswith((".html", ".json")):
            raise InputError("--output with a name in .html, .json", got=asked.output[:200])
        for source in filter(None, sources):
            refuse_overwriting(asked.output, source)
        require_writable(Path(asked.output))


def _parse_neuron(text: str) -> tuple[int, int] | None:
    """Return layer and neuron, both from 1, of ``3.17``; None where none is named.

    Examples
    --------
    >>> _parse_neuron("3.17")
    (3, 17)
    """
    if not text:
        return None
    parts = text.split(".")
    if len(parts) != 2 or not all(part.isdecimal() and len(part) < 9 for part in parts):
        raise InputError(
            "--neuron with a layer and a neuron in it, for example 3.17", got=repr(text)[:80]
        )
    return int(parts[0]), int(parts[1])


class _View:
    """Shows the parts of a study as they come."""

    def __init__(self, screen: Screen, opened: Opened, rows: KnownRows) -> None:
        self.screen, self.opened, self.rows = screen, opened, rows

    def show(self, name: str, part: Part) -> None:
        """Show a part in words, a neuron with what the rows and the inputs are."""
        self.screen.emit(name, **part.model_dump(mode="json"))
        if self.screen.is_json:
            return
        self.screen.say(f"\n{TITLES[name].upper()}. {LEADS[name]}\n")
        if isinstance(part, NeuronView):
            numbers = tuple(self.rows.numbers[list(part.rows)].tolist())
            self.screen.say(str(part.model_copy(update={"rows": numbers})))
            if part.excited.ndim == 1:
                self.screen.say(self._made_for(part))
            return
        self.screen.say(str(part))
        if isinstance(part, Projections):
            self.screen.say("(drawn with --output space.html)")

    def _made_for(self, view: NeuronView) -> str:
        """List the input made for a neuron, what is farthest from the usual first."""
        spread = np.maximum(self.opened.x.std(axis=0), 1e-12)
        away = np.abs(view.excited - self.opened.x.mean(axis=0)) / spread
        lines = [("in it", "")]
        for place in np.argsort(-away, kind="stable")[:MOST_INPUTS].tolist():
            words, value = self.opened.codes.get(place), float(view.excited[place])
            shown = quoted(words[round(value)], 40) if words else write_number(value)
            lines.append((quoted(self.opened.input_names[place], 40), shown))
        return align(lines)
