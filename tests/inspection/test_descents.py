"""Descents against NumPy by hand, the training loop, and each other."""

import math
import re
from xml.etree import ElementTree

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from fathom import Architecture, Dense, Recipe, Residual, build
from fathom.errors import InputError
from fathom.inspection.comparisons import (
    Comparison,
    Entry,
    compare_initializers,
    compare_learning_rates,
    compare_optimizers,
    initialized_by,
)
from fathom.inspection.descent_study import (
    LEADS,
    TITLES,
    DescentStudy,
    Effort,
    affordable_epochs,
    steepest,
    study_descent,
)
from fathom.inspection.descents import PLAIN, Descent, Walker, descend, draw_start, walk_together
from fathom.inspection.example import hand_worked
from fathom.inspection.landscape import Landscape
from fathom.inspection.phrasebook import say_page
from fathom.inspection.valleys import Starts, find_valleys, try_starts
from fathom.nn.layer import partition
from fathom.training.loop import train
from fathom.training.plan import Examples

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3))
Y = (X @ [1.0, -2.0, 0.5] > 0).astype(int)
BITS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
XOR = np.array([[0], [1], [1], [0]], float)
ONE_NEURON = Architecture(
    input_shape=(3,), layers=(Dense(units=1, activation="sigmoid"),), loss="binary_cross_entropy"
)
LINE = Architecture(
    input_shape=(1,), layers=(Dense(units=1, activation="identity", has_bias=False),),
    loss="squared_error",
)  # fmt: skip
SMALL = Architecture(
    input_shape=(3,),
    layers=(Dense(units=5, activation="tanh"), Dense(units=2, activation="softmax")),
    loss="cross_entropy",
)
XOR_NETWORK = Architecture(
    input_shape=(2,),
    layers=(Dense(units=2, activation="sigmoid"), Dense(units=1, activation="sigmoid")),
    loss="binary_cross_entropy",
)


def plain(**changes):
    return PLAIN.model_copy(update=changes)


def row_of(network):
    return np.asarray(ravel_pytree(partition(network)[0])[0])


def made_up(losses, steps=None, **changes):
    given = {"name": "made up", "start": 0, "optimizer": "gradient_descent", "learning_rate": 0.1}
    steps = range(len(losses)) if steps is None else steps
    return Descent(**{**given, "steps_per_epoch": 1, **changes}, steps=list(steps), losses=losses)


def test_a_descent_is_the_one_by_hand():
    walk = descend(ONE_NEURON, X, Y[:, None], plain(learning_rate=0.5, epochs=30), n_looks=30)
    start = build(ONE_NEURON, jax.random.fold_in(jax.random.key(0), 0))
    weights = np.append(np.asarray(start.layers[0].weight[0]), start.layers[0].bias).astype(float)
    inputs = np.column_stack([X, np.ones(24)])
    for step in range(31):
        z = inputs @ weights
        loss = np.mean(np.log1p(np.exp(z)) - Y * z)
        np.testing.assert_allclose(walk.path.weights[step], weights, atol=2e-6)
        assert walk.descent.losses[step] == pytest.approx(loss, abs=2e-6)
        weights = weights - 0.5 * inputs.T @ (1 / (1 + np.exp(-z)) - Y) / 24
    assert walk.path.steps.tolist() == list(range(31))
    np.testing.assert_array_equal(walk.path.weights[-1], row_of(walk.network))


@pytest.mark.parametrize("optimizer", ["gradient_descent", "nesterov", "adamw", "muon"])
def test_a_descent_is_what_training_does(optimizer):
    recipe = Recipe(
        optimizer=optimizer, learning_rate=0.02, schedule="cosine", batch_size=7, epochs=6,
        weight_decay=0.01, validation_fraction=0, seed=4,
    )  # fmt: skip
    network = draw_start(SMALL, X, 4, 2)
    examples = Examples(
        jnp.asarray(X, jnp.float32), jnp.asarray(Y, jnp.int32), jnp.ones(24, jnp.float32)
    )
    trained, history = train(network, SMALL, recipe, examples, None, start=2)
    walk = descend(SMALL, X, Y, recipe, start=2, n_looks=3)
    assert history.best_epoch == 6
    assert walk.descent.steps_per_epoch == 4
    # Another engine may have trained, whose sums are rounded otherwise.
    np.testing.assert_allclose(row_of(walk.network), row_of(trained), atol=2e-5)


