"""Recordings through the command: what each is, and what is said; trained, predicted, judged."""

import hashlib
import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from fathom import FathomClassifier, FathomRegressor, Recordings, load, load_transcriber, save
from fathom.errors import InputError, ModelFileError
from fathom.estimators import transcriber
from fathom.estimators.listening import sound_rows
from fathom.estimators.transcriber import FathomTranscriber
from fathom.search import listening
from fathom.search.transcribing import sequence_entry, sequence_network
from fathom.training.starts import n_workers

soundfile = pytest.importorskip("soundfile", reason="the extra audio is not installed")
RATE = 8000
HERTZ = {"a": 350, "b": 900, "c": 2200}


def beep(letter, rng, seconds=0.16):
    """Return a tone with an overtone, its pitch, loudness and beginning a little different."""
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = HERTZ[letter] * rng.uniform(0.95, 1.05)
    wave = np.sin(2 * np.pi * pitch * time) + 0.3 * np.sin(4 * np.pi * pitch * time)
    return rng.uniform(0.1, 0.4) * wave * np.hanning(len(time))


def hush(rng, low=0.05, high=0.15):
    return 0.001 * rng.normal(size=round(rng.uniform(low, high) * RATE))


def say(text, rng):
    parts = [hush(rng)]
    for letter in text.split():
        parts += [beep(letter, rng), hush(rng)]
    return np.concatenate(parts).astype("f4")


def write_set(folder, n, seed, rate=RATE):
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(n):
        letter = "ab"[number % 2]
        soundfile.write(folder / f"{letter}_{number % 3}_{number}.wav", say(letter, rng), rate)


