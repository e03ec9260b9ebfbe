"""Genes: every one that is drawn, bred or in the portfolio makes a network and a recipe."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.data.features import Layout
from fathom.data.schema import Target
from fathom.errors import InputError
from fathom.nn.network import build
from fathom.search.portfolio import first_members
from fathom.search.space import INPUT_FORMS, MOST_DEPTH, WIDTHS, Genes, draw_genes, mutate

LAYOUT = Layout(n_numbers=3, n_plain=2, codes=(3, 40))
TARGETS = {
    "classes": Target(task="classes", classes=("a", "b", "c")),
    "labels": Target(task="labels", n_outputs=2, is_flat=False),
    "numbers": Target(task="numbers", n_outputs=2, is_flat=False),
}
OUTPUTS = {
    "classes": ("softmax", "cross_entropy", 3),
    "labels": ("sigmoid", "binary_cross_entropy", 2),
    "numbers": ("identity", "squared_error", 2),
}
seeds = st.integers(0, 2**32 - 1)


def change(genes, seed, **more):
    given_ = {"has_numbers": True, "best_share": 0.8, "gap": 0.1, "can_log": True,
              "has_trees": True, **more}  # fmt: skip
    return mutate(genes, np.random.default_rng(seed), **given_)


@pytest.mark.parametrize("form", INPUT_FORMS)
@pytest.mark.parametrize("task", TARGETS)
def test_genes_make_a_network_that_gives_zeros_at_its_start(form, task):
    architecture = Genes(input_form=form, depth=2, width=8).architecture(LAYOUT, TARGETS[task])
    activation, loss, n_outputs = OUTPUTS[task]
    assert (architecture.output_activation, architecture.loss) == (activation, loss)
    assert architecture.n_outputs == n_outputs
    x = jnp.asarray(np.abs(np.random.default_rng(0).normal(size=(5, LAYOUT.width))), jnp.float32)
    z = build(architecture, jax.random.key(0)).combine(x)
    np.testing.assert_array_equal(z, np.zeros((5, n_outputs)))


def test_depth_0_is_linear_and_its_words_say_so():
    genes = Genes(depth=0)
    architecture = genes.architecture(LAYOUT, TARGETS["numbers"])
    assert [layer.kind for layer in architecture.layers] == ["columns", "gain", "dense"]
    assert str(genes).startswith("linear, ")
    assert "2 × 64 relu, dropout 0.1" in str(
        Genes(depth=2, width=64, activation="relu", dropout=0.1)
    )


def test_the_recipe_is_that_of_the_genes():
    genes = Genes(learning_rate=0.03, weight_decay=0.5, epochs=7, batch_size=31,
                  label_smoothing=0.1, schedule="linear")  # fmt: skip
    recipe = genes.recipe(5)
    for name in ("learning_rate", "weight_decay", "epochs", "batch_size", "label_smoothing",
                 "schedule"):  # fmt: skip
        assert getattr(recipe, name) == getattr(genes, name)
    assert (recipe.rates, recipe.beta_2, recipe.seed) == ("by_role", 0.95, 5)


@settings(deadline=None, max_examples=60)
@given(seeds, st.booleans(), st.sampled_from(WIDTHS))
def test_what_is_drawn_lies_in_the_prior(seed, has_numbers, width):
    usual = Genes(width=width, epochs=33, batch_size=64)
    genes = draw_genes(np.random.default_rng(seed), usual, has_numbers=has_numbers)
    assert Genes.model_validate(genes.model_dump()) == genes
    assert 1 <= genes.depth <= 4
    assert genes.width <= width
    assert 0.01 <= genes.learning_rate <= 0.12
    assert 1e-3 <= genes.weight_decay <= 0.3
    assert (genes.epochs, genes.batch_size) == (33, 64)
    assert has_numbers or genes.input_form == "robust"


@settings(deadline=None, max_examples=120)
@given(seeds, st.booleans(), st.floats(0, 1), st.floats(-1, 5), st.booleans(), st.booleans())
def test_what_is_bred_again_and_again_stays_in_bounds(seed, has_numbers, share, gap, log, trees):
    rng, genes = np.random.default_rng(seed), Genes()
    for _ in range(12):
        genes, told = mutate(
            genes, rng, has_numbers=has_numbers, best_share=share, gap=gap, can_log=log,
            has_trees=trees,
        )  # fmt: skip
        assert Genes.model_validate(genes.model_dump()) == genes
        assert told
    assert 1 <= genes.depth <= MOST_DEPTH
    assert genes.width in WIDTHS
    assert 4 <= genes.epochs <= 300
    assert log or not genes.is_log_target
    assert trees or not genes.has_trees
    assert has_numbers or genes.input_form == "periodic"


def test_a_childs_words_name_what_differs_and_nothing_else():
    parent = Genes()
    for seed in range(40):
        child, told = change(parent, seed)
        differing = [n for n in Genes.model_fields if getattr(child, n) != getattr(parent, n)]
        assert len(differing) <= 2
        if not differing:
            assert told == "another random start"
        for name in differing:
            assert name.replace("_", " ") + " " in told


def test_of_a_linear_model_nothing_is_changed_that_it_does_not_have():
    parent = Genes(depth=0, input_form="robust", dropout=0.0)
    for seed in range(100):
        child, _ = change(parent, seed)
        if not child.depth:
            assert (child.width, child.dropout, child.activation) == (256, 0.0, "selu")


def test_overfitting_asks_for_more_regularization_and_an_early_best_for_fewer_epochs():
    parent = Genes()
    children = [change(parent, seed, gap=2.0, best_share=0.2)[0] for seed in range(200)]
    assert all(child.dropout >= parent.dropout for child in children)
    assert all(child.weight_decay >= parent.weight_decay for child in children)
    assert all(child.width <= parent.width for child in children)
    assert all(child.epochs <= parent.epochs for child in children)
    late = [change(parent, seed, best_share=1.0)[0] for seed in range(200)]
    assert all(child.epochs >= parent.epochs for child in late)


@pytest.mark.parametrize("is_classes", [True, False])
@pytest.mark.parametrize("has_numbers", [True, False])
@pytest.mark.parametrize("has_trees", [True, False])
def test_the_portfolio_begins_linear_and_holds_no_network_twice(is_classes, has_numbers, has_trees):
    members = first_members(
        Genes(epochs=40), is_classes=is_classes, has_numbers=has_numbers, has_trees=has_trees
    )
    assert members[0].depth == 0
    assert not members[0].has_trees
    assert len(set(members)) == len(members) >= 3
    assert has_trees == any(genes.has_trees for genes in members)
    if not has_numbers:
        assert {genes.input_form for genes in members} <= {"robust", "quantile"}
    for genes in members:
        assert Genes.model_validate(genes.model_dump()) == genes


def test_the_structure_is_what_is_compiled():
    genes = Genes()
    handed = {"dropout": 0.5, "learning_rate": 1e-3, "weight_decay": 0.0, "epochs": 5,
              "is_log_target": True, "schedule": "linear"}  # fmt: skip
    assert genes.model_copy(update=handed).structure == genes.structure
    for change_ in ({"depth": 2}, {"width": 64}, {"has_trees": True}, {"input_form": "robust"}):
        assert genes.model_copy(update=change_).structure != genes.structure
    linear = genes.model_copy(update={"depth": 0})
    assert linear.model_copy(update={"width": 64}).structure == linear.structure


@pytest.mark.parametrize(
    "changes", [{"depth": 9}, {"dropout": 1.0}, {"input_form": "other"}, {"epochs": 0}]
)
def test_genes_that_cannot_be_are_refused(changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        Genes(**changes)
