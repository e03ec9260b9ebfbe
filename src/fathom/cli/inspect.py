"""The verb ``inspect``: every number of a network for one row, and why it is what it is."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.cli.contributions import show_contributions, show_places
from fathom.cli.drawing import as_ink, draw_reading
from fathom.cli.engine import prepare_engine
from fathom.cli.evaluate import right_numbers
from fathom.cli.illustrated import placed
from fathom.cli.parts import show_parts, usual_rows
from fathom.cli.pictures import as_levels, list_given, read_for
from fathom.cli.predict import collect_pictures
from fathom.cli.rows import choose_columns, parse_network
from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, read_more, shown_path, started_at, table_of_training
from fathom.cli.texts import require_no_questions, show_words
from fathom.data.cells import quoted
from fathom.data.combinations import combinations_of
from fathom.data.datasets import load_digits, read_classes
from fathom.data.illustrated import RowEncoding
from fathom.data.schema import ImageInput, Label, NumbersInput, TableInput, Target
from fathom.data.target import parse_target, read_target
from fathom.data.text import TextEncoding
from fathom.deployment.archive import load
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.factoring import read_combinations
from fathom.estimators.opening import Opened, count_networks, open_model
from fathom.inspection.arithmetic import write_number
from fathom.inspection.example import INPUT, LEARNING_RATE, SUMS, TARGET, hand_worked, softmax_layer
from fathom.inspection.formula import write_formula
from fathom.inspection.trace import trace
from fathom.inspection.traced import Trace
from fathom.inspection.why import Explanation, why
from fathom.inspection.writing import write_trace
from fathom.nn.network import Network

MOST_INPUTS = 24  # listed one by one


@dataclass(frozen=True)
class InspectOptions:
    """What is to be looked at, as the user said it."""

    row: int = 1
    why: str = ""
    network: str = "1"
    formula: bool = False
    latex: bool = False
    attribution: bool = False


@dataclass(frozen=True)
class _Example:
    """One row: as it is, what it should give where that is known, and where it came from."""

    x: Any
    y: Any
    origin: str
    picture: np.ndarray | None = None
    cells: pl.DataFrame | None = None


def run_inspect(
    model_path: str, options: TableOptions, asked: InspectOptions, is_json: bool
) -> None:
    """Show what a network makes of one row, forward and backward."""
    began = started_at()
    screen = Screen(is_json)
    prepare_engine()
    if asked.row < 1:
        raise InputError("--row from 1", got=f"{asked.row}")
    model = load(model_path)
    if isinstance(model.encoding_, TextEncoding):
        questions = {
            "--why": bool(asked.why), "--formula": asked.formula, "--latex": asked.latex,
            "--attribution": asked.attribution, "--network": asked.network != "1",
        }  # fmt: skip
        require_no_questions(questions, "texts", "which words decided")
        example = _read_example(model, Path(model_path), options, asked.row)
        show_words(screen, model, example.x, _expected(model, example), example.origin)
        screen.emit("done", seconds=round(time.monotonic() - began, 3))
        return
    if isinstance(model.encoding_, RowEncoding):
        _show_illustrated(screen, model, Path(model_path), options, asked)
        screen.emit("done", seconds=round(time.monotonic() - began, 3))
        return
    member, fold = parse_network(asked.network, count_networks(model))
    example = _read_example(model, Path(model_path), options, asked.row)
    opened = open_model(model, example.x, example.y, member=member, fold=fold)
    traced = opened.trace()
    command = f"fathom inspect {model_path} --row {asked.row}"
    command += f" --data {shown_path(options.path)}" if options.path else ""
    command += f" --network {asked.network}" if asked.network != "1" else ""
    if asked.why or asked.formula or asked.latex:
        _show_parts(screen, opened.network, traced, asked, command)
    elif asked.attribution:
        _introduce(screen, model, model_path, opened, example, asked)
        if isinstance(model.schema_.input, ImageInput) and model.schema_.input.is_photo:
            show_places(screen, opened, model.schema_.input)
        else:
            show_contributions(screen, model, Path(model_path), options, opened, example.cells)
    else:
        _introduce(screen, model, model_path, opened, example, asked)
        _show_inputs(screen, opened, example)
        _show_trace(screen, traced)
        if opened.y is None:
            screen.say(
                "\nWhat it should have said is not known, so nothing flows back; give rows with "
                "their target to see how the network learns from them."
            )
        _show_next(screen, command, traced, is_model=True)
    screen.emit("done", seconds=round(time.monotonic() - began, 3))


def _show_illustrated(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    model_path: Path,
    options: TableOptions,
    asked: InspectOptions,
) -> None:
    """Show what each part of a row that names pictures spoke for."""
    questions = {
        "--why": bool(asked.why), "--formula": asked.formula, "--latex": asked.latex,
        "--network": asked.network != "1",
    }  # fmt: skip
    require_no_questions(questions, "rows with pictures", "what each part of a row spoke for")
    described = model.schema_.input
    assert isinstance(described, TableInput)
    options = table_of_training(model_path, options, "the rows to look at")
    example = _read_example(model, model_path, options, asked.row)
    usual = usual_rows(model_path, described, options)
    row = placed(example.x, described, options)[0]
    show_parts(screen, model, row, usual, _expected(model, example), example.origin)


def run_example(asked: InspectOptions, is_json: bool) -> None:
    """Show networks small enough to be checked by hand."""
    began = started_at()
    screen = Screen(is_json)
    network, described = hand_worked()
    traced = trace(network, [INPUT], [TARGET], loss=described.loss, learning_rate=LEARNING_RATE)
    if asked.why or asked.formula or asked.latex:
        _show_parts(screen, network, traced, asked, "fathom inspect --example")
    else:
        _show_example(screen, network, traced)
    screen.emit("done", seconds=round(time.monotonic() - began, 3))


def _show_example(screen: Screen, network: Network, traced: Trace) -> None:
    screen.say("A network of three layers with two sigmoid neurons each:\n")
    screen.say(write_formula(network, numbers=True))
    screen.say()
    _show_trace(screen, traced)
    screen.say("\n\nA softmax layer of three neurons, whose sums are 3, 1 and -3:\n")
    layer, its_description = softmax_layer()
    _show_trace(screen, trace(layer, [SUMS], [0], loss=its_description.loss))
    _show_next(screen, "fathom inspect --example", traced)


def _read_example(
    model: FathomClassifier | FathomRegressor, model_path: Path, options: TableOptions, row: int
) -> _Example:
    described = model.schema_.input
    if isinstance(described, ImageInput):
        if described.is_photo:
            return _read_file(described, model.schema_.target, options, row)
        return _read_picture(described, model.schema_.target, options.path, row)
    if isinstance(described, TableInput):
        return _read_table_row(model.schema_.target, described, model_path, options, row)
    return _read_numbers(model.schema_.target, described, model_path, options, row)


def _require_row(row: int, n_rows: int, where: str) -> None:
    if row > n_rows:
        raise InputError(f"--row from 1 to {n_rows:,}", got=f"{row:,} of {where}")


def _read_file(described: ImageInput, target: Target, options: TableOptions, row: int) -> _Example:
    """Read one picture or recording, and its class where a folder of that name holds it."""
    if not options.path:
        raise InputError("--data with a file or a folder to look at", got="none")
    paths = list_given([options.path], options)
    _require_row(row, len(paths), options.path)
    path = paths[row - 1]
    read = read_for(described, [path], most_bad=0.0)
    levels = as_levels(read.x, described)
    truth = np.asarray([path.parent.name], object)
    is_known = target.task == "classes" and path.parent.name in map(str, target.classes)
    kind = "the picture" if described.hearing is None else "the recording"
    return _Example(levels, truth if is_known else None, f"{kind} {path}", picture=levels[0])


def _read_picture(described: ImageInput, target: Target, path: str, row: int) -> _Example:
    """Read one picture, and its class where the file has it."""
    if not described.is_ink or described.height != described.width:
        raise InputError(
            "a model that reads pictures of ink, as fathom digits makes, or tables",
            got=f"one for pictures of {described.height}×{described.width} pixels",
            hint="fathom predict and fathom evaluate take this one",
        )  # fmt: skip
    classes: Any = None
    if path:
        names, pictures = collect_pictures([path], described.height)
        _require_row(row, len(names), path)
        origin = names[row - 1] if len(names) > 1 else f"the picture {path}"
        if Path(path).suffix == ".npz":
            classes = read_classes(Path(path))
    else:
        bundled = load_digits()
        pictures, classes = bundled.x_test, bundled.y_test
        _require_row(row, len(pictures), "the bundled digits")
        origin = f"picture {row} of the bundled digits that are kept for testing"
    picture = pictures[row - 1]
    if picture.shape != (described.height, described.width):
        raise InputError(
            f"--data with pictures of {described.height}×{described.width} pixels", got="none",
            hint="name a picture, a file of them or a folder of classes",
        )  # fmt: skip
    y = None
    if classes is not None and len(classes) == len(pictures):
        one = np.asarray(classes)[row - 1 : row]
        y = one if read_target(one, target)[0] >= 0 else None
    return _Example(pictures[row - 1 : row], y, origin, picture=picture)


def _read_table_row(
    target: Target, described: TableInput, model_path: Path, options: TableOptions, row: int
) -> _Example:
    """Read one row of a table, and its target where the table has it."""
    options = table_of_training(model_path, options, "the rows to look at")
    frame = read_more(options, model_path, described).frame
    where = shown_path(options.path)
    _require_row(row, frame.height, where)
    has_target = bool(target.names) and all(name in frame.columns for name in target.names)
    truth = _truth(frame.select(target.names), target, row) if has_target else None
    if not described.is_named and has_target:
        frame = frame.drop(target.names)
    one = frame[row - 1 : row]
    return _Example(one, truth, f"row {row} of {where}", cells=one)


def _truth(frame: pl.DataFrame, target: Target, row: int) -> Any:
    """Return what one row should give; None where that is missing or unknown to the model."""
    if target.factors:
        seen = combinations_of(target).to_seen(read_combinations(frame, target))
        return None if seen[row - 1] < 0 else frame[row - 1 : row]
    if target.task == "classes":
        series = frame.to_series()
        return None if read_target(series, target)[row - 1] < 0 else series[row - 1 : row]
    if target.task == "labels":
        parsed = parse_target(frame, "labels", drop_missing=True)
        place = np.flatnonzero(parsed.rows == row - 1)
        return parsed.values[place] if len(place) else None
    numbers = np.stack([right_numbers(frame[name]) for name in frame.columns], axis=1)
    one = numbers[row - 1 : row]
    return one if np.isfinite(one).all() else None


def _read_numbers(
    target: Target, described: NumbersInput, model_path: Path, options: TableOptions, row: int
) -> _Example:
    """Read one row for a model of plain numbers."""
    columns = tuple(described.names) or tuple(f"x{n}" for n in range(described.n_features))
    options = table_of_training(model_path, options, "the rows to look at")
    frame = read_more(options, model_path, _as_table(columns, bool(described.names))).frame
    where = shown_path(options.path)
    _require_row(row, frame.height, where)
    has_target = bool(target.names) and all(name in frame.columns for name in target.names)
    truth = _truth(frame.select(target.names), target, row) if has_target else None
    frame = choose_columns(frame, described)
    values = np.stack([right_numbers(frame[name]) for name in frame.columns], axis=1)
    x: Any = values[row - 1 : row]
    if described.names:
        x = pl.DataFrame(dict(zip(described.names, x.T, strict=True)))
    return _Example(x, truth, f"row {row} of {where}", cells=frame[row - 1 : row])


def _as_table(names: tuple[str, ...], is_named: bool) -> TableInput:
    columns = [{"name": name, "kind": "number"} for name in names]
    return TableInput.model_validate({"columns": columns, "is_named": is_named})


def _introduce(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    model_path: str,
    opened: Opened,
    example: _Example,
    asked: InspectOptions,
) -> None:
    """Say which network looks at which row, and what the whole model says of it."""
    said, expected = _verdict(model, example)
    sharpness = _sharpness(model)
    screen.emit(
        "example", origin=example.origin, prediction=said, expected=expected,
        network=opened.member + 1, networks=opened.n_members, fold=opened.fold + 1,
        folds=opened.n_folds, share=round(opened.weight, 6), units=opened.units,
        sharpness=sharpness,
    )  # fmt: skip
    which = f"network {opened.member + 1} of {opened.n_members}" if opened.n_members > 1 else (
        "its network"
    )  # fmt: skip
    fold = f", fold {opened.fold + 1} of {opened.n_folds}" if opened.n_folds > 1 else ""
    share = f" (share {opened.weight:.0%}{fold})" if opened.n_members > 1 or fold else ""
    screen.say(f"{model_path}, {which}{share}, on {example.origin}")
    truth = f"; it is {expected}" if expected is not None else ""
    whole = "The whole model says" if opened.n_members * opened.n_folds > 1 else "It says"
    screen.say(f"{whole} {said}{truth}.")
    if sharpness is not None:
        screen.say(
            "Its probabilities are calibrated: those of its networks, averaged, to the power "
            f"{sharpness:.2f}, then made to add up to 1."
        )
    if model.combined_ is not None:
        screen.say(
            f"Its networks answer the {len(opened.output_names)} combinations that training saw; "
            "what they say of each factor makes the probabilities of all."
        )
    if opened.units:
        screen.say(f"Outputs are in units of their own: a = {opened.units}.")
    screen.say()
    described = model.schema_.input
    if isinstance(described, ImageInput) and isinstance(model, FathomClassifier):
        assert example.picture is not None
        classes, p = _shares(model, example)
        ink = as_ink(example.picture, described)
        screen.say(draw_reading(ink, classes, p, blocks=screen.can_draw))
        screen.say()
    if not asked.attribution:
        screen.say(write_formula(opened.architecture))
        screen.say()


def _sharpness(model: FathomClassifier | FathomRegressor) -> float | None:
    """Return the power that calibrates probabilities; None where they are the networks' own."""
    target = model.schema_.target
    if target.task != "classes" or target.factors or not hasattr(model, "design_"):
        return None
    sharpness = float(model.design_.sharpness)
    return sharpness if abs(sharpness - 1) > 0.005 else None


