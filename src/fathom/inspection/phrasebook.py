"""The phrasebook: what is said as text, in the reader's language, and whole pages of it."""

import functools
import re
import string
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from typing import Any, NamedTuple

from fathom.inspection.chinese import CHINESE, TERMS
from fathom.inspection.findings import ENGLISH
from fathom.inspection.phrases import PHRASES
from fathom.inspection.refusal_phrases import REFUSAL_PHRASES
from fathom.inspection.study_phrases import STUDY_PHRASES
from fathom.inspection.svg import escaped
from fathom.inspection.tongues import PROSE, Language, name_layer

MOST_LETTERS = 1000  # of a text that is looked for; what is longer is not one of ours
LAYER = re.compile(
    r"(?:\d+ )?(?:input|output|(?:dense|conv2d|conv|residual|columns:?|gain|flatten|dropout|"
    r"batch norm|layer norm|max pool|average pool|global average pool)(?:[ ,:·].*)?)"
)
NODE = re.compile(r"(<style>.*?</style>)|(?<=>)([^<>]+)(?=<)", flags=re.DOTALL)
NUMBERS = {"n", "m", "all", "rows", "row", "kept", "line", "h", "w"}  # what holds digits alone
_PARTS = re.compile(r"(\{\w+\}|⟨[^⟩]*⟩)")


class _UnknownError(Exception):
    """A part of a text is in no phrasebook, so that the text as a whole is not said."""


class _Phrase(NamedTuple):
    pattern: re.Pattern[str]
    said: str


def say_text(text: str, language: Language) -> str:
    """Return a text in a language; as it is where the phrasebook does not know it.

    Parameters
    ----------
    text : str
        A note, a reason or a label, in English.
    language : {"en", "zh"}
        English or Chinese.

    Examples
    --------
    >>> say_text("column sex: every value is missing, so it is left out", "zh")
    '列 sex：所有值都缺失，因此不用'
    >>> say_text("Every neuron answers to some of these 500 rows.", "zh")
    '每个神经元都至少对这 500 行中的某些行有响应。'
    >>> say_text("nobody has said this before", "zh")
    'nobody has said this before'
    """
    return text if language == "en" else _named(text) or text


def say_page(page: str, language: Language) -> str:
    """Return a page of HTML in a language: every text in it that the phrasebook knows.

    Parameters
    ----------
    page : str
        The page, in English.
    language : {"en", "zh"}
        English or Chinese.

    Examples
    --------
    >>> say_page('<html lang="en"><h3>One weight</h3><p>of their own</p></html>', "zh")
    '<html lang="zh-Hans"><h3>一个权重</h3><p>of their own</p></html>'
    """
    if language == "en":
        return page

    def put(found: re.Match[str]) -> str:
        return found[1] or escaped(say_lines(unescape(found[2])))

    return NODE.sub(put, page).replace('lang="en"', 'lang="zh-Hans"', 1)


def say_lines(text: str) -> str:
    r"""Return lines in Chinese; those that are no sentences are a table, and laid out anew.

    Examples
    --------
    >>> print(say_lines("layer low high\ninput 0.5  0.7"))
    层   下限 上限
    输入  0.5  0.7
    """
    if "\n" not in text:
        return _named(text) or text
    said: list[str] = []
    table: list[str] = []
    for line in text.split("\n"):
        is_row = "  " in line.strip()
        found = line if not line.strip() else None if is_row else _translated(line)
        if found is None:
            table.append(line)
            continue
        said += [*_laid_out(table), found]
        table = []
    return "\n".join([*said, *_laid_out(table)])


def _laid_out(lines: Sequence[str]) -> list[str]:
    """Return the lines of a table with its cells in Chinese, each column as wide as it must be."""
    if len(lines) < 2:
        return list(lines)
    width = max(map(len, lines))
    padded = [line.ljust(width) for line in lines]
    columns = []
    for first, last in _columns_of(padded):
        cells = [line[first:last] for line in padded]
        starts = all(cell[0] != " " for cell in cells if cell.strip())
        is_left = starts and (first == 0 or any(cell.endswith(" ") for cell in cells))
        said = [_named(cell.strip()) or cell.strip() for cell in cells]
        most = max(map(_width, said))
        columns.append([_padded(cell, most, is_left=is_left) for cell in said])
    return [" ".join(cells).rstrip() for cells in zip(*columns, strict=True)]


