"""Charts: well-formed, nothing but drawing, text escaped, numbers where they belong."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from fathom.inspection.charts import (
    Series,
    bar_chart,
    distribution_chart,
    line_chart,
    matrix_chart,
)
from fathom.inspection.contours import levels_of, shade, surface_chart
from fathom.inspection.svg import STYLE, Axis, fit_axis, number_text, shortened, text_width

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<script>alert('\"1\"')</script> & 学习率 \x00\x1b]8;;\ud800"
GRID = np.linspace(-2.0, 2.0, 21)
BOWL = GRID[:, None] ** 2 + 3 * GRID[None, :] ** 2


def draw_lines(title="t", **options):
    series = [
        Series(f"{title} one", [1, 2, 3], [3.0, math.nan, 1.0], "both"),
        Series(f"{title} two", [1, 2, 3], [0.1, math.inf, 10.0], low=[0, 1, 2], high=[4, 5, 6]),
        Series("", [2], [2], "points"),
    ]
    return line_chart(series, title=title, x_label=title, y_label=title, **options)


CHARTS = {
    "lines": draw_lines,
    "logarithms": lambda title="t": draw_lines(title, log_x=True, log_y=True),
    "surface": lambda title="t": surface_chart(
        GRID, GRID, np.where(BOWL > 14, np.nan, BOWL), title=title, x_label=title, y_label=title,
        value_label=title, paths=[Series(title, [-2, 0, 9], [1, 0, 0], "both")],
        marks=[Series(title, [0], [0], "points")], known=BOWL < 6,
    ),
    "distributions": lambda title="t": distribution_chart(
        [title, "none", "one"], [[1.0, 2.0, math.inf], [], [3.0]], title=title, x_label=title
    ),
    "bars": lambda title="t": bar_chart(
        [title, "b", "c"], [1.0, -2.0, math.nan], low=[0.5, -3, 0], high=[2, -1, 1], title=title,
        x_label=title,
    ),
    "matrix": lambda title="t": matrix_chart(
        np.array([[1.0, math.nan, 3.0], [4.0, 5.0, 1e9]]), row_names=[title, "b"],
        column_names=["x", title, "z"], title=title, x_label=title, y_label=title,
    ),
}  # fmt: skip


@pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
def test_a_chart_is_well_formed_and_does_nothing_but_show(draw):
    drawn = draw(NASTY)
    root = ElementTree.fromstring(drawn)
    assert root.tag == f"{SVG}svg"
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {
        "svg", "title", "desc", "style", "text", "line", "path", "polyline", "polygon", "circle",
        "rect",
    }  # fmt: skip
    for element in root.iter():
        for name in element.attrib:
            assert "href" not in name
            assert not name.startswith("on")
    assert "<script" not in drawn
    assert "url(" not in drawn
    assert "@import" not in drawn
    assert "学习率" in "".join(root.itertext())


@pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
def test_a_chart_says_what_it_is(draw):
    root = ElementTree.fromstring(draw("Loss by epoch"))
    assert root.get("role") == "img"
    labels = root.get("aria-labelledby").split()
    found = {element.get("id"): element.text for element in root.iter() if element.get("id")}
    assert found[labels[0]] == "Loss by epoch"


@pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
def test_all_that_is_drawn_is_a_finite_number(draw):
    for element in ElementTree.fromstring(draw()).iter():
        for name, value in element.attrib.items():
            if name in ("x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "width", "height", "r"):
                assert math.isfinite(float(value)), (element.tag, name)
            if name in ("points", "d"):
                assert not re.search("nan|inf", value)


def test_the_style_knows_light_and_dark_and_no_color_but_in_it():
    assert "prefers-color-scheme:dark" in STYLE
    root = ElementTree.fromstring(draw_lines())
    for element in root.iter():
        for name in ("stroke", "fill"):
            assert not (element.get(name) or "none").startswith("#")


def test_lines_differ_in_dash_and_mark_not_in_color_alone():
    series = [Series(f"s{n}", [0, 1], [n, n], "both") for n in range(6)]
    root = ElementTree.fromstring(line_chart(series, title="", x_label="", y_label=""))
    lines = list(root.iter(f"{SVG}polyline"))
    assert len({line.get("stroke-dasharray") for line in lines}) == 6
    # A circle, a square and four polygons, each of its own corners.
    shapes = {
        (e.tag, len((e.get("points") or "").split()), (e.get("points") or "")[-5:])
        for e in root.iter()
        if (e.get("fill") or "").startswith("var(--f-")
    }
    assert len(shapes) >= 6


def test_a_line_is_where_its_numbers_are():
    drawn = line_chart(
        [Series("", [0.0, 10.0], [0.0, 100.0])], title="", x_label="", y_label="",
        x_range=(0, 10), y_range=(0, 100), width=400, height=300,
    )  # fmt: skip
    root = ElementTree.fromstring(drawn)
    frame = root.find(f"{SVG}svg")
    left, top = float(frame.get("x")), float(frame.get("y"))
    right = left + float(frame.get("width"))
    bottom = top + float(frame.get("height"))
    ends = root.find(f".//{SVG}polyline").get("points").replace(",", " ").split()
    np.testing.assert_allclose([float(e) for e in ends], [left, bottom, right, top], atol=0.11)


def test_bands_of_a_surface_enclose_the_area_where_it_is_high():
    """The area of {x² + 3 y² ≥ level} on the square, by the shoelace formula on the outline."""
    drawn = surface_chart(
        GRID, GRID, BOWL, title="", x_label="", y_label="", value_label="", width=440, height=440
    )
    root = ElementTree.fromstring(drawn)
    frame = root.find(f"{SVG}svg")
    whole = float(frame.get("width")) * float(frame.get("height"))
    outlines = [e.get("d") for e in frame.iter(f"{SVG}path")]
    levels = levels_of(BOWL, 14)[1:-1]
    fine = np.linspace(-2, 2, 801)
    exact = 3 * fine[None, :] ** 2 + fine[:, None] ** 2
    assert len(outlines) == len(levels)
    for outline, level in zip(outlines, levels, strict=True):
        loops = [loop.replace(",", " ").split() for loop in outline.strip("Mz").split("zM")]
        area = 0.0
        for loop in loops:
            x, y = np.array(loop, float).reshape(-1, 2).T
            area += 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        assert abs(abs(area) / whole - np.mean(exact >= level)) < 0.01


def test_fog_covers_just_what_is_not_known():
    def fog(known):
        drawn = surface_chart(
            GRID, GRID, BOWL, title="", x_label="", y_label="", value_label="", known=known
        )
        return [
            e.get("d")
            for e in ElementTree.fromstring(drawn).iter(f"{SVG}path")
            if e.get("fill") == "var(--f-faint)"
        ]

    assert fog(np.ones_like(BOWL, bool)) == []
    half = np.broadcast_to(GRID[:, None] > 0, BOWL.shape)
    assert fog(half)[0].count("M") == 11  # rows at and below 0, each one run


def test_shades_are_even_in_lightness():
    def lightness(color):
        r, g, b = (int(color[n : n + 2], 16) / 255 for n in (1, 3, 5))
        return 0.2126 * r**2.2 + 0.7152 * g**2.2 + 0.0722 * b**2.2

    steps = np.diff([lightness(shade(t)) ** (1 / 2.4) for t in np.linspace(0, 1, 9)])
    assert (steps > 0).all()


def test_levels_lie_closer_where_most_of_the_surface_is_low():
    steep = np.exp(3 * np.abs(GRID))[None, :] * np.ones((21, 1))
    levels = levels_of(steep, 10)
    assert levels[0] == steep.min()
    assert levels[-1] == steep.max()
    assert (np.diff(levels, 2) > 0).all()
    assert levels[5] <= np.median(steep) * 1.01
    np.testing.assert_allclose(levels_of(np.full((3, 3), 2.0), 4), 2.0)


@pytest.mark.parametrize(
    ("low", "high", "is_log"),
    [(0, 1, False), (-3.7, 912, False), (1e-9, 3e-9, False), (1e-6, 1e5, True), (2, 9, True)],
)
def test_ticks_are_round_and_within_the_axis(low, high, is_log):
    axis = Axis(low, high, 0, 300, is_log)
    ticks = axis.ticks(6)
    assert 2 <= len(ticks) <= 8
    for tick in ticks:
        assert low * (1 - 1e-6) - 1e-12 <= tick <= high * (1 + 1e-6)
        digits = f"{abs(tick):.6e}".split("e")[0].rstrip("0").replace(".", "")
        assert len(digits) <= 3
    assert axis(low) == pytest.approx(0)
    assert axis(high) == pytest.approx(300)


def test_an_axis_has_room_for_one_value_and_for_none():
    for values in ([], [5.0], [math.nan, 0.0]):
        for is_log in (False, True):
            axis = fit_axis(values, 0, 100, is_log)
            assert axis.low < axis.high


def test_numbers_are_brief():
    assert number_text(1 / 3) == "0.3333"
    assert number_text(0.0) == "0"
    assert number_text(math.inf) == "∞"
    assert number_text(123456789) == "1.2·10⁸"
    assert number_text(99999.4) == "99999"


def test_full_width_letters_are_wider_and_texts_are_cut():
    assert text_width("学习") == pytest.approx(24)
    assert text_width("ab") < text_width("学习")
    cut = shortened("a very long name of a column", 60)
    assert cut.endswith("…")
    assert text_width(cut) <= 60
    assert shortened("short", 60) == "short"


def test_a_median_counts_what_never_arrived():
    drawn = distribution_chart(
        ["a"], [[1.0, math.inf, math.inf]], title="", x_label="", median_label="median"
    )
    texts = [e.text for e in ElementTree.fromstring(drawn).iter(f"{SVG}text")]
    assert "median ∞" in texts
    assert "a (2 ∞)" in texts
