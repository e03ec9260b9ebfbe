"""Hearing: from waves to pictures of sound, time by frequency, as levels of a byte."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import fft

from fathom.data.schema import Hearing

WINDOW_S, HOP_S = 0.025, 0.010  # what the ear smears together, and from one look to the next
LOWEST_HZ = 50.0
SILENT_DB = 35.0  # below the loudest moment, what is silence before and after
MARGIN = 3  # moments kept before and after
LINEAR_HZ, LINEAR_MEL, LOG_STEP = 1000.0, 15.0, math.log(6.4) / 27.0  # of Slaney's scale
AT_ONCE = 2**21  # samples transformed at once, those of a window counted anew at each moment
LONGEST_SHARE = 0.98  # of the recordings that are heard whole
STEP = 8  # moments that lengths are rounded up to


WORD_RANGE_DB = 45.0  # below the loudest, what is noise rather than voice
WORD_STRETCH = 2.0
WORD_BAND_MEL = 1.45  # from band to band: what does not tell one throat's overtones apart


def hear_at(rate: int, n_bands: int = 40) -> Hearing:
    """Return how recordings of a sampling rate are heard in full."""
    window = max(16, round(WINDOW_S * rate))
    return Hearing(
        rate=rate, window=window, hop=max(4, round(HOP_S * rate)), bands=n_bands,
        lowest=LOWEST_HZ, highest=rate / 2,
    )  # fmt: skip


def hear_words_at(rate: int) -> Hearing:
    """Return how recordings are heard to tell what they are, whoever speaks, how fast, and where.

    Examples
    --------
    >>> hear_words_at(8000).bands, hear_words_at(16_000).bands
    (24, 31)
    """
    n_bands = round(float(to_mel(np.array(rate / 2))) / WORD_BAND_MEL)
    changed = {"range_db": WORD_RANGE_DB, "stretch": WORD_STRETCH}
    return hear_at(rate, n_bands).model_copy(update=changed)


def to_mel(hertz: np.ndarray) -> np.ndarray:
    """Return frequencies on Slaney's mel scale: linear to 1,000 Hz, logarithmic above."""
    linear = hertz * LINEAR_MEL / LINEAR_HZ
    above = np.log(np.maximum(hertz, LINEAR_HZ) / LINEAR_HZ)
    return np.where(hertz < LINEAR_HZ, linear, LINEAR_MEL + above / LOG_STEP)


def to_hertz(mel: np.ndarray) -> np.ndarray:
    """Return frequencies of Slaney's mel scale in hertz."""
    linear = mel * LINEAR_HZ / LINEAR_MEL
    return np.where(mel < LINEAR_MEL, linear, LINEAR_HZ * np.exp(LOG_STEP * (mel - LINEAR_MEL)))


