"""The verbs that look inside: a network, its descent, its layers, what depth is worth, a report."""

from typing import Annotated

import typer

from fathom.cli.options import (
    DropMissingTarget,
    Json,
    Kinds,
    KnownTarget,
    Language,
    ModelFile,
    Names,
    NetworkNumber,
    Prior,
    Reading,
    Seed,
    WrittenFile,
    named_columns,
    reads_table,
)
from fathom.errors import InputError

Shapes = Annotated[str, typer.Option(help="What networks of different depth have in common.")]
Sizes = Annotated[
    str, typer.Option(help="Training rows for learning curves: shares, numbers of rows, or none.")
]

inside = typer.Typer()


@inside.command()
@reads_table
def depth(
    data: Annotated[
        str,
        typer.Argument(help="A table, as for train; or digits by name or path, as for digits."),
    ],
    target: Annotated[
        str, typer.Option(metavar="COLUMN", help="What to predict, where it is a table.")
    ] = "",
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time for everything, writing included.")
    ] = 120.0,
    depths: Annotated[str, typer.Option(help="Hidden layers, for example 1-8 or 1,2,4.")] = "1-8",
    shapes: Shapes = "parameters,neurons,width",
    sizes: Sizes = "1/16,1/8,1/4,1/2",
    width: Annotated[
        int, typer.Option(help="Neurons a layer of the network with two hidden layers.")
    ] = 64,
    activation: Annotated[
        str, typer.Option(help="Activation function: relu, tanh, sigmoid, selu and others.")
    ] = "relu",
    seeds: Annotated[
        int | None, typer.Option(help="Starts of every network; found out if left out.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of every training; found out if left out.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help=".html with charts, .json, or .csv.")
    ] = None,
    task: Annotated[str, typer.Option(help="auto, classes, labels or numbers.")] = "auto",
    kind: Kinds = None,
    drop_missing_target: DropMissingTarget = False,
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Find out whether more hidden layers pay. With networks of 1 to 8 of them on the same rows."""
    from fathom.cli.depth import DepthOptions, run_depth
    from fathom.cli.tables import TableOptions, parse_kinds

    options = TableOptions(
        path=data, target=named_columns(target), task=task, drop_missing_target=drop_missing_target,
        kinds=parse_kinds(kind), seed=seed, **reading,
    )  # fmt: skip
    asked = DepthOptions(
        depths, shapes, sizes, width, activation, seeds, epochs, time_limit, output
    )  # fmt: skip
    raise typer.Exit(run_depth(options, asked, json))


@inside.command()
@reads_table
def report(
    model: ModelFile,
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="A table with the target in it, best one the model was not trained on; for models "
            "of files a folder or table of them; for one of digits their name or path.",
        ),
    ] = "",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The page to write, .html.")
    ] = "report.html",
    lang: Annotated[str, typer.Option(help="en (English) or zh (Chinese).")] = "en",
    target: KnownTarget = "",
    rows: Annotated[
        int | None,
        typer.Option(metavar="N", help="Look at N rows, drawn at random; all if left out."),
    ] = None,
    names: Names = None,
    prior: Prior = None,
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Write a page on a model for whoever decides. How good it is, where it fails, and why."""
    from fathom.cli.report import ReportOptions, run_report
    from fathom.cli.tables import TableOptions

    options = TableOptions(
        path=data, target=named_columns(target), names=names, seed=seed, **reading
    )
    run_report(model, options, ReportOptions(output, lang, rows, prior), json)


@inside.command()
@reads_table
def inspect(
    model: ModelFile = "",
    row: Annotated[int, typer.Option(help="Which row or picture, from 1.")] = 1,
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="A table, a picture, a folder of them or an .npz file; what the model was trained "
            "on if left out.",
        ),
    ] = "",
    why: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Explain one number, for example layer2.neuron1.delta or loss."
        ),
    ] = "",
    network: NetworkNumber = "1",
    formula: Annotated[
        bool, typer.Option("--formula", help="Write the network as the function it is.")
    ] = False,
    latex: Annotated[bool, typer.Option("--latex", help="The same in LaTeX.")] = False,
    attribution: Annotated[
        bool,
        typer.Option("--attribution", help="What each input contributed, and the rows like it."),
    ] = False,
    example: Annotated[
        bool, typer.Option("--example", help="Two networks small enough to check by hand.")
    ] = False,
    *,
    reading: Reading,
    json: Json = False,
) -> None:
    """Show every number of a network for one row, and why it is so. Forward and backward."""
    from fathom.cli.inspect import InspectOptions, run_example, run_inspect
    from fathom.cli.tables import TableOptions

    asked = InspectOptions(row, why.strip(), network, formula, latex, attribution)
    _require_either("inspect", model, is_example=example)
    if example and attribution:
        raise InputError(
            "a model file for --attribution", got="--example",
            hint="fathom inspect MODEL --attribution",
        )  # fmt: skip
    if example:
        run_example(asked, json)
    else:
        run_inspect(model, TableOptions(path=data, **reading), asked, json)