@pytest.mark.parametrize("batch_size", [5, 1000])
def test_walking_together_is_walking_alone(batch_size):
    recipe = plain(epochs=9, batch_size=batch_size, optimizer="momentum")
    walkers = [
        Walker(f"w{n}", draw_start(SMALL, X, 0, n), rate, n) for n, rate in enumerate((0.1, 0.5, 2))
    ]
    together = walk_together(SMALL, X, Y, recipe, walkers, n_looks=4, keep_path=True)
    for walker, walk in zip(walkers, together, strict=True):
        alone = walk_together(SMALL, X, Y, recipe, [walker], n_looks=4, keep_path=True)[0]
        np.testing.assert_allclose(walk.path.weights, alone.path.weights, atol=1e-5)
        np.testing.assert_allclose(walk.descent.losses, alone.descent.losses, atol=1e-5)
        assert walk.descent.learning_rate == walker.learning_rate


@pytest.mark.parametrize(("epochs", "n_looks"), [(12, 5), (7, 3), (3, 10), (13, 6)])
def test_looks_are_even_and_end_with_the_last_step(epochs, n_looks):
    walk = descend(LINE, [[1.0], [2.0]], [[1.0], [2.0]], plain(epochs=epochs), n_looks=n_looks)
    steps = walk.descent.steps
    assert (steps[0], steps[-1]) == (0, epochs)
    assert len(steps) <= n_looks + 1
    assert (np.diff(steps)[:-1] == steps[1]).all()


@pytest.mark.parametrize(("rate", "diverges"), [(0.15, False), (0.19, False), (0.21, True)])
def test_a_descent_on_a_parabola_diverges_beyond_two_over_its_curvature(rate, diverges):
    """E = ½ mean (w x - y)² has the curvature mean x² = 10: a step beyond 2 / 10 leaps out."""
    x = np.array([[2.0], [4.0]])
    walk = descend(LINE, x, 3 * x, plain(learning_rate=rate, epochs=400))
    assert walk.descent.is_diverged == diverges
    if not diverges:
        assert walk.descent.final_loss < 1e-8


def test_a_descent_that_is_no_number_any_more_is_shown_not_raised():
    x = np.array([[2.0], [4.0]])
    descent = descend(LINE, x, 3 * x, plain(learning_rate=5.0, epochs=400)).descent
    assert descent.is_diverged
    assert descent.final_loss == math.inf
    assert "diverged" in str(descent)
    assert Descent.model_validate_json(descent.model_dump_json()) == descent
    ElementTree.fromstring(descent.to_svg())


def test_epochs_are_counted_to_the_first_look_at_a_loss():
    descent = made_up([3.0, 2.0, 2.5, 1.0, 1.5], steps=[0, 4, 8, 12, 16], steps_per_epoch=4)
    assert descent.epochs.tolist() == [0, 1, 2, 3, 4]
    assert descent.epochs_to(2.0) == 1
    assert descent.epochs_to(1.2) == 3
    assert descent.epochs_to(0.5) == math.inf


def test_a_descent_is_moving_while_it_falls():
    assert made_up(list(np.linspace(2, 1, 50))).is_moving
    assert not made_up([2.0, *[1.0] * 49]).is_moving
    assert not made_up([1.0, *[2.0] * 49]).is_moving


def end_at(network, start, loss=0.1):
    """Return a walk that ended at a network."""
    walk = walk_together(
        XOR_NETWORK, BITS, XOR, plain(epochs=1), [Walker("w", network, 1e-9, start)]
    )
    return walk[0]


