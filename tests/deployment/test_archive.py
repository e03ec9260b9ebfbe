"""The model file: what is saved comes back, and hostile files are refused in one line."""

import fcntl
import hashlib
import json
import os
import pickle
import stat
import struct
import time

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import fathom
from fathom import Architecture, FathomClassifier, FathomRegressor, Recipe
from fathom.deployment import container
from fathom.deployment.archive import load, save
from fathom.deployment.container import pack, unpack, write_file
from fathom.errors import InputError, ModelFileError
from fathom.nn.dense import Dense

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
QUICK = Recipe(epochs=2, n_starts=2, combine="average")
TINY = Architecture(
    input_shape=(3,),
    layers=(Dense(units=2, activation="tanh"), Dense(units=2, activation="softmax")),
    loss="cross_entropy",
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    model = FathomClassifier(TINY, Recipe(epochs=1), random_state=0).fit(X, X[:, 0] > 0)
    return save(model, tmp_path_factory.mktemp("tiny") / "tiny.fathom")


MODELS = {
    "text": lambda: FathomClassifier(recipe=QUICK, random_state=0).fit(
        X, np.where(X[:, 0] > 0, "ja <b>", "nein 不")
    ),
    "labels": lambda: FathomClassifier(recipe=QUICK, random_state=0).fit(X, X[:, :2] > 0),
    "number": lambda: FathomRegressor(recipe=QUICK, random_state=0).fit(X, X[:, 0]),
    "column": lambda: FathomRegressor(recipe=QUICK, time_limit=None).fit(X, X[:, :1]),
    "pictures": lambda: FathomClassifier(recipe=QUICK, random_state=0).fit(
        RNG.random((40, 8, 9, 2)), np.arange(40) % 3
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_saved_comes_back(kind, tmp_path):
    model = MODELS[kind]()
    x = RNG.normal(size=(9, model.n_features_in_))
    path = save(model, tmp_path / "a.fathom")
    again = load(path)
    assert type(again) is type(model)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    if isinstance(model, FathomClassifier):
        np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    for name in ("schema_", "architecture_", "recipe_", "history_", "time_limit"):
        assert getattr(again, name) == getattr(model, name)
    assert save(again, tmp_path / "b.fathom").read_bytes() == path.read_bytes()
    assert fathom.load(path).predict(x).shape == model.predict(x).shape


def test_weights_of_classes_come_back(tmp_path):
    asked = {"ja": 2.0, "nein": 0.5}
    model = FathomClassifier(TINY, Recipe(epochs=1), class_weight=asked, random_state=0)
    path = save(model.fit(X, np.where(X[:, 0] > 0, "ja", "nein")), tmp_path / "a.fathom")
    assert load(path).class_weight == asked


def test_a_file_from_before_there_were_designs_still_loads(tiny, tmp_path):
    def without(card):
        return {
            name: value for name, value in card.items() if name not in ("class_weight", "design")
        }

    (tmp_path / "a").write_bytes(rebuilt(tiny.read_bytes(), change_card=without))
    np.testing.assert_array_equal(load(tmp_path / "a").predict(X), load(tiny).predict(X))


def test_any_safetensors_library_reads_the_weights(tiny):
    tensors = load_file(tiny)
    ours, _, _ = unpack(tiny.read_bytes())
    assert tensors.keys() == ours.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(array, ours[name])
    with safe_open(tiny, "numpy") as file:
        assert file.metadata()["format"] == "fathom/1"


def test_the_card_says_everything_but_the_weights(tiny):
    card = json.loads(unpack(tiny.read_bytes())[1]["card"])
    assert Architecture(**card["architecture"]) == TINY
    assert card["model_schema"]["target"]["classes"] == [False, True]
    assert card["fathom_version"] == fathom.__version__


def test_an_estimator_that_is_not_fitted_is_refused(tmp_path):
    with pytest.raises(InputError, match="call fit first"):
        save(FathomClassifier(), tmp_path / "a.fathom")
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    with pytest.raises(ModelFileError, match="NaN or infinity in a"):
        pack({"a": np.array([1.0, np.nan])}, lambda data: {})


def refused(path, content, message=None):
    path.write_bytes(content)
    began = time.process_time()
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path)
    assert time.process_time() - began < 10
    assert "\n" not in str(caught.value)


def rebuilt(content, change_header=lambda h: h, change_card=None, change_data=lambda d: d):
    """Return a file's content with header, card or data changed and the checksum made right."""
    length = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + length]), change_data(content[8 + length :])
    if change_card is not None:
        card = change_card(json.loads(header["__metadata__"]["card"]))
        header["__metadata__"]["card"] = card if isinstance(card, str) else json.dumps(card)
    text = header["__metadata__"]["card"]
    header["__metadata__"]["sha256"] = hashlib.sha256(text.encode() + data).hexdigest()
    header = change_header(header)
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def test_rebuilding_without_a_change_still_loads(tiny, tmp_path):
    (tmp_path / "a").write_bytes(rebuilt(tiny.read_bytes(), change_card=lambda card: card))
    load(tmp_path / "a")


