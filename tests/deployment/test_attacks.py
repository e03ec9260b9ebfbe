"""Attacks on model files: each gets one line of an error, soon, in little memory.

They are made from four files that Fathom 0.1.0 has written, kept as they are for as long as its
formats are read: networks a user described (numbers), an ensemble that designed itself (a table),
and both after compression.
"""

import copy
import hashlib
import importlib
import io
import json
import os
import pickle
import resource
import socket
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fathom.deployment import container
from fathom.deployment.archive import load, save
from fathom.deployment.container import MAX_HEADER_BYTES, pack, unpack
from fathom.errors import ModelFileError

FOLDER = Path(__file__).parent / "models"
DESCRIBED = (FOLDER / "0.1.0-described.fathom").read_bytes()
DESIGNED = (FOLDER / "0.1.0-designed.fathom").read_bytes()
SMALL = {
    kind: (FOLDER / f"0.1.0-compressed-{kind}.fathom").read_bytes()
    for kind in ("described", "designed")
}
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
MOST_MEMORY = 50 * 2**20


def refused(path, content=None, message=None):
    """Require one line of an error, and little memory for it."""
    if content is not None:
        path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=message) as caught:
            load(path)
        # A long file takes some times its size besides: bytes, header, card, and the card read.
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY + 16 * len(content or b"")
    finally:
        tracemalloc.stop()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 3500
    assert "Traceback" not in str(caught.value)


def parted(content):
    length = struct.unpack("<Q", content[:8])[0]
    return content[8 : 8 + length], content[8 + length :]


def framed(raw, data=b""):
    return struct.pack("<Q", len(raw)) + raw + data


def with_header(change, content=DESCRIBED):
    """Return a file with its header changed, as text or as a document."""
    raw, data = parted(content)
    changed = change(json.loads(raw))
    return framed(changed if isinstance(changed, bytes) else json.dumps(changed).encode(), data)


def with_card(change, content=DESCRIBED):
    """Return a file with its card changed and the checksum made right."""
    raw, data = parted(content)
    header = json.loads(raw)
    card = change(json.loads(header["__metadata__"]["card"]))
    text = card if isinstance(card, str) else json.dumps(card)
    digest = hashlib.sha256(text.encode() + data).hexdigest()
    header["__metadata__"] |= {"card": text, "sha256": digest}
    return framed(json.dumps(header).encode(), data)


def with_tensors(change, content=DESIGNED):
    """Return a file with its tensors changed and all else made right."""
    tensors, metadata, _ = unpack(content)
    text = metadata["card"]

    def describe(data):
        digest = hashlib.sha256(text.encode() + data).hexdigest()
        return metadata | {"sha256": digest}

    return b"".join(pack(change(dict(tensors)), describe))


def at(*path, value):
    def changed(document):
        document = copy.deepcopy(document)
        place = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        return document

    return changed


def first(**change):
    """Change the entry of the first tensor."""

    def changed(header):
        name = next(name for name in header if name != "__metadata__")
        return header | {name: header[name] | change}

    return changed


def named(name):
    def changed(header):
        old = next(name for name in header if name != "__metadata__")
        return {name if key == old else key: value for key, value in header.items()}

    return changed


def text(old, new):
    return lambda header: json.dumps(header).replace(old, new, 1).encode()


def zipped(*, is_numpy=False):
    buffer = io.BytesIO()
    if is_numpy:
        np.savez(buffer, a=np.zeros(3))
    else:
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"a": 1}))
    return buffer.getvalue()


def many(n, shape=(), size=0):
    entry = {"dtype": "F32", "shape": list(shape), "data_offsets": [0, size]}
    return lambda header: header | {f"t{number}": entry for number in range(n)}


def hole(header):
    """Move all tensors but the first by four bytes."""
    entries = [entry for name, entry in header.items() if name != "__metadata__"]
    for entry in entries:
        if entry["data_offsets"][0]:
            entry["data_offsets"] = [end + 4 for end in entry["data_offsets"]]
    return header


