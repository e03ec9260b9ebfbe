"""The simulation of searches: what can be worked out by hand comes out, and losses only cost."""

import math

import numpy as np
import pytest

FREE = dict.fromkeys(("start", "first", "last", "result", "submit", "fold", "encode", "tree"), 0.0)


@pytest.fixture(scope="module")
def costs(scale):
    return scale.Costs(
        weight=1e-9, update=1e-8, row=1e-5, epoch=1e-2, again=0.0, trained=1.0, **FREE
    )


@pytest.fixture(scope="module")
def loads(scale):
    """Return two steps of trials of many sizes, some with trees."""
    rng = np.random.default_rng(3)

    def draw(fold):
        return scale.Load(fold, 1000, 10, int(rng.integers(4, 60)), int(rng.integers(100, 20_000)),
                          bool(rng.random() < 0.3))  # fmt: skip

    return [[draw(0) for _ in range(12)], [draw(fold) for fold in (1, 2) for _ in range(5)]]


def times(steps, costs):
    return [[load.training(costs) for load in step] for step in steps]


def test_training_costs_rows_times_epochs_times_parameters(scale, costs):
    load = scale.Load(0, 2000, 10, 30, 5000, batch=300)
    steps = 7 * 5000e-8
    assert load.training(costs) == pytest.approx(30 * (2000 * (5000e-9 + 1e-5) + steps + 1e-2))


def test_one_worker_takes_the_sum_of_all_costs(scale, loads):
    costs = scale.Costs()
    found = scale.simulate(loads, scale.Machines(), costs)
    flat = [load for step in loads for load in step]
    with_trees = {load.fold for load in flat if load.has_trees}
    preparing = 3 * (costs.fold + costs.encode * 10_000) + len(with_trees) * costs.tree * 1000
    own = costs.first + costs.last + costs.start + 22 * (costs.result + costs.submit)
    training = sum(map(sum, times(loads, costs)))
    assert found.seconds == pytest.approx(own + preparing + training)
    assert found.work == pytest.approx(costs.start + preparing + training)
    assert (found.n_trials, found.n_counted, found.tally.n_done) == (22, 1, 22)


def test_as_many_workers_as_trials_take_the_longest_of_each_step(scale, costs, loads):
    found = scale.simulate(loads, scale.Machines(nodes=1, slots=12), costs)
    assert found.seconds == pytest.approx(sum(map(max, times(loads, costs))))
    many = scale.simulate(loads, scale.Machines(nodes=5, slots=100, bandwidth=math.inf), costs)
    assert many.seconds == pytest.approx(found.seconds)


@pytest.mark.parametrize("slots", [2, 3, 5])
def test_a_few_workers_take_no_less_than_their_share_and_little_more(scale, costs, loads, slots):
    found = scale.simulate(loads, scale.Machines(slots=slots), costs)
    each = times(loads, costs)
    least = sum(max(sum(step) / slots, max(step)) for step in each)
    most = sum(sum(step) / slots + max(step) * (1 - 1 / slots) for step in each)  # Graham's bound
    assert least - 1e-9 <= found.seconds <= most + 1e-9


def test_workers_that_take_turns_on_a_core_are_no_faster(scale, costs, loads):
    alone = scale.simulate(loads, scale.Machines(slots=1), costs)
    turns = scale.simulate(loads, scale.Machines(slots=4, cores=1), costs)
    assert turns.seconds >= alone.seconds


@pytest.mark.parametrize("seed", range(5))
def test_what_a_worker_loses_is_added_to_what_it_does(scale, costs, loads, seed):
    found = scale.simulate(loads, scale.Machines(dying=0.2), costs, seed)
    tally = found.tally
    assert tally.n_lost > 0
    assert found.seconds == pytest.approx(tally.seconds + tally.seconds_lost)
    assert tally.n_done + tally.n_abandoned == 22
    assert found.n_counted == 1


