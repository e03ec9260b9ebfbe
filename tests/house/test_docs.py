"""The documentation: blocks run, both languages say the same, everything there is has a name."""

import contextlib
import functools
import importlib.util
import io
import json
import re
import shlex
from pathlib import Path

import pytest

import fathom
from fathom.inspection.chinese import TERMS, WORDS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
PAGES = sorted(
    sister.with_name(sister.name.replace(".zh.md", ".md"))
    for room in ("concepts", "tutorials", "guides", "reference")
    for sister in (DOCS / room).glob("*.zh.md")
)
ROOMS = ("concepts", "tutorials", "guides")
SAYS_NOTHING = {"another", "another one", "others", "some", "either"}
OF_OTHER_PROGRAMS = {"--generate", "--head", "--port"}  # ray, and a port by its number
WRITTEN = [
    ROOT / "README.md", ROOT / "README.zh-CN.md", DOCS / "index.md", DOCS / "index.zh.md", *PAGES,
    *(page.with_suffix(".zh.md") for page in PAGES),
]  # fmt: skip


def load_script(path):
    found = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generate():
    return load_script(DOCS / "generate.py")


@functools.cache
def read(path):
    return path.read_text(encoding="utf-8")


def with_less_time(code):
    return re.sub(r"time_limit=\d+", "time_limit=2", code)