HUGE = 10**9
FILES = {
    "1 empty": b"",
    "2 seven bytes": b"\0" * 7,
    "3 a length of 0": struct.pack("<Q", 0),
    "4 a length of 2^64 - 1": struct.pack("<Q", 2**64 - 1) + b"{}",
    "5 a length of 2^63": struct.pack("<Q", 2**63) + b"{}",
    "6 a length above the most": struct.pack("<Q", MAX_HEADER_BYTES + 1) + b" " * 100,
    "7 a length above the file": struct.pack("<Q", 100) + b"{}",
    "8 no UTF-8": framed(b"{\xff\xfe}"),
    "9 no JSON": framed(b"{what}"),
    "10 a space before": framed(b" " + parted(DESCRIBED)[0], parted(DESCRIBED)[1]),
    "10 a byte order mark": framed(b"\xef\xbb\xbf" + parted(DESCRIBED)[0], parted(DESCRIBED)[1]),
    "11 a list": framed(b"[]"),
    "11 a number": framed(b"42"),
    "11 a word": framed(b'"{}"'),
    "12 a tensor twice": with_header(
        text('"network.0', '"network.0.layers.0.bias": {}, "network.0')
    ),
    "13 a key twice in an entry": with_header(text('"dtype"', '"dtype": "F32", "dtype"')),
    "14 a key twice in the card": with_card(lambda c: json.dumps(c)[:-1] + ', "n_networks": 2}'),
    "15 NaN": with_header(text('"__metadata__"', '"a": NaN, "__metadata__"')),
    "15 infinity": with_header(text('"__metadata__"', '"a": -Infinity, "__metadata__"')),
    "15 1e999": with_card(lambda c: json.dumps(c).replace('"seconds": ', '"seconds": 1e999', 1)),
    "16 5,000 digits": framed(b'{"a":' + b"9" * 5000 + b"}"),
    "17 nested 200,000 deep": framed(b'{"a":' + b"[" * 200_000 + b"}"),
    "17 a card nested deep": with_card(lambda c: "[" * 100_000),
    "18 half a character": with_header(named("\ud800")),
    "19 a path": with_header(named("../../etc/passwd")),
    "19 a NUL": with_header(named("a\0b")),
    "19 a line break": with_header(named("a\nb")),
    "19 a name of a megabyte": with_header(named("n" * 10**6)),
    "20 an unknown type": with_header(first(dtype="F128")),
    "20 no type": with_header(first(dtype=None)),
    "21 eight bits": with_header(first(dtype="F8_E4M3")),
    "21 four bits": with_header(first(dtype="F4")),
    "22 a negative shape": with_header(first(shape=[-1])),
    "22 half a shape": with_header(first(shape=[1.5])),
    "22 a true shape": with_header(first(shape=[True])),
    "22 a worded shape": with_header(first(shape=["3"])),
    "22 no shape": with_header(first(shape=None)),
    "23 a shape that overflows": with_header(first(shape=[2**62, 8])),
    "24 a huge shape": with_header(first(shape=[10**6, 10**6])),
    "25 nothing of 2^63": with_header(first(shape=[0, 2**63], data_offsets=[0, 0])),
    "25 nothing of much": with_header(first(shape=[0, 2**47], data_offsets=[0, 0])),
    "26 an end before its beginning": with_header(first(data_offsets=[8, 0])),
    "27 an overlap": with_header(first(data_offsets=[4, 28])),
    "28 a hole": with_header(hole),
    "29 a ZIP behind": DESCRIBED + b"PK\x05\x06" + b"\0" * 18,
    "29 a page behind": DESCRIBED + b"<html><script>alert(1)</script>",
    "32 10,001 tensors": with_header(many(10_001)),
    "32 500,000 tensors": struct.pack("<Q", 33 * 2**20) + b'{"t":' * 100,
    "34 a BOOL": with_header(first(dtype="BOOL", shape=[24])),
    "35 a tensor too few": with_tensors(lambda t: {k: v for k, v in t.items() if "range" not in k}),
    "35 a tensor too many": with_tensors(lambda t: t | {"more": np.zeros(2)}),
    "35 a wider tensor": with_tensors(lambda t: t | {"target.range": np.zeros((2, 2))}),
    "36 an unknown layer": with_card(at("architecture", "layers", 0, "kind", value="lambda")),
    "36 an unknown key": with_card(at("secret", value=1)),
    "36 an unknown key inside": with_card(at("architecture", "layers", 0, "code", value="x")),
    "36 a later version": with_header(at("__metadata__", "format", value="fathom/3")),
    "36 no compressed model": with_header(at("__metadata__", "format", value="fathom/2")),
    "36 a compressed model as one of before": with_header(
        at("__metadata__", "format", value="fathom/1"), SMALL["designed"]
    ),
    "36 another format": with_header(at("__metadata__", "format", value="pt")),
    "38 a class twice": with_card(at("model_schema", "target", "classes", value=["a", "a"])),
    "38 too many classes": with_card(
        at("model_schema", "target", "classes", value=list(range(100_001)))
    ),
    "42 a big-endian type": with_header(first(dtype=">f4")),
    "42 a big-endian claim": with_header(at("__metadata__", "byteorder", value="big")),
    "42 a big-endian length": struct.pack(">Q", len(DESCRIBED)) + DESCRIBED[8:],
    "43 a pickle": pickle.dumps({"a": np.zeros(3)}),
    "43 an old pickle": pickle.dumps({"a": 1}, protocol=0),
    "43 an npz": zipped(is_numpy=True),
    "43 a .pt or .keras": zipped(),
    "43 an .h5": b"\x89HDF\r\n\x1a\n" + b"\0" * 500,
    "43 an .onnx": b"\x08\x08\x12\x06fathom" + b"\0" * 100,
    "43 a .npy": b"\x93NUMPY\x01\x00" + b"\0" * 100,
}  # fmt: skip


