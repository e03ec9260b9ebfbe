"""What is learned, from which rows, and what a command makes of a table that is not fit for it."""

import os
import re

import numpy as np
import polars as pl
import pytest

import fathom as library
from fathom.data.tables import read_table

CHURN = ("--target", "churn")


@pytest.fixture
def write(tmp_path):
    """Write a frame as a file."""

    def run(frame, name="t.csv"):
        frame.write_csv(tmp_path / name)
        return name

    return run


def small(n=60, seed=0, **columns):
    rng = np.random.default_rng(seed)
    return pl.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), **columns})


def report_of(run):
    assert run.code == 0, run.err
    return next(event for event in run.events if event["event"] == "report")


# What the search is given


def test_kinds_are_overruled(given, customers, write):
    found = given(write(customers), *CHURN, "--kind", "age=category", "--kind", "is member=text")
    assert found["kinds"] == {"age": "category", "is member": "text"}
    assert given("t.csv", *CHURN, "--kind", "is member=yes/no")["kinds"] == {"is member": "yes_no"}


def test_groups_times_and_weights_reach_the_search(given, customers, write):
    table = write(customers.with_columns(w=pl.int_range(200) % 3, day=pl.int_range(200) * 1.5))
    found = given(table, *CHURN, "--group", "city", "--time", "since", "--weight", "w")
    assert found["frame"].columns == ["ticket", "age", "spent", "is member", "since", "day"]
    cities = customers["city"].to_numpy()
    groups = found["given"].groups
    assert len({*zip(groups, cities, strict=True)}) == len({*groups}) == 3
    order, days = found["given"].order, customers["since"].to_numpy()
    assert (np.argsort(order, kind="stable") == np.argsort(days, kind="stable")).all()
    weight = np.arange(200) % 3 / (199 / 133)  # their mean, where they are above 0
    np.testing.assert_allclose(found["given"].weight, weight, rtol=1e-6)
    assert given(table, *CHURN, "--time", "day")["given"].order.tolist() == [
        1.5 * row for row in range(200)
    ]


def test_balanced_classes_weigh_alike(given, write):
    table = write(small(y=["yes"] * 10 + ["no"] * 50))
    weight = given(table, "--target", "y", "--class-weight", "balanced")["given"].weight
    assert weight[:10].sum() == pytest.approx(weight[10:].sum())


def test_row_52_rows_without_target_are_left_out_if_asked(given, fathom, customers, write):
    rows = pl.int_range(200)
    missing = pl.when((rows == 4) | (rows > 189)).then(pl.lit("")).otherwise("churn")
    table = write(customers.with_columns(churn=missing))
    said = fathom("train", table, *CHURN).refusal
    assert "11 of 200 rows without, the first in row 5" in said
    assert "--drop-missing-target" in said
    found = given(table, *CHURN, "--drop-missing-target", "--weight", "age")
    kept = [row for row in range(190) if row != 4]
    assert found["frame"]["ticket"].to_list() == customers["ticket"][kept].to_list()
    assert len(found["given"].weight) == len(found["given"].y) == 189


@pytest.mark.parametrize("written", [("0", "1"), ("0.0", "1.0"), ("False", "True"), ("no", "yes")])
def test_row_58_two_classes_are_the_same_however_they_are_written(given, write, written):
    y = np.arange(60) % 3 // 2
    found = given(write(small(y=[written[k] for k in y])), "--target", "y")["given"]
    assert found.y.tolist() == y.tolist()
    assert found.target.task == "classes"


