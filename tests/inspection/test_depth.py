"""Depth: equal where it says equal, judged on rows nothing has seen, and a verdict by rule."""

import csv
import io
import itertools
import math
import re
from xml.etree import ElementTree

import jax
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import hamming_loss, root_mean_squared_error, zero_one_loss
from sklearn.metrics import log_loss as its_log_loss

from fathom.data.datasets import Digits
from fathom.data.schema import Target
from fathom.errors import InputError
from fathom.inspection.depth import (
    DepthMonitor,
    DepthRow,
    DepthStudy,
    from_arrays,
    from_digits,
    from_table,
    study_depth,
)
from fathom.inspection.depth import laboratory as laboratory_file
from fathom.inspection.depth.laboratory import (
    Order,
    Outcome,
    choose_rates,
    choose_rows,
    is_whole,
)
from fathom.inspection.depth.material import Bench, DepthData
from fathom.inspection.depth.plan import SLACK, make_plan
from fathom.inspection.depth.shapes import choose_widths, count_parameters, describe, divide
from fathom.inspection.depth.verdict import (
    compare,
    mark_all,
    p_value,
    row_spread,
    rows_for_error,
)
from fathom.inspection.phrasebook import say_text
from fathom.nn.network import build
from fathom.training.history import Epoch, StartHistory
from fathom.training.recipe import Recipe

IRIS_X, IRIS_Y = load_iris(return_X_y=True)
IRIS_X = (IRIS_X - IRIS_X.mean(axis=0)) / IRIS_X.std(axis=0)
QUICK = {"depths": (1, 3), "sizes": (0.25,), "width": 20, "epochs": 6, "time_limit": None}


@pytest.fixture(scope="module")
def iris():
    return from_arrays(IRIS_X, IRIS_Y, task="classes", n_outputs=3, name="iris")


@pytest.fixture(scope="module")
def study(iris):
    return study_depth(iris, **QUICK, n_seeds=3)


# What is equal

SIDES = {
    "n_inputs": st.integers(1, 400), "n_outputs": st.integers(1, 40), "width": st.integers(32, 300)
}  # fmt: skip


@given(depth=st.integers(1, 8), **SIDES)
def test_parameters_are_equal_within_three_percent(depth, n_inputs, n_outputs, width):
    budget = count_parameters(n_inputs, (width, width), n_outputs)
    widths = choose_widths("parameters", depth, width, n_inputs, n_outputs)
    assert len(widths) == depth
    assert max(widths) - min(widths) <= 1
    assert abs(count_parameters(n_inputs, widths, n_outputs) / budget - 1) < 0.03


@settings(max_examples=30)
@given(depth=st.integers(1, 5), n_inputs=st.integers(1, 9), n_outputs=st.integers(1, 9))
def test_no_even_division_comes_nearer_to_the_parameters(depth, n_inputs, n_outputs):
    budget = count_parameters(n_inputs, (12, 12), n_outputs)
    widths = choose_widths("parameters", depth, 12, n_inputs, n_outputs)
    off = [
        abs(count_parameters(n_inputs, divide(n, depth), n_outputs) - budget)
        for n in range(depth, 400)
    ]
    assert abs(count_parameters(n_inputs, widths, n_outputs) - budget) == min(off)


@given(depth=st.integers(1, 8), **SIDES)
def test_neurons_are_equal_and_layers_alike(depth, n_inputs, n_outputs, width):
    widths = choose_widths("neurons", depth, width, n_inputs, n_outputs)
    assert (len(widths), sum(widths)) == (depth, 2 * width)
    assert max(widths) - min(widths) <= 1
    assert choose_widths("width", depth, width, n_inputs, n_outputs) == (width,) * depth


@pytest.mark.parametrize("shape", ["parameters", "neurons", "width"])
def test_two_layers_are_the_same_in_all_shapes(shape):
    assert choose_widths(shape, 2, 37, 5, 3) == (37, 37)