@pytest.mark.parametrize("attack", FILES)
def test_files(attack, tmp_path):
    refused(tmp_path / "a.fathom", FILES[attack])


def picture(**change):
    sides = {"kind": "image", "height": 16_384, "width": 16_384, "channels": 1024}
    return at("model_schema", "input", value=sides | change)


def architecture(*layers, shape=(3,)):
    last = {"kind": "dense", "units": 2, "activation": "softmax"}
    value = {"input_shape": list(shape), "layers": [*layers, last], "loss": "cross_entropy"}
    return at("architecture", value=value)


CONVOLUTION = {"kind": "conv2d", "channels": 65_536, "kernel": [64, 64]}
BLOCK = {"kind": "residual", "layers": [{"kind": "dense", "units": 3}] * 60}
HOT = {"kind": "columns", "n_numbers": 0, "codes": [1000] * 30_000, "most_one_hot": 1000}
WIDE = {"kind": "columns", "n_numbers": 3, "form": "thermometer", "bins": HUGE}
CANDIDATES = ("design", "report", "candidates")
BOMBS = {
    "a huge picture": picture(),
    "a huge picture the network takes": lambda c: architecture(shape=(16_384, 16_384, 1024))(
        picture()(c)
    ),
    "a huge input": architecture(shape=(HUGE,)),
    "a picture of a network": architecture(shape=(10**6, 10**6, 3)),
    "a kernel of a million": architecture(CONVOLUTION | {"kernel": [10**6] * 2}, shape=(64, 64, 1)),
    "large kernels": architecture(CONVOLUTION, {"kind": "flatten"}, shape=(64, 64, 1024)),
    "a layer of 10^9": architecture({"kind": "dense", "units": HUGE}),
    "a layer of 10^6": architecture({"kind": "dense", "units": 10**6}),
    "two layers of 10^4": architecture(*[{"kind": "dense", "units": 10**4}] * 2),
    "5,000 layers": architecture(*[{"kind": "dense", "units": 1}] * 5000),
    "300 layers of nothing": architecture(*[{"kind": "activation"}] * 300),
    "blocks of blocks": architecture(*[BLOCK] * 100),
    "one-hot of 3 · 10^7": architecture(HOT, shape=(30_000,)),
    "one-hot of 10^7": architecture(HOT | {"codes": [1000] * 10_000}, shape=(10_000,)),
    "a thermometer of 10^9": architecture(WIDE),
    "a thousand networks": at("n_networks", value=1000),
    "10^9 networks": at("n_networks", value=HUGE),
    "10^5 columns by name": at("model_schema", "input", value={
        "kind": "numbers", "n_features": 10**5, "names": ["a"] * 10**5}),
    "10^7 features": at("model_schema", "input", value={"kind": "numbers", "n_features": 10**7}),
    "a long word": at("fathom_version", value="0" * 10**6),
    "a long class": at("model_schema", "target", "classes", value=["a", "b" * 10**6]),
}  # fmt: skip
COLUMNS = ("model_schema", "input", "columns")
DESIGN_BOMBS = {
    "10^4 columns": at(*COLUMNS, value=[
        {"name": str(n), "kind": "category"} for n in range(10_000)]),
    "10^5 words": at(*COLUMNS, 2, "categories", value=[str(n) for n in range(100_000)]),
    "texts": at(*COLUMNS, value=[{"name": str(n), "kind": "text"} for n in range(10_000)]),
    "10^9 folds": at("design", "report", "n_folds", value=HUGE),
    "3,000 members": lambda c: at("design", "members", value=c["design"]["members"] * 1000)(c),
    "wide genes": at("design", "members", 0, "genes", "width", value=HUGE),
    "deep genes": at("design", "members", 0, "genes", "depth", value=HUGE),
    "many folds of a member": at("design", "members", 0, "folds", value=list(range(10**5))),
    "12,000 candidates": lambda c: at(
        *CANDIDATES, value=c["design"]["report"]["candidates"] * 4000)(c),
    "10^5 outputs": at("model_schema", "target", value={"task": "numbers", "n_outputs": 10**5}),
    "10^5 classes": at("model_schema", "target", value={
        "task": "classes", "classes": list(range(10**5))}),
}  # fmt: skip