def _verdict(
    model: FathomClassifier | FathomRegressor, example: _Example
) -> tuple[str, str | None]:
    """Return in words what the model says of a row, and what it should say."""
    target, expected = model.schema_.target, _expected(model, example)
    if isinstance(model, FathomRegressor):
        return _told(target, np.asarray(model.predict(example.x))[0]), expected
    if target.task == "labels":
        return _told(target, model.predict_proba(example.x)[0].round(2)), expected
    names, p = _shares(model, example)
    best = int(p.argmax())
    return f"{names[best]} ({p[best]:.2f})", expected


def _shares(model: FathomClassifier, example: _Example) -> tuple[list[Label], np.ndarray]:
    """Return the classes, or of factors all combinations, and how probable each is."""
    target = model.schema_.target
    if target.factors:
        p = model.predict_combination_proba(example.x)[0]
        return list(combinations_of(target).names), p
    return list(target.classes), model.predict_proba(example.x)[0]


def _expected(model: FathomClassifier | FathomRegressor, example: _Example) -> str | None:
    """Return in words what the model should say of a row; None where that is not known."""
    if example.y is None:
        return None
    values, target = np.asarray(example.y)[0], model.schema_.target
    if target.factors:
        return " + ".join(map(str, values))
    return str(values) if target.task == "classes" else _told(target, values)


