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


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A model file, for example digits.fathom.")],
    files: Annotated[
        list[str], typer.Argument(help="Pictures, folders of pictures, or .npz files.")
    ],
    json: Json = False,
) -> None:
    """Read pictures with a trained model."""
    from fathom.cli.predict import run_predict

    run_predict(model, files, json)


def main() -> None:
    """Run the command line; an error of ours is one line and exit code 2, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a sign the terminal cannot show is no reason to end
    try:
        app()
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