def permuted(network, order):
    first, output = network.layers
    parts = (first.weight[order], first.bias[order], output.weight[:, order])
    return eqx.tree_at(
        lambda n: (n.layers[0].weight, n.layers[0].bias, n.layers[1].weight), network, parts
    )


def solved(with_weights):
    """Return a network that computes XOR: one of two neurons is OR, the other AND."""
    network = build(XOR_NETWORK, jax.random.key(0))
    return with_weights(network, ([[20, 20], [20, 20]], [-10, -30]), ([[20, -20]], [-10]))


def test_the_same_network_with_its_neurons_in_another_order_is_in_the_same_valley(with_weights):
    network = solved(with_weights)
    walks = (end_at(network, 0), end_at(permuted(network, np.array([1, 0])), 1))
    valleys = find_valleys(XOR_NETWORK, BITS, XOR, walks)
    assert [sorted(valley.starts) for valley in valleys] == [[0, 1]]
    assert valleys[0].weight_distance > 20
    np.testing.assert_allclose(valleys[0].outputs, XOR, atol=1e-3)


def test_networks_of_the_same_loss_that_do_something_else_are_in_other_valleys(with_weights):
    """Two networks that get one row wrong each, but not the same: OR and NAND."""
    network = solved(with_weights)
    either = with_weights(network, ([[20, 20], [0, 0]], [-10, -9]), ([[8, 0]], [-4]))
    not_both = with_weights(network, ([[0, 0], [20, 20]], [-9, -30]), ([[0, -8]], [4]))
    walks = tuple(end_at(one, n) for n, one in enumerate((either, not_both, network)))
    valleys = find_valleys(XOR_NETWORK, BITS, XOR, walks)
    assert [valley.starts for valley in valleys] in ([(2,), (0,), (1,)], [(2,), (1,), (0,)])
    assert valleys[1].loss == pytest.approx(valleys[2].loss, rel=1e-3)


@pytest.fixture(scope="module")
def starts():
    return try_starts(XOR_NETWORK, BITS, XOR, plain(learning_rate=1.0, epochs=2000), n_starts=12)


def test_every_start_that_did_not_diverge_is_in_one_valley(starts):
    found = sorted(start for valley in starts.valleys for start in valley.starts)
    assert found == list(range(12))
    assert starts.n_diverged == 0
    assert [v.loss for v in starts.valleys] == sorted(v.loss for v in starts.valleys)
    assert len(starts.valleys) > 1  # XOR with two hidden neurons has local optima
    for number, valley in enumerate(starts.valleys):
        for start, loss in zip(valley.starts, valley.losses, strict=True):
            assert starts.valley_of(start) == number
            assert starts.final_losses[start] == loss


def test_starts_are_those_of_single_descents(starts):
    alone = descend(XOR_NETWORK, BITS, XOR, plain(learning_rate=1.0, epochs=2000), start=5)
    np.testing.assert_allclose(alone.descent.losses, starts.descents[5].losses, atol=1e-4)


def test_the_chance_of_the_deepest_valley_is_that_of_drawing_it(starts):
    share = len(starts.valleys[0].starts) / 12
    assert starts.chance_of_best(1) == pytest.approx(share)
    assert starts.chance_of_best(3) == pytest.approx(share + (1 - share) * share * (2 - share))


def test_starts_say_and_show_themselves(starts):
    assert Starts.model_validate_json(starts.model_dump_json()) == starts
    assert f"12 starts, {len(starts.valleys)} valleys" in str(starts)
    page = ElementTree.fromstring(f"<div>{starts._repr_html_()}</div>")
    assert len(page) == 2


def test_starts_that_all_diverge_are_in_no_valley():
    x = np.array([[2.0], [4.0]])
    lost = try_starts(LINE, x, 3 * x, plain(learning_rate=5.0, epochs=400), n_starts=3)
    assert lost.valleys == ()
    assert lost.n_diverged == 3
    assert lost.chance_of_best(9) == 0
    assert "3 starts diverged" in str(lost)
    ElementTree.fromstring(f"<div>{lost._repr_html_()}</div>")


