"""A network unfolded on a page of its own: whole, linked within itself, and nothing else."""

import re
from xml.etree import ElementTree

import pytest

from fathom.errors import InputError
from fathom.inspection.example import INPUT, TARGET, hand_worked
from fathom.inspection.report import unfolded
from fathom.inspection.report.unfolded import write_network
from fathom.inspection.trace import trace
from fathom.inspection.why import why


@pytest.fixture(scope="module")
def worked():
    network, architecture = hand_worked()
    return trace(network, [INPUT], [TARGET], loss=architecture.loss)


@pytest.fixture(scope="module")
def twice():
    network, architecture = hand_worked()
    return trace(network, [INPUT, (0, 0)], [TARGET, (1, 0)], loss=architecture.loss)


def opened(page):
    """Return the page as a tree, refused where it would run or fetch anything."""
    for void in ("meta", "link"):
        page = re.sub(f"(<{void}[^>]*?)/?>", r"\1/>", page)
    root = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))
    for one in root.iter():
        assert not one.tag.endswith("script")
        for name, value in one.attrib.items():
            assert not name.startswith("on")
            assert "://" not in value
    places = [one.attrib["id"] for one in root.iter() if "id" in one.attrib]
    assert len(places) == len(set(places))
    leads = {one.attrib["href"] for one in root.iter() if one.tag.endswith("}a") or one.tag == "a"}
    assert leads <= {f"#{one}" for one in places}
    return root


def test_every_number_stands_there_once_with_its_value(worked):
    page = write_network(worked)
    root = opened(page)
    cards = {one.attrib["id"]: one for one in root.iter("article")}
    # 2 inputs, 2 targets, the loss; of 6 neurons z, a, δ, f′, and 3 parameters with ∂ and new
    assert len(cards) == 5 + 6 * (4 + 3 * 3)
    for name, card in cards.items():
        assert card.find("h3/span").text == why(worked, name).result
    said = [float(cards[f"output.neuron{n}.a"].find("h3/span").text) for n in (1, 2)]
    assert [round(one, 2) for one in said] == [0.62, 0.83]
    made_of = {one.text for one in cards["output.neuron1.z"].iter("a")}
    assert made_of == {
        "output.neuron1.weight1", "output.neuron1.weight2", "output.neuron1.bias",
        "layer2.neuron1.a", "layer2.neuron2.a",
    }  # fmt: skip
    chinese = opened(write_network(worked, language="zh"))
    assert chinese.attrib["lang"] == "zh-Hans"


def test_of_a_large_network_it_says_what_is_left_out(twice, monkeypatch):
    root = opened(write_network(twice, 1))
    assert any(card.attrib["id"].startswith("row1.") for card in root.iter("article"))
    seen = []
    for most in (90, 60, 40):
        monkeypatch.setattr(unfolded, "MOST_NUMBERS", most)
        page = write_network(twice, 1)
        names = [card.attrib["id"] for card in opened(page).iter("article")]
        assert len(names) <= most
        assert not any(name.startswith("row1.") for name in names)
        seen.append((any("gradient" in name for name in names),
                     any(name.endswith("weight1") for name in names)))  # fmt: skip
        assert "other examples" in page
    assert seen == [(True, True), (False, True), (False, False)]


def test_what_is_no_such_page_is_refused(worked):
    network, architecture = hand_worked()
    forward = trace(network, [INPUT], loss=architecture.loss)  # without what should come out
    for given, row, language in ((forward, 0, "en"), (worked, 1, "en"), (worked, 0, "fr")):
        with pytest.raises(InputError):
            write_network(given, row, language)
