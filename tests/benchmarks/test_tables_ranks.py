"""The report on results of tables, on invented ones."""

import pytest


def classes(table, system, limit=None, split=0, error=0.1, loss=0.3, seconds=1.0, **more):
    return {
        "table": table, "task": "binary", "rows": 500, "split": split, "system": system,
        "time_limit": limit, "error": error, "log_loss": loss, "ece": 0.02, "auc": 0.9,
        "n_test": 100, "fit_seconds": seconds, "wall_seconds": seconds + 1, "failure": "", **more,
    }  # fmt: skip


def numbers(table, system, limit=None, rmse=1.0, **more):
    line = classes(table, system, limit, **more)
    for name in ("error", "log_loss", "ece", "auc"):
        del line[name]
    return {**line, "task": "regression", "rmse": rmse, "r2": 0.5}


def failure(table, system, limit=None):
    line = classes(table, system, limit)
    del line["error"], line["log_loss"], line["ece"], line["fit_seconds"]
    return {**line, "failure": "MemoryError (exit code 1)"}


LINES = [
    classes("a", "Fathom", 20, error=0.10, loss=0.20, seconds=20.5),
    classes("a", "trees", error=0.10, loss=0.30),
    classes("a", "net", error=0.20, loss=0.40),
    classes("b", "Fathom", 20, error=0.00, loss=0.10, seconds=23.0),
    classes("b", "trees", error=0.01, loss=0.20),
    failure("b", "net"),
    numbers("c", "Fathom", 20, rmse=2.0, seconds=21.5),
    numbers("c", "trees", rmse=1.0),
    numbers("c", "net", rmse=4000.0),
]


def by_system(ranks, metric, lines=LINES):
    cells = ranks.cells_of(lines, metric)
    systems = ranks.labels_of(line for cell in cells.values() for line in cell.values())
    return {row["system"]: row for row in ranks.standing(cells, systems, metric)}


def test_ranks_share_ties_and_put_failures_last(ranks):
    assert ranks.ranks([0.2, 0.1, 0.2, float("inf")]) == [2.5, 1.0, 2.5, 4.0]
    found = by_system(ranks, "error")
    assert found["Fathom 20 s"]["mean rank"] == (1.5 + 1) / 2
    assert found["trees"]["mean rank"] == (1.5 + 2) / 2
    assert found["net"]["mean rank"] == 3
    assert [found[name]["failures"] for name in ("Fathom 20 s", "trees", "net")] == [0, 0, 1]


def test_distance_and_wins(ranks):
    found = by_system(ranks, "log_loss")
    assert found["trees"]["above the best"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["net"]["above the best"] == pytest.approx(1.0)
    assert found["Fathom 20 s"]["win rate"] == 1
    assert found["Fathom 20 s"]["best on"] == 2
    # no mistake at all: one row more wrong on both sides
    assert by_system(ranks, "error")["trees"]["above the best"] == pytest.approx(0.5)
    assert by_system(ranks, "rmse")["trees"]["best on"] == 1


def test_the_promise(ranks):
    assert [ranks.is_kept(line) for line in LINES if line["system"] == "Fathom"] == [
        True, False, True,
    ]  # fmt: skip
    text = ranks.report(LINES)
    assert "| Fathom 20 s | 3 | 2 | 66.6 % | +3.0 s |" in text
    assert "| b | 0 | Fathom 20 s | 23.0 s | 22.0 s | +1.0 s |" in text
    assert "| a | 0 | Fathom" not in text


@pytest.mark.parametrize(("limit", "most"), [(5, 7), (20, 22), (40, 42), (60, 63), (180, 189)])
def test_a_twentieth_of_the_limit_or_two_seconds_are_allowed(ranks, limit, most):
    assert ranks.is_kept(classes("a", "Fathom", limit, seconds=most))
    assert not ranks.is_kept(classes("a", "Fathom", limit, seconds=most + 0.01))


def test_no_model_is_no_promise_kept(ranks):
    lines = [failure("a", "Fathom", 20), classes("b", "Fathom", 20)]
    text = ranks.promises(lines)
    assert "| Fathom 20 s | 2 | 1 | 50 % |" in text
    assert "| a | 0 | Fathom 20 s | 2.0 s | 22.0 s | failed |" in text
    assert "broken" not in ranks.promises(lines[1:])


def test_systems_are_in_order_of_name_and_limit(ranks):
    lines = [classes("a", "trees"), *(classes("a", "Fathom", limit) for limit in (180, 20, 5))]
    assert ranks.labels_of(lines) == ["Fathom 5 s", "Fathom 20 s", "Fathom 180 s", "trees"]


def test_the_report_says_it_all(ranks):
    text = ranks.report(LINES)
    for wanted in (
        "| a | **90.00** | 80.00 | **90.00** |",
        "| b | **0.1000** | failed | 0.2000 |",
        "| c | 2.000 | 4,000.0 | **1.000** |",
        "2 splits of 2 tables",
        "| b | 0 | net | None | MemoryError (exit code 1) |",
        "Calibration on tables under 3,000 rows",
    ):
        assert wanted in text
    assert "Quality against time" not in text


def test_several_limits_are_ranked_apart_and_make_a_curve(ranks):
    lines = [*LINES, classes("a", "Fathom", 60, loss=0.1), classes("b", "Fathom", 60, loss=0.1)]
    text = ranks.report(lines)
    assert text.split("### Over the tables: log loss")[1].count("2 splits of 2 tables") == 2
    assert "| log loss | Fathom 20 s | 50.0 % | 1.75 | 2 |" in text
    assert "| log loss | Fathom 60 s | 0.0 % | 1.25 | 2 |" in text


def test_a_system_run_on_some_tables_only_is_ranked_on_those(ranks):
    lines = [*LINES, classes("a", "slow", error=0.05, loss=0.05)]
    text = ranks.standings(lines, "log_loss")
    assert "2 splits of 2 tables" in text
    assert "1 split of 1 table\n" in text
    assert text.count("slow") == 1


def test_results_without_any_of_fathom(ranks):
    text = ranks.report([line for line in LINES if line["system"] != "Fathom"])
    assert "The promise" not in text
    assert "| trees | 1.00 |" in text
