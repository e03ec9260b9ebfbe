"""The layout of a report: one style, and the few shapes its parts are made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fathom.inspection.findings import Finding
from fathom.inspection.report.labels import Labels
from fathom.inspection.svg import element, escaped
from fathom.inspection.tongues import say

CHART_WIDTH = 420.0  # that a telephone shows almost at full size
LEAST = 1e-12  # what is smaller is the computer's rounding

_LIGHT = (
    "--ground:#f6f7f9;--card:#ffffff;--text:#1a1a1a;--soft:#5b6470;--line:#e1e4e9;"
    "--accent:#0072b2;--good:#00795a;--warning:#b34700;--wash:#eef4f9"
)
_DARK = (
    "--ground:#111417;--card:#1a1e23;--text:#e8e8e8;--soft:#a3adb8;--line:#2d333b;"
    "--accent:#56b4e9;--good:#2fc79c;--warning:#ff9a4d;--wash:#1f2a33"
)
STYLE = (
    f":root{{color-scheme:light dark;{_LIGHT}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    "*{box-sizing:border-box}"
    "html{-webkit-text-size-adjust:100%}"
    "body{margin:0;background:var(--ground);color:var(--text);overflow-wrap:anywhere;"
    "font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','PingFang SC',"
    "'Microsoft YaHei','Noto Sans CJK SC',sans-serif}"
    "main,header,footer{max-width:980px;margin:0 auto;padding:0 20px}"
    "header{padding-top:36px}"
    "h1{font-size:1.75rem;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}"
    "h2{font-size:1.25rem;line-height:1.3;margin:0 0 4px}"
    "h3{font-size:1rem;margin:22px 0 6px}"
    "p{margin:8px 0}"
    ".soft{color:var(--soft)}"
    ".lead{font-size:1.125rem;line-height:1.45;margin:6px 0 4px}"
    ".small{font-size:.875rem}"
    "nav{display:flex;flex-wrap:wrap;gap:6px 8px;margin:18px 0 6px}"
    "nav a{padding:4px 11px;border:1px solid var(--line);border-radius:99px;background:var(--card);"
    "font-size:.875rem;color:var(--text);text-decoration:none}"
    "nav a:hover,nav a:focus-visible{border-color:var(--accent);color:var(--accent)}"
    "section{background:var(--card);border:1px solid var(--line);border-radius:14px;"
    "padding:22px 24px;margin:16px 0;scroll-margin-top:8px}"
    "section>.about{color:var(--soft);margin:0 0 12px}"
    ".figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;"
    "margin:18px 0 4px}"
    ".figure{background:var(--wash);border-radius:10px;padding:12px 14px}"
    ".figure b{display:block;font-size:1.65rem;line-height:1.2;font-weight:650;"
    "font-variant-numeric:tabular-nums}"
    ".figure span{display:block;font-size:.8125rem;color:var(--soft)}"
    ".found{list-style:none;margin:10px 0;padding:0}"
    ".found li{position:relative;padding:3px 0 3px 26px}"
    ".found li::before{position:absolute;left:3px;font-weight:700}"
    ".found .good::before{content:'✓';color:var(--good)}"
    ".found .warning::before{content:'!';left:7px;color:var(--warning)}"
    ".found .note::before{content:'·';left:8px;color:var(--soft)}"
    ".charts{display:flex;flex-wrap:wrap;gap:14px 22px;margin:14px 0 4px;align-items:flex-start}"
    ".charts>*{max-width:100%}"
    ".fathom-chart{--fathom-ground:var(--card);display:block}"
    ".wide{overflow-x:auto;margin:12px 0;max-width:100%}"
    "@media (max-width:899px){.wide .fathom-chart{max-width:none}}"
    "table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums;"
    "width:100%}"
    "th,td{text-align:right;padding:5px 0 5px 14px;border-bottom:1px solid var(--line);"
    "vertical-align:top;overflow-wrap:normal;white-space:nowrap}"
    "th,th.left{font-weight:600;color:var(--soft);white-space:nowrap}"
    ".left{text-align:left;overflow-wrap:anywhere;white-space:normal}"
    "th:first-child,td:first-child{padding-left:0}"
    ".wide .left{min-width:5.5em;max-width:26em}.wide .broad{min-width:8.5em}"
    "tr.muted td{color:var(--soft)}"
    ".tag{display:inline-block;padding:0 8px;border-radius:99px;border:1px solid var(--line);"
    "font-size:.8125rem;white-space:nowrap}"
    ".tag.kept{border-color:var(--good);color:var(--good)}"
    ".bad{color:var(--warning)}"
    "tr:has(:target){background:var(--wash)}"
    "details{margin:12px 0}summary{cursor:pointer;color:var(--accent)}"
    ".cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(270px,1fr));gap:12px;"
    "margin:12px 0}"
    ".card{border:1px solid var(--line);border-radius:10px;padding:12px 14px}"
    ".card dl{display:grid;grid-template-columns:minmax(0,auto) minmax(0,1fr);gap:1px 10px;"
    "margin:8px 0 0;font-size:.8125rem}"
    ".card dt{color:var(--soft)}.card dd{margin:0}"
    ".picture{display:flex;gap:14px;align-items:center;margin-top:6px}"
    ".picture img{width:84px;height:auto;image-rendering:pixelated;border:1px solid var(--line);"
    "border-radius:6px}"
    ".words{font-size:.875rem;white-space:pre-wrap;margin:8px 0 0}.words span{border-radius:3px}"
    "footer{padding-bottom:40px;color:var(--soft);font-size:.8125rem}"
    "@media (max-width:600px){main,header,footer{padding:0 12px}header{padding-top:20px}"
    "section{padding:16px 14px;border-radius:12px}h1{font-size:1.4rem}"
    ".figures{grid-template-columns:1fr 1fr}.figure b{font-size:1.35rem}"
    "th,td{padding-left:9px}}"
    "@media print{body{background:none}section{break-inside:avoid;border:0;padding:8px 0}"
    "nav{display:none}}"
)


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes
    ----------
    name : str
        Where links lead to.
    title, about : str
        Its heading, and a sentence on what it is for.
    body : str
        Markup.
    """

    name: str
    title: str
    about: str
    body: str


