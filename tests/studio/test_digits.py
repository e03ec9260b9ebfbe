"""The digits page's room: what is drawn, what networks make of it, and their trainings."""

import json
import os

import numpy as np
import pytest

from fathom.data.datasets import load_digits
from fathom.errors import FathomError, InputError
from fathom.estimators.defaults import small_reading_network
from fathom.nn.convolution import Conv2D
from fathom.studio.digit_messages import Drawing, KeepWish, NeuronWish, OwnDrawing, TrainWish
from fathom.studio.digit_reading import Reader
from fathom.studio.digit_runs import PENNED, _write_material
from fathom.studio.digits import DigitRoom
from fathom.studio.drawings import as_grid, as_text, fit
from fathom.studio.processes import begun_at

BLANK = "0" * 256


def drawn(*rows):
    """Return a drawing of rows of signs, the rest of the grid empty."""
    grid = np.zeros((16, 16), np.uint8)
    for at, row in enumerate(rows):
        for column, sign in enumerate(row):
            grid[at, column] = sign == "#"
    return as_text(grid)


@pytest.fixture(scope="session")
def material():
    return load_digits("digits")


@pytest.fixture(scope="session", params=["dnn", "cnn"])
def trained(request, little_models):
    """Return a small network trained for one epoch, and where it is kept."""
    return request.param, *little_models[request.param]


@pytest.fixture(scope="session")
def reader(trained):
    kind, path, _ = trained
    return Reader(kind, "0" * 16, path)


def test_a_drawing_is_brought_to_size_and_middle():
    small = as_grid(drawn("", "", "  ####", "     #", "    #", "   #"))
    fitted = fit(small)
    for edge in (fitted[0], fitted[15], fitted[:, 0], fitted[:, 15]):
        assert edge.any()  # as tall and as wide as the grid
    np.testing.assert_array_equal(fitted[:4], 1)  # its first row of four, four times as large
    np.testing.assert_array_equal(fitted[13:, 8:], 0)
    moved = np.roll(small, (5, 3), axis=(0, 1))
    np.testing.assert_array_equal(fit(moved), fitted)
    assert not fit(as_grid(BLANK)).any()


@pytest.mark.parametrize("ink", ["", "0" * 255, "0" * 257, "2" + "0" * 255, "0" * 255 + "\n"])
def test_what_is_no_drawing_is_refused(ink):
    with pytest.raises(FathomError):
        Drawing(ink=ink)


def test_a_reading_is_the_model_layer_by_layer(trained, reader, material):
    kind, _, model = trained
    picture = material.x_test[3]
    found = reader.read(picture)
    np.testing.assert_allclose(
        found.probabilities, model.predict_proba(picture[None])[0], atol=1e-6
    )
    last = [one[0] for one in found.layers[-1].units]
    np.testing.assert_allclose(last, found.probabilities, atol=2e-4)
    shapes = [(len(one.units), one.height, one.width) for one in found.layers]
    network = model.networks_[0]
    first = found.layers[0]
    if kind == "dnn":
        assert shapes == [(64, 1, 1), (32, 1, 1), (10, 1, 1)]
        dense = network.layers[first.number - 1]
        z = np.asarray(dense.weight) @ picture.ravel().astype(float) + np.asarray(dense.bias)
        np.testing.assert_allclose([u[0] for u in first.units], np.maximum(z, 0), atol=2e-4)
        assert all(one.can_look for one in found.layers)
    else:
        assert shapes == [(8, 16, 16), (8, 8, 8), (16, 8, 8), (16, 4, 4), (32, 1, 1), (10, 1, 1)]
        kernel, bias = (np.asarray(one, float) for one in (
            network.layers[0].kernel, network.layers[0].bias))  # fmt: skip
        padded = np.pad(picture.astype(float), 2)
        at = (7, 8)  # one place of every channel, the sum written down once more
        window = padded[at[0] : at[0] + 5, at[1] : at[1] + 5]
        z = (window[..., None] * kernel[:, :, 0]).sum(axis=(0, 1)) + bias
        shown = [unit[at[0] * 16 + at[1]] for unit in first.units]
        np.testing.assert_allclose(shown, np.maximum(z, 0), atol=2e-4)
        pooled = np.array(found.layers[1].units[0]).reshape(8, 8)
        map_ = np.array(first.units[0]).reshape(16, 16)
        np.testing.assert_allclose(pooled, map_.reshape(8, 2, 8, 2).max(axis=(1, 3)))
        assert [one.can_look for one in found.layers] == [True, False, True, False, True, True]