def write_texts(folder, n, seed):
    """Write recordings of one to three letters, and the table that says which."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    texts = [" ".join(rng.choice(list("abc"), rng.integers(2, 5))) for _ in range(n)]
    for number, text in enumerate(texts):
        soundfile.write(folder / f"{number}.flac", say(text, rng), RATE)
    paths = [f"{folder.name}/{number}.flac" for number in range(n)]
    pl.DataFrame({"path": paths, "text": texts}).write_csv(folder.parent / f"{folder.name}.csv")


def make_small(patch):
    """Have a small network write, trained by epochs: quick, and compiled once for all."""
    small = lambda n, shape, n_signs, *rest: sequence_network(shape, 24, 1, n_signs, rest[-1])

    def short(described, n, seed, seconds):
        entry = sequence_entry(described, n, seed, seconds)
        recipe = entry.recipe.model_copy(update={"epochs": 25, "learning_rate": 0.01})
        return type(entry)(entry.name, entry.architecture, recipe)

    patch.setattr(transcriber, "choose_sequence", small)
    patch.setattr(transcriber, "sequence_entry", short)


@pytest.fixture(scope="module")
def beeps(tmp_path_factory, run_in):
    """Return a folder with recordings, and what training on them by their names gave."""
    folder = tmp_path_factory.mktemp("beeps")
    write_set(folder / "seen", 60, 0)
    write_set(folder / "fresh", 16, 1)
    (folder / "seen" / "a_0_x.wav").write_text("no recording")
    asked = ("--names", "{class}_{day}_{n}", "--time-limit", 3, "--output", "m.fathom", "--json")
    return folder, run_in("train", "seen", *asked, cwd=folder)


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    """Return a folder with texts and a model of them, trained by epochs, not by the clock."""
    folder = tmp_path_factory.mktemp("texts")
    write_texts(folder / "seen", 100, 0)
    write_texts(folder / "fresh", 20, 1)
    table = pl.read_csv(folder / "seen.csv")
    heard = Recordings.read([folder / path for path in table["path"]])
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        model = FathomTranscriber(time_limit=None, random_state=1).fit(heard, table["text"])
    save(model, folder / "t.fathom")
    return folder, model


def test_a_folder_of_recordings_becomes_a_model_by_their_names(beeps):
    folder, run = beeps
    assert run.code == 0, run.err
    events = {event["event"]: event for event in run.events}
    assert events["data"]["recordings"] == 61
    assert any("left out: day, n" in note for note in events["data"]["notes"])
    assert events["sounds"]["count"] == 60
    assert events["sounds"]["rate"] == RATE
    assert any("a_0_x.wav" in note for note in events["sounds"]["notes"])
    model = load(folder / "m.fathom")
    assert list(model.classes_) == ["a", "b"]
    described = model.schema_.input
    assert described.hearing.rate == RATE
    assert described.shape == (*model.architecture_.input_shape[:2], 1)


def test_predictions_are_those_of_the_library_and_evaluations_too(beeps, run_in):
    folder, _ = beeps
    run = run_in("predict", "m.fathom", "fresh", "--output", "p.csv", cwd=folder)
    assert run.code == 0, run.err
    written = pl.read_csv(folder / "p.csv")
    assert written.columns == ["file", "class", "probability_a", "probability_b"]
    model = load(folder / "m.fathom")
    heard = Recordings.read([folder / name for name in written["file"]])
    np.testing.assert_allclose(
        written["probability_a"], model.predict_proba(heard)[:, 0], atol=1e-5
    )
    judged = run_in("evaluate", "m.fathom", "fresh", "--names", "{class}_{x}", "--json", cwd=folder)
    truth = np.array([name.split("/")[1][0] for name in written["file"]])
    assert judged.events[-1]["score"] == pytest.approx(np.mean(model.predict(heard) == truth))


def test_a_report_on_recordings_names_their_files_and_training_goes_on(beeps, run_in):
    folder, _ = beeps
    asked = ("--data", "fresh", "--names", "{class}_{x}", "--output", "r.html", "--json")
    run = run_in("report", "m.fathom", *asked, cwd=folder)
    assert run.code == 0, run.err
    heard = Recordings.read(sorted((folder / "fresh").iterdir()))
    said = load(folder / "m.fathom").predict(heard)
    wrong = [
        path.name
        for path, one in zip(sorted((folder / "fresh").iterdir()), said, strict=True)
        if path.name[0] != one
    ]
    accuracy = next(e["value"] for e in run.events if e.get("name") == "accuracy")
    assert accuracy == pytest.approx(1 - len(wrong) / len(said))
    page = (folder / "r.html").read_text()
    assert all(name in page for name in wrong)
    on = run_in("train", "--continue", "m.fathom", "--time-limit", 1, "--output", "on.fathom",
                cwd=folder)  # fmt: skip
    assert on.code == 0, on.err
    before, after = load(folder / "m.fathom"), load(folder / "on.fathom")
    assert after.schema_ == before.schema_
    assert len(after.history_.starts) == len(before.history_.starts) + 1


def test_who_judged_teaches_in_the_end_and_more_networks_come_later(beeps, run_in, monkeypatch):
    folder, _ = beeps

    def few(*given):
        small = {"epochs": 2, "batch_size": 8}
        entries = listening.sound_entries(*given)[:2]
        return [replace(e, recipe=e.recipe.model_copy(update=small)) for e in entries]

    monkeypatch.setattr("fathom.estimators.listening.sound_entries", few)
    monkeypatch.setattr("fathom.search.everything.MOST_ROUNDS", 1)
    asked = ("--names", "{class}_{day}_{n}", "--group", "day", "--output", "all.fathom", "--json")
    run = run_in("train", "seen", "--time-limit", 300, *asked, cwd=folder)
    assert run.code == 0, run.err
    model = load(folder / "all.fathom")
    starts, kept = model.history_.starts, model.history_.kept
    judged = [start.best for start in starts[:2]]
    assert len(starts) == 2 + n_workers()
    assert kept == tuple(range(2, len(starts)))
    assert len(model.networks_) == len(kept)
    best = min(judged, key=lambda epoch: epoch.validation_loss)
    assert run.events[-1]["score"] == best.validation_score
    on = run_in("train", "--continue", "all.fathom", "--time-limit", 300, "--output", "on.fathom",
                cwd=folder)  # fmt: skip
    assert on.code == 0, on.err
    assert "held out, before the model learned from all" in " ".join(on.out.split())
    after = load(folder / "on.fathom")
    assert len(after.networks_) == 2 * n_workers()
    heard = Recordings.read(sorted((folder / "fresh").iterdir()))
    before, now = model.predict_proba(heard), after.predict_proba(heard)
    rows = sound_rows(heard, model.schema_.input).reshape(-1, *model.schema_.input.shape)
    alone = [np.asarray(one(jnp.asarray(rows, jnp.float32))) for one in model.networks_]
    np.testing.assert_allclose(before, np.mean(alone, axis=0), atol=1e-5)
    assert not np.allclose(before, now)


def test_recordings_of_another_rate_are_heard_alike(beeps):
    folder, _ = beeps
    model = load(folder / "m.fathom")
    time = np.arange(round(0.3 * 16_000)) / 16_000
    tone = (np.sin(2 * np.pi * 700 * time) * np.hanning(len(time))).astype("f4")
    ours = [model.predict_proba(Recordings((tone[::step],), 16_000 // step)) for step in (1, 2)]
    np.testing.assert_allclose(*ours, atol=0.05)
    assert model.predict_proba(Recordings((), RATE)).shape == (0, 2)


def test_sub_folders_are_classes_and_what_cannot_be_is_refused(beeps, run_in, monkeypatch):
    folder, _ = beeps
    for path in sorted((folder / "fresh").glob("*.wav")):
        place = folder / "sorted" / path.name[0]
        place.mkdir(parents=True, exist_ok=True)
        (place / path.name).write_bytes(path.read_bytes())
    given = {}

    def search(x, y, target, *rest, **options):
        given.update(n=len(x), y=y, classes=target.classes)
        raise InputError("enough", got="it")

    monkeypatch.setattr("fathom.cli.sounds.search_sounds", search)
    assert run_in("train", "sorted", cwd=folder).refusal
    assert given["n"] == 16
    assert given["classes"] == ("a", "b")
    np.testing.assert_array_equal(given["y"], [0] * 8 + [1] * 8)
    for arguments in (
        ("train", "fresh"),
        ("train", "fresh", "--names", "{class}-{n}"),
        ("train", "fresh", "--names", "{kind}_{n}"),
        ("train", "sorted", "--continue", "m.fathom"),
        ("predict", "m.fathom", "fresh", "--id", "file"),
        ("predict", "m.fathom", "m.fathom"),
        ("evaluate", "m.fathom", "fresh"),
    ):
        assert run_in(*arguments, cwd=folder).refusal


def test_recordings_in_python_are_learned_and_refused_like_anything_else():
    rng = np.random.default_rng(0)
    letters = [("a", "b")[number % 2] for number in range(12)]
    heard = Recordings(tuple(say(letter, rng) for letter in letters), RATE)
    model = FathomClassifier(time_limit=0.5, random_state=0).fit(heard, letters)
    assert set(model.predict(heard)) <= {"a", "b"}
    with pytest.raises(InputError, match="a target for each of 12"):
        FathomClassifier(time_limit=1).fit(heard, letters[:5])
    with pytest.raises(InputError, match="neither architecture nor recipe"):
        FathomClassifier(recipe=model.recipe_).fit(heard, letters)
    with pytest.raises(InputError, match="recordings, as in fit"):
        model.predict(np.zeros((3, 5)))
    lengths = np.array([len(wave) for wave in heard.waves], float)
    numbers = FathomRegressor(time_limit=0.5, random_state=0).fit(heard, lengths)
    assert numbers.predict(heard).shape == (12,)


def test_what_is_said_is_written_down(writer):
    folder, model = writer
    table = pl.read_csv(folder / "fresh.csv")
    heard = Recordings.read([folder / path for path in table["path"]])
    assert model.score(heard, table["text"]) > 0.8
    assert model.schema_.target.signs == (" ", "a", "b", "c")
    each = model.predict_log_proba(heard)
    for one in each:
        np.testing.assert_allclose(np.exp(one).sum(axis=1), 1)
    greedy = FathomTranscriber(beam_width=1).restore(
        model.schema_, model.architecture_, model.recipe_, model.history_, model.networks_,
        model.encoding_, None,
    )  # fmt: skip
    assert greedy.score(heard, table["text"]) > 0.8
    several = FathomTranscriber().restore(
        model.schema_, model.architecture_, model.recipe_, model.history_, model.networks_ * 2,
        model.encoding_, None,
    )  # fmt: skip
    assert several.predict(heard).tolist() == model.predict(heard).tolist()
    for one, other in zip(several.predict_log_proba(heard), each, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)
    alone = [model.predict(heard[np.array([row])])[0] for row in range(3)]
    assert alone == model.predict(heard)[:3].tolist()


def test_a_writer_is_saved_and_loaded_whole(writer):
    folder, model = writer
    again = load_transcriber(folder / "t.fathom")
    table = pl.read_csv(folder / "fresh.csv")
    heard = Recordings.read([folder / path for path in table["path"][:5]])
    assert again.predict(heard).tolist() == model.predict(heard).tolist()
    assert again.history_ == model.history_
    with pytest.raises(ModelFileError, match="load_transcriber"):
        load(folder / "t.fathom")


def with_card(content, change):
    """Return a model file with its card changed and the checksum made right."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    card = json.loads(header["__metadata__"]["card"])
    change(card)
    text = json.dumps(card)
    digest = hashlib.sha256(text.encode() + data).hexdigest()
    header["__metadata__"] |= {"card": text, "sha256": digest}
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