@pytest.mark.parametrize("bomb", [*BOMBS, *DESIGN_BOMBS])
def test_37_description_bombs(bomb, tmp_path):
    is_designed = bomb in DESIGN_BOMBS
    change = DESIGN_BOMBS[bomb] if is_designed else BOMBS[bomb]
    refused(tmp_path / "a", with_card(change, DESIGNED if is_designed else DESCRIBED))


def stumps(n):
    """Make a forest of trees that are a leaf each."""
    return {
        "trees.0.forest.roots": np.arange(n, dtype=float),
        "trees.0.forest.leaves": np.zeros((n, 1)),
    }


def chain(n):
    """Make one tree of n steps, each node a leaf to the left and the next node to the right."""
    number = 2 * np.arange(n, dtype=float)
    nodes = np.column_stack([number, 0 * number, number + 1, number + 2, 0 * number])
    return {
        "trees.0.forest.roots": np.zeros(1), "trees.0.forest.leaves": np.zeros((n + 1, 1)),
        "trees.0.forest.nodes": nodes,
    }  # fmt: skip


@pytest.mark.parametrize("bomb", [stumps(101), stumps(10**5), chain(10**4), chain(10**5)])
def test_37_trees_that_would_take_long_to_predict(bomb, tmp_path):
    def changed(tensors):
        kept = {name: a for name, a in tensors.items() if not name.startswith("trees.0.forest.")}
        return kept | {"trees.0.forest.base": tensors["trees.0.forest.base"]} | bomb

    refused(tmp_path / "a", with_tensors(changed), "at most .* (trees|steps)")


def test_30_truncated_at_every_byte():
    for n in range(len(DESCRIBED)):
        with pytest.raises(ModelFileError):
            unpack(DESCRIBED[:n])