def test_learning_rates_are_too_small_right_too_large_or_diverge():
    x = np.array([[2.0], [4.0]])
    rates = (0.00001, 0.0001, 0.05, 0.1, 0.3, 9.0)
    found = compare_learning_rates(LINE, x, 3 * x, plain(epochs=300), rates=rates)
    verdicts = [entry.verdict for entry in found.entries]
    assert verdicts == ["too small", "too small", "right", "right", "diverges", "diverges"]
    assert [entry.name for entry in found.entries] == [f"{rate:g}" for rate in rates]
    assert found["0.1"].epochs_to(1e-6)[0] < math.inf


def test_initializers_are_compared_over_several_starts():
    found = compare_initializers(
        XOR_NETWORK, BITS, XOR, plain(learning_rate=1.0, epochs=1500),
        names=("zeros", "glorot_normal", "data_scaled"), n_starts=6, target_loss=0.2,
    )  # fmt: skip
    zeros, glorot, _ = found.entries
    assert np.isinf(zeros.epochs_to(0.2)).all()  # all neurons of a layer stay the same
    assert zeros.final_loss == pytest.approx(math.log(2), abs=1e-3)
    assert np.isfinite(glorot.epochs_to(0.2)).sum() >= 3
    assert [d.start for d in glorot.descents] == list(range(6))
    assert {d.initializer for d in glorot.descents} == {"glorot_normal"}
    assert len({d.losses[0] for d in glorot.descents}) == 6
    assert "0 of 6" in str(found)
    assert found.best.name != "zeros"


def test_what_is_compared_starts_where_single_networks_start():
    drawn = initialized_by(XOR_NETWORK, "data_scaled")
    network = draw_start(drawn, BITS, 0, 1)
    loss = Landscape(network, XOR_NETWORK, BITS, XOR).loss
    found = compare_initializers(
        XOR_NETWORK, BITS, XOR, plain(epochs=2), names=("normal", "data_scaled"), n_starts=2
    )
    assert found["data scaled"].descents[1].losses[0] == pytest.approx(loss, rel=1e-5)


def test_an_initializer_reaches_every_layer_with_weights():
    layers = (
        Dense(units=3), Residual(layers=(Dense(units=3),)), Dense(units=1, activation="sigmoid")
    )  # fmt: skip
    described = Architecture(input_shape=(2,), layers=layers, loss="binary_cross_entropy")
    changed = initialized_by(described, "orthogonal")
    inner = changed.layers[1].layers[0]
    for layer in (changed.layers[0], inner, changed.layers[2]):
        assert layer.initializer.name == "orthogonal"
    assert changed.n_parameters == described.n_parameters


def test_optimizers_begin_at_the_same_start_and_take_their_best_rate():
    found = compare_optimizers(
        SMALL, X, Y, plain(epochs=40), names=("gradient_descent", "adam"), rates=(1e-6, 0.05, 0.3)
    )
    first, second = found.entries
    assert first.descents[0].losses[0] == second.descents[0].losses[0]
    assert first.descents[0].learning_rate in (0.05, 0.3)
    assert [e.descents[0].optimizer for e in found.entries] == ["gradient_descent", "adam"]
    by_rate = compare_learning_rates(SMALL, X, Y, plain(epochs=40), rates=(1e-6, 0.05, 0.3))
    assert first.final_loss == min(entry.final_loss for entry in by_rate.entries)


def test_a_comparison_says_who_arrives_first():
    slow = Entry(name="slow", descents=(made_up([4.0, 3, 2, 1, 0.5]),))
    fast = Entry(name="fast", descents=(made_up([4.0, 1, 0.9, 0.9, 0.9]),))
    lost = Entry(name="lost", descents=(made_up([4.0, 5, 9, math.inf, math.inf]),))
    found = Comparison(subject="optimizer", entries=(slow, lost, fast), target_loss=1.0)
    assert found.best.name == "fast"
    assert found["slow"].epochs_to(1.0).tolist() == [3.0]
    lines = str(found).splitlines()
    assert lines[1].split() == ["optimizer", "η", "final", "loss", "epochs"]
    assert lines[3].split() == ["lost", "0.1", "∞", "never"]
    assert Comparison.model_validate_json(found.model_dump_json()) == found
    ElementTree.fromstring(f"<div>{found._repr_html_()}</div>")


