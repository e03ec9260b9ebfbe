"""The command ``fathom``: one function per verb."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

import fathom
from fathom.cli.options import Json, Reading, Seed, reads_table
from fathom.errors import FathomError, InputError

app = typer.Typer(
    name="fathom",
    help="Deep neural networks that show every number of how they work.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Typer shows this class of its parser under no name of its own.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"fathom {fathom.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def digits(
    data: Annotated[
        str,
        typer.Option(
            help="digits (bundled), semeion, usps or mnist; or a path: .npz, IDX, or a folder with "
            "one sub-folder of pictures for each class."
        ),
    ] = "digits",
    network: Annotated[
        str, typer.Option(help="dnn (deep network), cnn (convolutional) or both.")
    ] = "both",
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time for training, all networks together.")
    ] = 45.0,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    output: Annotated[
        str, typer.Option(metavar="FILE", help="Where to save the better network.")
    ] = "digits.fathom",
    compare: Annotated[
        bool | None,
        typer.Option(
            help="Train scikit-learn's SVC and MLPClassifier beside it. Left out: up to 20,000 "
            "pictures only."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Learn to read handwritten digits, and show how well."""
    from fathom.cli.digits import run_digits

    raise typer.Exit(run_digits(data, network, time_limit, seed, output, compare, json))


def _named(columns: str) -> tuple[str, ...]:
    """Return what names columns, still in one; the table tells whether commas part it."""
    return (columns.strip(),) if columns.strip() else ()


@app.command()
@reads_table
def train(
    file: Annotated[
        str, typer.Argument(help="CSV, Parquet, Excel, JSON lines or SQLite; or an address.")
    ] = "",
    target: Annotated[
        str, typer.Option(metavar="COLUMN", help="What to predict; several with commas between.")
    ] = "",
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time for everything, saving included.")
    ] = 60.0,
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where to save; model.fathom if left out.")
    ] = None,
    continued: Annotated[
        str | None,
        typer.Option("--continue", metavar="MODEL", help="Go on with the search of this model."),
    ] = None,
    replayed: Annotated[
        str | None,
        typer.Option(
            "--replay",
            metavar="MODEL",
            help="Train the networks of this model again, in the time it takes, and say whether "
            "they are the same to the last byte.",
        ),
    ] = None,
    task: Annotated[str, typer.Option(help="auto, classes, labels or numbers.")] = "auto",
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=KIND",
            help="Overrule what a column is: number, category, yes_no, date, text, identifier.",
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Rows of one group stay together.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Judge by the latest rows.")
    ] = None,
    weight: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Weight of each row.")
    ] = None,
    class_weight: Annotated[
        str | None, typer.Option(help="balanced: rare classes count as much as frequent ones.")
    ] = None,
    drop_missing_target: Annotated[
        bool, typer.Option("--drop-missing-target", help="Leave out rows without a target.")
    ] = False,
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Train on a table: the network designs itself within the time you give."""
    from fathom.cli.tables import TableOptions, parse_kinds
    from fathom.cli.train import run_train

    if continued is not None and replayed is not None:
        raise InputError("--continue or --replay", got="both")
    options = TableOptions(
        path=file, target=_named(target), task=task, group=group, time=time, weight=weight,
        class_weight=class_weight, drop_missing_target=drop_missing_target,
        kinds=parse_kinds(kind), seed=seed, **reading,
    )  # fmt: skip
    if replayed is not None:
        from fathom.cli.replay import run_replay

        raise typer.Exit(run_replay(options, replayed, output, json))
    raise typer.Exit(run_train(options, time_limit, output, continued, json))


@app.command()
@reads_table
def predict(
    model: Annotated[str, typer.Argument(help="A model file, for example model.fathom.")],
    files: Annotated[
        list[str], typer.Argument(help="A table; or pictures, folders of them, .npz files.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="CSV, TSV, JSON lines or Parquet to write; stdout if left out."
        ),
    ] = None,
    identity: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="COLUMN", help="Column to carry over; may be repeated."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Carry over all columns.")] = False,
    *,
    reading: Reading,
    json: Json = False,
) -> None:
    """Predict the rows of a table, or read pictures, with a trained model."""
    from fathom.cli.predict import run_predict
    from fathom.cli.tables import TableOptions

    options = TableOptions(path=files[0], **reading)
    run_predict(model, files, options, output, identity or [], keep, json)


@app.command()
@reads_table
def evaluate(
    model: Annotated[str, typer.Argument(help="A model file, for example model.fathom.")],
    file: Annotated[str, typer.Argument(help="A table with the target in it.")],
    target: Annotated[
        str, typer.Option(metavar="COLUMN", help="The target, where it has another name.")
    ] = "",
    *,
    reading: Reading,
    json: Json = False,
) -> None:
    """Say how good a model's predictions are for rows whose target is known."""
    from fathom.cli.evaluate import run_evaluate
    from fathom.cli.tables import TableOptions

    options = TableOptions(path=file, target=_named(target), **reading)
    run_evaluate(model, options, json)


