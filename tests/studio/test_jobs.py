"""Jobs and tables of the studio without a search: what is kept, what is told, what is refused."""

import json
import subprocess

import numpy as np
import polars as pl
import pytest

from fathom.data.dividing import divide
from fathom.errors import InputError
from fathom.studio.jobs import Jobs
from fathom.studio.results import Results
from fathom.studio.table_messages import JobRequest
from fathom.studio.tables import Tables, known_folder
from fathom.studio.typescript import write_typescript

ROWS = "age,town,id,survived\n" + "".join(
    f"{20 + k % 50},{'Ulm' if k % 3 else 'Bern'},{k},{'yes' if k % 2 else 'no'}\n"
    for k in range(90)
)


@pytest.fixture
def tables(tmp_path):
    return Tables(tmp_path / "tables")


@pytest.fixture
def table(tables):
    name, place = tables.place_for_upload()
    place.write_text(ROWS)
    tables.set_name(name, "../../etc/passwd")
    return name


def write_ticket(jobs, table, name="0" * 16, events=()):
    folder = jobs._folder / name
    folder.mkdir()
    request = JobRequest(table=table, target="survived").model_dump()
    ticket = {
        "request": request, "name": "t.csv", "task": "classes", "n_train": 72, "n_test": 18,
        "arguments": ("train", "--target=survived"), "began": 0.0, "process": 2**22 + 1,
        "process_began": "0",
    }  # fmt: skip
    (folder / "ticket.json").write_text(json.dumps(ticket))
    (folder / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))
    return name


def test_a_table_is_understood_and_corrected(tables, table):
    found = tables.describe(table)
    assert found.name == "passwd"
    assert (found.n_rows, found.target) == (90, "survived")
    assert {c.name: c.kind for c in found.columns} == {
        "age": "number", "town": "category", "id": "identifier", "survived": "yes_no",
    }  # fmt: skip
    assert found.preview[0] == ("20", "Bern", "0", "no")
    corrected = tables.describe(table, {"age": "category"})
    assert corrected.columns[0].kind == "category"
    with pytest.raises(InputError, match="number"):
        tables.describe(table, {"town": "number"})


def test_old_tables_make_room(tables, table):
    for _ in range(25):
        tables.place_for_upload()
    assert len(list(tables._folder.iterdir())) == 20


@pytest.mark.parametrize(
    "name",
    ["..", "../x", "/etc", "%2e%2e", "..%2f", "", ".", "x" * 16, "0" * 15, "0" * 17, "0" * 15 + "/",
     "C:\\x", "\0" * 16, "A" * 16, "٠" * 16],
)  # fmt: skip
def test_only_ids_lead_to_folders(tmp_path, name):
    (tmp_path / ("0" * 16)).mkdir()
    assert known_folder(tmp_path, "0" * 16).name == "0" * 16
    with pytest.raises(InputError, match="id"):
        known_folder(tmp_path, name)


def test_a_job_says_how_it_ended(tables, table, tmp_path):
    jobs = Jobs(tmp_path / "jobs", tables)
    done = [{"event": "data", "rows": 90}, {"event": "done", "seconds": 4.0}]
    name = write_ticket(jobs, table, events=done)
    facts = jobs.facts(name)
    assert (facts.state, facts.seconds, facts.has_model) == ("done", 4.0, False)
    assert facts.command == "fathom train --target=survived"
    ill = write_ticket(jobs, table, "1" * 16, [{"event": "error", "message": "expected a target"}])
    assert jobs.facts(ill).message.en == "expected a target"
    cut = write_ticket(jobs, table, "2" * 16, [{"event": "data"}])  # its process was killed
    assert jobs.facts(cut).state == "failed"
    assert {one.id for one in jobs.every()} == {name, ill, cut}
    assert jobs.stop(cut).state == "failed"  # nothing to stop
    with pytest.raises(InputError, match="ended with a model"):
        jobs.go_on(cut, 5.0)
    jobs.remove(cut)
    assert len(jobs.every()) == 2


