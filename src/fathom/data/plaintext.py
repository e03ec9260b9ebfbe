"""Text files in any usual encoding, brought to UTF-8 and to line ends a parser knows."""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from fathom.data.sources import Source
from fathom.errors import DatasetError, InputError

FALLBACK, CHINESE = "cp1252", "gb18030"  # which holds GBK and GB2312
TITLES = {FALLBACK: "Windows-1252", CHINESE: "GB18030"}
MOST_TEXT_BYTES = 10_000_000  # of one text in a file of its own; the rest is not read
_PAIRED = 0.9  # share of bytes beyond ASCII that stand in pairs, as Chinese characters are written

_HEAD_BYTES, _MOST_HEAD_BYTES = 2**16, 2**24
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, which begins with the same two bytes
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Text:
    """A text file in UTF-8.

    Attributes
    ----------
    source : Source
        The file, or a copy in UTF-8 where it was something else.
    has_quotes : bool
        Whether a double quote is in it.
    has_bare_returns : bool
        Whether lines may end in a carriage return alone.
    notes : tuple of str
        What was guessed or changed.
    """

    source: Source
    has_quotes: bool
    has_bare_returns: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Survey:
    wrong_byte: str  # where the bytes are not UTF-8; empty where all are
    has_quotes: bool
    has_bare_returns: bool


def is_chinese(data: bytes) -> bool:
    """Tell whether bytes that are not UTF-8 look like Chinese in GB18030, GBK or GB2312.

    There nearly every character is two bytes of A1 or more, one after the other; in Windows-1252
    such a byte is a letter with an accent, which mostly stands alone.
    """
    runs = [len(run) for run in re.findall(rb"[\xa1-\xfe]+", data)]
    if not sum(runs):
        return False
    paired = sum(run for run in runs if run % 2 == 0 and run >= 2)
    try:
        data[: data.rfind(b"\n") + 1 or None].decode(CHINESE)
    except UnicodeDecodeError:
        return False
    return paired >= _PAIRED * sum(runs)


def decode_text(data: bytes) -> tuple[str, str]:
    """Return a text and the encoding it was in; what cannot be read becomes U+FFFD.

    Parameters
    ----------
    data : bytes
        A whole text: UTF-8, UTF-16 or UTF-32 with a mark, GB18030, or Windows-1252.
    """
    marked = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    if marked is None:
        try:
            return data.decode("utf-8-sig").replace("\0", "\ufffd"), "utf-8"
        except UnicodeDecodeError as error:
            if error.start >= len(data) - 3:  # cut within a sign
                return data[: error.start].decode("utf-8-sig"), "utf-8"
    encoding = marked or (CHINESE if is_chinese(data) else FALLBACK)
    return data.decode(encoding, "replace").replace("\0", "\ufffd"), encoding


