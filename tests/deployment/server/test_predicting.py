"""The plain way in: rows by column name; the server says what the library says."""

import threading

import numpy as np
import pandas as pd
import polars as pl
import pytest
from jax import monitoring

from fathom.data.parsing import parse_table
from fathom.deployment.answers import predicted_columns
from fathom.deployment.server.served import Served

CLOSE = {"rtol": 0, "atol": 1e-6}  # a prediction may depend that much on its neighbours


def assert_same(predictions, frame):
    """Hold the objects of an answer against columns of the library."""
    assert [list(row) for row in predictions] == [frame.columns] * frame.height
    for name in frame.columns:
        found, expected = [row[name] for row in predictions], frame[name]
        if expected.dtype.is_float():
            np.testing.assert_allclose(found, expected.to_numpy(), **CLOSE)
        else:
            assert found == expected.to_list()


def expected_of(model, table):
    parsed = parse_table(table, model.schema_.input.columns)
    return predicted_columns(model, table).with_columns(is_unusual=pl.Series(parsed.is_unusual))


@pytest.mark.parametrize("n", [1, 63])
def test_rows_of_a_table_get_what_the_library_predicts(server, models, table, n):
    expected = expected_of(models["table"], table)
    for begin in range(0, table.height, n):
        part = table[begin : begin + n]
        answer = server.predict("table", part.to_dicts())
        assert answer.status == 200
        assert list(answer.json)[:2] == ["model", "predictions"]
        assert answer.json["model"] == "table"
        assert_same(answer.json["predictions"], expected[begin : begin + n])
    assert expected["is_unusual"].any()


def test_text_as_a_file_holds_it_means_the_same(server, models, table):
    words = table.select(pl.all().cast(pl.String))
    for _ in range(2):  # the second time words are known already
        found = server.predict("table", words.to_dicts()).json["predictions"]
        assert_same(found, expected_of(models["table"], words))


def test_many_rows_are_computed_in_parts_and_come_back_in_order(server, models, table):
    many = pl.concat([table] * 12)[:700]
    expected = expected_of(models["table"], many)
    batcher = server.serving.shelf.places["table"].batcher
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batcher, "_most_rows", 300)
        patch.setattr(batcher, "_at_once", 0)
        rows = many.select("age", "spent", "is member").to_dicts()  # small enough for the limit
        rows = [{**row, "city": None, "since": None, "remark": None} for row in rows]
        found = server.predict("table", rows).json["predictions"]
    blank = many.with_columns(pl.lit(None, pl.String).alias(n) for n in ("city", "since", "remark"))
    assert_same(found, expected_of(models["table"], blank))
    assert expected.height == len(found)


def test_what_is_said_about_rows_and_counted(server, table):
    before = [
        server.count("fathom_rows_unusual_total", model="table"),
        server.count("fathom_column_unseen_total", model="table", column="city"),
        server.count("fathom_column_outside_total", model="table", column="age"),
        server.count("fathom_column_missing_total", model="table", column="spent"),
    ]
    plain = table.filter(pl.col("spent").is_not_null() & pl.col("city").is_not_null())[0].to_dicts()
    rows = [row | change for row, change in zip(plain * 4, (
        {}, {"city": "Rom"}, {"age": 90, "spent": None}, {"age": 1000, "shoes": 44},
    ), strict=True)]  # fmt: skip
    answer = server.predict("table", rows)
    unusual = [row["is_unusual"] for row in answer.json["predictions"]]
    assert unusual == [False, True, False, True]
    notes = " ".join(answer.json["notes"])
    assert "shoes" in notes
    assert "'Rom'" in notes
    after = [
        server.count("fathom_rows_unusual_total", model="table"),
        server.count("fathom_column_unseen_total", model="table", column="city"),
        server.count("fathom_column_outside_total", model="table", column="age"),
        server.count("fathom_column_missing_total", model="table", column="spent"),
    ]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 2, 1]


def test_numbers_by_name_and_by_place(server, models):
    x = np.random.default_rng(3).normal(size=(7, 3))
    expected = predicted_columns(models["numbers"], pd.DataFrame(x, columns=["a", "b", "c"]))
    by_name = [dict(zip("cab", (row[2], row[0], row[1]), strict=True)) for row in x.tolist()]
    for rows in (by_name, x.tolist()):
        found = server.predict("numbers", rows).json["predictions"]
        assert_same(found, expected)
    assert expected.columns == ["prediction_1", "prediction_2"]
    before = server.count("fathom_column_outside_total", model="numbers", column="b")
    server.predict("numbers", [[0, 99.0, 0]])
    assert server.count("fathom_column_outside_total", model="numbers", column="b") == before + 1


