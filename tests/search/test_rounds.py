"""Searches in rounds: the same trials and the same bytes, whoever does them, whatever ends them."""

import hashlib

import numpy as np
import polars as pl
import pytest

from fathom.data.columns import infer_columns
from fathom.data.parsing import parse_table
from fathom.data.schema import Target
from fathom.deployment.comparison import find_differences
from fathom.errors import InputError
from fathom.estimators import FathomClassifier
from fathom.parallel.processes import Processes
from fathom.search import rounds as in_rounds
from fathom.search import strategy
from fathom.search.design import Plan
from fathom.search.rounds import Rounds, RoundStrategy, as_rounds, design_in_rounds
from fathom.search.space import Genes
from fathom.training.monitor import Deadline, Monitor

RNG = np.random.default_rng(0)
N = 90
X = RNG.normal(size=(N, 3))
CLASSES = (X[:, 0] * X[:, 1] > 0).astype(int)
FRAME = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]})
PARSED = parse_table(FRAME, infer_columns(FRAME)[0])
TARGET = Target(task="classes", classes=("no", "yes"))
WEIGHT = np.ones(N, np.float32)
MEMBERS = [
    Genes(depth=0, input_form="quantile", epochs=8, batch_size=32),
    Genes(depth=1, width=16, epochs=8, batch_size=32),
    Genes(depth=1, width=16, epochs=8, batch_size=32, input_form="robust", has_trees=True),
]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Keep the search small, as far as the process that decides goes: workers are told."""
    monkeypatch.setattr(strategy, "first_members", lambda *_, **__: MEMBERS)
    for name, value in {"FOLDS": 2, "N_FOREST": 5, "BOOST_ROUNDS": 3}.items():
        monkeypatch.setattr(in_rounds, name, value)


def search(folder, address="here", *, monitor=None, seed=5, n_rounds=2, seconds=None):
    rounds = Rounds(address=address, n_rounds=n_rounds, size=3, journal=str(folder))
    return design_in_rounds(
        PARSED, TARGET, CLASSES, WEIGHT, Plan(seed), rounds,
        deadline=Deadline(seconds), monitor=monitor,
    )[0]  # fmt: skip


def trials(folder):
    """Return the digest of each trial's bytes, under the key of what was asked for."""
    places = (folder / "results").glob("*.bin")
    return {place.stem: hashlib.sha256(place.read_bytes()).hexdigest() for place in places}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return a search by this process alone, and the folder of its journal."""
    with pytest.MonkeyPatch.context() as patch:
        _small.__wrapped__(patch)
        folder = tmp_path_factory.mktemp("alone") / "j"
        return search(folder), folder


def require_same(found, folder, alone):
    expected, whole = alone
    assert trials(folder) == trials(whole)
    assert find_differences(expected, found, PARSED) == ()
    untimed = {"seconds": 0.0, "notes": ()}
    one, other = (
        report.model_copy(
            update={
                **untimed,
                "candidates": [c.model_copy(update={"seconds": 0.0}) for c in report.candidates],
            }
        )
        for report in (expected.report, found.report)
    )
    assert one == other


def test_a_search_alone_trains_what_it_should(alone):
    found, folder = alone
    candidates = found.report.candidates
    assert [c.genes for c in candidates[:3]] == MEMBERS
    assert 3 < len(candidates) <= 6
    n_trials = sum(max(c.n_folds, 1) for c in candidates)
    assert len(trials(folder)) >= n_trials
    assert found.report.stopped == "all 2 rounds are over"
    assert found.report.n_folds == 2


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])  # two, of which one dies, below
def test_processes_come_to_the_same_trials_and_the_same_bytes(alone, tmp_path, count):
    found = search(tmp_path / "j", f"processes:{count}")
    require_same(found, tmp_path / "j", alone)


def test_a_search_that_loses_workers_comes_to_the_same(alone, tmp_path, monkeypatch):
    victims = []

    class Deadly(Processes):
        """Kills its worker in the middle of the second task, and of the fourth."""

        def submit(self, task, placed):
            ticket = super().submit(task, placed)
            if ticket in (2, 4):
                victims.append(self.process_ids()[0])
                self._workers[0].process.kill()
            return ticket

    monkeypatch.setattr(in_rounds, "open_executor", lambda address: Deadly(1))
    found = search(tmp_path / "j")
    assert len(victims) == 2
    assert "2 trials were begun again: 2 whose worker was lost" in found.report.notes[0]
    require_same(found, tmp_path / "j", alone)


def test_a_search_that_was_cut_off_goes_on_from_its_journal(alone, tmp_path):
    class Impatient(Monitor):
        def __init__(self):
            self.n_heard = set()

        def on_epoch(self, start, epoch):
            self.n_heard.add(start)

        def should_stop(self):
            return len(self.n_heard) >= 2

    cut = search(tmp_path / "j", monitor=Impatient())
    n_known = len(trials(tmp_path / "j"))
    assert 2 <= n_known < len(trials(alone[1]))
    assert cut.report.stopped == Monitor.stop_reason
    found = search(tmp_path / "j")
    assert f"{n_known} trials were known from the journal" in found.report.notes[0]
    require_same(found, tmp_path / "j", alone)


def test_more_rounds_go_on_from_the_journal_of_fewer(alone, tmp_path):
    search(tmp_path / "j", n_rounds=1)
    found = search(tmp_path / "j", n_rounds=2)
    require_same(found, tmp_path / "j", alone)


def test_a_round_has_as_many_candidates_as_asked_for_drawn_where_the_portfolio_ends():
    workpiece = in_rounds._workpiece(PARSED, TARGET, CLASSES, WEIGHT, Plan(5))
    one, other = (RoundStrategy(workpiece.material, 5, None, 8).open_round() for _ in range(2))
    assert [tried.genes for tried in one[:3]] == MEMBERS
    assert [tried.origin for tried in one] == ["portfolio"] * 3 + ["drawn at random"] * 5
    assert [tried.number for tried in one] == list(range(8))
    assert [tried.genes for tried in one] == [tried.genes for tried in other]
    assert len({tried.genes for tried in one}) == 8


def test_the_journal_of_another_seed_is_refused(alone):
    with pytest.raises(InputError, match="another seed"):
        search(alone[1], seed=6)


def test_an_estimator_takes_an_executor(tmp_path):
    rounds = Rounds(address="here", n_rounds=1, size=3)
    model = FathomClassifier(time_limit=None, random_state=0)
    model.fit(X, CLASSES, executor=rounds)
    assert model.report_.stopped == "the one round is over"
    assert model.predict(X).shape == (N,)


def test_what_is_no_executor_is_refused():
    assert as_rounds(None) is None
    assert as_rounds("processes:2") == Rounds(address="processes:2")
    with pytest.raises(InputError, match="executor as an address"):
        as_rounds(4)
    with pytest.raises(InputError, match="an address of workers"):
        as_rounds("somewhere")
