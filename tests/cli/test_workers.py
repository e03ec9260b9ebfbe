"""The verb `train` with workers: what it says, what it leaves, what it refuses."""

import pytest

from fathom.deployment.archive import load
from fathom.search import rounds, strategy
from fathom.search.space import Genes

WORKERS = ("--cluster", "here", "--rounds", 1, "--round-size", 1)


@pytest.fixture
def table(tmp_path, customers):
    customers.write_csv(tmp_path / "customers.csv")
    return "customers.csv", "--target", "churn"


def test_a_search_in_rounds_leaves_a_model_and_no_journal(fathom, table, tmp_path, monkeypatch):
    member = Genes(depth=0, input_form="quantile", epochs=4, batch_size=64)
    monkeypatch.setattr(strategy, "first_members", lambda *_, **__: [member])
    monkeypatch.setattr(rounds, "FOLDS", 2)
    run = fathom("train", *table, *WORKERS, "--json")
    assert run.code == 0, run.err
    (workers,) = [event for event in run.events if event["event"] == "workers"]
    assert (workers["address"], workers["n_rounds"], workers["size"]) == ("here", 1, 1)
    assert not workers["goes_on"]
    report = next(event for event in run.events if event["event"] == "report")
    assert report["stopped"] == "the one round is over"
    assert len(load(tmp_path / "model.fathom").networks_) == 2  # one for each fold
    assert not (tmp_path / "model.fathom.journal").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rounds", 2), "--cluster with --rounds"),
        (("--round-size", 2), "--cluster with --round-size"),
        (("--journal", "j"), "--cluster with --journal"),
        (("--cluster", "moon"), "an address of workers"),
        (("--cluster", "processes:0"), "1 to 1024 processes"),
        (("--cluster", "here", "--rounds", 0), "n_rounds"),
        (("--cluster", "here", "--round-size", 0), "size"),
    ],
)
def test_what_cannot_be_is_refused(fathom, table, arguments, said):
    assert said in fathom("train", *table, *arguments).refusal


def test_workers_go_on_with_no_model(fathom, table, trained):
    arguments = ("--continue", trained[0] / "m.fathom", "--cluster", "here")
    assert "a table that is searched anew" in fathom("train", *table, *arguments).refusal


def test_a_journal_of_another_table_is_refused(fathom, table, tmp_path):
    (tmp_path / "j").mkdir()
    (tmp_path / "j" / "journal.jsonl").write_text("notes of a journey\n")
    run = fathom("train", *table, "--cluster", "here", "--journal", "j")
    assert "journal of this very search" in run.refusal