def test_parameters_are_those_of_the_network_that_is_built():
    widths = choose_widths("parameters", 3, 17, 4, 3)
    described = describe(widths, 4, 3, "tanh", ("softmax", "cross_entropy"))
    network = build(described, jax.random.key(0))
    n_built = sum(leaf.size for leaf in jax.tree.leaves(network))
    assert count_parameters(4, widths, 3) == described.n_parameters == n_built


def test_too_few_neurons_for_so_many_layers_are_refused():
    with pytest.raises(InputError, match="each of 8 hidden layers a neuron"):
        choose_widths("neurons", 8, 3, 4, 2)


# Rows


@given(n=st.integers(1, 50), start=st.integers(0, 9))
def test_fewer_rows_are_a_choice_repeated_evenly(n, start):
    rows = np.arange(100, 150)
    chosen = choose_rows(rows, n, [0, start])
    assert len(chosen) == len(rows)
    values, counts = np.unique(chosen, return_counts=True)
    assert len(values) == n
    assert set(values) <= set(rows)
    assert counts.max() - counts.min() <= 1
    assert set(values) <= set(choose_rows(rows, min(n + 7, 50), [0, start]))


def test_parts_are_apart_and_have_all_classes(iris):
    parts = (iris.training, iris.validation, iris.test)
    every = np.concatenate(parts)
    assert np.array_equal(np.sort(every), np.arange(150))
    assert all(len(np.unique(iris.y[part])) == 3 for part in parts)


@pytest.fixture
def jobs(monkeypatch):
    """Return the jobs that are trained."""
    found, make = [], laboratory_file.Laboratory.make_job

    def note(self, number, order, epochs):
        found.append(make(self, number, order, epochs))
        return found[-1]

    monkeypatch.setattr(laboratory_file.Laboratory, "make_job", note)
    return found


def test_only_training_rows_are_trained_on(iris, jobs):
    study_depth(iris, **{**QUICK, "epochs": 1}, n_seeds=1)
    assert len(jobs) > 10
    for job in jobs:
        assert set(job.rows) <= set(iris.training)
        held_out = {tuple(row) for row in np.asarray(job.held_out.x)}
        assert held_out == {tuple(row) for row in iris.x[iris.validation]}


def test_test_rows_change_nothing_but_the_error(iris, study):
    x, y = iris.x.copy(), iris.y.copy()
    x[iris.test] = 99.0
    y[iris.test] = 0
    changed = DepthData(
        "iris", x, y, "classes", 3, iris.training, iris.validation, iris.test
    )  # fmt: skip
    other = study_depth(changed, **QUICK, n_seeds=3)
    for a, b in zip((*study.rows, *study.curves), (*other.rows, *other.curves), strict=True):
        assert a.validation_losses == b.validation_losses
        assert (a.learning_rate, a.epochs) == (b.learning_rate, b.epochs)
    assert [row.errors for row in study.rows] != [row.errors for row in other.rows]


def test_a_table_is_shown_as_its_training_rows_teach():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"a": rng.normal(size=200), "b": rng.choice(["u", "v", "w"], 200)})
    y = (frame["a"].to_numpy() > 0).astype(np.int64)
    target = Target(task="classes", classes=("no", "yes"))
    data = from_table(frame, target, y)
    assert data.x.shape == (200, 5)
    codes = data.x[:, 1:]
    for word in "uvw":
        of_word = codes[(frame["b"] == word).to_numpy()]
        assert (of_word == of_word[0]).all()
        assert of_word[0].sum() == 1
    others = np.setdiff1d(np.arange(200), data.training)
    a = frame["a"].to_numpy().copy()
    a[others] += 1000.0
    again = from_table(frame.with_columns(a=pl.Series(a)), target, y)
    np.testing.assert_array_equal(again.x[data.training], data.x[data.training])
    assert (again.x[others, 0] > 2.9).all()


