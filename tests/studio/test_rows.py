"""Rows kept apart: those of a cell, how sure the model is, one row's path, the same as a script."""

import ast
import contextlib
import json
import runpy
import shlex
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from fathom import FathomClassifier, build, load, save
from fathom.data.dividing import divide
from fathom.data.schema import Schema
from fathom.data.tables import read_table
from fathom.data.text import TextEncoding
from fathom.errors import InputError
from fathom.estimators.defaults import output_layer
from fathom.estimators.designing import read_prose
from fathom.estimators.naming import sources_of
from fathom.estimators.opening import open_model
from fathom.estimators.reporting.effects import column_effects
from fathom.inspection.arithmetic import evaluate
from fathom.search.prediction import predict, say_each
from fathom.search.prose import text_entries
from fathom.studio.jobs import JobTicket
from fathom.studio.results import Results
from fathom.studio.row_messages import PathWish, RowWhy, ScriptWish
from fathom.studio.row_paths import RowPaths
from fathom.studio.scripts import write_script
from fathom.studio.table_messages import RowWish
from fathom.training.calibration import sharpen
from fathom.training.history import History, StartHistory

LABELS = ["no", "yes"]


@pytest.fixture(scope="module")
def results():
    return Results()


@pytest.fixture(scope="module")
def paths(results):
    return RowPaths(results)


@pytest.fixture(scope="module")
def kept_apart(searched):
    return pl.read_parquet(searched.folder / "test.parquet")


@pytest.fixture(scope="module")
def path(paths, searched):
    return paths.path(searched.folder, PathWish(row=3))


def test_the_rows_of_every_cell_are_those_the_model_says_so_of(results, searched, kept_apart):
    said = searched.model.predict_proba(kept_apart)
    truth = kept_apart["leaves"].to_list()
    guess = [LABELS[place] for place in said.argmax(axis=1)]
    n = 0
    for t, p in np.ndindex(2, 2):
        found = results.cell_rows(searched.folder, t, p)
        pairs = zip(truth, guess, strict=True)
        wanted = [k for k, pair in enumerate(pairs) if pair == (LABELS[t], LABELS[p])]
        assert sorted(one.row for one in found.rows) == wanted
        assert found.n_all == len(wanted) == results.result(searched.folder).confusion[t][p]
        for one in found.rows:
            assert (one.truth, one.said) == (LABELS[t], LABELS[p])
            assert one.sure == pytest.approx(said[one.row].max())
            assert one.truth_share == pytest.approx(said[one.row, t])
            assert one.cells[0] == kept_apart["age"][one.row]
        sure = [one.sure for one in found.rows]
        assert sure == sorted(sure, reverse=t != p)  # of mistakes the surest first
        n += found.n_all
    assert n == kept_apart.height
    worst = results.worst_rows(searched.folder)
    assert worst.rows[0].truth_share == pytest.approx(
        min(said[range(n), [LABELS.index(t) for t in truth]])
    )
    assert "leaves" not in worst.columns
    for wrong in ((2, 0), (0, 7)):
        with pytest.raises(InputError, match="classes"):
            results.cell_rows(searched.folder, *wrong)


def test_rows_are_known_by_their_place_in_the_table(searched, tmp_path):
    folder = shutil.copytree(searched.folder, tmp_path / "again")
    height = pl.read_parquet(folder / "test.parquet").height
    assert {one.place for one in Results().worst_rows(folder).rows} == {None}  # not noted
    np.save(folder / "test_rows.npy", 1000 + 2 * np.arange(height))
    rows = Results().worst_rows(folder).rows
    assert [one.place for one in rows] == [1001 + 2 * one.row for one in rows]