@inside.command()
@reads_table
def descent(
    model: ModelFile = "",
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="A table with the target in it, or digits by name or path; what the model was "
            "trained on if left out.",
        ),
    ] = "",
    weights: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="One weight or two, for example layer1.neuron1.weight1,output.neuron1.bias; the "
            "steepest if left out.",
        ),
    ] = "",
    rows: Annotated[int, typer.Option(help="Rows the loss is worked out on, at most.")] = 2000,
    target: KnownTarget = "",
    network: NetworkNumber = "1",
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time after which nothing more is begun.")
    ] = 60.0,
    output: WrittenFile = None,
    example: Annotated[
        bool, typer.Option("--example", help="A network of 18 weights that learns to add two bits.")
    ] = False,
    lang: Language = "en",
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Show a network's error surface, and how networks descend it. Valleys, steps, fog."""
    from fathom.cli.descent import DescentOptions, run_descent, run_example
    from fathom.cli.tables import TableOptions

    asked = DescentOptions(weights, rows, network, time_limit, output, lang)
    _require_either("descent", model, is_example=example)
    if example:
        run_example(asked, json)
    else:
        options = TableOptions(path=data, target=named_columns(target), seed=seed, **reading)
        run_descent(model, options, asked, json)


@inside.command()
@reads_table
def space(
    model: ModelFile,
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="A table with the target in it, best one the model was not trained on, or digits "
            "by name or path; what the model was trained on if left out.",
        ),
    ] = "",
    neuron: Annotated[
        str,
        typer.Option(
            metavar="LAYER.NEURON", help="Which neuron to look at; a lively one if left out."
        ),
    ] = "",
    rows: Annotated[int, typer.Option(help="Rows that are looked at, at most.")] = 2000,
    target: KnownTarget = "",
    network: NetworkNumber = "1",
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time after which nothing long is begun.")
    ] = 60.0,
    output: WrittenFile = None,
    lang: Language = "en",
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Show what each layer does to the space of the rows. Beside fixed kernels and boosting."""
    from fathom.cli.space import SpaceOptions, run_space
    from fathom.cli.tables import TableOptions

    asked = SpaceOptions(rows, network, neuron.strip(), time_limit, output, lang)
    options = TableOptions(path=data, target=named_columns(target), seed=seed, **reading)
    run_space(model, options, asked, json)


def _require_either(verb: str, model: str, *, is_example: bool) -> None:
    """Refuse a verb that is given both a model and an example, or neither."""
    if is_example and model:
        raise InputError("a model file or --example", got="both", hint="leave one of them out")
    if not (is_example or model):
        raise InputError(
            "a model file, or --example", got="neither",
            hint=f"fathom {verb} MODEL, or fathom {verb} --example",
        )  # fmt: skip
