"""Options that several verbs share, each written once."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import typer

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a line, for other programs.")
]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Names = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN",
        help="Names of a folder's files as columns, for example '{class}_{speaker}_{take}'.",
    ),
]
Prior = Annotated[
    str | None,
    typer.Option(
        metavar="PRIOR",
        help="How probable combinations of several targets are beforehand: training, uniform, a "
        "number from 0 (uniform) to 1 (training), or a table of shares.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Who trains: processes:4 for processes of this machine; auto or HOST:PORT for a Ray "
        "cluster. The search goes in rounds then, the same whoever trains.",
    ),
]
NRounds = Annotated[
    int | None, typer.Option("--rounds", metavar="N", help="Rounds with --cluster; 3 if left out.")
]
RoundSize = Annotated[
    int | None,
    typer.Option(
        "--round-size",
        metavar="N",
        help="Networks that begin together in a round, 12 if left out: with many workers more, so "
        "that all have something to do. It changes what is trained.",
    ),
]
JournalFolder = Annotated[
    str | None,
    typer.Option(
        "--journal",
        metavar="FOLDER",
        help="Where results are kept until the end, so that the same command goes on after "
        "whatever ended it; beside the model if left out.",
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory the training may take, such as 4GB: of a Parquet or CSV file that needs more "
        "a sample is searched, and its networks are trained on over all rows from the disk.",
    ),
]
ModelFile = Annotated[str, typer.Argument(help="A model file, for example model.fathom.")]
TrainingData = Annotated[
    str,
    typer.Argument(
        help="CSV, Parquet, Excel, JSON lines or SQLite; an address; or a folder with one "
        "sub-folder of pictures, recordings or texts for each class.",
    ),
]
DemoName = Annotated[
    str | None,
    typer.Option(
        "--demo",
        metavar="NAME",
        help="cats, news, speech or faces: a public data set to try. Without a path it says where "
        "to find it and how to lay it out; with one it asks what the data set is for.",
    ),
]
Target = Annotated[
    str, typer.Option(metavar="COLUMN", help="What to predict; several with commas between.")
]
KnownTarget = Annotated[
    str, typer.Option(metavar="COLUMN", help="The target, where it has another name.")
]
TrainingTime = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Time for everything, saving included: 60 if left out, 3600 with --cluster.",
    ),
]
SavedModel = Annotated[
    str | None, typer.Option(metavar="FILE", help="Where to save; model.fathom if left out.")
]
Continued = Annotated[
    str | None,
    typer.Option("--continue", metavar="MODEL", help="Go on with the search of this model."),
]
Replayed = Annotated[
    str | None,
    typer.Option(
        "--replay",
        metavar="MODEL",
        help="Train the networks of this model again, in the time it takes, and say whether "
        "they are the same to the last byte.",
    ),
]
TaskName = Annotated[
    str,
    typer.Option(
        help="auto; classes (several targets are factors of one answer), labels (each yes or "
        "no on its own), numbers, or text for what is said."
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN=KIND",
        help="Overrule what a column is: number, category, yes_no, date, text, picture, "
        "identifier.",
    ),
]
Group = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Rows of one group stay together.")
]
TimeColumn = Annotated[str | None, typer.Option(metavar="COLUMN", help="Judge by the latest rows.")]
Weight = Annotated[str | None, typer.Option(metavar="COLUMN", help="Weight of each row.")]
ClassWeight = Annotated[
    str | None, typer.Option(help="balanced: rare classes count as much as frequent ones.")
]
DropMissingTarget = Annotated[
    bool, typer.Option("--drop-missing-target", help="Leave out rows without a target.")
]
ImageColumn = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Paths of pictures; found out if left out.")
]
SoundColumn = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Paths of recordings; found out if left out.")
]
NetworkNumber = Annotated[
    str,
    typer.Option(metavar="K", help="Which network of several; 2.3 is the second, third fold."),
]
WrittenFile = Annotated[
    str | None, typer.Option(metavar="FILE", help=".html with charts, or .json.")
]
Language = Annotated[
    str, typer.Option(metavar="LANGUAGE", help="Of the page: en for English, zh for Chinese.")
]
Reading: TypeAlias = dict[str, Any]  # how a table is read: what the options of `_reading` were


def named_columns(columns: str) -> tuple[str, ...]:
    """Return what names columns, still in one; the table tells whether commas part it."""
    return (columns.strip(),) if columns.strip() else ()


def _reading(
    separator: Annotated[
        str | None,
        typer.Option(
            metavar="SIGN", help="What parts values, or tab or space; found out if left out."
        ),
    ] = None,
    decimal: Annotated[
        str | None, typer.Option(metavar="MARK", help="Decimal mark: . or ,")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Encoding of the text.")
    ] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The first row is data, not names.")
    ] = False,
    query: Annotated[
        str | None, typer.Option(metavar="SQL", help="SELECT to ask a database.")
    ] = None,
    sheet: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Sheet of an Excel workbook; the first if left out."),
    ] = None,
) -> None:
    pass


def reads_table(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of how a table is read, where its parameter ``reading`` stands.

    Typer makes options of the parameters in a function's signature, so these are written into it.

    Parameters
    ----------
    verb : function
        Takes all it gets by name, and ``reading`` as a dict: fields of `TableOptions`.

    Returns
    -------
    function
        The verb for Typer.

    Examples
    --------
    >>> @reads_table
    ... def count(file: str, *, reading: Reading, seed: Seed = 0) -> None:
    ...     print(file, reading["decimal"], seed)
    >>> list(inspect.signature(count).parameters)
    ['file', 'separator', 'decimal', 'encoding', 'no_header', 'query', 'sheet', 'seed']
    >>> given = dict.fromkeys(inspect.signature(count).parameters)
    >>> count(**given | {"file": "a.csv", "decimal": ",", "seed": 0})
    a.csv , 0
    """
    shared = inspect.signature(_reading).parameters
    shown: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(verb).parameters.items():
        shown += shared.values() if name == "reading" else [parameter]

    @functools.wraps(verb)
    def run(**given: Any) -> None:
        reading = {name: given.pop(name) for name in shared}
        verb(**given, reading=reading)

    by_name = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in shown]
    run.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]
    return run