def test_the_reliability_diagram_is_what_counting_gives(results, searched, kept_apart):
    found = results.result(searched.folder).calibration
    assert results.result(searched.folder).spread is None
    said = searched.model.predict_proba(kept_apart)
    right = np.array(LABELS)[said.argmax(axis=1)] == kept_apart["leaves"].to_numpy()
    error = 0.0
    for one in found.bins:
        inside = (said.max(axis=1) >= one.low) & (said.max(axis=1) < one.high + (one.high == 1))
        assert one.n_rows == inside.sum()
        assert one.accuracy == pytest.approx(right[inside].mean())
        assert one.accuracy_low - 1e-9 <= one.accuracy <= one.accuracy_high + 1e-9
        error += inside.mean() * abs(one.accuracy - said.max(axis=1)[inside].mean())
    assert sum(one.n_rows for one in found.bins) == len(right)
    assert found.error == pytest.approx(error)
    metric = next(m for m in results.result(searched.folder).metrics if m.name == "ECE")
    assert found.error == pytest.approx(metric.value)
    assert found.said[0].en != found.said[0].zh


def test_a_row_goes_through_the_network_as_a_prediction_does(path, searched, kept_apart):
    opened = open_model(searched.model, kept_apart[3])
    out = np.asarray(opened.network(jnp.asarray(opened.x)), np.float64)[0]
    assert [one.value for one in path.layers[-1].units] == pytest.approx(out.tolist(), abs=1e-4)
    assert [one.says for one in path.layers[-1].units] == LABELS
    assert path.layers[0].n_units == opened.x.size
    assert path.truth == kept_apart["leaves"][3]
    assert path.said.probabilities == pytest.approx(
        searched.model.predict_proba(kept_apart[3])[0].tolist()
    )
    best = int(np.argmax(path.said.probabilities))
    mean = sum(one.weight * one.said for one in path.networks)
    both = np.array([mean, 1 - mean]) if best == 0 else np.array([1 - mean, mean])
    assert sum(one.weight for one in path.networks) == pytest.approx(1)
    assert sharpen(both, path.sharpness)[best] == pytest.approx(
        path.said.probabilities[best], abs=1e-5
    )
    assert path.output == LABELS[best]


def test_what_each_network_says_makes_up_the_prediction(searched, kept_apart):
    found = searched.model.design_
    parsed = searched.model._parse_rows(kept_apart)
    mean = sum(m.weight / len(m.folds) * said for m, said in say_each(found, parsed))
    assert sharpen(mean, found.sharpness) == pytest.approx(predict(found, parsed), abs=1e-9)


def test_columns_add_what_the_model_would_not_say_without_them(path, searched, kept_apart):
    row, known = kept_apart[3], pl.read_parquet(searched.folder / "train.parquet")
    best = int(np.argmax(path.said.probabilities))
    effects = {one.column: one for one in column_effects(searched.model, row, known, best)}
    assert effects.keys() == set(row.columns) - {"leaves"}
    town = next(name for name in row.columns if "town" in name)
    for column in ("age", town):
        if column == "age":
            usual = str(known["age"].cast(pl.Float64).median())
        else:
            counts = known[town].value_counts().sort("count", town, descending=[True, False])
            usual = counts[town][0]
        changed = row.with_columns(pl.lit(usual).alias(column))
        without = searched.model.predict_proba(changed)[0, best]
        assert effects[column].change == pytest.approx(
            path.said.probabilities[best] - without, abs=1e-5
        )
    sent = [(one.column, one.share) for one in path.effects]
    assert sent[0][0] in ("age", town, "spent")
    assert [abs(share) for _, share in sent] == sorted((abs(s) for _, s in sent), reverse=True)
    assert sum(one.share for one in path.shares) == pytest.approx(
        path.z - path.usual_z, abs=0.01 + 0.01 * abs(path.z - path.usual_z)
    )
    assert {one.column for one in path.shares} <= {*row.columns, ""}


def test_every_input_is_made_of_a_column_or_of_what_trees_say(searched):
    found = searched.model.design_
    for member in found.members:
        trees = found.trees[member.folds[0]] if member.genes.has_trees else None
        names = sources_of(found.encodings[member.folds[0]], found.target, trees)
        n_columns = len({name for name in names if name})
        assert n_columns == 3
        assert ("" in names) == member.genes.has_trees


