"""``train --replay``: a model trained again from its own file, and what is refused."""

import hashlib
import json

import polars as pl
import pytest

from fathom.deployment.container import pack, unpack


def test_a_model_is_trained_again_and_is_the_same_file(trained, fathom, tmp_path):
    folder, _ = trained
    asked = ("--replay", folder / "m.fathom", "--output", "again.fathom")
    run = fathom("train", *asked, "--json")
    assert run.code == 0, run.out + run.err
    said = next(event for event in run.events if event["event"] == "replay")
    assert said["is_same"]
    assert said["is_same_file"], said
    assert said["rows"] == 200
    done = [event for event in run.events if event["event"] == "network"]
    assert len(done) == said["networks"]
    assert (tmp_path / "again.fathom").read_bytes() == (folder / "m.fathom").read_bytes()
    assert run.events[-1]["event"] == "done"
    words = fathom("train", *asked).out
    assert "The same to the last byte: the weights of" in words
    assert "So is the whole file" in words


def test_it_stands_beside_the_model_where_no_place_is_given(trained, fathom, tmp_path):
    moved = tmp_path / "moved.fathom"
    moved.write_bytes((trained[0] / "m.fathom").read_bytes())
    assert fathom("train", "--replay", moved).code == 0
    assert (tmp_path / "moved.replayed.fathom").read_bytes() == moved.read_bytes()
    said = fathom("train", "--replay", moved, "--output", moved).refusal
    assert "--output other than" in said


def test_other_rows_are_refused(trained, fathom, customers, tmp_path, monkeypatch):
    model = trained[0] / "m.fathom"
    asked = ("--target", "churn", "--replay", model)
    customers.with_columns(age=pl.col("age").reverse()).write_csv(tmp_path / "other.csv")
    assert "the very rows the model was trained on" in fathom("train", "other.csv", *asked).refusal
    customers.head(150).write_csv(tmp_path / "fewer.csv")
    assert "200 rows" in fathom("train", "fewer.csv", *asked).refusal
    assert "--group as in the first" in fathom("train", *asked, "--group", "city").refusal
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "cache"))
    assert "--target COLUMN --replay" in fathom("train", "--replay", model).refusal


def test_what_cannot_be_replayed_is_refused(trained, fathom, tmp_path):
    model = trained[0] / "m.fathom"
    both = fathom("train", "--replay", model, "--continue", model)
    assert "--continue and --replay" in both.refusal
    assert "absent.fathom" in fathom("train", "--replay", "absent.fathom").refusal
    old = tmp_path / "old.fathom"
    old.write_bytes(without_record(model.read_bytes()))
    asked = ("train", trained[0] / "customers.csv", "--target", "churn", "--replay", old)
    assert "an older version made it" in fathom(*asked).refusal


@pytest.mark.parametrize("place", ["network", "target"])
def test_a_difference_is_said_and_gives_another_exit_code(trained, fathom, tmp_path, place):
    changed = tmp_path / "changed.fathom"
    changed.write_bytes(nudged((trained[0] / "m.fathom").read_bytes(), place))
    asked = ("train", trained[0] / "customers.csv", "--target", "churn", "--replay", changed)
    run = fathom(*asked)
    assert run.code == 1, run.out + run.err
    assert "Not the same. What differs:" in run.out
    assert "versions and machine" in run.out


def without_record(content):
    tensors, metadata, _ = unpack(content)
    card = json.loads(metadata["card"])
    del card["design"]["record"]
    return remade(tensors, card)


def nudged(content, place):
    """Change the last bit of one number."""
    tensors, metadata, _ = unpack(content)
    name = next(name for name in tensors if name.startswith(place))
    array = tensors[name].copy()
    array.reshape(-1)[-1] += 1e-3 + abs(array.reshape(-1)[-1]) * 1e-3
    return remade({**tensors, name: array}, json.loads(metadata["card"]))


def remade(tensors, card):
    text = json.dumps(card)

    def describe(data):
        digest = hashlib.sha256(text.encode() + data).hexdigest()
        return {"format": "fathom/1", "card": text, "sha256": digest}

    return b"".join(pack(tensors, describe))
