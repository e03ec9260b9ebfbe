"""The phrasebook: every phrase is one that the package says, and whole pages lose no number."""

import ast
import itertools
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import fathom
from fathom.data.audit import audit
from fathom.data.columns import infer_columns
from fathom.data.parsing import parse_table
from fathom.data.tables import read_table
from fathom.data.target import parse_target
from fathom.inspection.findings import ENGLISH
from fathom.inspection.phrasebook import NUMBERS, phrases, say_lines, say_page, say_text
from fathom.inspection.tongues import say
from fathom.search.space import Genes, draw_genes, mutate

ROOT = Path(fathom.__file__).parent
PLACE = re.compile(r"\{(\w+)\}|⟨([^⟩]*)⟩")
SAID_IN_TURN = re.compile(r"\{(\w+)!([te])\}")
KNOWN = {"t": "numbers", "e": "epochs 3 → 4"}
IN_ENGLISH = re.compile(r"\b(?:the|of|and|on|is|are|was|loss|layer|rows?|with|from)\b")


@pytest.fixture(scope="module")
def written():
    """Return every text in the package's source that is not in a phrasebook, in small letters."""
    found = []
    for path in ROOT.rglob("*.py"):
        if not path.name.endswith("phrases.py"):
            found += [
                node.value.replace("_", " ")
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
    words = [re.findall(r"[a-z]+", text.lower()) for text in found]
    return {pair for each in words for pair in [*each, *itertools.pairwise(each)]}


@pytest.mark.parametrize("english", phrases())
def test_a_phrase_is_said_somewhere(english, written):
    """Its words are in the source, and most pairs of neighbours as well."""
    pieces = re.split(r"\{\w+\}|⟨[^⟩]*⟩", english)
    words = [re.findall(r"[a-z]+", piece.lower()) for piece in pieces]
    assert {word for each in words for word in each} <= written
    pairs = {pair for each in words for pair in itertools.pairwise(each)}
    assert len(pairs & written) >= 0.4 * len(pairs) or len(pairs) < 3, pairs - written


@pytest.mark.parametrize("english", phrases())
def test_a_phrase_is_said_in_chinese_with_all_its_parts(english):
    chinese = phrases()[english]
    in_turn = dict(SAID_IN_TURN.findall(chinese))
    values = {}

    def fill(found):
        name, ways = found[1], found[2]
        if name is None:
            return ways.split("|")[0]
        known = KNOWN[in_turn[name]] if name in in_turn else f"x{len(values)}y"
        values[name] = str(40 + len(values)) if name in NUMBERS else known
        return values[name]

    text = PLACE.sub(fill, english)
    said = say_text(text, "zh")
    assert re.search("[一-鿿]", said), text
    assert "{" not in said
    for name, value in values.items():
        if name in chinese and name not in in_turn:
            assert value in said, (text, said)


def test_findings_that_come_as_text_are_said_as_they_are_as_values():
    from fathom.inspection.findings import find

    found = find(
        "probe_rises", layer="3 dense 64 relu", score="accuracy", first=0.5, last=0.9, gain=0.4
    )
    assert say_text(str(found), "zh") == say(found, "zh")
    one = find("dead_units", number=1, layer="dense 4 relu", n_dead=1, n_units=4, n_rows=1500)
    assert say_text(str(one), "zh") == say(one, "zh")
    assert len(ENGLISH) > 100


def test_what_is_said_of_a_bad_table_is_said_in_chinese(tmp_path):
    rows = [
        f"{n};{'a' if n % 2 else 'A'};{n % 9},5;0{n};2024-01-{n % 28 + 1:02d};x;"
        f"{'NA' if n % 7 == 0 else n};{1e300 * 10 ** (n % 12)};;{'yes' if n % 3 else 'no'}"
        for n in range(1, 61)
    ]
    path = tmp_path / "bad.csv"
    path.write_text("id;word;comma;code;day;same; gap ;huge;empty;answer\n" + "\n".join(rows))
    table = read_table(path)
    columns, notes = infer_columns(table.frame)
    parsed = parse_table(table.frame, columns)
    target = parse_target(pl.Series("goal", [n // 30 for n in range(59)] + [7]), "classes")
    warned = audit(parsed, target.target, target.values)
    every = [*table.notes, *notes, *target.notes, *warned, *(c.reason for c in columns)]
    assert len(every) > 20
    for text in every:
        said = say_text(text, "zh")
        assert said != text, text
        assert not IN_ENGLISH.search(said), said


def test_networks_of_a_search_are_said_in_chinese():
    rng = np.random.default_rng(0)
    usual = Genes(depth=2)
    for _ in range(60):
        genes = draw_genes(rng, usual, has_numbers=True)
        assert "轮" in say_text(str(genes), "zh"), genes
        facts = {"best_share": 0.5, "gap": 0.4, "has_numbers": True, "can_log": True}
        _, change = mutate(genes, rng, has_trees=True, **facts)
        assert "网络 3，改变：" in say_text(f"network 3 with {change}", "zh"), change


def test_a_part_that_is_not_known_leaves_the_text_as_it_is():
    assert say_text("expected a moon — got one more — reload the page", "zh").startswith("expected")
    assert say_text("column a: it is green", "zh") == "column a: it is green"
    assert say_text("x" * 5000, "zh") == "x" * 5000
    assert say_text("all epochs done", "en") == "all epochs done"


def test_a_page_is_said_in_chinese_but_for_its_style_and_its_marks():
    page = (
        '<!DOCTYPE html><html lang="en"><style>p>b{content:"loss"}</style><h3>One weight</h3>'
        "<p>A &lt;b&gt; of theirs</p><text>loss</text><pre>valley loss\n1      0.25</pre></html>"
    )
    said = say_page(page, "zh")
    assert '<style>p>b{content:"loss"}</style>' in said
    assert "<h3>一个权重</h3>" in said
    assert "<p>A &lt;b&gt; of theirs</p>" in said
    assert "<text>损失</text>" in said
    assert "<pre>山谷 损失\n1    0.25</pre>" in said
    assert 'lang="zh-Hans"' in said
    assert say_page(page, "en") == page


def test_a_heading_of_several_words_is_one():
    said = say_lines(
        "kernel           agreement with the target\n1 dense 64 relu                     0.912"
    )
    head, row = said.split("\n")
    assert head.split() == ["核", "与目标的一致程度"]
    assert row.split() == ["1", "全连接", "64", "relu", "0.912"]


def test_numbers_of_a_table_stay_below_one_another():
    lines = say_lines(
        "layer           numbers accuracy\n0 input               2    0.500\n"
        "12 dense 64 relu     64    0.912"
    ).split("\n")
    wide = [sum(2 if ord(sign) > 0x2E80 else 1 for sign in line) for line in lines]
    assert len(set(wide)) == 1
    assert lines[2].endswith("0.912")
    assert "全连接" in lines[2]