def tag(name: str, content: str = "", /, **attributes: object) -> str:
    """Write an element of HTML, never as an empty one, which HTML does not have."""
    return element(name, content or " ", **attributes)


def text(name: str, content: object, /, **attributes: object) -> str:
    """Write an element that holds plain text, escaped."""
    return tag(name, escaped(content), **attributes)


def told(findings: Iterable[Finding], labels: Labels) -> str:
    """Write findings as running text, for those who cannot see a chart."""
    return " ".join(say(finding, labels.language) for finding in findings)


def found(findings: Iterable[Finding], labels: Labels) -> str:
    """List findings as sentences, each marked good, worth a note, or a warning."""
    lines = []
    for finding in findings:
        title = labels.levels[finding.level]
        lines.append(text("li", say(finding, labels.language), class_=finding.level, title=title))
    return f'<ul class="found">{"".join(lines)}</ul>' if lines else ""


def table(
    head: Sequence[str],
    lines: Iterable[Sequence[str]],
    *,
    left: Sequence[int] = (0,),
    broad: Sequence[int] = (),
    muted: Sequence[bool] = (),
) -> str:
    """Write a table that scrolls in itself where there is no room.

    Parameters
    ----------
    head : sequence of str
        Titles of the columns, plain text.
    lines : iterable of sequences of str
        Cells as markup, already escaped.
    left : sequence of int
        Columns of words.
    broad : sequence of int
        Those among them of many words, which keep some width.
    muted : sequence of bool
        Lines that matter less.
    """

    def cells(name: str, line: Sequence[str]) -> str:
        kinds = [
            "left broad" if place in broad else "left" if place in left else None
            for place in range(len(line))
        ]
        return "".join(tag(name, cell, class_=kind) for cell, kind in zip(line, kinds, strict=True))

    top = tag("thead", tag("tr", cells("th", [escaped(title) for title in head])))
    rows = [
        tag(
            "tr", cells("td", line), class_="muted" if place < len(muted) and muted[place] else None
        )
        for place, line in enumerate(lines)
    ]
    return f'<div class="wide"><table>{top}<tbody>{"".join(rows)}</tbody></table></div>'


def charts(drawn: Iterable[str]) -> str:
    """Put charts beside each other, as many as there is room for."""
    parts = [part for part in drawn if part]
    return f'<div class="charts">{"".join(parts)}</div>' if parts else ""


def wide(drawn: str) -> str:
    """Let a drawing keep its size and scroll in itself."""
    return f'<div class="wide">{drawn}</div>'


def folded(summary: str, content: str, **attributes: object) -> str:
    """Write what is shown only when asked for, without a script."""
    return tag("details", text("summary", summary) + content, **attributes)


def number(value: float | None, digits: int = 4) -> str:
    """Write a number briefly; a dash where there is none."""
    if value is None or value != value:
        return "–"
    if abs(value) < LEAST:
        return "0"
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}" if abs(value) >= 1 or value == 0 else f"{value:.{digits - 1}g}"


def percent(value: float | None) -> str:
    """Write a share as a percentage; a dash where there is none."""
    return "–" if value is None else f"{value:.1%}"


def draw_page(
    sections: Sequence[Section],
    *,
    heading: str,
    subtitle: str,
    end: str,
    labels: Labels,
    style: str = "",
) -> str:
    """Return a whole HTML page, with nothing fetched from outside and no script.

    Parameters
    ----------
    sections : sequence of Section
        Its parts.
    heading, subtitle, end : str
        Plain text above and below them.
    labels : Labels
        The words of the language it is written in.
    style : str
        More of a style than every page has.
    """
    head = '<meta charset="utf-8">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head += '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
    head += text("title", heading) + f"<style>{STYLE}{style}</style>"
    links = "".join(text("a", part.title, href=f"#{part.name}") for part in sections)
    top = text("h1", heading) + text("p", subtitle, class_="soft")
    top += tag("nav", links, aria_label=labels.contents)
    body = [
        tag(
            "section",
            text("h2", part.title, id=f"{part.name}-title")
            + (text("p", part.about, class_="about") if part.about else "")
            + part.body,
            id=part.name, aria_labelledby=f"{part.name}-title",
        )
        for part in sections
    ]  # fmt: skip
    page = tag("header", top) + tag("main", "".join(body)) + tag("footer", text("p", end))
    whole = tag("head", head) + tag("body", page)
    return f'<!DOCTYPE html>\n<html lang="{labels.language_tag}">{whole}</html>\n'
