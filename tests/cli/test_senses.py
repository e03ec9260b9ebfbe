"""Pictures and texts through the command: trained once, then predicted, judged and looked into."""

import re
import shutil

import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from PIL import Image

from fathom import Bag, FathomClassifier, load, save
from fathom.data.images import read_levels
from fathom.errors import InputError

FILLER = "the room was on a street near our train and we had two days there"
OPINIONS = {"liked": ["great", "lovely", "charming"], "hated": ["awful", "dirty", "rude"]}


def make_pictures(folder, n=60, seed=0):
    """Write pictures of two classes: red or blue spots on noise, of several sizes."""
    rng = np.random.default_rng(seed)
    for number in range(n):
        name, channel = (("red", 0), ("blue", 2))[number % 2]
        height, width = rng.integers(20, 40, 2)
        picture = rng.integers(0, 90, (height, width, 3)).astype(np.uint8)
        top, left = rng.integers(0, (height - 12, width - 12))
        picture[top : top + 12, left : left + 12, channel] += 150
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / name / f"{number}.png")


@pytest.fixture(scope="module")
def spots(tmp_path_factory, run_in):
    """Return a folder with pictures and what training on them gave."""
    folder = tmp_path_factory.mktemp("spots")
    make_pictures(folder / "seen")
    make_pictures(folder / "fresh", n=20, seed=1)
    (folder / "seen" / "red" / "notes.png").write_text("no picture")
    asked = ("--time-limit", 2, "--output", "m.fathom", "--json")
    return folder, run_in("train", "seen", *asked, cwd=folder)


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    """Return a folder with reviews.csv and a model of them, trained by steps, not by the clock."""
    folder, rng = tmp_path_factory.mktemp("reviews"), np.random.default_rng(0)
    kinds = [("liked", "hated")[number % 2] for number in range(120)]
    texts = []
    for kind in kinds:
        words = [*rng.choice(FILLER.split(), 9), rng.choice(OPINIONS[kind])]
        texts.append(" ".join(rng.permutation(words)))
    frame = pl.DataFrame({"review": texts, "opinion": kinds})
    frame.write_csv(folder / "reviews.csv")
    model = FathomClassifier(time_limit=None, random_state=0)
    save(model.fit(frame.select("review"), frame["opinion"].to_numpy()), folder / "m.fathom")
    return folder, model


def test_a_folder_of_pictures_becomes_a_model(spots):
    folder, run = spots
    assert run.code == 0
    events = {event["event"]: event for event in run.events}
    assert events["data"]["pictures"] == 61
    assert events["data"]["classes"] == 2
    assert events["pictures"]["count"] == 60
    assert any("notes.png" in note for note in events["pictures"]["notes"])
    assert events["done"]["output"] == "m.fathom"
    model = load(folder / "m.fathom")
    assert model.schema_.input.is_photo
    assert list(model.classes_) == ["blue", "red"]


def test_predictions_of_files_are_those_of_the_library(spots, run_in):
    folder, _ = spots
    run = run_in("predict", "m.fathom", "fresh", "--output", "p.csv", cwd=folder)
    assert run.code == 0, run.err
    written = pl.read_csv(folder / "p.csv")
    assert written.columns == ["file", "class", "probability_blue", "probability_red"]
    model = load(folder / "m.fathom")
    shape = model.schema_.input.shape
    x = np.stack([read_levels(folder / name, *shape) for name in written["file"]])
    np.testing.assert_allclose(written["probability_red"], model.predict_proba(x)[:, 1], atol=1e-5)
    said = np.where(written["probability_red"] > 0.5, "red", "blue")
    assert (written["class"].to_numpy() == said).all()


def test_the_list_of_pictures_and_the_model_are_never_written_over(spots, run_in):
    folder, _ = spots
    names = [str(path.relative_to(folder)) for path in sorted((folder / "fresh").rglob("*.png"))]
    pl.DataFrame({"where": names}).write_csv(folder / "list.csv")
    before = (folder / "list.csv").read_bytes()
    said = run_in("predict", "m.fathom", "list.csv", "--output", "list.csv", cwd=folder).refusal
    assert "other than what is read" in said
    assert (folder / "list.csv").read_bytes() == before


