"""The report in words: what was chosen, what was cut, and whether it is worth anything."""

import pytest

from fathom.errors import InputError
from fathom.search.report import Candidate, Report, Score, shared_traits
from fathom.search.space import Genes

DEEP = Genes(input_form="periodic", depth=3, width=256, dropout=0.1)
FLAT = Genes(input_form="robust", depth=0)


def candidate(number=0, genes=DEEP, status="kept", **more):
    weight = {"weight": 1.0} if status == "kept" else {}
    return Candidate(number=number, genes=genes, origin="portfolio", status=status,
                     **{**weight, **more})  # fmt: skip


def report(*candidates, **more):
    fields = {
        "loss_name": "log loss", "n_train": 1800, "n_held_out": 200, "n_folds": 1,
        "validation_loss": 0.35, "baseline_loss": 0.7, "seconds": 9.0,
    }  # fmt: skip
    return Report(candidates=candidates or (candidate(),), **{**fields, **more})


def words(*candidates, **more):
    return "\n".join(report(*candidates, **more).words())


def test_gain_is_the_share_of_the_baselines_loss_that_is_gone():
    assert report().gain == 0.5
    assert not report().is_no_better_than_guessing
    assert report(validation_loss=None).gain == 0
    assert report(baseline_loss=0.0).gain == 0


def test_a_model_that_only_guesses_is_called_so():
    for loss in (0.7, 0.695, 0.9):
        guess = report(validation_loss=loss)
        assert guess.is_no_better_than_guessing
        assert guess.words()[-1].startswith("No better than guessing: log loss ")
    assert "guessing" not in words(validation_loss=0.69)
    assert not report(validation_loss=None).is_no_better_than_guessing
    assert "not known" in words(validation_loss=None)


def test_how_good_it_is_is_said_in_the_users_terms():
    right = Score(name="accuracy", value=0.875, baseline=0.625)
    assert words(scores=(right,)).endswith(
        "87.5% right (log loss 0.3500) on held-out rows; always giving the same answer would be "
        "62.5% right (0.7000)."
    )
    guess = words(scores=(right,), validation_loss=0.7)
    assert "No better than guessing: 87.5% right (log loss 0.7000) on held-out rows" in guess
    pay, tax = (
        Score(name="RMSE", output=name, value=value, baseline=10 * value)
        for name, value in (("pay", 12.5), ("tax", 0.25))
    )
    numbers = {"loss_name": "relative RMSE", "validation_loss": 0.1, "baseline_loss": 1.0}
    alone = report(**numbers, scores=(pay,))
    assert alone.headline == ("RMSE", 12.5)
    assert alone.words()[-1] == (
        "RMSE 12.5 on held-out rows; always giving the same answer would have 125."
    )
    both = report(**numbers, scores=(pay, tax))
    assert both.headline == ("relative RMSE", 0.1)
    assert both.words()[-1].startswith("RMSE 12.5 for pay, 0.25 for tax on held-out rows; ")
    assert both.words()[-1].endswith("would have 125, 2.5.")
    many = report(**numbers, scores=(pay,) * 8).words()[-1]
    assert many.count("for pay") == 5
    assert "and 3 more" in many
    assert Report.model_validate_json(both.model_dump_json()) == both


def test_one_network_alone_is_said_so():
    assert words().startswith("1 network was tried, and is the model, trained on 1,800 rows")
    told = words(candidate(loss=0.21, train_loss=0.2))
    assert "averaged" not in told
    assert "while learning and probabilities are calibrated" in told
    several = [candidate(k, loss=0.21, train_loss=0.2, weight=0.5) for k in range(2)]
    assert "their predictions are averaged" in words(*several)
    assert "calibrated" not in words(*several, loss_name="relative RMSE")


def test_overfitting_is_said_and_what_was_done_against_it():
    overfit = words(candidate(loss=0.4, train_loss=0.2))
    assert "100% higher" in overfit
    assert "learned some by heart" in overfit
    assert "10% of the neurons were dropped" in overfit
    close = words(candidate(loss=0.21, train_loss=0.2))
    assert "No sign of overfitting" in close
    assert "neurons were dropped" not in words(candidate(genes=FLAT, loss=0.2, train_loss=0.2))
    assert report(candidate()).gap is None


def test_the_gap_is_weighted():
    found = report(
        candidate(0, weight=0.75, loss=0.3, train_loss=0.2),
        candidate(1, weight=0.25, loss=0.2, train_loss=0.2),
    )
    assert found.gap == pytest.approx(0.75 * 1.5 + 0.25 - 1)


def test_networks_are_told_the_heaviest_first_and_what_they_share():
    told = words(
        candidate(0, FLAT, weight=0.2), candidate(1, DEEP, weight=0.8),
        candidate(2, DEEP, status="spare"),
    )  # fmt: skip
    lines = told.splitlines()
    assert lines[0].startswith("3 networks were tried; the model is 2 of them")
    assert "trained on 1,800 rows and judged on 200 held out" in lines[0]
    assert lines[1].lstrip().startswith("80% network 2: 3 × 256 selu")
    assert lines[2].lstrip().startswith("20% network 1: linear")
    assert "0 to 3 hidden layers" in told
    assert "each trained 5 times" in words(n_folds=5)
    assert "What they share" not in words()


def test_the_last_that_were_cut_are_told_with_the_reason():
    cut = [candidate(n, status="cut", reason=f"behind by {n}") for n in range(1, 6)]
    told = words(candidate(), *cut)
    assert "5 were cut early" in told
    for n in (3, 4, 5):
        assert f"behind by {n}" in told
    assert "behind by 2" not in told


def test_traits_are_spans():
    told = shared_traits((candidate(0), candidate(1, genes=Genes(depth=2, width=64))))
    assert "2 to 3 hidden layers" in told
    assert "64 to 256 neurons" in told


def test_a_report_goes_to_json_and_back():
    found = report(candidate(loss=0.3, train_loss=0.2), candidate(1, status="cut", reason="<b>"))
    assert Report.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    "changes", [{"n_folds": 0}, {"validation_loss": float("nan")}, {"loss_name": "error"}]
)
def test_a_report_that_cannot_be_is_refused(changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        report(**changes)