@pytest.mark.parametrize("kind", ["described", "designed"])
def test_31_flipped_bits(kind, tmp_path):
    """Every bit where a file begins, some of every part; all of another is in test_archive.py."""
    content = bytearray(DESCRIBED if kind == "described" else DESIGNED)
    n = len(content)
    places = [*range(200), *range(200, n, n // 100)]
    left = []
    for place in places:
        for bit in range(8):
            content[place] ^= 1 << bit
            try:
                _, metadata, data = unpack(bytes(content))
                digest = hashlib.sha256(metadata["card"].encode() + data).hexdigest()
                if metadata["format"] == "fathom/1" and digest == metadata["sha256"]:
                    left.append((place, bit))
            except (ModelFileError, KeyError):
                pass
            content[place] ^= 1 << bit
    for place, bit in left[::9]:  # flips in the names of tensors, which are compared with the card
        content[place] ^= 1 << bit
        refused(tmp_path / "a", bytes(content))
        content[place] ^= 1 << bit


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("content", [DESCRIBED, DESIGNED])
def test_33_weights_that_are_not_finite(value, content, tmp_path):
    raw, data = parted(content)
    header = json.loads(raw)
    for bad in (struct.pack("<d", value) + data[8:], data[:-4] + struct.pack("<f", value)):
        digest = hashlib.sha256(header["__metadata__"]["card"].encode() + bad).hexdigest()
        header["__metadata__"]["sha256"] = digest
        refused(tmp_path / "a", framed(json.dumps(header).encode(), bad), "finite")


def test_33_denormal_weights_are_numbers(tmp_path):
    def changed(tensors):
        return {name: a if a.dtype == np.float64 else a * 0 + np.float32(1e-45)
                for name, a in tensors.items()}  # fmt: skip

    (tmp_path / "a").write_bytes(with_tensors(changed, DESCRIBED))
    shares = load(tmp_path / "a").predict_proba(np.ones((1, 3)))
    np.testing.assert_allclose(shares, 0.5)


def test_38_hostile_class_names_are_only_names(tmp_path):
    names = ["<script>alert(1)</script>", "\u202e\x1b[31m\n"]
    (tmp_path / "a").write_bytes(with_card(at("model_schema", "target", "classes", value=names)))
    assert list(load(tmp_path / "a").classes_) == names


@pytest.mark.parametrize("n", [0, 7, 100, len(DESIGNED) - 1, len(DESIGNED) + 1])
def test_39_a_file_that_is_cut_or_grows_while_it_is_read(n, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(DESIGNED)
    status = os.fstat

    def while_read(handle):
        found = status(handle)
        with open(path, "r+b") as file:
            file.truncate(n)
        return found

    monkeypatch.setattr(container.os, "fstat", while_read)
    refused(path)


def test_40_places_that_hold_no_model(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(tmp_path / "s"))
    for place in ("pipe", "loop", "dangling", "empty", "absent", "s", "n" * 5000):
        refused(tmp_path / place)
    door.close()
    for place in ("/dev/zero", "/dev/null", "/proc/self/mem", "a\0b", "/"):
        refused(Path(place) if "\0" not in place else place)
    closed = tmp_path / "closed"
    closed.write_bytes(DESCRIBED)
    closed.chmod(0)
    if not os.access(closed, os.R_OK):  # root reads whatever there is
        refused(closed, None, "ermission")

    def deny(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(container.os, "open", deny)
    refused(closed, None, "Permission denied")


def test_40_a_link_to_a_model_is_a_model(tmp_path):
    (tmp_path / "link").symlink_to(FOLDER / "0.1.0-described.fathom")
    assert len(load(tmp_path / "link").networks_) == 2


CALLS = ("mkstemp", "fdopen", "fsync", "chmod", "replace", "open")


@pytest.mark.parametrize("call", CALLS)
def test_40_a_disk_that_fails_at_any_step_leaves_the_older_file(call, tmp_path, monkeypatch):
    model, path = load(FOLDER / "0.1.0-described.fathom"), tmp_path / "a.fathom"
    save(model, path)
    for strange in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        with monkeypatch.context() as patch:

            def fail(*arguments, strange=strange, **options):
                raise strange

            patch.setattr(container.tempfile if call == "mkstemp" else container.os, call, fail)
            with pytest.raises((ModelFileError, KeyboardInterrupt)):
                save(model, path)
        assert path.read_bytes() == DESCRIBED
        assert [file.name for file in tmp_path.iterdir()] == ["a.fathom"]


def test_40_a_disk_that_is_full(tmp_path):
    """A real write that fails half way: a file may not grow beyond 10,000 bytes."""
    designed, path = load(FOLDER / "0.1.0-designed.fathom"), tmp_path / "a.fathom"
    path.write_bytes(DESCRIBED)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        with pytest.raises(ModelFileError, match=r"to write .* File too large"):
            save(designed, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == DESCRIBED
    assert [file.name for file in tmp_path.iterdir()] == ["a.fathom"]


SAID = json.loads((FOLDER / "0.1.0.json").read_text())
SAID_SMALL = json.loads((FOLDER / "0.1.0-compressed.json").read_text())


@pytest.mark.parametrize("kind", SMALL)
def test_41_a_compressed_model_of_0_1_0_says_what_it_said(kind, tmp_path):
    model, said = load(FOLDER / f"0.1.0-compressed-{kind}.fathom"), SAID_SMALL[kind]
    if kind == "described":
        found = model.predict_proba(np.array(said["rows"]))
    else:
        found = model.predict(pd.DataFrame(said["rows"]))
    np.testing.assert_allclose(found, said["predictions"], rtol=1e-5, atol=1e-5)
    assert model.compression_.storage == "int8"
    save(model, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == SMALL[kind]


def of_type(dtype, change, which="first"):
    """Change the first tensor of a type, or the first whose name ends in something."""

    def changed(tensors):
        name = next(
            name for name, array in sorted(tensors.items())
            if array.dtype == dtype and (which == "first" or name.endswith(which))
        )  # fmt: skip
        return tensors | {name: change(tensors[name])}

    return changed


def put(value, place=0):
    def changed(array):
        array = array.copy()
        array[place] = value
        return array

    return changed


SMALL_CARD = ("compression", "storage")
SMALL_TENSORS = {
    "a scale of 0": of_type("<f4", put(0), ".scales"),
    "a scale below 0": of_type("<f4", lambda a: -a, ".scales"),
    "a scale that overflows": of_type("<f4", put(3e38), ".scales"),
    "a scale next to nothing": of_type("<f4", put(1e-42), ".scales"),
    "a scale between others": of_type("<f4", lambda a: np.nextafter(a, np.float32(9)), ".scales"),
    "weights that leave room": of_type("i1", lambda a: a // 2),
    "a weight of -128": of_type("i1", put(-128)),
    "a weight too few": of_type("i1", lambda a: a[:-1]),
    "a weight too many": of_type("i1", lambda a: np.append(a, a[:1])),
    "weights in a square": of_type("i1", lambda a: a.reshape(1, -1)),
    "weights as floats": of_type("i1", lambda a: a.astype(np.float32)),
    "scales as doubles": of_type("<f4", lambda a: a.astype(np.float64), ".scales"),
    "a scale too few": of_type("<f4", lambda a: a[:-1], ".scales"),
    "the rest in eight bits": of_type("<f4", lambda a: a.astype(np.int8), ".rest"),
    "no scales": lambda t: {n: a for n, a in t.items() if not n.endswith(".scales")},
    "no rest": lambda t: {n: a for n, a in t.items() if not n.endswith(".rest")},
    "one more": lambda t: t | {"network.0.more": np.zeros(3, np.int8)},
    "doubles in eight bits": lambda t: {
        n: np.ones(a.shape, np.int8) if a.dtype == np.float64 else a for n, a in t.items()},
}  # fmt: skip
SMALL_CARDS = {
    "float16 where there is int8": at(*SMALL_CARD, value="float16"),
    "float32 where there is int8": at(*SMALL_CARD, value="float32"),
    "bits of no kind": at(*SMALL_CARD, value="int4"),
    "no story": at("compression", value=None),
    "an endless story": at("compression", "notes", value=["x"] * 1000),
    "a long word": at("compression", "asked", value="x" * 10**6),
    "a step of code": at("compression", "steps", 0, "code", value="x"),
}
SMALL_LAYERS = {
    "softmax within": {"kind": "dense", "units": 6, "activation": "softmax"},
    "another width": {"kind": "dense", "units": 7, "activation": "selu"},
    "a million neurons": {"kind": "dense", "units": 1_000_000},
    "another layer": {"kind": "conv2d", "channels": 3, "kernel": [3, 3]},
    "no layer": {"kind": "dropout", "rate": 0.1},
}


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("attack", SMALL_TENSORS)
def test_tensors_of_a_compressed_model(attack, kind, tmp_path):
    refused(tmp_path / "a", with_tensors(SMALL_TENSORS[attack], SMALL[kind]))


@pytest.mark.parametrize("attack", SMALL_CARDS)
def test_cards_of_a_compressed_model(attack, tmp_path):
    for content in SMALL.values():
        refused(tmp_path / "a", with_card(SMALL_CARDS[attack], content))


@pytest.mark.parametrize("attack", [*SMALL_LAYERS, "many"])
def test_layers_of_a_compressed_member(attack, tmp_path):
    wanted = [SMALL_LAYERS[attack]] if attack != "many" else [SMALL_LAYERS["another width"]] * 9
    layers = at("design", "members", 0, "layers", value=wanted)
    refused(tmp_path / "a", with_card(layers, SMALL["designed"]))


@pytest.mark.parametrize("content", SMALL.values(), ids=SMALL)
def test_scales_that_are_not_finite(content, tmp_path):
    tensors, _, _ = unpack(content)
    with pytest.raises(ModelFileError, match="finite"):
        pack(of_type("<f4", put(np.nan), ".scales")(tensors), lambda data: {})
    raw, data = parted(content)
    header = json.loads(raw)
    begin = next(e for n, e in header.items() if n.endswith(".scales"))["data_offsets"][0]
    for value in (np.nan, np.inf):
        bad = data[:begin] + struct.pack("<f", value) + data[begin + 4 :]
        digest = hashlib.sha256(header["__metadata__"]["card"].encode() + bad).hexdigest()
        header["__metadata__"]["sha256"] = digest
        refused(tmp_path / "a", framed(json.dumps(header).encode(), bad), "finite")


def test_41_a_described_model_of_0_1_0_says_what_it_said():
    model, said = load(FOLDER / "0.1.0-described.fathom"), SAID["described"]
    found = model.predict_proba(np.array(said["rows"]))
    np.testing.assert_allclose(found, said["predictions"], atol=1e-6)
    assert list(model.classes_) == ["ja <b>", "nein 不"]


def test_41_a_designed_model_of_0_1_0_says_what_it_said():
    model, said = load(FOLDER / "0.1.0-designed.fathom"), SAID["designed"]
    found = model.predict(pd.DataFrame(said["rows"]))
    np.testing.assert_allclose(found, said["predictions"], rtol=1e-5, atol=1e-5)


def test_44_within_256_mib_of_address_space(tmp_path):
    """Load a model and refuse bombs where only so much may be added to what a process has."""
    bombs = {
        "hot": with_card(BOMBS["one-hot of 3 · 10^7"]), "wide": with_card(BOMBS["a layer of 10^6"]),
        "texts": with_card(DESIGN_BOMBS["texts"], DESIGNED), "many": FILES["32 10,001 tensors"],
    }  # fmt: skip
    for name, content in bombs.items():
        (tmp_path / name).write_bytes(content)
    program = (
        "import re, resource, sys\n"
        "from fathom import load\nfrom fathom.errors import ModelFileError\n"
        "load(sys.argv[1])\n"
        "size = int(re.search(r'VmSize:\\s+(\\d+)', open('/proc/self/status').read())[1]) * 1024\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + 2**28,) * 2)\n"
        "load(sys.argv[1])\n"
        "for path in sys.argv[2:]:\n"
        "    try:\n        load(path)\n        print('loaded')\n"
        "    except ModelFileError:\n        print('refused')\n"
    )
    paths = [FOLDER / "0.1.0-designed.fathom", *(tmp_path / name for name in bombs)]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, paths)], capture_output=True, text=True
    )
    assert done.stdout.split() == ["refused"] * len(bombs), done.stderr


def test_killed_while_saving_there_is_always_a_whole_file():
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "kill_saving.py"), "--times", "12"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 times" in done.stdout


def test_mutants_are_refused_or_harmless(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    fuzzer = importlib.import_module("fuzz_models")
    contents = [DESCRIBED, DESIGNED, *SMALL.values()]
    with np.errstate(all="ignore"):
        told = fuzzer.fuzz(contents, fuzzer.rows_of(contents), 0, 0, None, n_mutants=90)
    assert told["wrong"] == 0, told
    fates = {what.split(": ")[1] for what in told["counts"]}
    assert {"refused", "loaded"} <= fates
    lots = [fuzzer.Mutator(contents, 0, lot) for lot in (0, 0, 1)]
    again, same, other = ([lot.make() for _ in range(5)] for lot in lots)
    assert again == same != other
