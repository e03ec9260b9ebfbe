import subprocess
import sys
from dataclasses import FrozenInstanceError

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom import Architecture, BatchNorm, Columns, Dense, Dropout, Gain, Residual, build
from fathom.nn.keys import host_key
from fathom.nn.layer import Statistic, is_trainable, partition
from fathom.nn.network import draw
from fathom.nn.tree import (
    Module,
    changed,
    divide,
    fixed,
    is_on_host,
    join,
    leaves,
    named_leaves,
    on_device,
    rebuild,
    transform,
)

EVERYTHING = Architecture(
    input_shape=(6,),
    layers=(
        Columns(n_numbers=3, n_plain=1, codes=(3, 20), form="periodic"),
        Gain(),
        Dense(units=8),
        Residual(layers=(BatchNorm(), Dense(units=5), Dropout(rate=0.25))),
        Dense(units=3, activation="softmax"),
    ),
    loss="cross_entropy",
)


class Pair(Module):
    left: object
    right: object
    name: str = fixed(default="pair")


@pytest.fixture(scope="module")
def network():
    return build(EVERYTHING, jax.random.key(3))


def test_leaves_and_their_names_are_those_jax_finds(network):
    found = jax.tree_util.tree_leaves_with_path(network)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in found]
    assert [name for name, _ in named_leaves(network)] == names
    assert all(ours is theirs for ours, (_, theirs) in zip(leaves(network), found, strict=True))
    assert "layers.3.layers.0.running_mean.value" in names
    assert "layers.4.weight" in names


def test_what_is_rebuilt_is_what_jax_makes(network):
    ours = transform(lambda leaf: leaf + 1, network)
    theirs = jax.tree.map(lambda leaf: leaf + 1, network)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for one, other in zip(leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(one, other)
    assert ours.layers[0].one_hot == network.layers[0].one_hot


def test_a_tree_goes_through_jax_with_its_fixed_fields():
    pair = jax.jit(lambda pair: changed(pair, left=2 * pair.left))(Pair(jnp.ones(3), None, "two"))
    assert isinstance(pair, Pair)
    assert (pair.name, pair.right) == ("two", None)
    np.testing.assert_array_equal(pair.left, [2, 2, 2])
    assert jax.tree.structure(pair) != jax.tree.structure(changed(pair, name="three"))


def test_what_is_divided_joins_to_the_same(network):
    trainable, others = partition(network)
    assert all(map(is_trainable, leaves(trainable)))
    assert trainable.layers[3].layers[0].running_mean is None
    assert isinstance(others.layers[3].layers[0].running_mean, Statistic)
    assert others.layers[4].weight is None
    joined = join(trainable, others)
    assert all(a is b for a, b in zip(leaves(joined), leaves(network), strict=True))
    assert jax.tree.structure(joined) == jax.tree.structure(network)


def test_modules_that_stay_whole_go_to_the_others():
    tree = (Statistic(np.ones(2)), np.zeros(3), 4, None)
    mine, others = divide(tree, lambda leaf: isinstance(leaf, np.ndarray), Statistic)
    assert (mine[0], mine[2:]) == (None, (None, None))
    assert (others[1], others[2:]) == (None, (4, None))
    assert others[0] is tree[0]


def test_a_module_is_a_value_that_does_not_change():
    pair = Pair(np.ones((2, 3), np.float32), 1)
    with pytest.raises(FrozenInstanceError):
        pair.left = 2
    other = changed(pair, left=5)
    assert (other.left, other.right, other.name) == (5, 1, "pair")
    assert pair.left is not other.left
    assert repr(pair) == "Pair(left=float32[2, 3], right=1, name='pair')"


def test_a_tree_wants_as_many_leaves_as_it_has():
    with pytest.raises((StopIteration, RuntimeError)):
        rebuild((1, 2, 3), iter([1, 2]))


def test_a_network_drawn_by_numbers_is_the_one_drawn_by_their_key():
    ours, theirs = draw(EVERYTHING, host_key(7)), draw(EVERYTHING, jax.random.key(7))
    assert is_on_host(ours)
    assert not is_on_host(theirs)
    for one, other in zip(leaves(ours), leaves(theirs), strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other)
    moved = on_device(ours)
    assert all(isinstance(leaf, jax.Array) for leaf in leaves(moved))
    x = jnp.asarray(np.random.default_rng(0).random((4, 6)), jnp.float32)
    np.testing.assert_array_equal(ours(x), theirs(x))
    np.testing.assert_array_equal(moved(x), theirs(x))


def test_an_outline_has_every_shape_and_takes_no_memory():
    outline, drawn = draw(EVERYTHING, None), draw(EVERYTHING, host_key(0))
    assert [leaf.shape for leaf in leaves(outline)] == [leaf.shape for leaf in leaves(drawn)]
    assert all(leaf.strides == (0,) * leaf.ndim for leaf in leaves(outline))
    assert jax.tree.structure(outline) == jax.tree.structure(drawn)


def test_a_class_made_before_jax_is_loaded_is_a_tree_to_it():
    code = """
import sys
from fathom.nn.keys import host_key
from fathom.nn.network import draw
from fathom import Architecture, Dense
from fathom.nn.xla import jax, is_loaded
described = Architecture(input_shape=(2,), layers=(Dense(units=3),), loss="squared_error")
network = draw(described, host_key(0))
assert not is_loaded() and "jax" not in sys.modules
assert len(jax.tree.leaves(network)) == 2
assert is_loaded()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_network_is_a_tree_to_who_has_jax_already():
    code = """
import jax
from fathom.nn.tree import Module
class Line(Module):
    slope: object
    name: object
assert len(jax.tree.leaves(Line(1.0, 2.0))) == 2
"""
    subprocess.run([sys.executable, "-c", code], check=True)