def test_truncated_at_every_byte(tiny, tmp_path):
    content = tiny.read_bytes()
    for n in range(len(content)):
        with pytest.raises(ModelFileError):
            unpack(content[:n])
    refused(tmp_path / "a", content[:-1])


def test_every_flipped_bit_is_refused(tiny, tmp_path):
    content = bytearray(tiny.read_bytes())
    accepted = []
    for position in range(len(content)):
        for bit in range(8):
            content[position] ^= 1 << bit
            try:
                tensors, metadata, data = unpack(bytes(content))
                fathom.deployment.card.read_card(metadata, data)
                assert len(tensors)
                accepted.append((position, bit))
            except ModelFileError:
                pass
            content[position] ^= 1 << bit
    # What is left are flips in names, which the whole check compares with the card.
    for position, bit in accepted:
        content[position] ^= 1 << bit
        refused(tmp_path / "a", bytes(content))
        content[position] ^= 1 << bit


HEADERS = [
    b"", b"\0" * 7, struct.pack("<Q", 0), struct.pack("<Q", 2**64 - 1), struct.pack("<Q", 2**63),
    struct.pack("<Q", 8 * 2**20 + 1) + b"{}", struct.pack("<Q", 100) + b"{}",
    struct.pack("<Q", 2) + b"\xff\xfe", struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 3) + b" {}",
    struct.pack("<Q", 5) + b"\xef\xbb\xbf{}", struct.pack("<Q", 2) + b"42",
    struct.pack("<Q", 2) + b"{}", b"PK\x03\x04" + b"\0" * 200, pickle.dumps({"a": 1}),
    struct.pack("<Q", 200_002) + b"{" + b"[" * 200_000 + b"}",
    struct.pack("<Q", 5012) + b'{"a":' + b"9" * 5000 + b"}      ",
]  # fmt: skip


@pytest.mark.parametrize("content", HEADERS, ids=range(len(HEADERS)))
def test_hostile_beginnings(tmp_path, content):
    refused(tmp_path / "a", content)


def entry(change):
    def changed(header):
        name = next(n for n in header if n != "__metadata__")
        header[name] = {**header[name], **change}
        return header

    return changed


def text(old, new):
    return lambda header: json.dumps(header).replace(old, new, 1).encode()


def renamed(new):
    def changed(header):
        name = next(n for n in header if n != "__metadata__")
        header[new] = header.pop(name)
        return header

    return changed


CHANGED_HEADERS = [
    entry({"dtype": "F16"}), entry({"dtype": "F8_E4M3"}), entry({"dtype": "BOOL"}),
    entry({"dtype": None}), entry({"shape": [-1]}), entry({"shape": [1.5]}),
    entry({"shape": [True]}), entry({"shape": ["3"]}), entry({"shape": None}),
    entry({"shape": [2**62, 8]}), entry({"shape": [10**9, 10**9]}),
    entry({"shape": [1] * 9}),
    entry({"shape": [0, 2**47, 2**47], "data_offsets": [0, 0]}),
    entry({"data_offsets": [0, 2**63]}),
    entry({"data_offsets": [8, 0]}), entry({"data_offsets": [0]}),
    entry({"data_offsets": [4, 28]}), entry({"extra": 1}),
    renamed("../../etc/passwd"), renamed("a\0b"), renamed("a\nb"), renamed("n" * 10**6),
    renamed("\ud800"),
    lambda h: {k: v for k, v in h.items() if k != "__metadata__"},
    lambda h: {**h, "__metadata__": {"format": 1}},
    lambda h: {**h, "__metadata__": {**h["__metadata__"], "format": "fathom/2"}},
    lambda h: {**h, "__metadata__": {**h["__metadata__"], "format": "pt"}},
    lambda h: {**h, "__metadata__": {**h["__metadata__"], "more": "x"}},
    lambda h: {**h, "__metadata__": {**h["__metadata__"], "sha256": "0" * 64}},
    lambda h: {**h, **{f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
                       for i in range(20_000)}},
    text('"dtype"', '"dtype": "F32", "dtype"'), text('"__metadata__"', '"a": NaN, "__metadata__"'),
    text('"__metadata__"', '"a": 1e999, "__metadata__"'),
    text('"network.0', '"network.0.layers.0.bias": {}, "network.0'),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGED_HEADERS, ids=range(len(CHANGED_HEADERS)))
def test_hostile_headers(tiny, tmp_path, change):
    refused(tmp_path / "a", rebuilt(tiny.read_bytes(), change_header=change))


def at(*path, value):
    def changed(card):
        place = card
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        return card

    return changed


