"""A table that names pictures through the command: one network, trained once, sees all of a row.

The answer is whether a picture is bright or a number is large, but not both: each picture stands in
two rows of different answers, as does each number, so that who sees one of them alone is right in
exactly half of the rows.
"""

import base64
import importlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from fathom import BatchNorm, Conv2D, GlobalAveragePool, load, save
from fathom.cli.illustrated import take_illustrated
from fathom.cli.senses import note_absent_pictures
from fathom.cli.tables import TableOptions, read, take_apart
from fathom.deployment.server.refusals import Refusal
from fathom.deployment.server.served import Served
from fathom.errors import InputError
from fathom.estimators.illustrated import find_illustrated
from fathom.search.picturing import Size

DARK, BRIGHT = 70, 180
LAYERS = [BatchNorm(momentum=0.8), Conv2D(channels=4), GlobalAveragePool()]


def make_rows(folder, n, seed):
    """Write n pictures, and a table in which each stands twice."""
    rng = np.random.default_rng(seed)
    (folder / "photos").mkdir(parents=True)
    rows = []
    for number in range(n):
        is_bright = number % 2
        levels = rng.normal(BRIGHT if is_bright else DARK, 20, (8, 8)).clip(0, 255)
        name = f"photos/{number}.png"
        Image.fromarray(levels.astype(np.uint8)).save(folder / name)
        size = round(0.2 + (number // 2) / n, 3)  # every size stands with a bright and a dark one
        for sign in (1, -1):
            answer = "yes" if is_bright != (sign > 0) else "no"
            rows.append((name, sign * size, rng.choice(["red", "green"]), answer))
    columns = zip(*[rows[k] for k in rng.permutation(len(rows))], strict=True)
    table = dict(zip(("photo", "size", "color", "answer"), map(list, columns), strict=True))
    pl.DataFrame(table).write_csv(folder / "rows.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run_in):
    """Return a folder with rows to learn from, others to judge by, and what training gave."""
    folder = tmp_path_factory.mktemp("listings")
    make_rows(folder / "seen", 120, 0)
    make_rows(folder / "fresh", 60, 1)
    with pytest.MonkeyPatch.context() as patch:  # a network that is small and soon compiled
        patch.setattr("fathom.estimators.illustrated.choose_size", lambda *_: Size(8, 4))
        patch.setattr("fathom.search.illustrating.picture_layers", lambda *_: LAYERS)
        patch.setattr("fathom.search.illustrating.Augmentation", lambda **_: None)
        patch.setattr("fathom.search.illustrating.STEPS", 160)
        asked = ("--target", "answer", "--time-limit", 100, "--output", "m.fathom")
        run = run_in("train", "seen/rows.csv", *asked, cwd=folder)
    assert run.code == 0, run.err
    return folder, run.out


def test_training_says_what_each_column_is_and_that_the_columns_alone_were_no_match(folder):
    said = " ".join(folder[1].split())
    for words in (
        "picture photo", "number size", "category color", "photo: read as 8×8 pixels, grey",
        "cut after its trial (columns alone)", "stems columns + photo",
    ):  # fmt: skip
        assert words in said, words


def test_the_network_knows_what_neither_the_picture_nor_the_number_tells_alone(folder, run_in):
    fresh = pl.read_csv(folder[0] / "fresh" / "rows.csv")
    for name in ("photo", "size"):
        shares = fresh.group_by(name).agg((pl.col("answer") == "yes").mean())["answer"]
        assert (shares == 0.5).all()  # so that whatever one of them says is right half the time
    run = run_in("evaluate", "m.fathom", "fresh/rows.csv", "--json", cwd=folder[0])
    done = run.events[-1]
    assert done["metric"] == "accuracy"
    assert done["score"] > 0.85


def test_command_and_library_say_the_same_and_keep_the_paths_as_they_were(folder, run_in):
    place = folder[0]
    asked = ("--keep", "--output", "said.csv")
    assert run_in("predict", "m.fathom", "fresh/rows.csv", *asked, cwd=place).code == 0
    said, fresh = pl.read_csv(place / "said.csv"), pl.read_csv(place / "fresh" / "rows.csv")
    assert said["photo"].to_list() == fresh["photo"].to_list()
    frame = fresh.with_columns(photo=str(place / "fresh") + "/" + pl.col("photo")).drop("answer")
    model = load(place / "m.fathom")
    np.testing.assert_allclose(said["probability_yes"], model.predict_proba(frame)[:, 1], atol=1e-6)
    assert said["predicted_answer"].to_list() == model.predict(frame).tolist()
    one = model.predict_proba(frame[7:8])  # of its neighbors independent
    np.testing.assert_allclose(one, model.predict_proba(frame)[7:8], atol=1e-6)


def test_rows_without_their_picture_are_predicted_counted_and_called_unusual(folder, run_in):
    place = folder[0]
    lines = ["photo,size,color", "photos/0.png,1.5,red", "photos/lost.png,1.5,red", ",1.5,red"]
    (place / "fresh" / "few.csv").write_text("\n".join(lines))
    run = run_in("predict", "m.fathom", "fresh/few.csv", "--json", cwd=place)
    rows = [event["values"] for event in run.events if event["event"] == "row"]
    assert [row["is_unusual"] for row in rows] == [False, True, True]
    notes = "\n".join(run.events[-1]["notes"])
    assert "1 picture is not readable, taken as missing (first in row 2:" in notes
    assert "1 row is without a picture (first row 3)" in notes


def test_a_table_moved_away_from_its_pictures_is_refused_in_a_line(folder, run_in):
    place = folder[0]
    (place / "moved.csv").write_text((place / "fresh" / "rows.csv").read_text())
    for verb in ("predict", "evaluate"):
        refusal = run_in(verb, "m.fathom", "moved.csv", cwd=place).refusal
        assert "none of 120 that can be read, the first: photos/" in refusal
        assert "from the folder of the table" in refusal


def test_a_model_comes_back_from_its_file_to_the_byte(folder):
    path = folder[0] / "m.fathom"
    again = save(load(path), folder[0] / "again.fathom")
    assert again.read_bytes() == path.read_bytes()
    shown = load(path).schema_.input
    assert [(c.name, c.kind, c.shape) for c in shown.columns] == [
        ("photo", "picture", (8, 8, 1)), ("size", "number", None), ("color", "category", None),
    ]  # fmt: skip


def test_what_cannot_be_done_with_such_a_model_is_said_in_a_line(folder, run_in):
    place = folder[0]
    for arguments in (
        ("export", "m.fathom", "m.onnx"), ("export", "m.fathom", "m.py"),
        ("compress", "m.fathom", "--to", "0.5"),
    ):  # fmt: skip
        refusal = run_in(*arguments, cwd=place).refusal
        assert "the pictures its rows name" in refusal, refusal
    asked = ("inspect", "m.fathom", "--data", "fresh/rows.csv", "--why", "output.neuron1.a")
    assert "what each part of a row spoke for" in run_in(*asked, cwd=place).refusal
    continued = ("train", "--continue", "m.fathom", "--time-limit", 1)
    assert "which is none" in run_in(*continued, cwd=place).refusal


def test_one_row_is_looked_into_part_by_part(folder, run_in):
    place = folder[0]
    run = run_in("inspect", "m.fathom", "--data", "fresh/rows.csv", "--row", 5, "--json", cwd=place)
    assert run.code == 0, run.err
    event = run.events[0]
    fresh = pl.read_csv(place / "fresh" / "rows.csv")
    assert event["expected"] == fresh["answer"][4]
    frame = fresh.with_columns(photo=str(place / "fresh") + "/" + pl.col("photo"))[4:5]
    model = load(place / "m.fathom")
    p = model.predict_proba(frame.drop("answer"))[0]
    assert event["prediction"] == f"{model.classes_[p.argmax()]} ({p.max():.2f})"
    parts = {part["name"]: part for part in event["parts"]}
    assert set(parts) == {"columns", "photo"}
    for part in parts.values():
        assert part["contribution"] == pytest.approx(event["z"] - part["without"])
    columns = {one["name"]: one["contribution"] for one in parts["columns"]["columns"]}
    assert set(columns) == {"size", "color"}
    assert sum(columns.values()) == pytest.approx(parts["columns"]["contribution"], abs=0.02)
    places = np.sum(parts["photo"]["places"])
    assert places == pytest.approx(parts["photo"]["contribution"], abs=0.02)
    shown = run_in("inspect", "m.fathom", "--data", "fresh/rows.csv", "--row", 5, cwd=place)
    assert event["prediction"] in shown.out
    assert "as it lies in the picture" in shown.out


def test_a_report_says_what_columns_and_pictures_are_worth(folder, run_in):
    place = folder[0]
    judged = run_in("evaluate", "m.fathom", "fresh/rows.csv", "--json", cwd=place)
    asked = ("--data", "fresh/rows.csv", "--output", "r.html", "--json")
    run = run_in("report", "m.fathom", *asked, cwd=place)
    assert run.code == 0, run.err
    metrics = {e["name"]: e["value"] for e in run.events if e["event"] == "metric"}
    assert metrics["accuracy"] == pytest.approx(judged.events[-1]["score"])
    worth = [e for e in run.events if e.get("code") == "importance_none"]
    assert [dict(e["numbers"])["columns"] for e in worth] == ["color"]  # which tells nothing
    page = (place / "r.html").read_text()
    assert str(place) not in page


class Stub:
    """Stands for Fathom in a comparison: follows the paths, and says the same of every row."""

    classes_ = np.array([0, 1])

    def fit(self, frame, y, monitor):
        self.share = np.mean(y)
        self.predict_proba(frame)

    def predict_proba(self, frame):
        assert all(Path(path).is_file() for path in frame["photo"])
        return np.tile([1 - self.share, self.share], (frame.height, 1))


def test_others_are_compared_on_rows_whose_pictures_they_do_not_see(folder, run_in, monkeypatch):
    monkeypatch.setattr(importlib.import_module("fathom.cli.compare"), "_fathom", lambda *_: Stub())
    asked = ("--target", "answer", "--peers", "linear", "--json")
    run = run_in("compare", "seen/rows.csv", *asked, cwd=folder[0])
    assert run.code == 0, run.err
    results = {e["system"]: e for e in run.events if e["event"] == "result"}
    assert set(results) == {"Fathom", "linear"}
    assert not any(e["failure"] for e in results.values())
    notes = next(e for e in run.events if e["event"] == "data")["notes"]
    assert any("Fathom alone sees the pictures that photo names" in note for note in notes)


def taken(folder, **options):
    asked = TableOptions(**{"path": str(folder / "rows.csv"), "target": ("answer",), **options})
    return take_illustrated(read(asked), asked)


def test_pictures_alone_stay_what_they_were_and_a_kind_overrules(folder, tmp_path):
    seen = folder[0] / "seen"
    kinds = {c.name: c.kind for c in taken(seen).known.columns}
    assert kinds == {"photo": "picture", "size": "number", "color": "category"}
    assert taken(seen, kinds={"photo": "identifier"}) is None
    assert taken(seen, kinds={"size": "identifier", "color": "identifier"}) is None
    assert taken(seen, target=("answer", "color")) is None  # factors of one answer
    (tmp_path / "photos").symlink_to(seen / "photos")
    pl.read_csv(seen / "rows.csv").select("photo", "answer").write_csv(tmp_path / "rows.csv")
    assert taken(tmp_path) is None
    assert taken(tmp_path, kinds={"photo": "picture"}).known.columns[0].kind == "picture"


def test_a_column_that_names_pictures_none_of_which_is_there_is_told(folder, tmp_path):
    (tmp_path / "rows.csv").write_text((folder[0] / "seen" / "rows.csv").read_text())
    options = TableOptions(path=str(tmp_path / "rows.csv"), target=("answer",))
    assert taken(tmp_path) is None
    noted = note_absent_pictures(take_apart(read(options), options), options)
    assert "column photo looks like names of pictures, but none is there" in noted.notes[-1]
    overruled = TableOptions(**{**vars(options), "kinds": {"photo": "category"}})
    assert not note_absent_pictures(take_apart(read(options), options), overruled).notes


def test_numbers_are_no_pictures_whatever_is_asked(folder):
    frame = pl.read_csv(folder[0] / "seen" / "rows.csv")
    with pytest.raises(InputError, match="paths of pictures in column size"):
        find_illustrated(frame, {"size": "picture"})


def test_a_server_takes_the_pictures_themselves_and_says_what_the_command_says(folder):
    place = folder[0]
    served = Served.load("m", place / "m.fathom")
    fresh = pl.read_csv(place / "fresh" / "rows.csv")[:6]
    frame = fresh.with_columns(photo=str(place / "fresh") + "/" + pl.col("photo")).drop("answer")
    sent = [
        {**row, "photo": base64.b64encode((place / "fresh" / row["photo"]).read_bytes()).decode()}
        for row in fresh.drop("answer").to_dicts()
    ]
    rows = served.intake.from_json(sent)
    expected = load(place / "m.fathom").predict_proba(frame)
    np.testing.assert_allclose(served.predict([rows]), expected, atol=1e-6)
    with pytest.raises(Refusal, match="a server opens no files"):
        served.intake.from_json([{**sent[0], "photo": frame["photo"][0]}])