def test_a_file_whose_parts_do_not_belong_together_is_refused(writer):
    folder, _ = writer
    content = (folder / "t.fathom").read_bytes()
    load_transcriber_of = lambda change: (
        (folder / "bad.fathom").write_bytes(with_card(content, change)),
        load_transcriber(folder / "bad.fathom"),
    )
    load_transcriber_of(lambda card: None)
    classes = {"task": "classes", "classes": ["a", "b", "c", "d", "e"]}
    for change in (
        lambda card: card.update(estimator="classifier"),
        lambda card: card.update(n_networks=2),
        lambda card: card["model_schema"]["input"].update(hearing=None),
        lambda card: card["model_schema"]["input"]["hearing"].update(hop=1, window=4000),
        lambda card: card["model_schema"]["target"].update(signs=["a", "a", "b", "c"]),
        lambda card: card["model_schema"]["target"].update(signs=[" ", "a", "b"]),
        lambda card: card["model_schema"].update(target=classes),
        lambda card: card["architecture"].update(loss="cross_entropy"),
        lambda card: card["architecture"].update(input_shape=[2, 40]),
    ):
        with pytest.raises(ModelFileError):
            load_transcriber_of(change)


def test_texts_are_written_and_judged_by_the_command(writer, run_in):
    folder, model = writer
    run = run_in("predict", "t.fathom", "fresh.csv", "--json", cwd=folder)
    assert run.code == 0, run.err
    rows = [event["values"] for event in run.events if event["event"] == "row"]
    table = pl.read_csv(folder / "fresh.csv")
    heard = Recordings.read([folder / path for path in table["path"]])
    assert [row["text"] for row in rows] == model.predict(heard).tolist()
    judged = run_in("evaluate", "t.fathom", "fresh.csv", "--json", cwd=folder)
    assert judged.events[-1]["metric"] == "word error rate"
    assert judged.events[-1]["score"] == pytest.approx(1 - model.score(heard, table["text"]))
    for arguments in (
        ("inspect", "t.fathom"), ("report", "t.fathom", "--data", "fresh.csv"),
        ("export", "t.fathom", "t.onnx"), ("evaluate", "t.fathom", "seen"),
    ):  # fmt: skip
        assert run_in(*arguments, cwd=folder).refusal


