"""What a transcriber makes of texts before it learns, and which of its networks it keeps."""

import numpy as np
import pytest

from fathom import FathomTranscriber, Recordings
from fathom.estimators import transcriber
from fathom.estimators.transcriber import between_silences, tidy, to_numbers
from fathom.search.everything import Learned
from fathom.training.history import Epoch, StartHistory

RATE = 8000


def recordings(n):
    rng = np.random.default_rng(0)
    return Recordings(tuple(rng.normal(size=RATE).astype(np.float32) for _ in range(n)), RATE)


@pytest.mark.parametrize(("texts", "stride"), [
    (["one"] * 30, 8), (["one two"] * 30, 4), (["one two three four five"] * 30, 2),
])  # fmt: skip
def test_as_many_moments_become_one_as_leave_room_for_the_text(monkeypatch, texts, stride):
    seen = []

    def choose(n, shape, n_signs, seconds, n_cores, stride):
        seen.append(stride)
        raise KeyboardInterrupt

    monkeypatch.setattr(transcriber, "choose_sequence", choose)
    with pytest.raises(KeyboardInterrupt):
        FathomTranscriber(time_limit=60).fit(recordings(30), texts)
    assert seen == [stride]


def test_silence_around_a_text_is_learned_and_never_written():
    texts = ["one two", "", "three"]
    around = between_silences(texts)
    assert around == [" one two ", "", " three "]
    assert [tidy(text) for text in around] == texts
    signs = tuple(sorted(set("".join(around))))
    assert to_numbers(around, signs)[0, 0] == 1 + signs.index(" ")


@pytest.mark.parametrize(("losses", "kept"), [
    ((0.4, 0.5), (0, 1)), ((2.9, 0.4), (1,)), ((0.4, float("inf")), (0,)),
])  # fmt: skip
def test_a_network_that_ended_in_a_poor_valley_takes_no_part(monkeypatch, losses, kept):
    def learn(entry, ground, n_starts, *, deadline, monitor):
        starts = tuple(
            StartHistory(
                epochs=() if loss == float("inf") else (
                    Epoch(
                        epoch=1, train_loss=1.0, train_score=0.5, validation_loss=loss,
                        validation_score=0.5, learning_rate=0.1, seconds=1.0,
                    ),
                ),
                best_epoch=0 if loss == float("inf") else 1,
            )
            for loss in losses
        )  # fmt: skip
        return Learned(entry, ("first", "second"), starts, (0, 1))

    monkeypatch.setattr(transcriber, "learn_side_by_side", learn)
    model = FathomTranscriber(time_limit=60).fit(recordings(30), ["a"] * 15 + ["b"] * 15)
    assert model.networks_ == tuple(("first", "second")[place] for place in kept)
    assert model.history_.kept == kept