def blocks(path, *languages):
    found = FENCED.findall(read(path))
    return [block for block in found if not languages or block[0] in languages]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_on_the_pages_prints_what_stands_below_it(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if page.parent.name == "tutorials":  # they follow on the first, which makes a table
        with contextlib.redirect_stdout(io.StringIO()):
            exec(blocks(DOCS / "tutorials" / "table.md", "python")[0][1], {})
    names, printed = {}, None
    for language, text in blocks(page):
        if language == "python":
            assert printed is None or not printed, f"nothing below shows {printed!r}"
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                exec(compile(with_less_time(text), page.name, "exec"), names)
            printed = said.getvalue()
        elif printed:
            assert (language, text) == ("text", printed)
            printed = None
    assert not printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_a_chinese_sister_with_the_same_blocks_and_figures(page):
    sister = page.with_suffix(".zh.md")
    assert blocks(sister) == blocks(page)
    shown = re.compile(r"\]\(([^)#]+)")
    assert set(shown.findall(read(sister))) == set(shown.findall(read(page)))
    for figure in re.findall(r"\(\.\./figures/(\w+)\.svg\)", read(page)):
        assert (DOCS / "figures" / f"{figure}.svg").is_file()
        assert (DOCS / "figures" / f"{figure}.zh.svg").is_file()


def test_no_page_for_learning_is_in_one_language_alone():
    alone = {
        page.name
        for room in ROOMS
        for page in (DOCS / room).glob("*.md")
        if page not in PAGES and not page.name.endswith(".zh.md")
    }
    assert not alone
    assert len(PAGES) > 20


def test_both_readmes_have_the_same_blocks():
    assert blocks(ROOT / "README.zh-CN.md") == blocks(ROOT / "README.md")


def test_what_the_readmes_point_to_is_there_and_the_same_in_both():
    link = re.compile(r"\]\((?!https?:)([^)#]+)")
    for name in ("README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        for target in link.findall(read(ROOT / name)):
            assert (ROOT / target).exists(), f"{name}: {target}"
    english, chinese = (
        [target.replace(".zh.md", ".md") for target in link.findall(read(ROOT / name))]
        for name in ("README.md", "README.zh-CN.md")
    )
    assert english[1:] == chinese[1:]  # the first is the other language


def test_every_command_on_the_pages_is_one(generate):
    """Verbs and options in blocks and in running text exist."""
    commands = generate.commands()
    seen = 0
    for path in WRITTEN:
        lines = [line for _, text in blocks(path, "sh") for line in text.splitlines()]
        lines += re.findall(r"`(fathom [^`]+)`", read(path))
        for line in lines:
            for part in line.split(" #")[0].split("&&"):
                words = shlex.split(part.split(" > ")[0]) or [""]
                if words[0] != "fathom" or len(words) == 1 or words[1] in ("--version", "--help"):
                    continue
                assert words[1] in commands, line
                known = {
                    name
                    for option in commands[words[1]].params
                    for name in (*option.opts, *option.secondary_opts)
                }
                used = {word.split("=")[0] for word in words[2:] if word.startswith("-")}
                assert used <= {*known, "--help"}, line
                seen += 1
    assert seen > 60


def test_every_public_name_is_in_the_reference(generate):
    page = generate.python_page()
    for name in fathom.__all__:
        assert re.search(rf"^### {name}$", page, flags=re.MULTILINE), name
        first = getattr(fathom, name).__doc__.strip().splitlines()[0]
        assert generate._plain(first) in page, name


def test_every_verb_and_option_is_in_the_reference(generate):
    page = generate.commands_page()
    sections = dict(re.findall(r"^## fathom (\w+)\n(.*?)(?=^## |\Z)", page, flags=re.S | re.M))
    assert sections.keys() == generate.commands().keys()
    for verb, command in generate.commands().items():
        for option in command.params:
            name = option.name.upper() if option.param_type_name == "argument" else option.opts[0]
            assert f"`{name}`" in sections[verb], (verb, name)


def test_every_kind_of_error_is_explained_and_says_something_to_go_by(generate):
    page = read(DOCS / "reference" / "errors.md")
    kinds = generate.error_kinds()
    assert {"FathomError", "InputError", "ModelFileError"} <= set(kinds)
    for kind in kinds:
        assert re.search(rf"^\| `{kind}` \|", page, flags=re.MULTILINE), kind
    messages = generate.messages()
    assert len(messages) > 400
    for message in messages:
        assert message.expected, message
        assert message.got, message
        assert message.got not in SAYS_NOTHING, message  # another what?
    common = page[page.index("## Those that come up most") :]
    begun = re.findall(r"^\| `([^`]+)` \|", common[: common.index("## Exit codes")], flags=re.M)
    assert len(begun) > 6
    for start in begun:
        assert any(message.expected.startswith(start) for message in messages), start


def test_what_errors_tell_to_type_can_be_typed(generate):
    """Options and verbs that a message names are those of the command."""
    commands = generate.commands()
    known = {
        name
        for command in commands.values()
        for option in command.params
        for name in (*option.opts, *option.secondary_opts)
    }
    seen = 0
    for message in generate.messages():
        said = f"{message.expected} {message.got} {message.hint}"
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+[a-z]", said))
        assert options <= {*known, "--help"} | OF_OTHER_PROGRAMS, message
        verbs = re.findall(r"\bfathom ([a-z]+) (?:[A-Z-]|$)", said)
        assert set(verbs) <= set(commands), message
        seen += len(options) + len(verbs)
    assert seen > 150


def test_every_decision_is_in_the_navigation():
    listed = re.findall(r"^ +- (decisions/\S+\.md)$", read(ROOT / "mkdocs.yml"), flags=re.M)
    there = sorted(f"decisions/{path.name}" for path in (DOCS / "decisions").glob("*.md"))
    assert listed == there


def studio_words(name, start):
    text = read(ROOT / "frontend" / "src" / name)
    text = text[text.index(start) :]
    pairs = re.findall(r'^  (\w+):\s*"((?:[^"\\]|\\.)*)",$', text, flags=re.MULTILINE)
    return dict(pairs)


def test_the_studio_and_the_report_use_the_words_of_the_glossary():
    terms = json.loads(read(DOCS / "glossary.json"))
    english = studio_words("words.ts", "export const english")
    chinese = studio_words("chinese.ts", "export const chinese")
    reported = {**TERMS, **WORDS}
    named = set()
    for term in terms:
        for key, (en, zh) in term.get("studio", {}).items():
            assert en.lower() in english[key].lower(), (key, en)
            assert zh.lower() in chinese[key].lower(), (key, zh)
        for name, zh in term.get("report", {}).items():
            assert reported[name] == zh, name
            named.add(name)
    assert len({term["en"] for term in terms}) == len(terms)
    same_in_both = {name for name, zh in TERMS.items() if name == zh}
    assert set(TERMS) - named <= same_in_both, "terms of the report that the glossary lacks"


def test_chinese_pages_use_no_other_words_than_the_glossarys():
    terms = json.loads(read(DOCS / "glossary.json"))
    avoided = {word: term["zh"] for term in terms for word in term.get("avoid", ())}
    assert len(avoided) > 5
    for page in (*DOCS.rglob("*.zh.md"), ROOT / "README.zh-CN.md"):
        for word, right in avoided.items():
            assert word not in read(page), f"{page.name}: {word}, in this house {right}"


def test_what_is_bold_in_chinese_begins_and_ends_where_it_is_meant_to():
    """Stars that slipped by a sign are no error to anybody but the reader."""
    seen = 0
    for page in (*DOCS.rglob("*.zh.md"), ROOT / "README.zh-CN.md"):
        text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", read(page), flags=re.DOTALL | re.MULTILINE)
        for paragraph in text.splitlines():
            _, *parts = paragraph.split("**")
            assert len(parts) % 2 == 0, (page.name, paragraph)
            for bold in parts[::2]:
                assert bold.lstrip(" ，。：；、）").rstrip() == bold, (page.name, bold)
                seen += 1
    assert seen > 60


@pytest.mark.parametrize("name", ["neuron", "losses", "folds", "backpropagation", "scale"])
def test_a_figure_is_what_the_package_draws(name):
    script = load_script(DOCS / "figures" / "draw.py")
    for ending, tongue in script.TONGUES.items():
        kept = read(DOCS / "figures" / f"{name}{ending}.svg").strip()
        drawn = script.EXACT[name](tongue)
        numbers = r"-?\d+\.?\d*"
        assert re.sub(numbers, "#", re.sub(r"f[0-9a-f]{8}", "", drawn)) == re.sub(
            numbers, "#", re.sub(r"f[0-9a-f]{8}", "", kept)
        )
        ours, theirs = (re.findall(r">(-?\d+\.\d+)<", text) for text in (drawn, kept))
        assert ours == theirs