def test_row_58_of_any_type(given, tmp_path):
    y = pl.Series(np.arange(60) % 3 // 2)
    for number, kind in enumerate((pl.Int8, pl.Float32, pl.Boolean, pl.String)):
        small(y=y.cast(kind)).write_parquet(tmp_path / f"{number}.parquet")
        found = given(f"{number}.parquet", "--target", "y")["given"]
        assert found.y.tolist() == y.to_list()
        assert found.target.task == "classes"
    assert found.target.classes == (0, 1)


def test_a_name_with_a_comma_is_one_column(given, write):
    table = write(small().with_columns(**{"pay, gross": pl.col("a") * 3, "p": pl.col("a") > 0}))
    assert given(table, "--target", "pay, gross")["given"].target.names == ("pay, gross",)
    assert given(table, "--target", "b , a")["given"].target.names == ("b", "a")


# What is learned


def test_row_59_few_whole_numbers_are_what_the_user_says(given, write):
    table = write(small(300, stars=np.arange(300) % 7 + 1))
    for asked, task in ((), "classes"), (("--task", "numbers"), "numbers"):
        assert given(table, "--target", "stars", *asked)["given"].target.task == task


def test_rows_56_59_60_are_said_in_words(fathom, write):
    stars = np.arange(300) % 7 + 1
    stars[0] = 9
    table = write(small(300, stars=stars, copied=stars * 2.5))
    run = fathom("train", table, "--target", "stars", "--time-limit", 1)
    assert run.code == 0, run.err
    assert "stars is one of 8 classes" in run.out
    assert "8 different whole numbers are taken as classes; --task numbers predicts" in run.out
    assert "a class with one row only: 9" in run.out
    assert "column copied predicts the target almost perfectly on its own" in run.out
    run = fathom("evaluate", "model.fathom", table, "--json")
    assert run.events[0]["per_class"][-1]["label"] == 9


def test_row_64_noise_is_called_noise(fathom, write):
    rng = np.random.default_rng(3)
    table = write(small(3000, 1, y=rng.choice(["heads", "tails"], 3000)))
    run = fathom("train", table, "--target", "y", "--time-limit", 1.5)
    assert "No better than guessing: " in run.out
    assert re.search(r"\(log loss 0\.(69|7)", run.out)  # of guessing .693


def test_numbers_go_round(fathom, write, tmp_path):
    frame = small(150).with_columns(**{"pay, net": 100 + 10 * pl.col("a")})
    run = fathom("train", write(frame), "--target", "pay, net", "--time-limit", 1.5, "--json")
    assert run.events[-1]["metric"] == "RMSE"
    scale = library.load(tmp_path / "model.fathom").design_.scales[False].scale[0]
    assert run.events[-1]["score"] == pytest.approx(report_of(run)["validation_loss"] * scale)
    as_json = fathom("predict", "model.fathom", "t.csv", "--json").events
    values = [event["values"]["pay, net"] for event in as_json[:-1]]
    scores = fathom("evaluate", "model.fathom", "t.csv", "--json").events
    metrics = {metric["name"]: metric for metric in scores[0]["metrics"]}
    rmse = float(np.sqrt(np.mean((np.array(values) - frame["pay, net"].to_numpy()) ** 2)))
    assert metrics["RMSE"]["value"] == pytest.approx(rmse)
    assert metrics["RMSE"]["low"] < rmse < metrics["RMSE"]["high"]
    assert scores[-1].items() >= {"event": "done", "metric": "RMSE", "output": None}.items()
    commas = frame.with_columns(pl.col("pay, net").cast(str).str.replace(".", ",", literal=True))
    again = fathom("evaluate", "model.fathom", write(commas), "--json").events
    assert again[0]["metrics"] == scores[0]["metrics"]


def test_labels_go_round(fathom, write, tmp_path):
    frame = small(150).with_columns(up=pl.col("a") > 0, right=(pl.col("b") > 0).cast(int))
    run = fathom("train", write(frame), "--target", "up, right", "--time-limit", 1.5)
    assert "up, right is 2 labels, each yes or no" in run.out
    fathom("predict", "model.fathom", "t.csv", "--output", "p.parquet")
    found = pl.read_parquet(tmp_path / "p.parquet")
    names = ["probability_up", "probability_right"]
    assert found.columns == ["up", "right", *names, "is_unusual"]
    p = library.load(tmp_path / "model.fathom").predict_proba(frame.select("a", "b"))
    np.testing.assert_array_equal(found[names].to_numpy(), p)
    np.testing.assert_array_equal(found[["up", "right"]].to_numpy(), p >= 0.5)
    scores = fathom("evaluate", "model.fathom", "t.csv", "--json").events[0]
    other = fathom("evaluate", "model.fathom", "t.csv", "--json", "--target", "right,up").events[0]
    assert scores == other
    assert [report["label"] for report in scores["per_class"]] == ["up", "right"]


def test_tables_without_names_go_by_place(fathom, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2)).round(3)
    lines = [f"{'in' if a > 0 else 'out'},{a},{b}" for a, b in x]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    asked = ("--no-header", "--target", "column_1", "--time-limit", 1)
    assert fathom("train", "t.csv", *asked).code == 0
    (tmp_path / "x.csv").write_text("\n".join(f"{a},{b}" for a, b in x))
    one, other = (fathom("predict", "model.fathom", name) for name in ("t.csv", "x.csv"))
    assert one.out == other.out
    assert len(one.out.splitlines()) == 121
    table = read_table(tmp_path / "x.csv", has_header=False).frame
    p = library.load(tmp_path / "model.fathom").predict_proba(table)
    assert float(one.out.splitlines()[1].split(",")[1]) == pytest.approx(p[0, 0], rel=1e-12)
    assert "120 row" in fathom("evaluate", "model.fathom", "t.csv").out
    (tmp_path / "wide.csv").write_text("1,2,3,4\n")
    said = fathom("predict", "model.fathom", "wide.csv").refusal
    assert "a table of 2 columns, as in training" in said