def check_encoding(encoding: str | None) -> None:
    """Refuse an encoding that Python does not know.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    try:
        "a".encode(encoding or "utf-8")
    except (LookupError, ValueError):
        raise InputError(
            "a known encoding",
            got=repr(encoding),
            hint="for example --encoding utf-8, cp1252, latin-1 or utf-16",
        ) from None


def as_text(source: Source, encoding: str | None) -> Text:
    """Bring a file to UTF-8; the file itself is used where it is already.

    Parameters
    ----------
    source : Source
        The file.
    encoding : str or None
        Its encoding; ``None`` goes by the byte-order mark, then takes UTF-8, then Windows-1252.

    Returns
    -------
    Text
        The text.

    Raises
    ------
    DatasetError
        If it cannot be text in that encoding, or holds NUL characters.
    """
    notes = []
    with source.path.open("rb") as file:
        head = file.read(4)
    marked = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if encoding and codecs.lookup(encoding).name != "utf-8":
        source = _decoded(source, encoding)
    elif marked and not encoding:
        source = _decoded(source, marked)
        notes.append(f"the encoding {marked.upper()} was found by its mark")
    survey = _survey(source)
    if survey.wrong_byte and encoding:
        raise _undecodable(source, encoding, survey.wrong_byte)
    if survey.wrong_byte:
        with source.path.open("rb") as file:
            guess = CHINESE if is_chinese(file.read(_HEAD_BYTES * 16)) else FALLBACK
        notes.append(
            f"the file is not UTF-8 ({survey.wrong_byte}) and was read as {TITLES[guess]}; "
            "if letters look wrong, name its encoding with --encoding"
        )
        source = _decoded(source, guess)
        survey = _survey(source)
    if survey.has_bare_returns and not survey.has_quotes:
        lines = (chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n") for chunk in source.chunks())
        return Text(source.rewritten("lines", lines), False, False, tuple(notes))
    return Text(source, survey.has_quotes, survey.has_bare_returns, tuple(notes))


def first_lines(source: Source) -> tuple[list[str], bool]:
    """Give the first lines of a UTF-8 file, two or more where it has them.

    Returns
    -------
    lines : list of str
        Whole lines with their ends.
    is_all : bool
        Whether that is the whole file.

    Raises
    ------
    DatasetError
        If the first line does not end within 16 MiB.
    """
    size = _HEAD_BYTES
    with source.path.open("rb") as file:
        head = file.read(size)
        while len(head) == size < _MOST_HEAD_BYTES and len(head.strip().splitlines()) < 3:
            size *= 8
            head += file.read(size - len(head))
    is_all = len(head) < size
    # not str.splitlines, which also cuts at form feeds and other rare characters
    lines = list(io.StringIO(head.decode("utf-8-sig", errors="ignore"), newline=""))
    if not is_all and len(lines) < 2:
        raise DatasetError(
            f"lines in {source.name}", got=f"one longer than {len(head):,} bytes at its beginning",
            hint="check that it is a table",
        )  # fmt: skip
    return (lines if is_all else lines[:-1]), is_all


def _survey(source: Source) -> _Survey:
    decoder = codecs.getincrementaldecoder("utf-8")()
    wrong_byte, has_quotes, has_bare_returns, line = "", False, False, 1
    for chunk in source.chunks():
        if (at := chunk.find(b"\0")) >= 0:
            raise DatasetError(
                "text without NUL characters",
                got=f"one in line {line + _line_ends(chunk[:at])} of {source.name}",
                hint="if it is UTF-16 without a mark, give --encoding utf-16-le (or utf-16-be)",
            )
        if not wrong_byte:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                bad = error.object[error.start]
                at = max(error.start - (len(error.object) - len(chunk)), 0)
                wrong_byte = f"byte 0x{bad:02x} in line {line + _line_ends(chunk[:at])}"
        has_quotes = has_quotes or b'"' in chunk
        n_ends = _line_ends(chunk)
        has_bare_returns = has_bare_returns or n_ends > chunk.count(b"\n")
        line += n_ends
    if not wrong_byte and decoder.getstate()[0]:
        wrong_byte = "cut off within the last character"
    return _Survey(wrong_byte, has_quotes, has_bare_returns)


def _line_ends(piece: bytes) -> int:
    return piece.count(b"\n") + piece.count(b"\r") - piece.count(b"\r\n")


def _decoded(source: Source, encoding: str) -> Source:
    decoder = codecs.getincrementaldecoder(encoding)()

    def parts() -> Iterator[bytes]:
        is_first = True
        for chunk in source.chunks():
            text = decoder.decode(chunk)
            yield (text.removeprefix("\ufeff") if is_first else text).encode()
            is_first = is_first and not text
        yield decoder.decode(b"", True).encode()

    try:
        return source.rewritten("decoded", parts())
    except UnicodeError as error:
        raise _undecodable(source, encoding, str(error)) from None


def _undecodable(source: Source, encoding: str, got: str) -> DatasetError:
    tried = "UTF-8 or Windows-1252" if encoding == FALLBACK else encoding
    return DatasetError(
        f"text in {tried} in {source.name}",
        got=got[:200],
        hint="name its encoding with --encoding, for example --encoding latin-1",
    )
