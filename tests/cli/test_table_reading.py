"""Tables read for a model as those it was trained on."""

import numpy as np
import pytest

import fathom as library
from fathom.cli.tables import TableOptions, record_run, table_of_training
from fathom.errors import InputError


def make_rows(n=120):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 5, (n, 2)).round(3)


def rows_of(run):
    assert run.code == 0, run.err
    return run.out.splitlines()


def test_decimal_commas_in_doubt_are_what_they_were_in_training(fathom, tmp_path, monkeypatch):
    x = make_rows()
    lines = [f"{a:.3f};{b:.3f};{'in' if a > b else 'out'}" for a, b in x]
    text = "\n".join(["a;b;y", "0.5;0.25;in", *lines]).replace(".", ",")
    (tmp_path / "t.csv").write_text(text)
    assert fathom("train", "t.csv", "--target", "y", "--time-limit", 1).code == 0
    (tmp_path / "new.csv").write_text("a;b;y\n1,234;2,345;out\n4,500;1,100;in\n")
    (tmp_path / "points.csv").write_text("a,b,y\n1.234,2.345,out\n4.5,1.1,in\n")
    commas, points = (fathom("predict", "model.fathom", f"{n}.csv") for n in ("new", "points"))
    assert rows_of(commas) == rows_of(points)
    assert "far outside" not in commas.err
    assert "the decimal comma was given" in commas.err
    one, other = (
        fathom("evaluate", "model.fathom", f"{n}.csv", "--json") for n in ("new", "points")
    )
    assert one.events[0]["metrics"] == other.events[0]["metrics"]
    asked = fathom("predict", "model.fathom", "new.csv", "--decimal", ".")
    assert "far outside the range of training" in asked.err
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "elsewhere"))
    unknown = fathom("predict", "model.fathom", "new.csv")
    assert "may mark decimals; if so, give --decimal ','" in unknown.err


@pytest.fixture(scope="module")
def from_array(tmp_path_factory):
    x = make_rows()
    model = library.FathomClassifier(time_limit=1, random_state=0).fit(x, x[:, 0] > x[:, 1])
    return library.save(model, tmp_path_factory.mktemp("array") / "m.fathom"), model


def test_a_model_of_an_array_reads_files_with_and_without_names(fathom, from_array, tmp_path):
    path, model = from_array
    x = make_rows(5)
    rows = "".join(f"{a},{b}\n" for a, b in x)
    (tmp_path / "named.csv").write_text("a,b\n" + rows)
    (tmp_path / "bare.csv").write_text(rows)
    named = rows_of(fathom("predict", path, "named.csv"))
    assert named[0] == "prediction,probability_False,probability_True,is_unusual"
    found = [float(row.split(",")[2]) for row in named[1:]]
    np.testing.assert_allclose(found, model.predict_proba(x)[:, 1], rtol=1e-9)
    assert "--no-header" in fathom("predict", path, "bare.csv").refusal
    assert rows_of(fathom("predict", path, "bare.csv", "--no-header")) == named


def test_row_75_an_array_of_another_width_is_refused(fathom, from_array, tmp_path):
    (tmp_path / "wide.csv").write_text("a,b,c\n1,2,3\n")
    said = fathom("predict", from_array[0], "wide.csv").refusal
    assert "a table of 2 columns, as in training" in said


def test_the_table_of_training_is_looked_at_where_none_is_named_and_it_is_there(tmp_path):
    model, table = tmp_path / "m.fathom", tmp_path / "t.csv"
    model.write_bytes(str(tmp_path).encode())
    table.write_text("a,y\n1,2\n")
    named, nothing = TableOptions("other.csv", seed=3), TableOptions("", seed=3)
    assert table_of_training(model, named, "rows") is named
    with pytest.raises(InputError, match="--data FILE with rows — got none"):
        table_of_training(model, nothing, "rows")
    trained_on = TableOptions(str(table), target=("y",), seed=7)
    record_run(model, trained_on, ".")
    assert table_of_training(model, nothing, "rows") == trained_on
    table.unlink()
    with pytest.raises(InputError, match="not known on this machine"):
        table_of_training(model, nothing, "rows")
