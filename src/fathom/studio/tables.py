"""Tables of the data page: kept under an id, understood, corrected."""

import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import polars as pl

from fathom.data.columns import infer_columns
from fathom.data.schema import Column, ColumnKind
from fathom.data.sources import ENDINGS, TAKE_A_PART
from fathom.data.tables import Table, read_table
from fathom.data.workbooks import list_sheets
from fathom.errors import InputError
from fathom.studio.table_messages import ColumnFacts, SheetFacts, TableFacts
from fathom.studio.wording import in_both

MOST_UNPACKED = 2**30
MOST_TABLES = 20
N_PREVIEW, MOST_CATEGORIES, MOST_SHOWN = 6, 12, 300
IN_TERMINAL = {  # what a person at the page can do, for what one at a command could
    TAKE_A_PART: "give a part of it, or learn from it in a terminal: fathom train FILE",
}
ID = re.compile(r"[0-9a-f]{16}")
ID_BYTES = 8
LIKELY = re.compile(
    r"(?i)(?:^|_)(?:target|class|label|outcome|survived|churn|default|y|price|species|diagnosis|"
    r"response|result|income|quality)(?:$|_)"
)


def known_folder(folder: Path, name: str) -> Path:
    """Return the folder of an id, which no client can lead elsewhere: only ids are looked up.

    Raises
    ------
    InputError
        If there is none.
    """
    if not ID.fullmatch(name) or not (folder / name).is_dir():
        raise InputError(
            "the id of something kept here", got="the id of nothing here", hint="reload the page"
        )
    return folder / name


class Tables:
    """The tables that were uploaded, each in a folder of its own.

    Parameters
    ----------
    folder : Path
        Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def place_for_upload(self, shown: str = "") -> tuple[str, Path]:
        """Return a new id, and the file to write what comes to; the oldest table makes room.

        Of what it is called only a known ending is kept: what a file claims to be.
        """
        kept = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for old in kept[: max(len(kept) - MOST_TABLES + 1, 0)]:
            shutil.rmtree(old, ignore_errors=True)
        name = secrets.token_hex(ID_BYTES)
        (self._folder / name).mkdir(mode=0o700)
        ending = Path(shown).suffix.lower()
        return name, self._folder / name / ("data" + ending * (ending in ENDINGS))

    def remove(self, name: str) -> None:
        """Remove a table."""
        shutil.rmtree(known_folder(self._folder, name), ignore_errors=True)

    def set_name(self, name: str, shown: str) -> None:
        """Remember what a table is called: the last part of a file name, never used as one."""
        called = re.split(r"[/\\]", shown)[-1]
        called = "".join(c for c in called if c.isprintable()).strip()[:100] or "table"
        place = known_folder(self._folder, name) / "name.json"
        place.write_text(json.dumps(called), encoding="utf-8")

    def name_of(self, name: str) -> str:
        """Return what a table is called."""
        place = known_folder(self._folder, name) / "name.json"
        return str(json.loads(place.read_text(encoding="utf-8")))

    def read(self, name: str, sheet: str | None = None) -> Table:
        """Read a table; of a workbook a sheet."""
        with self._opened(name) as path:
            return read_table(path, sheet=sheet, most_bytes=MOST_UNPACKED)

    def sheets(self, name: str) -> tuple[SheetFacts, ...]:
        """Return the sheets of a workbook, looked up once; none where a table is no workbook."""
        place = known_folder(self._folder, name) / "sheets.json"
        if not place.is_file():
            with self._opened(name) as path:
                found = [asdict(one) for one in list_sheets(path, most_bytes=MOST_UNPACKED)]
            place.write_text(json.dumps(found), encoding="utf-8")
        known = json.loads(place.read_text(encoding="utf-8"))
        return tuple(map(SheetFacts.model_validate, known))

    def _first_readable(self, name: str, sheets: Sequence[SheetFacts]) -> tuple[Table, str | None]:
        """Read the first sheet that holds a table: often it is behind one with a title or none."""
        refusals: list[InputError] = []
        names: tuple[str | None, ...] = tuple(one.name for one in sheets) or (None,)
        for sheet in names:
            try:
                return self.read(name, sheet), sheet
            except InputError as error:
                refusals.append(error)
        raise refusals[0]

    @contextmanager
    def _opened(self, name: str) -> Iterator[Path]:
        """Give the file of a table, and say its name in what is refused of it."""
        path = next(known_folder(self._folder, name).glob("data*"))
        try:
            yield path
        except InputError as error:  # the file is called by its name, not by where it is kept
            shown = self.name_of(name)
            named = [
                text.replace(str(path), shown).replace(path.name + ":", shown + ":")
                for text in (error.expected, error.got, IN_TERMINAL.get(error.hint, error.hint))
            ]
            raise InputError(*named) from None

    def describe(
        self, name: str, kinds: Mapping[str, ColumnKind] | None = None, sheet: str | None = None
    ) -> TableFacts:
        """Return what a table, or a sheet of it, is taken for, with some columns known better."""
        sheets = self.sheets(name)
        if sheet is None:
            table, sheet = self._first_readable(name, sheets)
        else:
            table = self.read(name, sheet)
        frame = table.frame
        columns, notes = infer_columns(frame, dict(kinds or {}))
        shown = frame.head(N_PREVIEW).with_columns(pl.all().cast(pl.String, strict=False))
        return TableFacts(
            id=name, name=self.name_of(name), sheet=sheet, sheets=sheets, n_rows=frame.height,
            columns=tuple(_facts(column) for column in columns), preview=tuple(shown.rows()),
            target=likely_target(columns), notes=tuple(map(in_both, (*table.notes, *notes))),
        )  # fmt: skip


def _facts(column: Column) -> ColumnFacts:
    return ColumnFacts(
        name=column.name, kind=column.kind, reason=in_both(column.reason[:MOST_SHOWN]),
        n_distinct=column.n_distinct, n_missing=column.n_missing, low=column.low,
        high=column.high, style=column.style,
        categories=tuple(one[:MOST_SHOWN] for one in column.categories[:MOST_CATEGORIES]),
    )  # fmt: skip


def likely_target(columns: tuple[Column, ...]) -> str:
    """Return the column most likely to be predicted: the last so called, or the last one.

    Examples
    --------
    >>> names = ("Class", "Survived", "Age", "Ticket")
    >>> likely_target(tuple(Column(name=name, kind="number") for name in names))
    'Survived'
    """
    usable = [column for column in columns if column.is_used and column.kind != "text"]
    named = [column.name for column in usable if LIKELY.search(column.name)]
    if named:
        return named[-1]
    return (usable or list(columns))[-1].name