def test_any_number_on_the_path_has_its_reason(path, paths, searched):
    for layer in path.layers:
        for unit in layer.units[:2]:
            wish = RowWhy(row=3, name=unit.name)
            found = paths.why(searched.folder, wish)
            assert found.value == pytest.approx(unit.value)
            assert evaluate(found.arithmetic) == pytest.approx(unit.value, rel=2e-3, abs=1e-6)
    deeper = next(one.name for one in found.operands if one.name)
    assert paths.why(searched.folder, RowWhy(row=3, name=deeper)).name == deeper
    fresh = RowPaths(Results())  # a studio started anew works it out again
    assert fresh.why(searched.folder, wish).value == found.value
    for ill in ({"row": 999, "name": "loss"}, {"row": 0, "name": "nobody"},
                {"row": 0, "member": 99, "name": "output.neuron1.a"}):  # fmt: skip
        with pytest.raises(InputError):
            paths.why(searched.folder, RowWhy(**ill))


def test_the_script_does_what_the_page_did(searched, tmp_path, capsys):
    columns = [c.name for c in searched.model.schema_.input.columns]
    given = {"age": "71", columns[1]: "Ulm", "spent": None}
    wish = ScriptWish(
        values=RowWish(values=given), path=RowWhy(row=3, name="output.neuron2.z"), language="zh"
    )
    ticket = searched.ticket.model_copy(update={"times": (1.0, 0.5)})
    script = write_script(ticket, columns, wish, can_open=True).python
    assert script.count("warm_start=True, time_limit=0.5") == 1
    shutil.copy(searched.folder / ticket.name, tmp_path)
    (tmp_path / "studio_search.py").write_text(script, encoding="utf-8")
    with contextlib.chdir(tmp_path):
        left = runpy.run_path("studio_search.py")
    said = capsys.readouterr().out
    assert f"{ticket.n_train} rows to learn from, {ticket.n_test} kept apart" in said
    assert "accuracy" in said
    assert "output.neuron2.z = " in said
    kept = left["parts"].frame[left["parts"].test]
    assert kept.equals(pl.read_parquet(searched.folder / "test.parquet"))
    model = load(tmp_path / "model.fathom")
    row = pl.DataFrame([given], schema=dict.fromkeys(given, pl.String))
    printed = next(ast.literal_eval(line) for line in said.splitlines() if line.startswith("{"))
    expected = dict(zip(LABELS, model.predict_proba(row)[0].tolist(), strict=True))
    assert printed == pytest.approx(expected)


HOSTILE = "a'''\"\"\"\\\n__import__('os').abort()#{}`$(touch owned)`\u2028;"


def test_names_in_a_script_are_words_and_nothing_else(searched):
    request = searched.ticket.request.model_copy(
        update={"target": HOSTILE, "sheet": HOSTILE, "kinds": {HOSTILE + "2": "category"}}
    )
    ticket = searched.ticket.model_copy(update={"request": request, "name": HOSTILE})
    wish = ScriptWish(values=RowWish(values={HOSTILE: HOSTILE}))
    script = write_script(ticket, [HOSTILE], wish, can_open=True)
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(script.python)) if isinstance(node, ast.Call)
    }  # fmt: skip
    assert "__import__" not in " ".join(called)
    assert HOSTILE in {
        node.value for node in ast.walk(ast.parse(script.python)) if isinstance(node, ast.Constant)
    }
    _, _, commands = script.commands.partition("\n")
    assert commands.startswith("fathom train train.parquet '--target=")
    assert f"--target={HOSTILE}" in shlex.split(commands)


@pytest.fixture(scope="module")
def numbers(searched, tmp_path_factory):
    """Return the folder of a search for what is spent, which has no model yet."""
    folder = tmp_path_factory.mktemp("numbers") / f"{2:016x}"
    folder.mkdir()
    table = read_table(searched.folder / searched.ticket.name)
    parts = divide(table.frame, "spent")
    parts.frame[parts.training].write_parquet(folder / "train.parquet")
    parts.frame[parts.test].write_parquet(folder / "test.parquet")
    return folder