@app.command()
@reads_table
def compare(
    file: Annotated[str, typer.Argument(help="A table, as for train.")],
    target: Annotated[str, typer.Option(metavar="COLUMN", help="What to predict.")],
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time for Fathom; the others take theirs.")
    ] = 60.0,
    peers: Annotated[
        str, typer.Option(help="Others to train, with commas between; all there are if left out.")
    ] = "",
    test_share: Annotated[
        float, typer.Option(help="Share of the rows that everyone is tested on.")
    ] = 0.2,
    task: Annotated[str, typer.Option(help="auto, classes or numbers.")] = "auto",
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Train Fathom and what you would otherwise pick on the same rows; test all on the same."""
    from fathom.cli.compare import run_compare
    from fathom.cli.tables import TableOptions

    options = TableOptions(path=file, target=_named(target), task=task, seed=seed, **reading)
    names = [name.strip() for name in peers.split(",") if name.strip()] or None
    raise typer.Exit(run_compare(options, time_limit, names, test_share, json))


@app.command()
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
    shapes: Annotated[
        str, typer.Option(help="What networks of different depth have in common.")
    ] = "parameters,neurons,width",
    sizes: Annotated[
        str,
        typer.Option(help="Training rows for learning curves: shares, numbers of rows, or none."),
    ] = "1/16,1/8,1/4,1/2",
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
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=KIND", help="Overrule what a column is, as for train."),
    ] = None,
    drop_missing_target: Annotated[
        bool, typer.Option("--drop-missing-target", help="Leave out rows without a target.")
    ] = False,
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Find out whether more hidden layers pay: networks of 1 to 8 of them on the same rows."""
    from fathom.cli.depth import DepthOptions, run_depth
    from fathom.cli.tables import TableOptions, parse_kinds

    options = TableOptions(
        path=data, target=_named(target), task=task, drop_missing_target=drop_missing_target,
        kinds=parse_kinds(kind), seed=seed, **reading,
    )  # fmt: skip
    asked = DepthOptions(
        depths, shapes, sizes, width, activation, seeds, epochs, time_limit, output
    )  # fmt: skip
    raise typer.Exit(run_depth(options, asked, json))