def _columns_of(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Return where the columns of a table begin and end: words of one phrase are one column."""
    is_gap = [all(line[at] == " " for line in lines) for at in range(len(lines[0]))]
    words = [one.span() for one in re.finditer("x+", "".join(".x"[not gap] for gap in is_gap))]
    spans: list[tuple[int, int]] = []
    begin = -1
    while words:
        n = _length_of_phrase(words, lines)
        first, last = words[0][0], words[n - 1][1]
        del words[:n]
        begin = first if begin < 0 else begin
        if any(line[first:last].strip() for line in lines[1:]):
            spans.append((begin, last))
            begin = -1  # else it is a word of a heading that has several
    return spans


def _length_of_phrase(words: Sequence[tuple[int, int]], lines: Sequence[str]) -> int:
    """Return how many words, one place apart, are a phrase in some line; 1 where none are."""
    exact, _ = _book()
    n = next((at for at in range(1, len(words)) if words[at][0] - words[at - 1][1] > 1), len(words))
    for many in range(n, 1, -1):
        first, (begin, last) = words[0][0], words[many - 1]
        reaching = [line[first:last].strip() for line in lines if line[begin:last].strip()]
        if any(cell in exact and " " in cell for cell in reaching):
            return many
    return 1


def _width(text: str) -> int:
    """Return how many places a text takes, a Chinese sign two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _padded(text: str, width: int, *, is_left: bool) -> str:
    room = " " * (width - _width(text))
    return text + room if is_left else room + text


@functools.lru_cache(maxsize=4096)
def _translated(text: str) -> str | None:
    """Return a text in Chinese, or None where no phrase fits."""
    exact, phrases = _book()
    bare = text.strip()
    if not bare or len(bare) > MOST_LETTERS:
        return None
    if bare in exact:
        return text.replace(bare, exact[bare], 1)
    for phrase in phrases:
        found = phrase.pattern.fullmatch(bare)
        if found is None:
            continue
        try:
            said = _Writer().vformat(phrase.said, (), found.groupdict())
        except _UnknownError:
            continue
        return text.replace(bare, said, 1)
    return None


def _named(text: str) -> str | None:
    """Return a phrase or the name of a layer in Chinese, or None where it is neither."""
    said = _translated(text)
    return name_layer(text, "zh") if said is None and LAYER.fullmatch(text.strip()) else said


class _Writer(string.Formatter):
    """Fills in a Chinese phrase: parts that are phrases themselves are looked up in turn."""

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        text = str(value)
        if conversion == "t":
            return _known(text)
        if conversion == "d":
            return _named(text) or text
        if conversion == "n":
            return _named(text) or name_layer(text, "zh")
        if conversion == "e":
            return "，".join(map(_known, text.split(", ")))
        if conversion == "l":
            return re.sub(r" and ([\d,]+) more$", r" 及另外 \1 个", text)
        if conversion == "a":
            return re.sub("^one$", "1", text).replace(" and ", "、").replace(", ", "、")
        if conversion == "p":
            return text.replace(" points", " 个百分点")
        return super().convert_field(value, conversion)


def _known(text: str) -> str:
    said = _named(text)
    if said is None:
        raise _UnknownError
    return said


@functools.cache
def _book() -> tuple[dict[str, str], tuple[_Phrase, ...]]:
    """Return what is said word for word, and phrases with places in them, the longest first."""
    exact, with_places = dict(TERMS), []
    for english, chinese in phrases().items():
        if _PARTS.search(english):
            with_places.append((len(_PARTS.sub("", english)), _compiled(english), chinese))
        else:
            exact[english] = chinese
    for code, template in ENGLISH.items():
        length, pattern = _of_finding(template)
        with_places.append((length, pattern, _bare(CHINESE[code])))
    with_places.sort(key=lambda one: -one[0])
    return exact, tuple(_Phrase(pattern, said) for _, pattern, said in with_places)


def _compiled(english: str) -> re.Pattern[str]:
    """Return a pattern for a phrase of ours: ``{name}`` is anything, ``⟨s|⟩`` one of several."""
    written = []
    for part in _PARTS.split(english):
        if part.startswith("{"):
            any_text = r"[\d,.]+" if part[1:-1] in NUMBERS else ".+?"
            written.append(f"(?P<{part[1:-1]}>{any_text})")
        elif part.startswith("⟨"):
            written.append(f"(?:{'|'.join(map(re.escape, part[1:-1].split('|')))})")
        else:
            written.append(re.escape(part))
    return re.compile("".join(written), flags=re.DOTALL)


def _of_finding(template: str) -> tuple[int, re.Pattern[str]]:
    """Return how long a finding's sentence is without its numbers, and a pattern for it."""
    written, length, seen = [], 0, set()
    for literal, name, spec, _ in string.Formatter().parse(template):
        written.append(re.escape(literal))
        length += len(literal)
        if name is None:
            continue
        if "/" in (spec or ""):
            written.append(f"(?:{'|'.join(map(re.escape, str(spec).split('/')))})")
        elif name in seen:
            written.append(f"(?P={name})")
        else:
            seen.add(name)
            written.append(f"(?P<{name}>.+?)")
    return length, re.compile("".join(written), flags=re.DOTALL)


def _bare(chinese: str) -> str:
    """Return a finding's sentence with its numbers as they are written already."""
    return "".join(_pieces(chinese))


def _pieces(chinese: str) -> Iterator[str]:
    for literal, name, _, _ in string.Formatter().parse(chinese):
        yield literal.replace("{", "{{").replace("}", "}}")
        if name is not None:
            yield f"{{{name}!n}}" if name in PROSE else f"{{{name}}}"


def phrases() -> Mapping[str, str]:
    """Return every phrase as it is written, English by Chinese."""
    return {**PHRASES, **STUDY_PHRASES, **REFUSAL_PHRASES}