@pytest.mark.parametrize("seed", range(5))
def test_lost_machines_cost_time_and_nothing_else(scale, costs, loads, seed):
    sound = scale.Machines(nodes=4, slots=2)
    lossy = scale.Machines(nodes=4, slots=2, failure_s=3.0, back_s=4.0, noticed_s=1.0)
    whole = scale.simulate(loads, sound, costs)
    found = scale.simulate(loads, lossy, costs, seed)
    assert found.n_machines_lost > 0
    assert found.n_counted == whole.n_counted == 1
    assert found.tally.n_done + found.tally.n_abandoned == 22
    assert found.seconds >= sum(map(max, times(loads, costs))) or found.tally.n_abandoned
    assert found.seconds > whole.seconds * 0.75  # another order may be luckier, by so much at most
    assert found.work + found.tally.seconds_lost <= 8 * found.seconds


def test_the_table_goes_from_machine_to_machine_twice_as_many_each_time(scale, loads):
    costs = scale.Costs(
        weight=0.0, update=0.0, row=0.0, epoch=1.0, again=0.0, cell_bytes=100.0, **FREE
    )
    step = [scale.Load(0, 1000, 10, 7, 50)] * 8
    machines = scale.Machines(nodes=8, bandwidth=1e5)  # 10 s for one copy
    found = scale.simulate([step], machines, costs)
    assert found.seconds == pytest.approx(3 * 10 + 7)  # 1, 2, 4, 8 machines have it
    again = scale.simulate([step, step], machines, costs)
    assert again.seconds == pytest.approx(3 * 10 + 7 + 7)  # brought once


def test_the_same_seed_gives_the_same_and_another_does_not(scale, costs, loads):
    machines = scale.Machines(nodes=3, slots=2, spread=0.3, dying=0.1, failure_s=20.0)
    one, same, other = (scale.simulate(loads, machines, costs, seed) for seed in (1, 1, 2))
    assert one == same
    assert one.seconds != other.seconds


def test_a_plan_is_what_the_strategy_asks_for(scale):
    costs = scale.Costs(trained=1.0)
    small = scale.plan(1000, 10, costs, rounds=2)
    assert [load.fold for load in small[0]] == [0] * 12  # the portfolio
    assert {load.fold for load in small[1]} == {1, 2, 3, 4}
    assert min(load.parameters for load in small[0]) < 500  # a linear model is in it
    assert small == scale.plan(1000, 10, costs, rounds=2)
    large = scale.plan(1_000_000, 10, costs, rounds=2)
    assert [len(step) for step in large] == [12, 12]  # one fold
    assert len(scale.plan(1_000_000, 10, costs, rounds=1, size=40)[0]) == 40
    assert len(scale.plan(10**9, 10, costs, rounds=1)[0]) == 1  # no more is affordable


def test_costs_that_made_times_are_found_again(scale, simulated):
    true = scale.Costs(weight=3e-9, update=5e-9, row=2e-6, epoch=4e-3, fold=0.1, encode=5e-6,
                       tree=2e-4, again=3e-7, start=2.5, result=0.02,
                       submit=0.0, trained=0.5)  # fmt: skip
    runs = []
    for rows in (300, 6000):  # with batches of two sizes
        now, trials = true.first, []
        for step in scale.plan(rows, 5, true, rounds=1):
            known = set()
            for number, load in enumerate(step):
                training = load.training(true) - true.again * load.cells
                before = true.again * load.cells + load.preparing(true, known)
                seconds = training + before + (0.0 if trials else true.start)
                known |= {(load.fold, False), (load.fold, load.has_trees)}
                now += seconds + true.result
                trials.append({
                    "number": number, "fold": load.fold, "node": "1", "planned": 2 * load.epochs,
                    "epochs": load.epochs, "parameters": load.parameters,
                    "has_trees": load.has_trees, "seconds": seconds,
                    "batch": load.batch,
                    "processor": [before, training],
                    "at": now,
                })  # fmt: skip
            break  # the first step is enough
        runs.append({"rows": rows, "columns": 5, "workers": 1, "cores": 1, "load": 0.0,
                     "wall": now + true.last, "trials": trials})  # fmt: skip
    found, spread = simulated.fit(runs)
    for name in (
        "weight",
        "update",
        "row",
        "epoch",
        "encode",
        "tree",
        "start",
        "result",
        "last",
        "trained",
    ):
        assert getattr(found, name) == pytest.approx(getattr(true, name), rel=0.05), name
    assert spread < 1e-6
    assert simulated.steps_of(runs[0]) == [sorted(
        scale.plan(300, 5, true, rounds=1)[0], key=lambda load: 0
    )]  # fmt: skip
