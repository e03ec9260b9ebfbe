"""What layers do to the space of the rows, and what inputs contribute, by command."""

import re

import numpy as np
import pytest

from fathom import Architecture, Dense, FathomClassifier, Flatten, Recipe, load_digits, save
from fathom.inspection.space_study import TITLES, SpaceStudy


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """Return a model of digits with two hidden layers, trained a little."""
    digits = load_digits()
    layers = (
        Flatten(), Dense(units=24), Dense(units=12), Dense(units=10, activation="softmax"),
    )  # fmt: skip
    described = Architecture(input_shape=(16, 16, 1), layers=layers, loss="cross_entropy")
    model = FathomClassifier(described, Recipe(epochs=6), random_state=0)
    path = tmp_path_factory.mktemp("deep") / "digits.fathom"
    return save(model.fit(digits.x_train, digits.y_train), path)


def test_every_part_of_a_reader_of_digits(fathom, deep, tmp_path):
    run = fathom("space", deep, "--rows", 200, "--time-limit", 3000, "--output", "s.html")
    assert (run.code, run.err) == (0, "")
    assert "on 200 of 359 rows of the bundled digits kept for testing" in run.out
    wanted = set(TITLES) - {"grid"}
    for name in wanted:
        assert TITLES[name].upper() in run.out, name
    for part in ("2 dense 24 relu", "SVM, RBF kernel", "boosting of trees", "On the same rows"):
        assert part in run.out, part
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert len(page.encode()) < 5_000_000
    assert "<script" not in page
    for name in wanted:
        assert f"<h3>{TITLES[name]}</h3>" in page


def test_json_lines_and_the_file_are_the_same_study(fathom, trained, customers, tmp_path):
    folder, _ = trained
    asked = ("--json", "--output", "s.json", "--rows", 150, "--time-limit", 3000)
    run = fathom("space", folder / "m.fathom", *asked)
    assert (run.code, run.err) == (0, "")
    study = SpaceStudy.model_validate_json((tmp_path / "s.json").read_text())
    shown = {event.pop("event"): event for event in run.events}
    for name, part in study.parts():
        assert shown[name] == part.model_dump(mode="json"), name
    assert shown["beside"]["findings"] == [str(one) for one in study.beside]
    assert study.probes.n_rows == study.rivals.n_rows == 150
    assert study.weights is None


def test_rows_have_their_numbers_in_the_table(fathom, model, customers, tmp_path):
    customers.write_csv(tmp_path / "some.csv")
    asked = ("--data", "some.csv", "--rows", 60, "--time-limit", 1)
    run = fathom("space", model, *asked, "--neuron", "3.1")
    assert run.code == 0, run.err
    if "neuron 1 of 3" in run.out:
        listed = run.out.split("neuron 1 of 3")[1].splitlines()
        rows = [line.split() for line in listed[2:11]]
        assert all(customers["churn"][int(row) - 1] == said for row, said, *_ in rows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--network", 99), "--network"),
        (("--neuron", "3"), "--neuron with a layer and a neuron in it"),
        (("--neuron", "99.1"), "a layer from 1 to"),
        (("--rows", 5), "--rows from 20"),
        (("--time-limit", 0), "--time-limit from 1"),
        (("--output", "s.png"), "--output with a name in .html, .json"),
        (("--data", "absent.csv"), "absent.csv"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(fathom, trained, arguments, said):
    folder, _ = trained
    assert said in fathom("space", folder / "m.fathom", *arguments).refusal


def test_contributions_add_up_to_the_sum_that_inspect_shows(fathom, trained, customers):
    folder, _ = trained
    model = folder / "m.fathom"
    run = fathom("inspect", model, "--row", 7, "--attribution")
    assert (run.code, run.err) == (0, "")
    first = re.search(r"What makes z of (\w+) (\S+): (\S+) of the typical row", run.out)
    together = float(re.search(r"together +(\S+)", run.out)[1])
    assert float(first[3]) + together == pytest.approx(float(first[2]), abs=2e-3)
    assert f"{customers['age'][6]}" in run.out
    listed = run.out.split("is the usual distance):")[1].splitlines()
    rows = [line.split() for line in listed[2:] if line.strip()]
    assert len(rows) == 5
    assert int(rows[0][0]) == 7  # the row itself is among those it was trained on
    assert all(customers["churn"][int(row) - 1] == target for row, _, target in rows)
    events = fathom("inspect", model, "--row", 7, "--attribution", "--json").events
    found = next(e for e in events if e["event"] == "attribution")
    assert np.sum(found["contributions"][0]) == pytest.approx(together, abs=1e-4)


def test_contributions_to_the_reading_of_a_picture(fathom, deep):
    run = fathom("inspect", deep, "--row", 3, "--attribution")
    assert (run.code, run.err) == (0, "")
    assert "of blank paper" in run.out
    assert "pixel (" in run.out
    assert "rows of the bundled digits" in run.out


def test_contributions_of_the_example_are_refused(fathom):
    assert "--attribution" in fathom("inspect", "--example", "--attribution").refusal