def test_row_30_names_cannot_steer_the_terminal(fathom, write):
    evil = "\x1b]0;owned\x07<script>"
    columns = {evil: np.arange(60) % 5 * 1.25, "\x1b[31mred": ["x", "y\x1b[2J"] * 30}
    frame = small(y=["\x1b[2Jyes", "no"] * 30, **columns)
    name = write(frame, "\x1b[8mt.csv")
    run = fathom("train", name, "--target", "y", "--time-limit", 1)
    assert run.code == 0, run.err
    assert "\N{REPLACEMENT CHARACTER}]0;owned\N{REPLACEMENT CHARACTER}<script>" in run.out
    runs = [
        run,
        fathom("predict", "model.fathom", name, "--keep", is_terminal=True),
        fathom("predict", "model.fathom", write(frame.drop(evil))),
        fathom("predict", "model.fathom", name, "--json"),
        fathom("evaluate", "model.fathom", name),
        fathom("evaluate", "model.fathom", name, "--target", evil),
        fathom("train", name, "--target", "\x1b[2J", "--json"),
    ]
    for run in runs:
        assert not {"\x1b", "\x07"} & {*run.out, *run.err}
    assert [run.code for run in runs] == [0, 0, 2, 0, 0, 2, 2]


# What is refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "which is empty"),
        (b"a,b,churn\n", "no data rows"),
        (b"a,b,churn\n1,2,x\n1,2,3,y\n", "got 4 in line 3"),
        (b"a,b,churn\n1,2,x\n1,\0,y\n", "line 3"),
        (b'a,b,churn\n1,"2,x\n1,2,y\n', "quote"),
        (b"1.5,2.5,3.5\n1.5,2.0,0.5\n", "--no-header"),
        (b"# made today\na,b,churn\n1,2,x\n", "remarks"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"a,b,churn\n" + b"1,2,x\n" * 30, "two classes or more in churn"),
        (b"a,b,churn\n1,2,x\n", "two classes or more in churn"),
        (b"churn\nx\ny\n", "columns to predict from"),
        (b"id,churn\n1,x\n2,y\n3,x\n4,y\n", "a column to learn from"),
        (b"a,b,churn\n" + b"1,2,7.5\n" * 30, "differs from row to row"),
        (b"a,b,churn\n" + b"1,2,3.5\n2,1,inf\n" * 30, "finite"),
    ],
)
def test_rows_1_to_55_tables_that_cannot_be_learned_from(fathom, tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    assert message in fathom("train", "t.csv", *CHURN).refusal
    assert not (tmp_path / "model.fathom").exists()
    as_json = fathom("train", "t.csv", *CHURN, "--json")
    assert as_json.events[-1].keys() == {"event", "message"}
    assert as_json.events[-1]["event"] == "error"


def test_row_28_what_is_no_file(fathom, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    for name, message in (
        ("pipe.csv", "no regular file"), ("folder.csv", "a folder"), ("absent.csv", "No such file"),
        ("/dev/null", "no regular file"), ("x\0y.csv", "null"),
    ):  # fmt: skip
        run = fathom("train", name, *CHURN)
        assert message in run.refusal
        assert run.out == ""


WISHES = [
    (("--target", "chrun"), "did you mean churn?"),
    (("--target", "churn,churn"), "several different ones"),
    ((), "--target, the column to predict"),
    ((*CHURN, "--time-limit", "0"), "--time-limit above 0"),
    ((*CHURN, "--time-limit", "nan"), "--time-limit above 0"),
    ((*CHURN, "--seed", "-1"), "--seed"),
    ((*CHURN, "--task", "numbers"), "a number in every row of churn"),
    ((*CHURN, "--task", "guess"), "a task"),
    ((*CHURN, "--kind", "age"), "--kind column=kind"),
    ((*CHURN, "--kind", "agee=number"), "did you mean age?"),
    ((*CHURN, "--kind", "age=nmber"), "did you mean number"),
    ((*CHURN, "--kind", "churn=number"), "a column of the table for a kind"),
    ((*CHURN, "--kind", "city=number"), "city"),
    ((*CHURN, "--group", "citty"), "--group to name a column"),
    ((*CHURN, "--group", "churn"), "--group other than the target"),
    ((*CHURN, "--time", "city"), "a date or a number in every row of city"),
    ((*CHURN, "--time", "spent"), "in row 1"),
    ((*CHURN, "--weight", "city"), "a weight of 0 or more in every row of city"),
    ((*CHURN, "--weight", "spent"), "in row 1"),
    ((*CHURN, "--weight", "debt"), "'-1' in row 3"),
    ((*CHURN, "--weight", "zero"), "0 in every row"),
    ((*CHURN, "--class-weight", "heavy"), "'balanced'"),
    (("--target", "age", "--class-weight", "balanced"), "one column of classes — got numbers"),
    ((*CHURN, "--output", "absent/m.fathom"), "absent"),
    ((*CHURN, "--output", "folder"), "folder"),
    ((*CHURN, "--separator", "ab"), "--separator"),
    ((*CHURN, "--query", "SELECT 1"), "--query"),
    ((*CHURN, "--sheet", "Sheet1"), "--sheet"),
    ((*CHURN, "--continue", "t.csv"), "a file of another kind"),
    ((*CHURN, "--continue", "absent.fathom"), "absent.fathom"),
]


@pytest.mark.parametrize(("asked", "message"), WISHES, ids=[" ".join(a) for a, _ in WISHES])
def test_wishes_that_cannot_be_met(fathom, customers, write, tmp_path, asked, message):
    (tmp_path / "folder").mkdir()
    debt = pl.when(pl.int_range(200) == 2).then(-1).otherwise(1)
    table = write(customers.with_columns(debt=debt, zero=pl.lit(0)))
    assert message in fathom("train", table, *asked).refusal
    assert not (tmp_path / "model.fathom").exists()


def test_without_a_table_there_is_nothing_to_train_on(fathom):
    assert "a table to learn from" in fathom("train", *CHURN).refusal
