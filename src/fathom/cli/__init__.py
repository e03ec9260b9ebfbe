"""The command ``fathom``: one function per verb."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

import fathom
from fathom.errors import FathomError

app = typer.Typer(
    name="fathom",
    help="Deep neural networks that show every number of how they work.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a line, for other programs.")
]


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


Separator = Annotated[
    str | None, typer.Option(metavar="SIGN", help="What parts values; found out if left out.")
]
Decimal = Annotated[str | None, typer.Option(metavar="MARK", help="Decimal mark: . or ,")]
Encoding = Annotated[str | None, typer.Option(metavar="NAME", help="Encoding of the text.")]
NoHeader = Annotated[bool, typer.Option("--no-header", help="The first row is data, not names.")]
Query = Annotated[str | None, typer.Option(metavar="SQL", help="SELECT to ask a database.")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]


@app.command()
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
    separator: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    no_header: NoHeader = False,
    query: Query = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Train on a table: the network designs itself within the time you give."""
    from fathom.cli.tables import TableOptions, parse_kinds
    from fathom.cli.train import run_train

    options = TableOptions(
        path=file, target=_named(target), task=task, group=group, time=time, weight=weight,
        class_weight=class_weight, drop_missing_target=drop_missing_target,
        kinds=parse_kinds(kind), separator=separator, decimal=decimal, encoding=encoding,
        no_header=no_header, query=query, seed=seed,
    )  # fmt: skip
    raise typer.Exit(run_train(options, time_limit, output, continued, json))


@app.command()
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
    separator: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    no_header: NoHeader = False,
    query: Query = None,
    json: Json = False,
) -> None:
    """Predict the rows of a table, or read pictures, with a trained model."""
    from fathom.cli.predict import run_predict
    from fathom.cli.tables import TableOptions

    options = TableOptions(
        path=files[0], separator=separator, decimal=decimal, encoding=encoding,
        no_header=no_header, query=query,
    )  # fmt: skip
    run_predict(model, files, options, output, identity or [], keep, json)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A model file, for example model.fathom.")],
    file: Annotated[str, typer.Argument(help="A table with the target in it.")],
    target: Annotated[
        str, typer.Option(metavar="COLUMN", help="The target, where it has another name.")
    ] = "",
    separator: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    no_header: NoHeader = False,
    query: Query = None,
    json: Json = False,
) -> None:
    """Say how good a model's predictions are for rows whose target is known."""
    from fathom.cli.evaluate import run_evaluate
    from fathom.cli.tables import TableOptions

    options = TableOptions(
        path=file, target=_named(target), separator=separator, decimal=decimal, encoding=encoding,
        no_header=no_header, query=query,
    )  # fmt: skip
    run_evaluate(model, options, json)


@app.command()
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
    separator: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    no_header: NoHeader = False,
    query: Query = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Train Fathom and what you would otherwise pick on the same rows; test all on the same."""
    from fathom.cli.compare import run_compare
    from fathom.cli.tables import TableOptions

    options = TableOptions(
        path=file, target=_named(target), task=task, separator=separator, decimal=decimal,
        encoding=encoding, no_header=no_header, query=query, seed=seed,
    )  # fmt: skip
    names = [name.strip() for name in peers.split(",") if name.strip()] or None
    raise typer.Exit(run_compare(options, time_limit, names, test_share, json))


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
        app()
    except SystemExit as leaving:
        _leave(leaving.code)
    except (FathomError, MemoryError) as error:
        from fathom.cli.screen import report_error

        is_ours = isinstance(error, FathomError)
        message = (
            str(error) if is_ours else "expected enough memory — got none left — use less data"
        )
        report_error(message, "--json" in sys.argv[1:])
        sys.exit(FathomError.exit_code)


if __name__ == "__main__":
    main()