HUGE = {"kind": "dense", "units": 1_000_000}
BLOCK = {"kind": "residual", "layers": [{"kind": "dense", "units": 3}] * 60}
CHANGED_CARDS = [
    at("architecture", "layers", value=[BLOCK] * 100 + [{"kind": "dense", "units": 2}]),
    at("architecture", "layers", 0, "bias_initializer", value={"name": "orthogonal"}),
    at("model_schema", "input", "names", value=["a", "b"]),
    at("model_schema", "target", value={"task": "labels", "n_outputs": 2}),
    at("architecture", "layers", 0, "kind", value="python"),
    at("architecture", "layers", 0, "units", value=3),
    at("architecture", "layers", 0, "units", value=10**18),
    at("architecture", "layers", 0, value=HUGE),
    at("architecture", "layers", value=[{"kind": "dense", "units": 1}] * 10**5),
    at("architecture", "input_shape", value=[10**9]),
    at("architecture", "input_shape", value=[10**6, 10**6, 3]),
    at("architecture", "secret", value=1), at("secret", value=1),
    at("n_networks", value=2), at("n_networks", value=10**9), at("n_networks", value=0),
    at("estimator", value="os.system"), at("estimator", value="regressor"),
    at("time_limit", value=-1), at("recipe", "optimizer", value="eval"),
    at("recipe", "learning_rate", value=-1), at("history", "starts", value=[]),
    at("model_schema", "target", "classes", value=["a", "a"]),
    at("model_schema", "target", "classes", value=["a", "b", "c"]),
    at("model_schema", "target", "classes", value=list(range(200_000))),
    at("model_schema", "input", "n_features", value=4),
    at("model_schema", "input", value={"kind": "image", "height": 1, "width": 3, "channels": 1}),
    lambda card: "[]", lambda card: "{}", lambda card: "null", lambda card: "{",
    lambda card: json.dumps(card)[:-1] + ', "n_networks": 1}',
    lambda card: json.dumps(card).replace('"momentum": 0.9', '"momentum": 1e999', 1),
    lambda card: "[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGED_CARDS, ids=range(len(CHANGED_CARDS)))
def test_hostile_cards(tiny, tmp_path, change):
    refused(tmp_path / "a", rebuilt(tiny.read_bytes(), change_card=change))


def put(value):
    return lambda data: struct.pack("<d", value) + data[8:]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(tiny, tmp_path, value):
    refused(tmp_path / "a", rebuilt(tiny.read_bytes(), change_data=put(value)), "finite")


def test_trailing_bytes_and_missing_data(tiny, tmp_path):
    content = tiny.read_bytes()
    refused(tmp_path / "a", rebuilt(content, change_data=lambda d: d + b"PK\x05\x06" + b"\0" * 18))
    refused(tmp_path / "a", rebuilt(content, change_data=lambda d: d[:-4]))


def test_paths_that_are_no_model_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "absent", tmp_path / "loop", "/dev/zero",
                 "a\0b"):  # fmt: skip
        with pytest.raises(ModelFileError) as caught:
            load(path)
        assert "\n" not in str(caught.value)


def test_saving_where_it_cannot_be_leaves_everything_as_it_was(tiny, tmp_path, monkeypatch):
    model = load(tiny)
    path = save(model, tmp_path / "a.fathom")
    before = path.read_bytes()
    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:

            def fail(*args, **options):
                raise OSError(28, "No space left on device")

            patch.setattr(container.os, call, fail)
            with pytest.raises(ModelFileError, match="No space left"):
                save(model, path)
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["a.fathom"]
    for place in (tmp_path / "absent" / "a.fathom", tmp_path):
        with pytest.raises(ModelFileError):
            save(model, place)


def test_a_saved_file_can_be_read_by_whom_the_umask_allows(tmp_path):
    write_file(tmp_path / "a", b"x")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask


def test_what_a_killed_writer_left_goes_with_the_next_saving_and_nothing_else(tmp_path):
    old = {name: tmp_path / name for name in (
        ".a.fathom.part-abcdefgh", ".a.fathom.part-locked_1", ".a.fathom.part-new_one_",
        ".b.fathom.part-abcdefgh", ".a.fathom.part-backup", ".a.fathom.abcdefgh", "a.fathom.part-1",
        ".axfathom.part-abcdefgh",
    )}  # fmt: skip
    for path in old.values():
        path.write_bytes(b"half")
        if "new" not in path.name:
            os.utime(path, (1, 1))
    (tmp_path / ".a.fathom.part-link1234").symlink_to(old["a.fathom.part-1"])
    with open(old[".a.fathom.part-locked_1"], "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_file(tmp_path / "a.fathom", b"whole")
        left = {path.name for path in tmp_path.iterdir()}
    assert left == {*old, "a.fathom", ".a.fathom.part-link1234"} - {".a.fathom.part-abcdefgh"}
    write_file(tmp_path / "a.fathom", b"again")
    assert not old[".a.fathom.part-locked_1"].exists()


def test_saving_through_a_link_keeps_the_link(tiny, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    save(load(tiny), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").is_file()
