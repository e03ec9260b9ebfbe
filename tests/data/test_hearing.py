"""Pictures of sound: against librosa, against sums written out, and what they keep or leave out."""

import numba
import numpy as np
import pytest

from fathom.data.hearing import (
    fit_length,
    hear,
    hear_at,
    mel_filters,
    mel_power,
    to_hertz,
    to_levels,
    to_mel,
    transform_length,
    trim,
    usual_length,
)
from fathom.data.schema import Hearing

RATE = 8000
RNG = np.random.default_rng(0)


@pytest.fixture
def librosa(monkeypatch):
    """Return librosa with its loops left in Python: none is called here, all would be compiled."""
    for compiler in ("guvectorize", "vectorize"):
        monkeypatch.setattr(numba, compiler, lambda *_, **__: lambda function: function)
    found = pytest.importorskip("librosa", reason="librosa is not installed")
    found.feature.melspectrogram  # noqa: B018 - loaded when it is first asked for
    return found


def test_log_mel_is_that_of_librosa(librosa):
    hearing = hear_at(RATE)
    # librosa centers a window in its transform, ours begins it: the same power a little later.
    begin = (transform_length(hearing) - hearing.window) // 2
    wave = RNG.normal(0, 0.1, 3000).astype("f4")
    wave -= wave[begin:].mean()
    expected = librosa.feature.melspectrogram(
        y=wave, sr=RATE, n_fft=transform_length(hearing), hop_length=hearing.hop,
        win_length=hearing.window, center=False, n_mels=hearing.bands, fmin=hearing.lowest,
        fmax=hearing.highest,
    ).T  # fmt: skip
    ours = mel_power(wave[begin:], hearing)
    assert ours.shape[1] == 40
    assert len(expected) > 30
    np.testing.assert_allclose(ours[: len(expected)], expected, rtol=1e-3, atol=1e-6)


def test_power_is_what_sums_written_out_give():
    hearing = Hearing(rate=RATE, window=10, hop=4, bands=3, lowest=100.0, highest=4000.0)
    wave = RNG.normal(size=26)
    centered = wave - wave.mean()
    n, filters = 16, mel_filters(hearing)
    expected = np.zeros((5, 3))
    for moment in range(5):
        for k in range(n // 2 + 1):
            total = 0j
            for i in range(10):
                hann = np.sin(np.pi * i / 10) ** 2
                turn = np.exp(-2j * np.pi * k * i / n)
                total += centered[4 * moment + i] * hann * turn
            expected[moment] += abs(total) ** 2 * filters[k]
    np.testing.assert_allclose(mel_power(wave, hearing), expected, rtol=1e-4)


def test_the_scale_is_slaneys_and_there_is_a_way_back():
    hertz = np.array([0.0, 500.0, 1000.0, 6400.0])
    np.testing.assert_allclose(to_mel(hertz), [0, 7.5, 15, 42])
    np.testing.assert_allclose(to_hertz(to_mel(hertz)), hertz)


def test_levels_are_decibels_below_the_loudest():
    power = np.array([[1.0, 0.1, 1e-4, 1e-8, 0.0]])
    expected = np.round(255 * np.array([1, 1 - 10 / 80, 0.5, 0, 0]))
    assert to_levels(power)[0].tolist() == expected.tolist()
    assert to_levels(1e-3 * power).tolist() == to_levels(power).tolist()  # whatever the gain
    assert not to_levels(np.zeros((3, 2))).any()


def test_a_high_tone_is_further_right_and_silence_is_left_out():
    silence = np.zeros(RATE // 2, "f4")
    time = np.arange(RATE // 4) / RATE
    low, high = (np.sin(2 * np.pi * hertz * time).astype("f4") for hertz in (300, 2000))
    wave = np.concatenate([silence, low, high, silence])
    picture = hear([wave], hear_at(RATE))[0]
    assert 45 <= len(picture) <= 60  # 0.5 s of tones of the 1.5 s, with margins
    bands = picture.argmax(axis=1)
    middle = len(picture) // 2
    assert bands[10 : middle - 5].max() < bands[middle + 5 : -10].min()


def test_what_has_no_sound_is_a_picture_nevertheless():
    for wave in (np.zeros(5, "f4"), np.full(RATE, 0.5, "f4"), np.zeros(1, "f4")):
        picture = hear([wave], hear_at(RATE))[0]
        assert picture.shape[1] == 40
        assert len(picture) >= 1
        assert not picture.any()


def test_pictures_of_one_length():
    pictures = [np.full((n, 2), n, np.uint8) for n in (4, 8, 15)]
    found = fit_length(pictures, 8)
    assert found.shape == (3, 8, 2, 1)
    assert found[0, :, 0, 0].tolist() == [0, 0, 4, 4, 4, 4, 0, 0]
    assert (found[1] == 8).all()
    assert (found[2] == 15).all()
    assert usual_length(pictures, 400) == 16
    assert usual_length([np.zeros((999, 2), np.uint8)], 400) == 400
    assert len(trim(np.zeros((9, 2), np.uint8))) == 9
