"""The encoding of texts as tensors: back to the bit, and refused where it cannot be one."""

import numpy as np
import pytest

from fathom.data.schema import Schema, TableInput, Target
from fathom.data.text import TextEncoding
from fathom.deployment.texts import require_texts, restore_texts, text_shapes, text_tensors
from fathom.errors import ModelFileError
from fathom.nn.architecture import Architecture
from fathom.nn.bag import Bag
from fathom.nn.dense import Dense

ENCODING = TextEncoding.fit(["a great day", "a dull day", "rain"])


def network(units=2, activation="softmax"):
    layers = (Bag(codes=ENCODING.n_codes, units=4), Dense(units=units, activation=activation))
    loss = "cross_entropy" if activation == "softmax" else "squared_error"
    return Architecture(input_shape=(2 * ENCODING.length,), layers=layers, loss=loss)


def bag_upon_bag():
    layers = (*network().layers[:1], Bag(codes=9, units=4), network().layers[-1])
    return network().model_copy(update={"layers": layers})


def schema(*kinds):
    columns = [{"name": f"c{n}", "kind": kind} for n, kind in enumerate(kinds)]
    table = TableInput.model_validate({"columns": columns})
    return Schema(input=table, target=Target(task="classes", classes=("no", "yes")))


def test_an_encoding_comes_back_to_the_bit():
    tensors = text_tensors(ENCODING)
    assert {n: (a.shape, a.dtype.type) for n, a in tensors.items()} == text_shapes(network())
    found = restore_texts(network(), tensors)
    np.testing.assert_array_equal(found.hashes, ENCODING.hashes)
    texts = ["a great rain", "nothing"]
    np.testing.assert_array_equal(found.encode(texts), ENCODING.encode(texts))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("encoding.hashes", lambda a: a[::-1].copy()),
        ("encoding.hashes", lambda a: a + 0.5),
        ("encoding.hashes", lambda a: a * 2.0**32),
        ("encoding.hashes", lambda a: -a),
        ("encoding.hashes", lambda a: np.full_like(a, np.nan)),
        ("encoding.rarity", lambda a: -a),
        ("encoding.rarity", lambda a: a * np.nan),
        ("encoding.rarity", lambda a: a * np.inf),
    ],
)
def test_arrays_that_are_no_encoding_are_refused(name, change):
    tensors = text_tensors(ENCODING)
    with pytest.raises(ModelFileError):
        restore_texts(network(), {**tensors, name: change(tensors[name])})


def test_a_network_that_does_not_go_with_its_table_is_refused():
    require_texts(network(), schema("text", "identifier"))
    for wrong in (schema("text", "number"), schema("identifier")):
        with pytest.raises(ModelFileError, match="text alone"):
            require_texts(network(), wrong)
    with pytest.raises(ModelFileError, match="first layer alone"):
        require_texts(bag_upon_bag(), schema("text"))
    with pytest.raises(ModelFileError, match="2 softmax"):
        require_texts(network(3), schema("text"))
    with pytest.raises(ModelFileError, match="2 softmax"):
        require_texts(network(2, "identity"), schema("text"))
