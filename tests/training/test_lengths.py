"""Sequences of like length in a batch: every one as often as before, and silence left out alone."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.nn.normalization import BatchNorm
from fathom.nn.sequence import Conv1D
from fathom.training import loop
from fathom.training.keeping import Keeper
from fathom.training.lengths import AFTER, LENGTHS, choose_lengths
from fathom.training.loop import make_plan, train
from fathom.training.monitor import Monitor
from fathom.training.plan import Examples, Knobs
from fathom.training.program import make_program
from fathom.training.recipe import Augmentation, Recipe
from fathom.training.rows import AlikeRows, RowStream, put_alike_together

FULL = 160
RNG = np.random.default_rng(0)
ENDS = RNG.integers(8, FULL + 1, 30)
X = RNG.integers(1, 255, (30, FULL, 5)) * (np.arange(FULL)[None, :, None] < ENDS[:, None, None])
Y = RNG.integers(1, 4, (30, 3)).astype(np.int32)
KNOWN = Examples(jnp.asarray(X.astype(np.uint8)), jnp.asarray(Y), jnp.ones(30, jnp.float32))
JUDGES = Examples(*(part[:9] for part in KNOWN))
LAYERS = (Conv1D(channels=4, kernel=3, stride=8), BatchNorm(), Dense(units=4, activation="softmax"))
DESCRIBED = Architecture(input_shape=(FULL, 5), layers=LAYERS, loss="ctc")
CHANGES = Augmentation(slide=4.0, noise=5.0)
RECIPE = Recipe(learning_rate=0.01, batch_size=4, n_lengths=2, epochs=3, augmentation=CHANGES)


def run(known=KNOWN, recipe=RECIPE, **given):
    network = build(DESCRIBED, jax.random.key(1))
    return train(network, DESCRIBED, recipe, known, JUDGES, **given)


def assert_same(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_the_lengths_are_those_with_the_least_to_work_through(most):
    lengths = choose_lengths(np.asarray(KNOWN.x), most)
    rooms = np.minimum(ENDS + AFTER, FULL)
    assert (np.take(lengths.moments, lengths.needed) >= rooms).all()

    def work(chosen):
        return sum(min(one for one in chosen if one >= room) for room in rooms)

    every = [
        (*some, FULL)
        for n in range(most)
        for some in itertools.combinations(range(LENGTHS, FULL, LENGTHS), n)
    ]
    assert len(lengths.moments) <= most
    assert np.take(lengths.moments, lengths.needed).sum() == min(map(work, every))


def test_what_is_silent_throughout_and_what_is_full_have_a_length_too():
    x = np.zeros((3, FULL, 2), np.uint8)
    x[1:] = 7
    assert choose_lengths(x, 3).moments == (AFTER, FULL)
    np.testing.assert_array_equal(choose_lengths(x, 3).needed, [0, 1, 1])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 5))
def test_rows_are_put_together_by_kind_and_none_is_lost(kinds, size):
    kinds = np.array(kinds * size)
    rows = np.random.default_rng(0).permutation(len(kinds)).astype(np.int32)
    kind_of = dict(zip(rows.tolist(), kinds.tolist(), strict=True))
    batches = put_alike_together(rows, kinds, size).reshape(-1, size)
    assert sorted(batches.reshape(-1)) == sorted(rows)
    n_mixed = sum(len({kind_of[row] for row in batch.tolist()}) > 1 for batch in batches)
    assert n_mixed < len(set(kinds.tolist()))
    np.testing.assert_array_equal(put_alike_together(rows, 0 * kinds, size), rows)


def streams(n):
    kinds, rows = np.arange(n) % 3, np.arange(n)
    plain = RowStream(rows, np.random.default_rng(5))
    return plain, AlikeRows(RowStream(rows, np.random.default_rng(5)), kinds, 4, -(-n // 4))


@pytest.mark.parametrize("n", [4, 30, 32])
def test_each_epoch_has_the_rows_it_would_have_anyway(n):
    plain, alike = streams(n)
    for _ in range(4):
        epoch = np.concatenate([alike.take(4) for _ in range(-(-n // 4))])
        np.testing.assert_array_equal(np.sort(epoch), np.sort(plain.take(len(epoch))))
        assert n % 4 or set(epoch) == set(range(n))


@pytest.mark.parametrize("n_taken", [0, 1, 7, 8, 9, 21])
def test_a_stream_of_rows_alike_goes_on_from_where_another_was(n_taken):
    first, second = streams(30)[1], streams(30)[1]
    for _ in range(n_taken):
        first.take(4)
    second.go_to(first.place())
    for _ in range(20):
        np.testing.assert_array_equal(first.take(4), second.take(4))


def test_a_step_of_fewer_moments_is_that_of_sequences_without_the_silence():
    """The oracle is an array that has no more: the same bits, and so the same gradient."""
    plan = make_plan(DESCRIBED, RECIPE, is_scanned=False)
    short = np.flatnonzero(ENDS <= 96)[None, :4].astype(np.int32)
    found = []
    for moments, known in ((96, KNOWN), (None, KNOWN._replace(x=KNOWN.x[:, :96]))):
        program = make_program(replace(plan, moments=moments))
        state = program.start(build(DESCRIBED, jax.random.key(1)))
        knobs, rates = Knobs(np.float32(0.1), np.float32(0)), np.full(1, 0.01, np.float32)
        found.append(program.advance(state, known, short, program.draw(0, 0, 0), rates, knobs))
    assert_same(*found)


def test_of_one_length_are_the_steps_of_the_plan_itself(monkeypatch):
    """As if there were no lengths: a program that is handed over has none."""
    monkeypatch.setattr(loop, "CALL_FLOP", 1.0)  # a step a call
    plain = make_program(make_plan(DESCRIBED, RECIPE, is_scanned=False))
    for known, n_lengths in ((KNOWN, 1), (KNOWN._replace(x=jnp.maximum(KNOWN.x, 1)), 2)):
        found = run(known, RECIPE.model_copy(update={"n_lengths": n_lengths}))[0]
        assert_same(found, run(known, program=plain)[0])


def test_the_same_seed_gives_the_same_bits_and_what_was_cut_short_is_done_again():
    class Cut(Monitor):
        n = 0

        def should_stop(self):
            self.n += 1
            return self.n > 12  # in the second epoch

    first, history = run()
    assert_same(first, run()[0])
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss
    cut, short = run(monitor=Cut())
    assert 8 < short.steps.n_calls < 16
    assert_same(cut, run(steps=short.steps)[0])


@pytest.mark.parametrize("call", [3, 8, 13])
def test_a_training_that_was_cut_off_comes_to_the_same_bits(call):
    class Held(Keeper):
        moment, n = None, 0

        def recall(self, start):
            return self.moment

        def consider(self, look):
            self.n += 1
            if self.n == call:
                self.moment = look()
                raise KeyboardInterrupt

    held = Held()
    with pytest.raises(KeyboardInterrupt):
        run(keeper=held)
    assert_same(run()[0], run(keeper=held)[0])


def test_a_recipe_says_nothing_of_lengths_where_there_is_one_as_ever():
    assert "n_lengths" not in Recipe().model_dump_json()
    assert Recipe.model_validate_json(Recipe(n_lengths=3).model_dump_json()).n_lengths == 3
    assert Recipe.model_validate_json(Recipe().model_dump_json()) == Recipe()