def test_pictures_keep_the_split_they_come_with():
    x, y = load_digits(return_X_y=True)
    ink = (x.reshape(-1, 8, 8) > 7).astype(np.uint8)
    data = from_digits(Digits("d", ink[:1500], y[:1500], ink[1500:], y[1500:], True))
    np.testing.assert_array_equal(data.test, np.arange(1500, 1797))
    assert not set(data.training) & set(data.validation)
    assert data.n_inputs == 64


def test_too_few_rows_are_refused():
    with pytest.raises(InputError, match="rows enough to learn from"):
        from_arrays(IRIS_X[::20], IRIS_Y[::20], task="classes", n_outputs=3)


# How outputs are judged


def test_errors_of_classes_are_those_of_scikit_learn(iris):
    rng, bench = np.random.default_rng(1), Bench(iris)
    z, z_validation = rng.normal(size=(30, 3)), rng.normal(size=(18, 3))
    z[np.arange(30), iris.y[iris.test]] += 1
    parts, loss = bench.assess(z, z_validation)
    truth = iris.y[iris.test]
    assert bench.error(parts) == pytest.approx(zero_one_loss(truth, z.argmax(axis=1)))
    known = iris.y[iris.validation]
    sharpness = min(np.linspace(0.2, 5, 2000), key=lambda b: _log_loss(b * z_validation, known))
    assert loss == pytest.approx(_log_loss(sharpness * z, truth), abs=1e-3)


def _log_loss(z, y):
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return its_log_loss(y, p, labels=[0, 1, 2])


def test_errors_of_numbers_are_in_their_unit():
    rng = np.random.default_rng(2)
    y = 1000 + 50 * rng.normal(size=(100, 1))
    data = from_arrays(rng.normal(size=(100, 2)), y, task="numbers", n_outputs=1)
    center, spread = y[data.training].mean(), y[data.training].std()
    guess = y[data.test] + rng.normal(size=(len(data.test), 1))
    parts, _ = Bench(data).assess((guess - center) / spread, np.zeros((len(data.validation), 1)))
    assert data.error_name == "RMSE"
    expected = root_mean_squared_error(y[data.test], guess)
    assert Bench(data).error(parts) == pytest.approx(expected)


def test_errors_of_labels_are_the_share_of_wrong_ones():
    rng = np.random.default_rng(3)
    y = (rng.random((100, 3)) > 0.5).astype(np.float64)
    data = from_arrays(rng.normal(size=(100, 2)), y, task="labels", n_outputs=3)
    z = rng.normal(size=(len(data.test), 3))
    parts, _ = Bench(data).assess(z, z)
    assert Bench(data).error(parts) == pytest.approx(hamming_loss(y[data.test], z > 0))


# The verdict

LOW, HIGH = (0.10, 0.11, 0.12, 0.13, 0.14, 0.15), (0.20, 0.21, 0.22, 0.23, 0.24, 0.25)
MIXED = (0.105, 0.115, 0.125, 0.118, 0.135, 0.145)


def test_p_values_are_those_of_counting_all_orders():
    a, b = LOW[:4], (*HIGH[:3], 0.125)
    pairs = lambda x, y: sum(p > q for p in x for q in y)
    every = np.array([*a, *b])
    centered = abs(pairs(a, b) - 8)
    hits = [
        abs(pairs(every[list(rows)], np.delete(every, rows)) - 8) >= centered
        for rows in itertools.combinations(range(8), 4)
    ]
    assert p_value(a, b) == pytest.approx(np.mean(hits))
    assert p_value([0.1] * 5, [0.1] * 5) == 1.0


@pytest.mark.parametrize(
    ("shallow", "deep", "spread", "finding", "is_general"),
    [
        (HIGH, LOW, 0.01, "better", True),
        (LOW, HIGH, 0.01, "worse", True),
        (LOW, MIXED, 0.01, "no difference", False),
        (HIGH, LOW, 0.1, "better", False),  # too few test rows to say so of others
        (HIGH[:3], LOW[:3], 0.01, "no difference", True),  # three starts of each show nothing
        ((0.1,) * 6, (0.1,) * 6, 0.01, "no difference", False),
    ],
)
def test_findings_on_made_up_errors(shallow, deep, spread, finding, is_general):
    found = compare("width", (1, shallow), (3, deep), spread)
    assert (found.finding, found.is_general) == (finding, is_general)
    assert found.difference == pytest.approx(np.median(deep) - np.median(shallow))
    assert found.low < found.difference < found.high