def test_the_commands_run_and_a_model_of_numbers_is_followed(
    numbers, searched, run_command, capsys, paths, results
):
    request = searched.ticket.request.model_copy(update={"target": "spent"})
    ticket = JobTicket.model_validate(
        {**json.loads(searched.ticket.model_dump_json()), "task": "numbers",
         "request": request.model_dump()}
    )  # fmt: skip
    wish = ScriptWish(path=RowWhy(row=1, name="output.neuron1.a"))
    commands = write_script(ticket, ["age"], wish, can_open=True).commands.splitlines()
    assert len(commands) == 4
    for command in commands[1:]:
        assert run_command(command, numbers) == 0, command
    said = capsys.readouterr().out
    assert "R²" in said
    assert "output.neuron1.a = " in said
    model = load(numbers / "model.fathom")
    test = pl.read_parquet(numbers / "test.parquet")
    off = np.abs(model.predict(test) - test["spent"].cast(pl.Float64).to_numpy())
    worst = results.worst_rows(numbers)
    assert worst.rows[0].row == int(off.argmax())
    assert abs(worst.rows[0].said - worst.rows[0].truth) == pytest.approx(off.max(), rel=1e-4)
    result = results.result(numbers)
    assert result.calibration is None
    assert sum(one.n_rows for one in result.spread.bands) == result.spread.n_rows == 48
    assert result.spread.most == pytest.approx(np.quantile(off, 0.9), rel=1e-4)
    assert {one.row for one in result.spread.points} == set(range(48))
    assert result.spread.low <= result.spread.ticks[0] < result.spread.ticks[-1]
    for one in result.spread.said:
        assert one.zh != one.en
    path = paths.path(numbers, PathWish(row=1))
    assert path.said.numbers == pytest.approx(model.predict(test[1:2]).tolist())
    assert path.truth == float(test["spent"][1])
    low, high = model.design_.low, model.design_.high
    mean = sum(one.weight * one.said for one in path.networks)
    assert np.clip(mean, low, high)[0] == pytest.approx(path.said.numbers[0], rel=1e-5)


@pytest.fixture
def texts(tmp_path):
    """Return a folder with a model of texts, whose network is as it was drawn."""
    rng = np.random.default_rng(0)
    words = ["house", "street", "river", "table", "window", "garden", "fine", "awful"]
    said = [" ".join(rng.choice(words, 14)) for _ in range(60)]
    frame = pl.DataFrame({"said": said, "mood": ["up", "down"] * 30})
    frame.write_parquet(tmp_path / "train.parquet")
    frame[:20].write_parquet(tmp_path / "test.parquet")
    table, _ = read_prose(frame.select("said"), {"said": "text"}, has_names=True)
    schema = Schema(input=table, target=divide(frame, "mood").target)
    encoding = TextEncoding.fit(said)
    output, loss = output_layer(schema)
    entry = text_entries(encoding.length, encoding.n_codes, output, loss, 60, 0)[0]
    network = build(entry.architecture, jax.random.key(0))
    history = History(starts=(StartHistory(),), kept=(0,), score_name="accuracy", seconds=1.0)
    model = FathomClassifier().restore(
        schema, entry.architecture, entry.recipe, history, (network,), encoding, None
    )
    save(model, tmp_path / "model.fathom")
    return tmp_path


def test_of_a_text_the_words_that_decided_are_shown(texts, searched, paths, results):
    found = results.result(texts)
    assert (found.n_test, found.places, found.loss) == (20, (), None)
    assert sum(map(sum, found.confusion)) == 20
    path = paths.path(texts, PathWish(row=1))
    assert "".join(one.text for one in path.words) == path.cells[0]
    added = sum(one.share for one in path.words)
    assert added == pytest.approx(path.z - path.usual_z, abs=1e-3)
    assert (path.layers, path.networks, path.effects) == ((), (), ())
    script = write_script(
        searched.ticket, ["said"], ScriptWish(path=RowWhy(row=0, name="x")), can_open=False
    )
    assert "open_model" not in script.python
    assert script.commands.splitlines()[-1].endswith("--row=1")
