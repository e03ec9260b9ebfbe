"""Trust: gaps, calibration and confusion by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from fathom.errors import InputError
from fathom.estimators.evaluation import evaluate_classes
from fathom.inspection.trust import (
    Calibration,
    Confusion,
    Gap,
    check_calibration,
    check_confusion,
    check_gap,
)
from fathom.training.history import Epoch, History, StartHistory

RNG = np.random.default_rng(0)


def history(train, validation, best=None, n_starts=1):
    epochs = tuple(
        Epoch(
            epoch=n, train_loss=a, train_score=1 - a, validation_loss=b,
            validation_score=None if b is None else 1 - b, learning_rate=0.1, seconds=n,
        )
        for n, (a, b) in enumerate(zip(train, validation, strict=True), 1)
    )  # fmt: skip
    start = StartHistory(epochs=epochs, best_epoch=best or len(epochs))
    starts = (start,) * n_starts
    kept = tuple(range(n_starts))
    return History(starts=starts, kept=kept, score_name="accuracy", seconds=1)


def codes(found):
    return [finding.code for finding in found.findings]


def test_the_gap_is_that_of_the_epoch_kept():
    gap = check_gap(history([0.5, 0.2, 0.1], [0.5, 0.4, 0.6], best=2, n_starts=2))
    assert (gap.train_loss, gap.validation_loss) == (0.2, 0.4)
    assert (gap.train_score, gap.validation_score) == (0.8, 0.6)
    assert codes(gap) == ["gap_large", "gap_turned"]
    assert gap.findings[0]["ratio"] == pytest.approx(2)
    assert gap.findings[1]["ratio"] == pytest.approx(1.5)
    assert Gap.model_validate_json(gap.model_dump_json()) == gap


def test_what_is_no_overfitting_is_not_called_so():
    assert codes(check_gap(history([0.3, 0.2], [0.3, 0.25]))) == ["gap_small"]
    assert codes(check_gap(history([0.001], [0.005]))) == ["gap_small"]
    assert codes(check_gap(history([0.3], [None]))) == ["gap_unknown"]
    falling = np.linspace(1, 0.5, 20)
    assert codes(check_gap(history(falling, falling)))[1] == "gap_still_falling"
    settled = [1.0] * 5 + [0.5] * 14 + [0.4999]
    assert codes(check_gap(history(settled, settled))) == ["gap_small"]
    assert (
        check_gap(History(starts=(StartHistory(),), kept=(0,), score_name="r2", seconds=0)) is None
    )


def test_the_calibration_error_by_hand():
    # two bins: .9 twice (one right), .7 twice (both right)
    p = [[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.3, 0.7]]
    found = check_calibration(p, [0, 1, 1, 1])
    assert found.error == pytest.approx(0.5 * abs(0.5 - 0.9) + 0.5 * abs(1 - 0.7))
    assert [(b.n_rows, round(b.confidence, 6), b.accuracy) for b in found.bins] == [
        (2, 0.7, 1), (2, 0.9, 0.5)
    ]  # fmt: skip
    assert found.bins[1].low == pytest.approx(13 / 15)
    assert Calibration.model_validate_json(found.model_dump_json()) == found


def forecast(n, k=4):
    p = RNG.dirichlet(np.ones(k), n)
    y = (p.cumsum(axis=1) < RNG.random((n, 1))).sum(axis=1).clip(max=k - 1)
    return p, y


def test_it_is_the_evaluations_own():
    p, y = forecast(500)
    found = check_calibration(p, y)
    evaluation = evaluate_classes(y, p, ["a", "b", "c", "d"], n_resamples=10)
    assert found.error == pytest.approx(evaluation["ECE"].value)
    assert found.accuracy == pytest.approx(evaluation["accuracy"].value)


def test_perfect_probabilities_are_taken_at_their_word():
    verdicts = [codes(check_calibration(*forecast(400), seed=seed))[0] for seed in range(40)]
    assert verdicts.count("calibrated") >= 34  # 38 of 40 expected


@pytest.mark.parametrize(("power", "code"), [(3.0, "overconfident"), (0.3, "underconfident")])
def test_who_is_too_sure_or_not_sure_enough_is_told(power, code):
    p, y = forecast(2000)
    sharper = p**power / (p**power).sum(axis=1, keepdims=True)
    assert codes(check_calibration(sharper, y)) == [code]


def test_unevenness_that_cancels_out_is_told():
    sure, unsure = [[0.95, 0.05]] * 200, [[0.55, 0.45]] * 200
    y = np.zeros(400, int)
    y[:60] = 1  # right in 70 % of the sure rows
    y[200:240] = 1  # and in 80 % of the others
    assert codes(check_calibration(sure + unsure, y)) == ["uneven_confidence"]


def test_the_confusion_is_scikit_learns_and_leads_to_the_rows():
    p, y = forecast(300)
    found = check_confusion(y, p, ["a", "b", "c", "d"])
    np.testing.assert_array_equal(found.counts, confusion_matrix(y, p.argmax(axis=1)))
    for i, truth in enumerate(found.classes):
        for j, guess in enumerate(found.classes):
            rows = found.rows(truth, guess)
            here = np.flatnonzero((y == i) & (p.argmax(axis=1) == j))
            assert sorted(rows) == here.tolist()
            sure = p.max(axis=1)[list(rows)]
            assert (np.diff(sure) >= 0).all() if i == j else (np.diff(sure) <= 0).all()
    mistakes = [cell.n for cell in found.cells if cell.truth != cell.prediction]
    assert mistakes == sorted(mistakes, reverse=True)
    assert found.findings[0]["n"] == mistakes[0]
    assert Confusion.model_validate_json(found.model_dump_json()) == found
    few = check_confusion(y, p.argmax(axis=1), ["a", "b", "c", "d"], most_rows=2)
    assert max(len(cell.rows) for cell in few.cells) == 2
    np.testing.assert_array_equal(few.counts, found.counts)


def test_what_stands_out_in_a_confusion_is_said():
    right = check_confusion([0, 1, 1], [0, 1, 1], ["cat", "dog"])
    assert codes(right) == ["no_mistakes"]
    lost = check_confusion([0, 1, 1], [0, 0, 0], ["cat", "dog"])
    assert codes(lost) == ["confused_most", "class_never_predicted"]
    assert "dog taken for cat: 2 (rows 1, 2)" in str(lost)
    assert str(lost.findings[0]) == "Its most frequent mistake is taking dog for cat: 2 of 2 rows."
    with pytest.raises(InputError, match="one of the classes cat, dog"):
        lost.rows("cat", "cow")


@pytest.mark.parametrize(
    ("p", "y"),
    [
        ([0.5], [0]), ([[0.5, 0.6]], [0]), ([[1.0]], [0]), ([[0.5, 0.5]], [2]),
        ([[0.5, 0.5]], [0.5]), ([[0.5, 0.5]], [0, 1]), ([[-0.5, 1.5]], [0]),
        ([[np.nan, 1]], [0]), (np.ones((0, 2)), []),
    ],
)  # fmt: skip
def test_probabilities_that_are_none_are_refused(p, y):
    with pytest.raises(InputError):
        check_calibration(p, y)


@pytest.mark.parametrize(
    ("y", "guess", "classes"),
    [
        ([0], [0, 1], ["a", "b"]), ([0], [2], ["a", "b"]), ([], [], ["a", "b"]), ([0], [0], ["a"]),
        ([0.5], [0], ["a", "b"]), ([0], [0], list(range(101))), ([0], [[0.5, 0.6]], ["a", "b"]),
    ],
)  # fmt: skip
def test_confusions_of_nothing_are_refused(y, guess, classes):
    with pytest.raises(InputError):
        check_confusion(y, guess, classes)