@pytest.mark.parametrize("is_rmse", [False, True])
def test_the_luck_of_the_test_rows_is_what_drawing_them_anew_gives(is_rmse):
    rng = np.random.default_rng(4)
    a = rng.gamma(1.0, 2.0, 500)
    b = 0.7 * a + rng.gamma(1.0, 0.5, 500)
    drawn = rng.integers(0, 500, (4000, 500))
    measure = (lambda parts: 3 * np.sqrt(parts.mean(axis=-1))) if is_rmse else np.mean
    measured = [np.array([measure(parts[rows]) for rows in drawn]) for parts in (a, b)]
    errors = (float(measure(a)), float(measure(b))) if is_rmse else None
    expected = np.std(measured[1] - measured[0])
    assert row_spread(a, b, errors) == pytest.approx(expected, rel=0.1)


def test_many_depths_are_tested_together():
    near = tuple(value + 0.03 for value in LOW)
    assert p_value(LOW, near) < 0.05  # alone it would count
    assert mark_all(LOW, [near]) == ["worse"]
    assert mark_all(LOW, [near, *[MIXED] * 6]) == ["no difference"] * 7
    assert mark_all(HIGH, [LOW, HIGH]) == ["better", "no difference"]
    assert mark_all(LOW[:4], [HIGH[:4]] * 7) == ["too few starts"] * 7


def test_rows_for_an_error_between_sizes():
    assert rows_for_error([100, 400], [0.2, 0.1], 0.1) == 400
    assert rows_for_error([100, 400], [0.2, 0.1], 0.3) == 100
    assert rows_for_error([100, 400], [0.2, 0.1], 0.05) is None
    power = [0.9 * n**-0.5 for n in (100, 200, 800)]
    assert rows_for_error([100, 200, 800], power, 0.9 * 500**-0.5) == pytest.approx(500)
    assert rows_for_error([100, 200, 800], [0.2, 0.3, 0.1], 0.2) == 100
    assert rows_for_error([100, 10_000], [0.2, 0.0], 0.1) == pytest.approx(1000)


# What it says


def make_row(depth, errors, n_rows=800, shape="width"):
    errors, n = tuple(errors), len(errors)
    return DepthRow(
        shape=shape, depth=depth, widths=(5,) * depth, n_parameters=7 * depth,
        n_neurons=5 * depth, n_rows=n_rows, learning_rate=0.01, errors=errors,
        losses=errors, validation_losses=errors, epochs=(1,) * n,
    )  # fmt: skip


def make_study(*errors, curves=(), shape="width", name="error", depths=(1, 3, 5)):
    rows = [make_row(depth, e, shape=shape) for depth, e in zip(depths, errors, strict=False)]
    deep = min(rows[1:], key=lambda row: row.median)
    found = compare(shape, (1, rows[0].errors), (deep.depth, deep.errors), 0.001)
    return DepthStudy(
        data="made up", task="classes", error_name=name, n_inputs=4, n_outputs=2,
        n_training=800, n_validation=100, n_test=100, activation="relu", width=5, epochs=9,
        batch_size=32, seconds=1.0, rows=rows, curves=curves, comparisons=(found,),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ((HIGH, LOW), "Depth pays on made up: networks of more than one hidden layer err less."),
        ((LOW, HIGH), "Depth does not pay on made up: networks of more than one hidden layer err"),
        ((LOW, MIXED), "Depth does not pay on made up: networks of more than one hidden layer do "),
        ((LOW[:2], HIGH[:2]), "Whether depth pays on made up cannot be told from so few starts"),
    ],
)
def test_the_verdict_comes_first(errors, said):
    assert make_study(*errors).words()[0].startswith(said)


