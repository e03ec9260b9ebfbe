"""A study of the space: its parts are those of the single functions, on the same rows."""

import numpy as np
import pytest

from fathom import Columns, Dense
from fathom.errors import InputError
from fathom.inspection.features import look_at_neuron
from fathom.inspection.phrasebook import say_page
from fathom.inspection.probes import probe_layers
from fathom.inspection.representations import spread_codes
from fathom.inspection.rivals import train_rivals
from fathom.inspection.space_study import SpaceStudy, study_space


def test_its_parts_are_those_of_the_functions(xor, folding_network):
    told = []
    study = study_space(folding_network, *xor, on_part=lambda name, part: told.append(name))
    assert told == [name for name, _ in study.parts()] or set(told) == {n for n, _ in study.parts()}
    assert study.probes == probe_layers(folding_network, *xor)
    x, y = xor
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    ours = {m.kernel: m.score.value for m in study.rivals.machines}
    theirs = {m.kernel: m.score.value for m in train_rivals(scaled, y).machines}
    assert ours == pytest.approx(theirs, abs=0.01)
    assert study.grid is not None
    assert study.weights is None
    assert study.beside[0].code.startswith("learned_")


def test_a_neuron_asked_for_is_the_one_shown(xor, folding_network):
    study = study_space(folding_network, *xor, neuron=(1, 3), seconds=0)
    assert study.last_neuron == look_at_neuron(folding_network, *xor, layer=1, neuron=3)
    assert study.left_out == ("kernel", "rivals")
    assert (study.kernel, study.rivals, study.beside) == (None, None, ())


def test_it_goes_to_json_and_back_and_is_a_page(xor, folding_network, in_english):
    study = study_space(folding_network, *xor)
    assert SpaceStudy.model_validate_json(study.model_dump_json()) == study
    page = study.page()
    assert page.startswith("<!DOCTYPE html>")
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert in_english(say_page(page, "zh")) == []


def test_numbers_have_no_discriminants(make_network):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    network = make_network(
        Dense(units=4), Dense(units=1, activation="identity"), n_in=3, loss="squared_error"
    )
    study = study_space(network, x, x[:, :1], seconds=0)
    assert study.apart is None
    assert study.probes.score_name == "R²"
    with pytest.raises(InputError, match="one number a row"):
        study_space(network, x, x[:, :2])


def test_codes_are_no_numbers_to_a_linear_model(make_network):
    """Of three categories in a row the middle one is told apart by 0 and 1, not by its code."""
    codes = np.repeat([0.0, 1.0, 2.0], 40)
    x = np.stack([np.random.default_rng(0).normal(size=120), codes], axis=1)
    network = make_network(
        Columns(n_numbers=1, codes=(3,)), Dense(units=4), Dense(units=2, activation="softmax"),
        n_in=2,
    )  # fmt: skip
    np.testing.assert_array_equal(spread_codes(network, x)[:, 1:].argmax(axis=1), codes)
    probes = probe_layers(network, x, (codes == 1).astype(int))
    assert probes.layers[0].score.value == 1
