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
Reading: TypeAlias = dict[str, Any]  # how a table is read: what the options of `_reading` were


def named_columns(columns: str) -> tuple[str, ...]:
    """Return what names columns, still in one; the table tells whether commas part it."""
    return (columns.strip(),) if columns.strip() else ()


def _reading(
    separator: Annotated[
        str | None, typer.Option(metavar="SIGN", help="What parts values; found out if left out.")
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
    ['file', 'separator', 'decimal', 'encoding', 'no_header', 'query', 'seed']
    >>> count(file="a.csv", separator=";", decimal=",", encoding=None, no_header=False, query=None)
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