def test_the_numbers_are_in_the_sentences():
    study = make_study(HIGH, LOW, tuple(e + 0.2 for e in HIGH), shape="parameters")
    _, difference, course = study.words()
    for part in (
        "Equal parameters: 3 hidden layers (3×5) err less than one (5)",
        "12.50 % against 22.50 %", "-10.00 points", "p = 0.0022", "The tall one beats the fat one.",
    ):  # fmt: skip
        assert part in difference, part
    assert course == "Lowest with 3 hidden layers (12.50 %); 5 err more than one."
    assert study.findings("parameters") == {3: "better", 5: "worse"}


def test_the_sentences_are_there_in_chinese_with_their_numbers():
    several = [
        make_study(HIGH, LOW), make_study(LOW, HIGH), make_study(LOW, MIXED),
        make_study(LOW[:2], HIGH[:2]),
        make_study(HIGH, LOW, tuple(e + 0.2 for e in HIGH), shape="parameters"),
        make_study(HIGH, LOW, name="RMSE", shape="neurons"),
    ]  # fmt: skip
    for study in several:
        for sentence in study.words():
            said = say_text(sentence, "zh")
            assert said != sentence
            assert set(re.findall(r"\d+\.\d+", said)) == set(re.findall(r"\d+\.\d+", sentence))


def test_an_rmse_is_not_a_percentage():
    said = " ".join(make_study(HIGH, LOW, name="RMSE").words())
    assert "0.125 against 0.225, difference -0.1 (95" in said
    assert "%" not in said.replace("95 %", "")


def test_the_rows_a_depth_needs_are_said():
    errors = ((1, 0.5, 0.4), (3, 0.45, 0.25), (5, 0.6, 0.5), (7, 0.35, 0.3))
    curves = [
        make_row(d, [e] * 2, n_rows=n)
        for d, *each in errors
        for n, e in zip((100, 200), each, strict=True)
    ]
    study = make_study(
        [0.2] * 6, [0.1] * 6, [0.45] * 6, [0.2] * 6, curves=curves, depths=(1, 3, 5, 7)
    )
    assert study.words()[-1] == (
        "Training rows for an error of 40.00 % with equal width: 200 for one hidden layer, "
        "about 115 for 3 and at most 100 for 7; 5 do not get there with all of them."
    )
    needs = {need.depth: need.n_rows for need in study.rows_needed(0.15)}
    assert needs[1] is None
    share = math.log(0.25 / 0.15) / math.log(0.25 / 0.1)
    assert needs[3] == pytest.approx(200 * 4**share)
    assert "200" in study.table().splitlines()[-5]


def test_a_table_shows_every_start_where_there_is_room(study):
    wide, narrow = study.table(), study.table(width=80)
    assert "│" in wide
    assert "•" in wide
    assert max(map(len, narrow.splitlines())) <= 80
    assert study.table(blocks=False).replace("×", "x").isascii()
    assert study.table() in str(study)


# From end to end


def test_a_study_says_what_was_trained(study, iris):
    assert [(row.shape, row.depth) for row in study.rows] == [
        (shape, depth) for shape in ("parameters", "neurons", "width") for depth in (1, 3)
    ]
    for row in (*study.rows, *study.curves):
        assert row.n_parameters == count_parameters(4, row.widths, 3)
        assert all(1 <= epoch <= 6 for epoch in row.epochs)
        assert all(0 <= error <= 1 for error in row.errors)
        misread = np.array(row.errors) * 30
        np.testing.assert_allclose(misread, misread.round(), atol=1e-9)
    assert [len(row.errors) for row in study.rows] == [3] * 6
    n = len(iris.training)
    assert [(c.shape, c.depth, c.n_rows) for c in study.curves] == [
        ("parameters", depth, math.ceil(n / 4)) for depth in (1, 3)
    ]
    assert [len(c.errors) for c in study.curves] == [2, 2]
    assert (study.n_seeds, study.epochs, study.n_test) == (3, 6, 30)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_study(iris, study):
    again = study_depth(iris, **QUICK, n_seeds=3)
    assert again.model_copy(update={"seconds": study.seconds}) == study
    other = study_depth(iris, **QUICK, n_seeds=1, seed=1)
    assert other.rows[0].losses[0] != study.rows[0].losses[0]


