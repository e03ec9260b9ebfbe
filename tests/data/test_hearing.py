"""Pictures of sound: against librosa, against sums written out, and what they keep or leave out."""

import numba
import numpy as np
import pytest

from fathom.data.hearing import (
    fit_length,
    hear,
    hear_at,
    hear_words_at,
    mel_filters,
    mel_power,
    pace,
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
    expected = np.round(255 * np.array([1, 1 - 10 / 40, 0, 0, 0]))
    assert to_levels(power, 40.0)[0].tolist() == expected.tolist()


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


def test_words_are_heard_alike_at_another_pace_and_in_a_little_noise():
    def tones(seconds, noise):
        time = np.arange(round(seconds * RATE)) / RATE
        parts = [np.sin(2 * np.pi * hertz * time) for hertz in (300, 1200, 700)]
        wave = np.concatenate(parts)
        return (wave + noise * np.random.default_rng(1).normal(size=len(wave))).astype("f4")

    hearing = hear_words_at(RATE)
    waves = [tones(*how) for how in ((0.1, 0.0), (0.16, 0.0), (0.1, 2e-3))]
    slow, fast, noisy = fit_length(hear(waves, hearing), 32, hearing.stretch).astype(float)
    assert np.mean(np.abs(slow - fast) > 64) < 0.1  # but where one tone follows the other
    assert np.abs(slow - noisy).max() < 16
    plain = fit_length(hear(waves, hear_at(RATE)), 32).astype(float)
    assert np.mean(np.abs(plain[0] - plain[1]) > 64) > 0.2
    assert np.abs(plain[0] - plain[2]).max() > 16


def test_a_pace_is_read_between_moments():
    picture = RNG.integers(0, 256, (9, 3)).astype(np.uint8)
    for length in (1, 5, 9, 20):
        places = np.linspace(0, 8, length)
        expected = [np.interp(places, np.arange(9), band) for band in picture.T]
        np.testing.assert_allclose(pace(picture, length), np.round(expected).T, atol=1)
    np.testing.assert_array_equal(pace(picture, 9), picture)
    assert (pace(picture[:1], 4) == picture[:1]).all()


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


def test_recordings_are_stretched_within_limits():
    pictures = [np.full((n, 2), 9, np.uint8) for n in (3, 6, 8, 12, 40)]
    found = fit_length(pictures, 8, 2.0)[..., 0, 0]
    assert (found == 9).sum(axis=1).tolist() == [6, 8, 8, 8, 8]
    rising = np.repeat(np.arange(40, dtype=np.uint8), 2).reshape(40, 2)
    middle = fit_length([rising], 8, 2.0)[0, :, 0, 0]
    np.testing.assert_allclose(middle, np.linspace(0, 39, 20)[6:14], atol=1)
    assert usual_length(pictures, 400, 2.0) == 16
    assert usual_length([np.zeros((35, 2), np.uint8)], 400, 2.0) == 32