def _told(target: Target, values: Any) -> str:
    """Write numbers, each with its name where there are several."""
    numbers = [write_number(float(value), 6) for value in np.atleast_1d(values)]
    if len(numbers) == 1 or len(target.names) != len(numbers):
        return ", ".join(numbers)
    return ", ".join(
        f"{quoted(name)} {number}" for name, number in zip(target.names, numbers, strict=True)
    )


def _show_inputs(screen: Screen, opened: Opened, example: _Example) -> None:
    """List what comes into the network, and what it was in the table."""
    if example.cells is None or screen.is_json:
        return
    row = example.cells.row(0, named=True)
    listed = list(_input_lines(opened, {str(name): value for name, value in row.items()}))
    width = max(len(name) for name, _, _ in listed[:MOST_INPUTS])
    digits = max(len(number) for _, number, _ in listed[:MOST_INPUTS])
    screen.say("What comes in, as the network is shown it:")
    for place, (name, number, cell) in enumerate(listed[:MOST_INPUTS], start=1):
        screen.say(f"  input.{place:<3} {name:<{width}}  {number:>{digits}}{cell}".rstrip())
    if len(listed) > MOST_INPUTS:
        screen.say(f"  and {len(listed) - MOST_INPUTS:,} more")
    screen.say()


def _input_lines(opened: Opened, cells: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for place, (name, value) in enumerate(zip(opened.input_names, opened.x[0].flat, strict=True)):
        cell = f"  of {quoted(cells[name], 40)}" if cells.get(name) is not None else ""
        if place in opened.codes:
            cell = f"  for {quoted(opened.codes[place][int(value)], 40)}"
        yield quoted(name, 40), write_number(float(value)), cell


def _show_trace(screen: Screen, traced: Trace) -> None:
    screen.emit("trace", trace=traced.model_dump(mode="json"))
    screen.say(write_trace(traced))


def _show_parts(
    screen: Screen, network: Network, traced: Trace, asked: InspectOptions, command: str
) -> None:
    """Show what was asked for alone: the formula, or why a number is what it is."""
    if asked.formula or asked.latex:
        style = "latex" if asked.latex else "text"
        symbolic = write_formula(network, style=style)  # type: ignore[arg-type]
        numbers = write_formula(network, style=style, numbers=True)  # type: ignore[arg-type]
        screen.emit("formula", style=style, symbolic=symbolic, numbers=numbers)
        screen.say(f"{symbolic}\n\n{numbers}")
    if asked.why:
        explained = why(traced, asked.why)
        screen.emit("explanation", **explained.model_dump(mode="json"))
        screen.say("\n" * asked.formula + str(explained))
        _show_further(screen, explained, command)


def _show_further(screen: Screen, explained: Explanation, command: str) -> None:
    names = [operand.name for operand in explained.operands if operand.name]
    if names:  # what was worked out says more than what was learned or given
        ends = (".a", ".z", ".delta", ".slope", ".exp", ".gradient", ".direction", ".normalized")
        name = next((name for name in names if name.endswith(ends)), names[0])
        screen.say(f"\nAsk on, for example: {command} --why {name}")


def _show_next(screen: Screen, command: str, traced: Trace, *, is_model: bool = False) -> None:
    first = traced.layers[0]
    name = f"{first.name}.neuron{','.join('1' for _ in first.a.shape[1:])}"
    steps = {f"{command} --why output.neuron1.a": "why an output is what it is"}
    if traced.loss is not None:
        steps[f"{command} --why {name}.delta"] = "why a node error is"
    steps[f"{command} --formula"] = "the network as a function"
    if is_model:
        steps[f"{command} --attribution"] = "what each input contributed, and rows like it"
    width = max(map(len, steps))
    screen.say("\nNext:")
    for step, purpose in steps.items():
        screen.say(f"  {step:<{width}}   {purpose}")