def test_a_folder_is_judged_and_a_table_of_paths_too(spots, run_in):
    folder, _ = spots
    as_folder = run_in("evaluate", "m.fathom", "fresh", "--json", cwd=folder)
    paths = sorted((folder / "fresh").rglob("*.png"))
    names = [str(path.relative_to(folder)) for path in paths]
    kinds = [path.parent.name for path in paths]
    pl.DataFrame({"where": names, "what": kinds}).write_csv(folder / "fresh.csv")
    as_table = run_in("evaluate", "m.fathom", "fresh.csv", "--target", "what", "--json", cwd=folder)
    scores = [run.events[-1]["score"] for run in (as_folder, as_table)]
    model = load(folder / "m.fathom")
    x = np.stack([read_levels(path, *model.schema_.input.shape) for path in paths])
    assert scores == [pytest.approx(np.mean(model.predict(x) == np.array(kinds)))] * 2


def test_a_report_on_pictures_shows_the_mistakes_and_what_spoke_for_them(spots, run_in):
    folder, _ = spots
    judged = run_in("evaluate", "m.fathom", "fresh", "--json", cwd=folder)
    run = run_in(
        "report", "m.fathom", "--data", "fresh", "--output", "r.html", "--json", cwd=folder
    )
    assert run.code == 0, run.err
    metrics = {e["name"]: e["value"] for e in run.events if e["event"] == "metric"}
    assert metrics["accuracy"] == pytest.approx(judged.events[-1]["score"])
    page = (folder / "r.html").read_text()
    model, paths = load(folder / "m.fathom"), sorted((folder / "fresh").rglob("*.png"))
    x = np.stack([read_levels(path, *model.schema_.input.shape) for path in paths])
    wrong = [p for p, said in zip(paths, model.predict(x), strict=True) if said != p.parent.name]
    for path in wrong[:5]:
        assert f"{path.parent.name}/{path.name}" in page
    assert page.count("what spoke for what was said") == min(len(wrong), 12)


def test_a_report_on_texts_shows_the_mistakes_and_the_words_that_spoke_for_them(reviews, run_in):
    folder, model = reviews
    frame = pl.read_csv(folder / "reviews.csv")
    truth = frame["opinion"].to_list()
    truth[7] = "hated" if truth[7] == "liked" else "liked"  # one row that must be mistaken
    frame.with_columns(opinion=pl.Series(truth)).write_csv(folder / "wrong.csv")
    asked = ("--data", "wrong.csv", "--target", "opinion", "--output", "r.html", "--json")
    run = run_in("report", "m.fathom", *asked, cwd=folder)
    assert run.code == 0, run.err
    metrics = {e["name"]: e["value"] for e in run.events if e["event"] == "metric"}
    said = model.predict(frame.select("review"))
    assert metrics["accuracy"] == pytest.approx(np.mean(said == np.array(truth)))
    page = (folder / "r.html").read_text()
    told = next(w for w in OPINIONS[frame["opinion"][7]] if w in frame["review"][7])
    card = page[page.index(">row 8<") :]
    colored = re.findall(r'background:rgba\([^)]*,([\d.]+)\)">(\w+)', card[: card.index("</p>")])
    assert max(colored, key=lambda one: float(one[0]))[1] == told  # the word that decided