def test_a_network_is_the_same_whatever_else_is_trained(iris, study):
    alone = study_depth(
        iris, **{**QUICK, "sizes": (), "depths": (3,)}, shapes=("width",), n_seeds=2
    )
    (row,) = alone.rows
    of_all = next(r for r in study.rows if (r.shape, r.depth) == ("width", 3))
    assert row.learning_rate == of_all.learning_rate
    assert row.losses == of_all.losses[:2]
    assert alone.comparisons == ()
    assert alone.words() == ("One depth only: nothing to compare.",)


def test_a_study_goes_to_json_and_back(study):
    assert DepthStudy.model_validate_json(study.model_dump_json()) == study


def test_a_row_that_contradicts_itself_is_refused():
    with pytest.raises(InputError, match="one width for each hidden layer"):
        make_row(2, LOW).model_copy(update={"widths": (5,)})
    with pytest.raises(InputError, match="one error, loss and epoch"):
        make_row(2, LOW).model_copy(update={"epochs": (1,)})


def test_csv_has_a_line_for_every_network(study):
    lines = list(csv.DictReader(io.StringIO(study.csv())))
    assert len(lines) == 6 * 3 + 2 * 2
    first = study.rows[0]
    assert [float(line["error"]) for line in lines[:3]] == pytest.approx(first.errors)
    assert lines[0]["parameters"] == str(first.n_parameters)


def test_the_page_is_whole_and_fetches_nothing(study):
    page = study.page().removeprefix("<!DOCTYPE html>")
    tree = ElementTree.fromstring(page)
    charts = [e for e in tree.iter() if e.get("class") == "fathom-chart"]
    assert len(charts) == 2 + 3
    for sign in ("http:", "https:", "<script", "url("):
        assert sign not in page.replace("http://www.w3.org/2000/svg", "")
    assert study.words()[0] in "".join(tree.itertext())


class Noting(DepthMonitor):
    """Notes what happens; asks to stop after so many networks."""

    def __init__(self, after=math.inf):
        self.after, self.stages, self.outcomes = after, [], []

    def on_stage(self, stage, n_networks):
        self.stages.append(stage)

    def on_result(self, outcome):
        self.outcomes.append(outcome)

    def should_stop(self):
        return len(self.outcomes) >= self.after


def test_within_a_time_limit_it_plans_itself(iris):
    watch = Noting()
    found = study_depth(
        iris, depths=(1, 2), shapes=("width",), width=8, time_limit=8.0, monitor=watch
    )
    assert found.seconds < 3 * 8  # however slow the machine becomes meanwhile
    assert watch.stages[0] == "compiling, measuring speed"
    assert watch.stages[1] == "choosing learning rates"
    assert watch.stages[-1].startswith("training from")
    assert found.n_seeds >= 2
    assert all(order.widths for order in (o.order for o in watch.outcomes))


def test_no_time_at_all_is_refused(iris):
    with pytest.raises(InputError, match="time enough to train networks"):
        study_depth(iris, depths=(1, 2), time_limit=0.01)


