"""Write the pages that come from the package: ``python docs/generate.py``; MkDocs does it itself.

The commands come from their own help, Python's names from their docstrings, error messages from the
source, the glossary from ``glossary.json``. None is kept in the repository: they cannot be stale.
"""

import ast
import functools
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

DOCS = Path(__file__).resolve().parent
PACKAGE = DOCS.parent / "src" / "fathom"
SECTIONS = (
    "Parameters", "Attributes", "Returns", "Yields", "Raises", "See Also", "Notes", "References",
    "Examples", "Methods",
)  # fmt: skip
OF_ENTRIES = ("Parameters", "Attributes", "Returns", "Yields", "Raises", "See Also")
LISTS = (
    ("The estimators", ("FathomClassifier", "FathomRegressor", "FathomTranscriber", "Monitor")),
    ("Model files", ("save", "load", "load_transcriber", "compress")),
    ("Networks as data", ("Architecture", "Dense", "Conv2D", "Conv1D", "Residual", "Activation",
                          "Dropout", "BatchNorm", "LayerNorm", "MaxPool", "AveragePool",
                          "GlobalAveragePool", "Flatten", "Columns", "Gain", "Bag", "Stems", "Stem",
                          "Combination", "Initializer", "build")),
    ("Training as data", ("Recipe", "Augmentation")),
    ("Looking inside", ("trace", "Trace", "why", "open_model")),
    ("Data", ("load_digits", "Recordings")),
)  # fmt: skip


class Message(NamedTuple):
    """An error as the source writes it, signs in braces standing for what is said at the time."""

    kind: str
    where: str
    expected: str
    got: str
    hint: str


def on_pre_build(config: Any) -> None:
    """Write the pages before MkDocs looks for pages."""
    write_pages()


def write_pages() -> None:
    """Write each page, where it would change."""
    pages = {
        "reference/commands.md": commands_page(),
        "reference/python.md": python_page(),
        "reference/messages.md": messages_page(),
        "glossary.md": glossary_page("en"),
        "glossary.zh.md": glossary_page("zh"),
    }
    for name, text in pages.items():
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def glossary_page(language: str) -> str:
    """Return the glossary, by the alphabet in English, by ideas in Chinese."""
    terms = json.loads((DOCS / "glossary.json").read_text(encoding="utf-8"))
    if language == "zh":
        lines = ["# 术语表", "", "与工作室和报告用的是同一套词。", "", "| 中文 | English | 说明 |",
                 "|---|---|---|"]  # fmt: skip
        lines += [f"| {term['zh']} | {term['en']} | {term['zh_says']} |" for term in terms]
    else:
        lines = ["# Glossary", "", "The words of the studio, the report and these pages.", "",
                 "| English | 中文 | |", "|---|---|---|"]  # fmt: skip
        terms.sort(key=lambda term: term["en"].casefold())
        lines += [f"| {term['en']} | {term['zh']} | {term['says']} |" for term in terms]
    return "\n".join([*lines, ""])


def commands() -> dict[str, Any]:
    """Return Click's commands by their verbs."""
    from typer.main import get_command

    from fathom.cli import app

    return dict(get_command(app).commands)  # type: ignore[attr-defined]


def commands_page() -> str:
    """Return every verb with every argument and option, as its ``--help`` says them."""
    lines = [
        "# Commands", "",
        "Every verb says the same with `--help`. An error is one line on standard error and exit "
        "code 2; a search that is stopped by Ctrl-C keeps its model and ends with 130.", "",
        "`fathom --version` prints the version.", "",
    ]  # fmt: skip
    for verb, command in commands().items():
        lines += [f"## fathom {verb}", "", *command.help.strip().splitlines(), ""]
        names = " ".join(_argument(p) for p in command.params if p.param_type_name == "argument")
        lines += ["```text", f"fathom {verb} {names}".rstrip() + " [options]", "```", ""]
        lines += ["| | | if left out |", "|---|---|---|"]
        for parameter in command.params:
            lines.append(_parameter_row(parameter))
        lines.append("")
    return "\n".join(lines)


