"""The command ``fathom``: one function per verb."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

import fathom
from fathom.cli.inside import inside
from fathom.cli.options import (
    ClassWeight,
    Cluster,
    Continued,
    DemoName,
    DropMissingTarget,
    Group,
    ImageColumn,
    JournalFolder,
    Json,
    Kinds,
    KnownTarget,
    Memory,
    ModelFile,
    Names,
    NRounds,
    Prior,
    Reading,
    Replayed,
    RoundSize,
    SavedModel,
    Seed,
    SoundColumn,
    Target,
    TaskName,
    TimeColumn,
    TrainingData,
    TrainingTime,
    Weight,
    named_columns,
    reads_table,
)
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
    size: Annotated[
        str, typer.Option(help="full, or small: networks that can be looked at, in seconds.")
    ] = "full",
    json: Json = False,
) -> None:
    """Learn to read handwritten digits, and show how well."""
    from fathom.cli.digits import run_digits

    raise typer.Exit(run_digits(data, network, time_limit, seed, output, compare, json, size))


@app.command()
@reads_table
def train(
    file: TrainingData = "",
    target: Target = "",
    demo: DemoName = None,
    time_limit: TrainingTime = None,
    output: SavedModel = None,
    continued: Continued = None,
    replayed: Replayed = None,
    task: TaskName = "auto",
    kind: Kinds = None,
    group: Group = None,
    time: TimeColumn = None,
    weight: Weight = None,
    class_weight: ClassWeight = None,
    drop_missing_target: DropMissingTarget = False,
    image_column: ImageColumn = None,
    sound_column: SoundColumn = None,
    names: Names = None,
    cluster: Cluster = None,
    rounds: NRounds = None,
    round_size: RoundSize = None,
    journal: JournalFolder = None,
    memory: Memory = None,
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Train on a table, pictures, sounds or texts. The network designs itself in that time."""
    from fathom.cli.tables import TableOptions, parse_kinds
    from fathom.cli.train import run_train
    from fathom.cli.workers import choose_rounds

    asked = {"--demo": demo, "--continue": continued, "--replay": replayed}
    if sum(value is not None for value in asked.values()) > 1:
        flags = " and ".join(flag for flag, value in asked.items() if value is not None)
        hint = "leave all but one of them out"
        raise InputError("--demo, --continue or --replay", got=flags, hint=hint)
    options = TableOptions(
        path=file, target=named_columns(target), task=task, group=group, time=time, weight=weight,
        class_weight=class_weight, drop_missing_target=drop_missing_target,
        image_column=image_column, sound_column=sound_column, names=names,
        kinds=parse_kinds(kind), seed=seed, **reading,
    )  # fmt: skip
    if demo is not None:
        from fathom.cli.demos import introduce_demo

        settled = introduce_demo(demo, options, json)
        if settled is None:
            return
        options = settled
    if replayed is not None:
        from fathom.cli.replay import run_replay

        raise typer.Exit(run_replay(options, replayed, output, json))
    workers = choose_rounds(cluster, rounds, round_size, journal, output)
    if time_limit is None:
        time_limit = 60.0 if workers is None else 3600.0
    bound = None
    if memory is not None:
        from fathom.cli.streaming import read_memory

        bound = read_memory(memory)
    raise typer.Exit(run_train(options, time_limit, output, continued, json, workers, bound))