def test_a_model_of_texts_is_trained_on_with_more_networks(reviews, run_in, tmp_path):
    folder = reviews[0]
    shutil.copy(folder / "m.fathom", tmp_path / "m.fathom")
    shutil.copy(folder / "reviews.csv", tmp_path / "reviews.csv")
    asked = ("reviews.csv", "--target", "opinion", "--continue", "m.fathom", "--time-limit", 4)
    run = run_in("train", *asked, cwd=tmp_path)
    assert run.code == 0, run.err
    after, before = load(tmp_path / "m.fathom"), load(folder / "m.fathom")
    n = len(before.history_.starts)
    assert after.history_.starts[:n] == before.history_.starts
    assert len(after.history_.starts) > n
    assert len(after.networks_) == len(after.history_.kept) >= len(before.networks_)
    table = before.networks_[0].layers[0].table
    np.testing.assert_array_equal(after.networks_[0].layers[0].table, table)
    new = after.networks_[len(before.networks_) :]
    assert all(not np.array_equal(one.layers[0].table, table) for one in new)
    (tmp_path / "other.csv").write_text("review,opinion\na,good\nb,bad\nc,good\n")
    refused = run_in("train", "other.csv", "--target", "opinion", *asked[3:], cwd=tmp_path)
    assert "the target of the first training, hated, liked" in refused.refusal


def test_one_picture_is_looked_into_and_its_parts_add_up(spots, run_in):
    folder, _ = spots
    path = sorted((folder / "fresh" / "red").iterdir())[0]
    run = run_in("inspect", "m.fathom", "--data", "fresh", "--row", 11, "--attribution", "--json",
                 cwd=folder)  # fmt: skip
    events = {event["event"]: event for event in run.events}
    assert path.name in events["example"]["origin"]
    assert events["example"]["expected"] == "red"
    places = events["places"]
    assert np.sum(places["contributions"]) == pytest.approx(places["z"] - places["flat"], abs=1e-6)
    model = load(folder / "m.fathom")
    levels = read_levels(path, *model.schema_.input.shape)[None]
    p = model.predict_proba(levels)[0]
    assert places["output"] == model.classes_[p.argmax()]
    flat = np.broadcast_to(np.float32(levels).mean(axis=(1, 2), keepdims=True), levels.shape)
    z = np.asarray(model.networks_[0].combine(jnp.asarray(flat)))[0, p.argmax()]
    assert places["flat"] == pytest.approx(float(z), abs=0.01 + 0.01 * abs(float(z)))
    shown = run_in("inspect", "m.fathom", "--data", str(path), cwd=folder)
    assert "It says" in shown.out
    assert f"{model.classes_[p.argmax()]}: {p.max():.2f}" in shown.out


def test_pictures_named_by_a_table_are_learned_from(spots, run_in, monkeypatch):
    folder, _ = spots
    names = [f"seen/{('red', 'blue')[number % 2]}/{number}.png" for number in range(40)]
    kinds = ["ab"[number % 2] for number in range(40)]
    pl.DataFrame({"where": names, "kind": kinds}).write_csv(folder / "paths.csv")
    given = {}

    def search(x, y, target, *rest, **options):
        given.update(x=x, y=y, classes=target.classes)
        raise InputError("enough", got="it")

    monkeypatch.setattr("fathom.cli.pictures.search_photographs", search)
    run = run_in("train", "paths.csv", "--target", "kind", "--json", cwd=folder)
    assert next(event for event in run.events if event["event"] == "data")["pictures"] == 40
    assert given["classes"] == ("a", "b")
    np.testing.assert_array_equal(given["y"], np.arange(40) % 2)
    reds = given["x"][..., 0].mean(axis=(1, 2)) > given["x"][..., 2].mean(axis=(1, 2))
    np.testing.assert_array_equal(reds, np.arange(40) % 2 == 0)
    wrong = run_in("train", "paths.csv", "--target", "kind", "--image-column", "wher", cwd=folder)
    assert "--image-column" in wrong.refusal


def test_what_cannot_be_done_with_pictures_is_refused(spots, run_in):
    folder, _ = spots
    model = load(folder / "m.fathom")
    with pytest.raises(ValueError, match="whole levels"):
        model.predict(np.zeros((2, 24, 24, 3)))
    with pytest.raises(ValueError, match=r"\(n, height, width, 3\)"):
        model.predict(np.zeros((2, 24, 24), np.uint8))
    for arguments in (
        ("predict", "m.fathom", "fresh", "--id", "file"),
        ("predict", "m.fathom", "reviews"),
        ("inspect", "m.fathom"),
        ("train", "fresh/red"),
    ):
        assert run_in(*arguments, cwd=folder).refusal