def test_a_request_to_stop_keeps_what_is_there(iris):
    watch = Noting()
    whole = study_depth(iris, **QUICK, n_seeds=4, monitor=watch)
    n_judged = sum(o.order.start < 1000 for o in watch.outcomes)
    last = Noting(after=len(watch.outcomes) - n_judged // 4)
    part = study_depth(iris, **QUICK, n_seeds=4, monitor=last)
    assert 1 <= part.n_seeds < 4
    assert part.rows[0].errors == whole.rows[0].errors[: part.n_seeds]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"depths": (0, 1)}, "hidden layers from 1"),
        ({"depths": ()}, "hidden layers from 1"),
        ({"shapes": ("height",)}, "shapes among parameters"),
        ({"width": 0}, "width from 1"),
        ({"n_seeds": 0}, "n_seeds from 1"),
        ({"sizes": (-1,)}, "sizes above 0"),
        ({"activation": "softmax"}, "activation function for hidden"),
        ({"time_limit": 0}, "a time limit above 0"),
    ],
)
def test_what_cannot_be_is_refused(iris, wrong, said):
    with pytest.raises(InputError, match=said):
        study_depth(iris, **{"time_limit": 1.0, **wrong})


# Learning rates, trainings cut short, and the plan


def test_the_rate_is_that_of_the_lowest_mean_loss():
    def outcome(widths, rate, start, loss):
        return Outcome(Order(widths, rate, start, 9), 0.0, 0.0, loss, 1, np.zeros(1))

    outcomes = [
        outcome((3,), 0.01, 0, 0.1), outcome((3,), 0.01, 1, 0.9),
        outcome((3,), 0.003, 0, 0.4), outcome((3,), 0.003, 1, 0.4),
        outcome((2, 2), 0.01, 0, 0.2), outcome((2, 2), 0.003, 0, 0.2),
    ]  # fmt: skip
    assert choose_rates(outcomes) == {(3,): 0.003, (2, 2): 0.003}


def test_rates_are_tried_on_until_the_best_is_within(iris, jobs):
    study = study_depth(
        iris, depths=(2,), shapes=("width",), sizes=(), epochs=8, n_seeds=1, time_limit=None
    )
    tried = sorted({job.recipe.learning_rate for job in jobs})
    best = study.rows[0].learning_rate
    assert {0.003, 0.01} < set(tried)
    assert tried[0] < best < tried[-1] or best == 0.1


def epochs(*losses):
    return tuple(
        Epoch(epoch=n, train_loss=1.0, train_score=0.5, validation_loss=loss, learning_rate=0.1,
              seconds=float(n)) for n, loss in enumerate(losses, 1)
    )  # fmt: skip


def test_trainings_cut_short_do_not_count():
    recipe = Recipe(epochs=4, patience=2)
    assert is_whole(StartHistory(epochs=epochs(4, 3, 2, 1), best_epoch=4), recipe)
    assert is_whole(StartHistory(epochs=epochs(1, 2, 3), best_epoch=1), recipe)
    assert not is_whole(StartHistory(epochs=epochs(4, 3), best_epoch=2), recipe)


@given(
    seconds=st.floats(1, 1000), epoch_s=st.floats(1e-4, 1), curve=st.floats(0, 1),
    aim=st.integers(20, 150),
)  # fmt: skip
def test_a_plan_fits_the_time_as_long_as_anything_does(seconds, epoch_s, curve, aim):
    plan = make_plan(seconds, epoch_s, curve, aim)
    assert plan.epochs <= aim
    curves = curve * math.ceil(plan.n_seeds / 2) if plan.has_sizes else 0.0
    needed = SLACK * plan.epochs * ((3.3 + plan.n_seeds) * epoch_s + curves)
    is_least = plan.n_seeds <= 3 and plan.epochs == 5
    is_rounded = needed <= seconds + SLACK * plan.epochs * curve / 2
    assert is_rounded or is_least
    assert plan.n_seeds >= 6 or not plan.has_sizes


def test_a_plan_keeps_what_is_given():
    assert make_plan(50, 0.3, 0.3, 40, n_seeds=4).n_seeds == 4
    assert make_plan(50, 0.3, 0.3, 40, epochs=7).epochs == 7
    free = make_plan(math.inf, 0.0, 0.0, 40)
    assert (free.epochs, free.n_seeds, free.has_sizes) == (40, 8, False)