@lru_cache(maxsize=16)
def mel_filters(hearing: Hearing) -> np.ndarray:
    """Return triangles over the bins of a spectrum, of equal area, shape (bins, bands).

    References
    ----------
    Slaney (1998). Auditory toolbox. Interval Research Corporation 1998-010.
    """
    n = transform_length(hearing)
    bins = np.linspace(0, hearing.rate / 2, n // 2 + 1)
    ends = to_mel(np.array([hearing.lowest, hearing.highest]))
    corners = to_hertz(np.linspace(ends[0], ends[1], hearing.bands + 2))
    rising = (bins[:, None] - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - bins[:, None]) / np.diff(corners)[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * 2.0 / (corners[2:] - corners[:-2]), np.float32)


def transform_length(hearing: Hearing) -> int:
    """Return the samples of one Fourier transform: the next power of 2, the window within."""
    return int(2 ** math.ceil(math.log2(hearing.window)))


def mel_power(wave: np.ndarray, hearing: Hearing) -> np.ndarray:
    """Return the power in each band at each moment, float32 of shape (moments, bands).

    Parameters
    ----------
    wave : numpy.ndarray
        Samples; filled up with silence to one window where shorter.
    hearing : Hearing
        Window, hop and bands.
    """
    wave = np.asarray(wave, np.float32) - np.float32(np.mean(wave))
    wave = np.pad(wave, (0, max(0, hearing.window - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(wave, hearing.window)[:: hearing.hop]
    turn = np.arange(hearing.window) / hearing.window  # Hann's window, as for a period
    shape = (0.5 - 0.5 * np.cos(2 * np.pi * turn)).astype(np.float32)
    n, filters = transform_length(hearing), mel_filters(hearing)
    parts = []
    at_once = max(1, AT_ONCE // hearing.window)
    for begin in range(0, len(frames), at_once):
        spectrum = fft.rfft(frames[begin : begin + at_once] * shape, n, axis=1)
        parts.append((spectrum.real**2 + spectrum.imag**2) @ filters)
    return np.concatenate(parts)


def to_levels(power: np.ndarray, range_db: float = 80.0) -> np.ndarray:
    """Return power as levels from 0 (so far below the loudest, or silence) to 255 (the loudest)."""
    top = float(power.max(initial=0.0))
    if top <= 1e-12:
        return np.zeros(power.shape, np.uint8)
    decibels = 10 * np.log10(np.maximum(power / top, 1e-12))
    return np.round(255 * np.clip(1 + decibels / range_db, 0, 1)).astype(np.uint8)


def trim(levels: np.ndarray, range_db: float = 80.0) -> np.ndarray:
    """Return a picture of sound without the silence before and after."""
    loudness = levels.max(axis=1).astype(np.int16)
    loud = np.flatnonzero(loudness >= int(loudness.max()) - round(255 * SILENT_DB / range_db))
    if not loudness.any():
        return levels
    return levels[max(0, loud[0] - MARGIN) : loud[-1] + 1 + MARGIN]


def hear(waves: Sequence[np.ndarray], hearing: Hearing) -> list[np.ndarray]:
    """Return pictures of sounds, each as long as it is, silence before and after left out."""
    decibels = hearing.range_db
    return [trim(to_levels(mel_power(wave, hearing), decibels), decibels) for wave in waves]


def usual_length(pictures: Sequence[np.ndarray], most: int, stretch: float = 1.0) -> int:
    """Return the moments in which nearly all pictures of sound have room, rounded up to eights.

    Where they may be stretched it is the moments that half of them have, to the nearest eight.
    """
    lengths = np.array([len(picture) for picture in pictures])
    if stretch > 1:
        usual = round(float(np.median(lengths)) / STEP) * STEP
        return int(min(max(usual, 2 * STEP), most // STEP * STEP))
    wanted = math.ceil(float(np.quantile(lengths, LONGEST_SHARE)) / STEP) * STEP
    return int(min(max(wanted, 2 * STEP), most // STEP * STEP))


def pace(picture: np.ndarray, length: int) -> np.ndarray:
    """Return a picture of sound slower or faster, read between moments, so that it is so long."""
    places = np.linspace(0, len(picture) - 1, length)
    before = np.minimum(places.astype(int), max(len(picture) - 2, 0))
    after, share = np.minimum(before + 1, len(picture) - 1), (places - before)[:, None]
    return np.round((1 - share) * picture[before] + share * picture[after]).astype(np.uint8)


def fit_length(pictures: Sequence[np.ndarray], length: int, stretch: float = 1.0) -> np.ndarray:
    """Bring pictures of sound to one length: slower or faster within limits, then cut or filled.

    Parameters
    ----------
    pictures : sequence of numpy.ndarray
        Shape (moments, bands) each.
    length : int
        Moments they are to have.
    stretch : float, default 1
        Factor by which they may become longer or shorter. What is too short for it then gets
        silence around it, and of what is too long the middle is kept.

    Returns
    -------
    numpy.ndarray
        Shape (n, length, bands, 1), uint8.
    """
    found = np.zeros((len(pictures), length, pictures[0].shape[1], 1), np.uint8)
    for number, picture in enumerate(pictures):
        if stretch > 1:
            factor = min(max(length / len(picture), 1 / stretch), stretch)
            picture = pace(picture, max(1, round(factor * len(picture))))
        if len(picture) > length:
            begin = (len(picture) - length) // 2
            picture = picture[begin : begin + length]
        begin = (length - len(picture)) // 2
        found[number, begin : begin + len(picture), :, 0] = picture
    return found