def test_reviews_become_a_model_of_texts_that_is_right(reviews, run_in):
    folder, model = reviews
    assert len(model.networks_) == 4
    assert isinstance(model.architecture_.layers[0], Bag)
    fresh = pl.DataFrame({"review": ["What a GREAT place", "rude staff, dirty floor"]})
    assert model.predict(fresh).tolist() == ["liked", "hated"]
    predicted = run_in("predict", "m.fathom", "reviews.csv", "--output", "p.csv", cwd=folder)
    assert predicted.code == 0
    rows = pl.read_csv(folder / "reviews.csv")
    np.testing.assert_allclose(
        pl.read_csv(folder / "p.csv")["probability_liked"],
        model.predict_proba(rows.select("review"))[:, 1], atol=1e-6,
    )  # fmt: skip
    judged = run_in(
        "evaluate", "m.fathom", "reviews.csv", "--target", "opinion", "--json", cwd=folder
    )
    assert judged.events[-1]["score"] > 0.95


def test_a_table_of_texts_is_learned_by_the_command(reviews, run_in):
    folder, _ = reviews
    run = run_in(
        "train", "reviews.csv", "--target", "opinion", "--time-limit", 1, "--output", "t.fathom",
        "--json", cwd=folder,
    )  # fmt: skip
    assert run.code == 0, run.err
    assert run.events[-1]["output"] == "t.fathom"
    model = load(folder / "t.fathom")
    assert model.schema_.target.names == ("opinion",)
    assert run_in("inspect", "t.fathom", "--row", 3, cwd=folder).out.count("contribution") == 1


def test_the_words_that_decided_add_up_and_are_the_right_ones(reviews, run_in):
    folder, _ = reviews
    rows = pl.read_csv(folder / "reviews.csv")
    telling = {word for words in OPINIONS.values() for word in words}
    for row in (1, 2, 7):
        run = run_in(
            "inspect", "m.fathom", "--row", row, "--data", "reviews.csv", "--json", cwd=folder
        )
        words = next(event for event in run.events if event["event"] == "words")
        total = sum(word["share"] for word in words["words"])
        assert total == pytest.approx(words["sum"] - words["without"], abs=0.05)
        assert words["prediction"].startswith(rows["opinion"][row - 1])
        strongest = max(words["words"], key=lambda word: word["share"])
        assert strongest["word"] in telling


def test_what_cannot_be_done_with_texts_is_refused(reviews, run_in):
    folder, _ = reviews
    for arguments in (
        ("inspect", "m.fathom", "--formula"),
        ("train", "--continue", "m.fathom"),
        ("train", "--replay", "m.fathom"),
    ):
        assert run_in(*arguments, cwd=folder).refusal


def test_a_network_of_pictures_goes_on_where_it_stood(spots, run_in):
    folder, _ = spots
    first = load(folder / "m.fathom")
    run = run_in("train", "--continue", "m.fathom", "--time-limit", 2, "--output", "on.fathom",
                 "--json", cwd=folder)  # fmt: skip
    assert run.code == 0, run.err
    assert next(e for e in run.events if e["event"] == "data")["file"] == str(folder / "seen")
    second = load(folder / "on.fathom")
    assert second.architecture_ == first.architecture_
    assert len(second.history_.starts) == len(first.history_.starts) + 1
    best = [
        model.history_.starts[model.history_.kept[0]].best.validation_loss
        for model in (first, second)
    ]
    assert best[1] <= best[0] + 1e-6  # the old network stays where the new one is no better
    for kind, called in (("red", "red"), ("blue", "green")):
        shutil.copytree(folder / "fresh" / kind, folder / "odd" / called)
    refused = run_in("train", "odd", "--continue", "m.fathom", cwd=folder).refusal
    assert "the target of the first training" in refused
    assert "green" in refused