def _argument(parameter: Any) -> str:
    name = parameter.name.upper() + (" …" if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _parameter_row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown = f"`{parameter.name.upper()}`"
    else:
        names = [*parameter.opts, *parameter.secondary_opts]
        kind = {int: "N", float: "NUMBER"}.get(type(parameter.default), "VALUE")
        value = "" if parameter.is_flag else f" `{parameter.metavar or kind}`"
        shown = ", ".join(f"`{name}`" for name in names) + value
    default = parameter.default
    if (
        callable(default)
        or default in (None, "", False, [], ())
        or repr(default).startswith("Sentinel")
    ):
        default_text = "must be given" if parameter.required else ""
    else:
        default_text = f"`{default}`"
    return f"| {shown} | {_cell(parameter.help or '')} | {default_text} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def python_page() -> str:
    """Return every public name with its docstring."""
    import fathom

    listed = [name for _, names in LISTS for name in names]
    assert sorted(listed) == sorted(fathom.__all__), set(listed) ^ set(fathom.__all__)
    lines = ["# Python", "", "Everything public is a name of `fathom` itself; nothing heavy is "
             "loaded until one is used.", ""]  # fmt: skip
    for title, names in LISTS:
        lines += [f"## {title}", ""]
        for name in names:
            lines += _object(name, getattr(fathom, name), "###")
    return "\n".join(lines)


def _object(name: str, thing: Any, mark: str) -> Iterator[str]:
    yield f"{mark} {name}"
    yield ""
    yield from ("```python", f"{name}{_signature(thing)}", "```", "")
    yield from markdown(inspect.getdoc(thing) or "")
    if inspect.isclass(thing):
        for method, value in _methods(thing):
            yield from _object(f"{name}.{method}", value, mark + "#")


def _methods(thing: type) -> Iterator[tuple[str, Any]]:
    """Return methods that are written in the package, are public and say what they do."""
    for name, value in inspect.getmembers(thing):
        if name.startswith("_") or not inspect.isfunction(value) or not value.__doc__:
            continue
        if value.__module__.startswith("fathom.") and value.__module__ != "fathom.values":
            yield name, value


def _signature(thing: Any) -> str:
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return "(…)"
    parts, is_keyword = [], False
    for one in parameters:
        if one.name == "self":
            continue
        if one.kind == one.KEYWORD_ONLY and not is_keyword:
            parts.append("*")
            is_keyword = True
        default = "" if one.default is one.empty else f"={one.default!r}"
        is_plain = len(default) < 40 and "<" not in default
        parts.append(one.name + (default if is_plain else "=…"))
    return f"({', '.join(parts)})"


def markdown(docstring: str) -> Iterator[str]:
    """Return a numpydoc docstring as Markdown: entries as a list, examples as code."""
    for title, lines in _sections(docstring):
        if title:
            yield from (f"**{title}**", "")
        if title == "Examples":
            yield from ("```pycon", *lines, "```", "")
        elif title in OF_ENTRIES:
            yield from _entries(lines)
            yield ""
        else:
            yield from (_plain(line) for line in lines)
            yield ""


def _sections(docstring: str) -> Iterator[tuple[str, list[str]]]:
    title, found = "", []
    lines = docstring.splitlines()
    for number, line in enumerate(lines):
        after = lines[number + 1] if number + 1 < len(lines) else ""
        if line in SECTIONS and after and set(after) == {"-"}:
            yield title, _trimmed(found)
            title, found = line, []
        elif not (found == [] and line and set(line) == {"-"}):
            found.append(line)
    yield title, _trimmed(found)


def _trimmed(lines: list[str]) -> list[str]:
    return "\n".join(lines).strip("\n").splitlines()


def _entries(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.strip():
            yield ""
        elif line.startswith(" "):
            yield "    " + _plain(line.strip())
        else:
            name, _, kind = line.partition(" : ")
            yield f"-   `{name}`" + (f" : {_plain(kind)}" if kind else "") + "  "


def _plain(text: str) -> str:
    return text.replace("``", "`").replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[")


def error_kinds() -> list[str]:
    """Return the names of the package's errors."""
    errors = importlib.import_module("fathom.errors")
    return [
        name for name, thing in vars(errors).items()
        if inspect.isclass(thing) and issubclass(thing, errors.FathomError)
    ]  # fmt: skip


@functools.cache
def messages() -> tuple[Message, ...]:
    """Return every error that the source makes, in the order of files and lines."""
    kinds, found = set(error_kinds()), []
    for path in sorted(PACKAGE.rglob("*.py")):
        where = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in kinds:
                said = dict(zip(("expected", "got", "hint"), node.args, strict=False))
                said |= {word.arg: word.value for word in node.keywords if word.arg}
                texts = {name: _template(value) for name, value in said.items()}
                if any(isinstance(part, ast.Starred) for part in node.args):
                    texts = dict.fromkeys(("expected", "got", "hint"), "{…}")  # passed on whole
                found.append(
                    Message(node.func.id, where, *(texts.get(n, "") for n in Message._fields[2:]))
                )
    return tuple(found)


def _template(node: ast.expr) -> str:
    """Return what an expression will say, with braces where it is known only at the time."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return f"{{{_short(node.value)}}}"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _template(node.left) + _template(node.right)
    if isinstance(node, ast.IfExp):
        return f"{_template(node.body)} / {_template(node.orelse)}"
    return f"{{{_short(node)}}}"


def _short(node: ast.expr) -> str:
    """Return the name in an expression that says most of what it is."""
    names = re.findall(r"[a-z][a-z_]+", ast.unparse(node))
    kept = [
        n for n in names if n not in {"str", "repr", "len", "self", "quoted", "listing", "join"}
    ]
    return kept[-1] if kept else "…"


def messages_page() -> str:
    """Return every error message by the room it comes from."""
    lines = ["# Every message", "", "As the source writes them; what stands in braces is said at "
             "the time. How to read one: [Errors](errors.md).", ""]  # fmt: skip
    rooms: dict[str, list[Message]] = {}
    for message in messages():
        rooms.setdefault(message.where.split("/")[0].removesuffix(".py"), []).append(message)
    for room, said in rooms.items():
        lines += [f"## {room}", "", "| error | expected | got | what to do |", "|---|---|---|---|"]
        rows = dict.fromkeys(said)
        lines += [
            "| " + " | ".join(_cell(part) for part in (m.kind, m.expected, m.got, m.hint)) + " |"
            for m in rows
        ]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    write_pages()