@app.command()
@reads_table
def predict(
    model: ModelFile,
    files: Annotated[
        list[str],
        typer.Argument(help="A table; or pictures, recordings, folders of them, .npz files."),
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
    prior: Prior = None,
    *,
    reading: Reading,
    json: Json = False,
) -> None:
    """Predict rows of a table, or read pictures, with a trained model."""
    from fathom.cli.predict import run_predict
    from fathom.cli.tables import TableOptions

    options = TableOptions(path=files[0], **reading)
    run_predict(model, files, options, output, identity or [], keep, json, prior)


@app.command()
@reads_table
def evaluate(
    model: ModelFile,
    file: Annotated[str, typer.Argument(help="A table with the target in it, or a folder.")],
    target: KnownTarget = "",
    names: Names = None,
    prior: Prior = None,
    *,
    reading: Reading,
    json: Json = False,
) -> None:
    """Say how good a model is on rows whose target is known."""
    from fathom.cli.evaluate import run_evaluate
    from fathom.cli.tables import TableOptions

    options = TableOptions(path=file, target=named_columns(target), names=names, **reading)
    run_evaluate(model, options, json, prior)


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
    """Compare Fathom with what you would otherwise pick. All get the same rows."""
    from fathom.cli.compare import run_compare
    from fathom.cli.tables import TableOptions

    options = TableOptions(path=file, target=named_columns(target), task=task, seed=seed, **reading)
    names = [name.strip() for name in peers.split(",") if name.strip()] or None
    raise typer.Exit(run_compare(options, time_limit, names, test_share, json))


@app.command()
def export(
    model: ModelFile,
    output: Annotated[
        str, typer.Argument(help="Where to: .onnx for an ONNX graph, .py for plain NumPy.")
    ],
    encoded: Annotated[
        bool,
        typer.Option(
            "--encoded", help="ONNX whose inputs are encoded rows, where columns hold free text."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Write a model as an ONNX graph, or as a program of NumPy alone."""
    from fathom.cli.export import run_export

    run_export(model, output, encoded, json)


@app.command()
@reads_table
def compress(
    model: ModelFile,
    to: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="A share of its size, 0.25, or a size, 200kB."),
    ] = None,
    latency: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time for one row, for example 50us.")
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Rows with their target, best such as the model has not seen; without them "
            "weights are kept in fewer bits and nothing else is done.",
        ),
    ] = "",
    target: KnownTarget = "",
    output: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where to save; MODEL.small.fathom if left out."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Loss of accuracy or R² that is thought small.")
    ] = 0.005,
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="For everything, judging included.")
    ] = 60.0,
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Make a model smaller or faster, and say what that cost. Exit code 1 where it fell short."""
    from fathom.cli.compress import run_compress
    from fathom.cli.tables import TableOptions

    options = TableOptions(path=data, target=named_columns(target), seed=seed, **reading)
    raise typer.Exit(run_compress(model, to, latency, options, output, tolerance, time_limit, json))


@app.command()
def serve(
    models: Annotated[
        list[str], typer.Argument(help="Model files; NAME=FILE gives one another name.")
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen at; one that others reach needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any that is free.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="FATHOM_TOKEN",
            show_envvar=False,
            help="What clients must show; better in the environment, as FATHOM_TOKEN.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Name it may be asked under; may be repeated."),
    ] = None,
    max_body: Annotated[
        float, typer.Option(metavar="MIB", help="Largest body of a request, in MiB.")
    ] = 16.0,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="For a body to come, and for a request to wait."),
    ] = 20.0,
    queue: Annotated[int, typer.Option(metavar="ROWS", help="Rows that may wait.")] = 20_000,
    drain: Annotated[
        float, typer.Option(metavar="SECONDS", help="For what is in progress, when told to end.")
    ] = 30.0,
    json: Json = False,
) -> None:
    """Serve models over HTTP. In plain JSON, and by the Open Inference Protocol."""
    from fathom.cli.serve import run_serve

    run_serve(models, host, port, token, allow_host or [], max_body, timeout, queue, drain, json)


@app.command()
def studio(
    port: Annotated[
        int | None, typer.Option(help="Port of this machine; 8765, or any, if left out.")
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Where tables and searches are kept; the cache if left out."
        ),
    ] = None,
    opens: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
    json: Json = False,
) -> None:
    """Open the studio in the browser. See a network compute and learn; train on your own table."""
    from fathom.cli.studio import run_studio

    run_studio(port, folder, opens, json)


app.add_typer(inside)


def _leave(code: object) -> None:
    """End the process; what a thread of ours still loads or compiles is not waited for.

    Nor may the interpreter end under it: a thread that comes back from compiled code then ends the
    process with an error.
    """
    import os
    import threading

    if any(one.daemon and one.name.startswith("fathom-") for one in threading.enumerate()):
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