def test_what_cannot_be_done_is_refused():
    with pytest.raises(InputError, match="1 start or more"):
        try_starts(LINE, [[1.0]], [[1.0]], n_starts=0)
    with pytest.raises(InputError, match="learning rates above 0"):
        compare_learning_rates(LINE, [[1.0]], [[1.0]], rates=(0.0, 1.0))
    with pytest.raises(InputError, match="one at least"):
        walk_together(LINE, [[1.0]], [[1.0]], PLAIN, [])
    with pytest.raises(InputError, match="one weight or two"):
        study_descent(LINE, [[1.0]], [[1.0]], plain(epochs=1), weights=("a", "b", "c"))


def test_the_steepest_weights_are_those_of_the_largest_gradient():
    network, architecture = hand_worked()
    landscape = Landscape(network, architecture, [[1.0, -1.0]], [[1.0, 0.0]])
    grads = jax.grad(
        lambda n: 0.5 * jnp.sum((n(jnp.array([[1.0, -1.0]])) - jnp.array([[1.0, 0]])) ** 2)
    )(network)
    biases = np.abs(grads.layers[2].bias)
    assert steepest(landscape, 1)[0] == f"output.neuron{int(np.argmax(biases)) + 1}.bias"


@pytest.fixture(scope="module")
def study():
    told = []
    found = study_descent(
        XOR_NETWORK, BITS, XOR, plain(learning_rate=1.0, epochs=300),
        effort=Effort(n_points=9, n_looks=20, n_starts=6, n_seeds=2, rates=(0.1, 1.0)),
        about="exclusive or <&>", on_part=lambda name, part: told.append(name),
    )  # fmt: skip
    return found, told


def test_a_study_has_every_part_and_tells_of_each(study):
    found, told = study
    assert [name for name, _ in found.parts()] == list(TITLES)
    assert found.between == found.fog.surface
    assert set(told) == {name for name, _ in found.parts()}
    assert LEADS.keys() == TITLES.keys()
    assert found.left_out == ()
    assert found.path.loss == pytest.approx(found.descent.final_loss, rel=1e-5)
    assert DescentStudy.model_validate_json(found.model_dump_json()) == found


def test_a_study_is_a_page_without_anything_from_outside(study, in_english):
    page = study[0].page(lambda label: {"One weight": "一个权重"}.get(label, label))
    assert "<script" not in page
    assert "href" not in page
    assert "src=" not in page
    assert "exclusive or &lt;&amp;&gt;" in page
    assert "一个权重" in page
    said = say_page(study[0].page(), "zh")
    assert in_english(said) == []
    assert re.search(r"学习率 +最终损失 +轮\n0.1 +\S+ +未到达 +太小\n1 +\S+ +\S+ +合适", said)
    ElementTree.fromstring(said.removeprefix("<!DOCTYPE html>"))
    ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))


def test_a_study_without_time_says_what_it_left_out():
    found = study_descent(
        XOR_NETWORK, BITS, XOR, plain(epochs=5), effort=Effort(n_points=5, seconds=0)
    )
    assert found.left_out == ("starts", "rates", "initializers", "optimizers")
    assert found.starts is None
    assert found.fog.surface == found.path == found.between


def test_more_time_affords_more_epochs_and_more_rows_fewer():
    few = affordable_epochs(SMALL, 1000, 10, 1.0)
    assert affordable_epochs(SMALL, 1000, 10, 4.0) == pytest.approx(4 * few, rel=0.1)
    assert affordable_epochs(SMALL, 4000, 10, 1.0) == pytest.approx(few / 4, rel=0.1)
    assert affordable_epochs(SMALL, 10**9, 10, 1.0) == 1