def test_a_table_of_texts_is_learned_by_the_command(writer, run_in, monkeypatch):
    folder, _ = writer
    make_small(monkeypatch)
    asked = ("--target", "text", "--time-limit", 2, "--output", "new.fathom", "--json")
    run = run_in("train", "seen.csv", *asked, cwd=folder)
    assert run.code == 0, run.err
    data = next(event for event in run.events if event["event"] == "data")
    assert data["task"] == "text"
    model = load_transcriber(folder / "new.fathom")
    assert model.schema_.target.names == ("text",)
    assert json.loads(model.schema_.model_dump_json())["target"]["task"] == "text"


def test_texts_that_cannot_be_learned_are_refused():
    heard = Recordings(tuple(np.zeros(800, "f4") for _ in range(25)), RATE)
    for texts, what in ((["a"] * 3, "a text for each"), ([""] * 25, "something that is said")):
        with pytest.raises(InputError, match=what):
            FathomTranscriber(time_limit=1).fit(heard, texts)
    with pytest.raises(InputError, match="long enough"):
        FathomTranscriber(time_limit=1).fit(heard, ["a b c d e f g h i"] * 25)
    with pytest.raises(InputError, match="20 recordings or more"):
        FathomTranscriber(time_limit=1).fit(heard[:5], ["a"] * 5)