def test_labels_and_rows_without_names(server, models):
    x = np.random.default_rng(4).normal(size=(5, 3))
    for name in ("labels", "plain"):
        expected = predicted_columns(models[name], x)
        found = server.predict(name, x.tolist()).json["predictions"]
        if name == "plain":
            assert [row.pop("is_unusual") for row in found] == [False] * 5
        assert_same(found, expected)
    huge = server.predict("labels", [[1e308, 1e308, -1e308], [1e308] * 3])  # finite, and no sum is
    assert (huge.status, len(huge.json["predictions"])) == (200, 2)
    missing = [[1.0, None, 0.5]]
    found = server.predict("plain", missing).json["predictions"]
    expected = models["plain"].predict(np.array([[1.0, np.nan, 0.5]]))
    np.testing.assert_allclose(found[0]["prediction"], expected[0], **CLOSE)


def test_pictures(server, models):
    pictures = (np.random.default_rng(5).random((4, 6, 6)) > 0.5).astype(int)
    expected = predicted_columns(models["pictures"], pictures.astype(np.uint8))
    for shape in ((4, 6, 6), (4, 6, 6, 1), (4, 36)):
        rows = pictures.reshape(shape).tolist()
        assert_same(server.predict("pictures", rows).json["predictions"], expected)


def test_no_rows_get_no_predictions(server, files):
    for name in files:
        answer = server.predict(name, [])
        assert (answer.status, answer.json["predictions"]) == (200, [])


def test_nothing_is_compiled_once_the_server_is_ready(server, files):
    compiled = []
    monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event) if "compile" in event else None
    )
    try:
        for n in (1, 2, 5, 33, 300):
            zeros = np.zeros((n, 36), int).tolist()
            assert server.predict("pictures", zeros).status == 200
            assert server.predict("labels", [[0.0, 1.0, 2.0]] * n).status == 200
    finally:
        monitoring.clear_event_listeners()
    assert compiled == []


def test_many_clients_at_once_each_get_their_own(server, models, table):
    """A short soak: threads ask with random numbers of rows, the quick and the whole way."""
    expected = expected_of(models["table"], table)
    problems = []

    def ask(seed):
        rng = np.random.default_rng(seed)
        for _ in range(8):
            rows = rng.integers(0, table.height, rng.integers(1, 30))
            answer = server.predict("table", table[rows.tolist()].to_dicts())
            try:
                assert answer.status == 200
                assert_same(answer.json["predictions"], expected[rows.tolist()])
            except AssertionError as error:
                problems.append(error)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_a_model_is_described(server, models, files):
    every = server.ask("GET", "/models").json["models"]
    assert [one["name"] for one in every] == list(files)
    one = server.ask("GET", "/models/table").json
    assert one == every[0]
    assert one["classes"] == ["leaves", "stays"]
    columns = {column["name"]: column for column in one["columns"]}
    assert columns["age"]["kind"] == "number"
    assert set(columns["city"]["categories"]) == {"Ulm", "Bonn", "Kiel"}
    assert Served.load("again", files["table"]).digest == one["sha256"]


def test_openapi_has_requests_and_answers_made_from_the_columns(server, table):
    said = server.ask("GET", "/openapi.json").json
    assert said["openapi"].startswith("3.1")
    assert "/predict" not in said["paths"]  # there are several models
    post = said["paths"]["/models/table/predict"]["post"]
    content = post["requestBody"]["content"]["application/json"]["schema"]
    row = content["properties"]["rows"]["items"]
    assert row["required"] == table.columns
    assert set(row["properties"]["city"]["examples"]) == {"Ulm", "Bonn", "Kiel"}
    answer = post["responses"]["200"]["content"]["application/json"]["schema"]
    given = server.predict("table", table[:1].to_dicts()).json["predictions"][0]
    described = answer["properties"]["predictions"]["items"]
    assert set(described["required"]) == set(given)
    assert described["properties"]["prediction"]["enum"] == ["leaves", "stays"]
    wanted = {"400", "401", "404", "408", "413", "415", "421", "429"}
    assert wanted < set(post["responses"])
    ids = [op["operationId"] for path in said["paths"].values() for op in path.values()]
    assert len(ids) == len(set(ids))
    picture = said["paths"]["/models/pictures/predict"]["post"]["requestBody"]["content"]
    size = picture["application/json"]["schema"]["properties"]["rows"]["items"]
    assert (size["minItems"], size["items"]["minItems"], size["items"]["items"]["maximum"]) == (
        6,
        6,
        1,
    )