def test_a_neuron_shows_what_it_looks_for(trained, reader, material):
    kind, _, model = trained
    layer = 2 if kind == "dnn" else 1
    look = reader.look(NeuronWish(network=kind, layer=layer, neuron=3), material)
    weights = np.array(look.weights)
    found = model.networks_[0].layers[layer - 1]
    if kind == "dnn":
        np.testing.assert_allclose(weights, np.asarray(found.weight)[2].reshape(16, 16), atol=1e-4)
        z = material.x_train.reshape(len(material.x_train), -1) @ np.asarray(found.weight)[2]
        z = z + np.asarray(found.bias)[2]
        strongest = np.sort(z)[::-1][:8]
        np.testing.assert_allclose([one.sum for one in look.strongest], strongest, atol=1e-4)
        assert look.share_active == pytest.approx(float((z > 0).mean()), abs=2e-3)
        # what excites a linear sum most: ink where weights are above 0, and pixels are ever inked
        x = material.x_train
        can_change = (x.max(axis=0) > x.min(axis=0)) & (np.abs(weights) > 0.02)
        best = np.where(weights > 0, 1.0, 0.0)
        np.testing.assert_allclose(np.array(look.excited)[can_change], best[can_change], atol=0.02)
    else:
        assert weights.shape == (5, 5)
        np.testing.assert_allclose(weights, np.asarray(found.kernel)[:, :, 0, 2], atol=1e-4)
    assert look.said_en.endswith(".")
    assert look.said_zh.endswith("。")
    assert reader.look(NeuronWish(network=kind, layer=layer, neuron=3), material) is look
    pictures = reader.weights()
    np.testing.assert_allclose(pictures.pictures[pictures.neurons.index(3)], look.weights)
    with pytest.raises(InputError, match="a neuron from 1"):
        reader.look(NeuronWish(network=kind, layer=layer, neuron=999), material)


def test_deeper_neurons_have_no_picture_of_weights(reader, material):
    layer = 3
    look = reader.look(NeuronWish(network=reader.network, layer=layer, neuron=1), material)
    assert look.weights is None
    assert np.array(look.excited).shape == (16, 16)


def test_drawings_are_kept_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("fathom.studio.drawings.MOST_DRAWINGS", 2)
    room = DigitRoom(tmp_path)
    with pytest.raises(InputError, match="an empty grid"):
        room.keep(KeepWish(ink=BLANK, label=1))
    first = room.keep(KeepWish(ink=drawn("##"), label=7))
    room.keep(KeepWish(ink=drawn("#"), label=1))
    with pytest.raises(InputError, match="at most 2"):
        room.keep(KeepWish(ink=drawn("#"), label=1))
    again = DigitRoom(tmp_path).facts()  # a studio started anew
    assert [one.label for one in again.drawings] == [7, 1]
    assert again.runs == ()
    room.drawings.remove(first.id)
    room.drawings.remove("../../etc")
    assert [one.label for one in room.facts().drawings] == [1]
    with pytest.raises(InputError, match="none yet"):
        room.look(NeuronWish(network="dnn", layer=1, neuron=1))


def test_drawings_are_learned_from_and_the_test_stays_the_test(tmp_path, material):
    own = OwnDrawing(id="0" * 16, ink=drawn("", "  ####", "     #", "    #", "   #"), label=7)
    n_penned = 10 * PENNED
    n = len(material.y_train) + n_penned
    assert _write_material(tmp_path / "material.npz", (own,)) == n + 1
    learned = load_digits(str(tmp_path / "material.npz"))
    np.testing.assert_array_equal(learned.x_test, material.x_test)
    np.testing.assert_array_equal(learned.x_train[: len(material.x_train)], material.x_train)
    assert np.bincount(learned.y_train[len(material.y_train) : n]).tolist() == 10 * [PENNED]
    assert learned.y_train[n:].tolist() == 5 * [7]
    np.testing.assert_array_equal(learned.x_train[-1], fit(as_grid(own.ink)))


def test_old_trainings_make_room_but_never_the_one_that_reads(tmp_path, monkeypatch):
    room = DigitRoom(tmp_path)
    runs = room.runs
    monkeypatch.setattr(runs, "is_running", lambda name: False)
    names = [f"{k:016x}" for k in range(1, 7)]
    for began, name in enumerate(names):
        folder = tmp_path / "runs" / name
        folder.mkdir()
        ticket = {
            "wish": {"network": "dnn"}, "epochs": 1, "n_train": 1, "n_drawings": 0,
            "arguments": [], "began": began, "process": 0, "process_began": "",
        }  # fmt: skip
        (folder / "ticket.json").write_text(json.dumps(ticket))
    (tmp_path / "runs" / names[0] / "model.fathom").touch()
    runs._make_room("dnn")
    assert runs.names() == [*names[:2:-1], names[0]]
    assert runs.reader("dnn") == names[0]


def test_one_training_of_each_network_at_a_time(tmp_path):
    folder = tmp_path / "runs" / ("1" * 16)
    room = DigitRoom(tmp_path)
    folder.mkdir()
    me = os.getpid()  # a process that lives
    ticket = {
        "wish": {"network": "dnn"}, "epochs": 1, "n_train": 1, "n_drawings": 0, "arguments": [],
        "began": 0, "process": me, "process_began": begun_at(me),
    }  # fmt: skip
    (folder / "ticket.json").write_text(json.dumps(ticket))
    for _ in range(2):
        with pytest.raises(InputError, match="one training of each network at a time"):
            room.train(TrainWish(network="dnn"))
    assert room.runs.names() == [folder.name]


def test_small_networks_are_described_with_biases_and_nothing_normalized():
    for kind, n_parameters in (("dnn", 64 * 257 + 32 * 65 + 10 * 33), ("cnn", None)):
        found = small_reading_network(list(range(10)), 16, kind)
        assert any(isinstance(one, Conv2D) for one in found.layers) == (kind == "cnn")
        if n_parameters:
            assert found.n_parameters == n_parameters