@app.command()
@reads_table
def report(
    model: Annotated[str, typer.Argument(help="A model file, for example model.fathom.")],
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="A table with the target in it, best one the model was not trained on; for a "
            "model of digits their name or path, as for digits.",
        ),
    ] = "",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The page to write, .html.")
    ] = "report.html",
    lang: Annotated[str, typer.Option(help="en (English) or zh (Chinese).")] = "en",
    target: Annotated[
        str, typer.Option(metavar="COLUMN", help="The target, where it has another name.")
    ] = "",
    rows: Annotated[
        int | None,
        typer.Option(metavar="N", help="Look at N rows, drawn at random; all if left out."),
    ] = None,
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Write one HTML page on a model: how good it is, where it fails, why, and what is inside."""
    from fathom.cli.report import ReportOptions, run_report
    from fathom.cli.tables import TableOptions

    options = TableOptions(path=data, target=_named(target), seed=seed, **reading)
    run_report(model, options, ReportOptions(output, lang, rows), json)


@app.command()
@reads_table
def inspect(
    model: Annotated[str, typer.Argument(help="A model file, for example model.fathom.")] = "",
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
    network: Annotated[
        str,
        typer.Option(metavar="K", help="Which network of several; 2.3 is the second, third fold."),
    ] = "1",
    formula: Annotated[
        bool, typer.Option("--formula", help="Write the network as the function it is.")
    ] = False,
    latex: Annotated[bool, typer.Option("--latex", help="The same in LaTeX.")] = False,
    example: Annotated[
        bool, typer.Option("--example", help="Two networks small enough to check by hand.")
    ] = False,
    *,
    reading: Reading,
    json: Json = False,
) -> None:
    """Show every number of a network for one row, forward and backward, and why it is so."""
    from fathom.cli.inspect import InspectOptions, run_example, run_inspect
    from fathom.cli.tables import TableOptions

    asked = InspectOptions(row, why.strip(), network, formula, latex)
    if example and model:
        raise InputError("a model file or --example", got="both")
    if example:
        run_example(asked, json)
    elif not model:
        raise InputError("a model file, or --example", got="neither")
    else:
        run_inspect(model, TableOptions(path=data, **reading), asked, json)


@app.command()
@reads_table
def descent(
    model: Annotated[str, typer.Argument(help="A model file, for example model.fathom.")] = "",
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
    target: Annotated[
        str, typer.Option(metavar="COLUMN", help="The target, where it has another name.")
    ] = "",
    network: Annotated[
        str,
        typer.Option(metavar="K", help="Which network of several; 2.3 is the second, third fold."),
    ] = "1",
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time after which nothing more is begun.")
    ] = 60.0,
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help=".html with charts, or .json.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="A network of 18 weights that learns to add two bits.")
    ] = False,
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Show a network's error surface, and how networks descend it: valleys, steps, fog."""
    from fathom.cli.descent import DescentOptions, run_descent, run_example
    from fathom.cli.tables import TableOptions

    asked = DescentOptions(weights, rows, network, time_limit, output)
    if example and model:
        raise InputError("a model file or --example", got="both")
    if example:
        run_example(asked, json)
    elif not model:
        raise InputError("a model file, or --example", got="neither")
    else:
        options = TableOptions(path=data, target=_named(target), seed=seed, **reading)
        run_descent(model, options, asked, json)


def _leave(code: object) -> None:
    """End the process; a program still compiling in a thread of a search is not waited for."""
    import os
    import threading

    if any(thread.name.startswith("fathom-population") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)
    sys.exit(code if isinstance(code, int) or code is None else str(code))


def main() -> None:
    """Run the command line; an error of ours is one line and exit code 2, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a sign the terminal cannot show is no reason to end
    try:
        code = app(standalone_mode=False)
    except SystemExit as leaving:
        code = leaving.code
    except UsageError as error:
        code = _refuse_usage(error)
    except FathomError as error:
        code = _refuse(str(error))
    except MemoryError:
        code = _refuse("expected enough memory — got none left — use less data")
    _leave(code)


def _refuse_usage(error: Exception) -> int:
    if not sys.argv[1:]:  # the message is the help
        typer.echo(getattr(error, "message", error), err=True)
        return FathomError.exit_code
    from fathom.cli.usage import as_refusal

    return _refuse(str(as_refusal(error, sys.argv[1:])))


def _refuse(message: str) -> int:
    from fathom.cli.screen import report_error

    report_error(message, "--json" in sys.argv[1:])
    return FathomError.exit_code


if __name__ == "__main__":
    main()
