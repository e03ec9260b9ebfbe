"""The verb `train` with a memory bound: a sample searched, the file trained on over."""

import pytest

from fathom.cli import streaming
from fathom.deployment.archive import load


@pytest.fixture
def _tiny(monkeypatch):
    """Let a small table be a large one."""
    monkeypatch.setattr(streaming, "BYTES_PER_CELL", 600_000)
    monkeypatch.setattr("fathom.search.onward.LEAST_ROWS", 1)


@pytest.mark.parametrize("name", ["c.csv", "c.parquet"])
@pytest.mark.usefixtures("_tiny")
def test_a_table_larger_than_the_bound(fathom, customers, tmp_path, name):
    if name.endswith("csv"):
        customers.write_csv(tmp_path / name)
    else:
        customers.write_parquet(tmp_path / name)
    run = fathom("train", name, "--target", "churn", "--memory", "1.5GB", "--time-limit", 3,
                 "--json")  # fmt: skip
    assert run.code == 0, run.err
    onward = next(event for event in run.events if event["event"] == "onward")
    data = next(event for event in run.events if event["event"] == "data")
    assert data["rows"] == 71  # half of what 600 MB have room for
    assert 0 <= onward["rows"] <= customers.height - data["rows"]
    assert onward["networks"] >= 1
    model = load(tmp_path / "model.fathom")
    assert model.schema_.target.classes == ("leaves", "stays")
    assert fathom("predict", "model.fathom", name).code == 0


def test_a_table_that_fits_is_trained_on_as_ever(fathom, customers, tmp_path):
    customers.write_csv(tmp_path / "c.csv")
    run = fathom("train", "c.csv", "--target", "churn", "--memory", "4GB", "--time-limit", 2,
                 "--json")  # fmt: skip
    assert run.code == 0, run.err
    assert all(event["event"] != "onward" for event in run.events)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--memory", "much"), "a size such as 4GB"),
        (("--memory", "100MB"), "--memory of 1.5GB or more"),
        (("--memory", "4GB", "--group", "city"), "--memory without --group"),
        (("--memory", "4GB", "--cluster", "here"), "--memory without --cluster"),
    ],
)
def test_what_cannot_be_is_refused(fathom, customers, tmp_path, arguments, said):
    customers.write_csv(tmp_path / "c.csv")
    assert said in fathom("train", "c.csv", "--target", "churn", *arguments).refusal