def test_who_comes_again_hears_what_he_missed_and_no_half_line(tables, table, tmp_path):
    jobs = Jobs(tmp_path / "jobs", tables)
    told = [{"event": "epoch", "network": k, "train_loss": 0.5, "unknown": [1]} for k in range(5)]
    name = write_ticket(jobs, table, events=told)
    place = jobs.folder_of(name) / "events.jsonl"
    with place.open("a") as file:
        file.write('{"event": "done"')
    assert [number for number, _ in jobs.events(name, 0)] == [1, 2, 3, 4, 5]
    later = list(jobs.events(name, 3))
    assert [(number, event.network) for number, event in later] == [(4, 3), (5, 4)]


@pytest.mark.parametrize(
    ("wish", "said"),
    [({"target": "nobody"}, "column"), ({"target": "town", "task": "numbers"}, "number")],
)
def test_a_wish_that_cannot_be_is_refused_before_anything_begins(
    tables, table, tmp_path, wish, said
):
    jobs = Jobs(tmp_path / "jobs", tables)
    with pytest.raises(InputError, match=said):
        jobs.start(JobRequest(table=table, **wish))
    assert jobs.every() == ()


def test_rows_kept_apart_are_not_learned_from(tables, table):
    frame = tables.read(table).frame
    parts = divide(frame, "survived")
    assert parts.target.task == "classes"
    assert len(parts.test) == 18
    assert not set(parts.training) & set(parts.test)
    assert sorted([*parts.training, *parts.test]) == list(range(90))
    assert parts.y_test.tolist() == frame["survived"][parts.test].to_list()
    assert "survived" not in parts.x_train.columns
    goal = [None if k < 5 else "ab"[k % 2] for k in range(90)]
    holed = frame.with_columns(pl.Series("survived", goal))
    some = divide(holed, "survived")
    assert some.frame.height == 85  # five rows have no target
    assert frame[some.rows].drop("survived").equals(some.frame.drop("survived"))


def test_rows_kept_apart_are_known_by_their_place_in_the_table(tables, tmp_path, monkeypatch):
    name, place = tables.place_for_upload()
    place.write_text(ROWS.replace("no\n", "\n", 4))  # rows without a target come first
    tables.set_name(name, "t.csv")
    jobs, begun = Jobs(tmp_path / "jobs", tables), []
    monkeypatch.setattr(jobs, "run", lambda folder, ticket: begun.append(folder))
    monkeypatch.setattr(jobs, "facts", lambda folder: None)
    jobs.start(JobRequest(table=name, target="survived"))
    folder = jobs.folder_of(begun[0])
    places, kept = np.load(folder / "test_rows.npy"), pl.read_parquet(folder / "test.parquet")
    assert tables.read(name).frame[places].equals(kept)
    assert kept.height == 17


def test_the_typescript_is_current(request):
    path = request.config.rootpath / "frontend" / "src" / "messages.ts"
    assert path.read_text(encoding="utf-8") == write_typescript(), (
        "python -m fathom.studio.typescript > frontend/src/messages.ts"
    )


@pytest.mark.parametrize(
    ("kind", "language", "name", "data"),
    [
        ("report", "zh", "report-zh.html", "test.parquet"),
        ("descent", "zh", "descent-zh.html", "train.parquet"),
        ("space", "en", "space-en.html", "test.parquet"),
    ],
)
def test_a_page_on_a_model_is_written_once_by_the_command_of_its_name(
    tmp_path, monkeypatch, kind, language, name, data
):
    asked = []

    def run(command, cwd, **options):
        asked.append(command)
        output = next(word.partition("=")[2] for word in command if word.startswith("--output="))
        (cwd / output).write_text("<svg/>")
        return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setattr("fathom.studio.results.subprocess.run", run)
    (tmp_path / "test.parquet").touch()
    for _ in range(2):
        path = Results().page_on(tmp_path, kind, language)
        assert (path.name, path.read_text()) == (name, "<svg/>")
    (command,) = asked
    assert command[1:6] == ["-m", "fathom", kind, "model.fathom", f"--data={data}"]
    assert f"--lang={language}" in command
    with pytest.raises(InputError, match="report, descent, space"):
        Results().page_on(tmp_path, "../secret", "en")
