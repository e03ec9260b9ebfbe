"""Recordings: formats, channels and rates; what is passed over and what is said."""

import io
import os
import struct
import sys

import numpy as np
import pytest

from fathom.data import audio
from fathom.data.audio import Recordings, read_sound, survey
from fathom.data.folders import list_named
from fathom.errors import DatasetError, InputError

soundfile = pytest.importorskip("soundfile", reason="the extra audio is not installed")
RATE = 8000


def tone(hertz=440.0, seconds=0.25, rate=RATE):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def write(path, wave, rate=RATE, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate, **how)
    return path


def wav(channels=1, rate=RATE, bits=16, code=1, data=b"\0\0" * 80, told=None):
    """Return a WAV file as its bytes, with whatever its header is to say."""
    size = max(1, channels * bits // 8) % 65536
    head = struct.pack("<HHIIHH", code, channels, rate, rate * size % 2**32, size, bits)
    told = len(data) if told is None else told
    body = b"fmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", told) + data
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def hertz_of(wave, rate):
    """Return the strongest frequency, by a Fourier transform of the whole."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return np.fft.rfftfreq(len(wave), 1 / rate)[spectrum.argmax()]


@pytest.mark.parametrize(
    ("suffix", "how"),
    [
        (".wav", {"subtype": "PCM_U8"}), (".wav", {"subtype": "PCM_24"}),
        (".wav", {"subtype": "FLOAT"}), (".flac", {}), (".ogg", {}), (".mp3", {}),
    ],
)  # fmt: skip
def test_every_format_is_read_whatever_it_is_called(tmp_path, suffix, how):
    path = write(tmp_path / f"tone{suffix}", tone(seconds=1.0), **how)
    odd = path.rename(tmp_path / "tone.txt")
    sound = read_sound(odd, RATE)
    assert abs(len(sound.wave) - RATE) < 1500  # lossy formats add a little silence
    assert hertz_of(sound.wave, RATE) == pytest.approx(440, abs=2)
    assert np.abs(sound.wave).max() == pytest.approx(0.5, abs=0.05)
    assert not sound.oddities


def test_row_86_what_is_no_recording_is_listed_up_to_a_limit(tmp_path):
    for number in range(30):
        write(tmp_path / f"{number:02}.wav", tone(300 + number))
    bad = {
        "empty.wav": b"", "text.wav": b"no sound", "head.wav": wav()[:20],
        "none.wav": wav(channels=0), "many.wav": wav(channels=65_535),
        "still.wav": wav(rate=0), "tag.wav": wav(code=0x7777),
    }  # fmt: skip
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError):
            read_sound(tmp_path / name, RATE)
    paths = sorted(tmp_path.glob("*.wav"))
    found = Recordings.read(paths, most_bad=0.5)
    assert [paths[place].name for place in found.kept] == [f"{n:02}.wav" for n in range(30)]
    assert len(found) == 30
    assert "and 2 more files" in " ".join(found.notes)
    with pytest.raises(DatasetError, match="7 of 37"):
        Recordings.read(paths, most_bad=0.1)
    with pytest.raises(DatasetError):  # in Python each has to be read: targets go with them
        Recordings.read(paths)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_row_86_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", tmp_path, tmp_path / "absent.wav"):
        with pytest.raises(InputError, match="no file"):
            read_sound(path, RATE)


def test_row_87_no_sample_is_no_recording(tmp_path):
    for name, path in (("wav", tmp_path / "a.wav"), ("flac", tmp_path / "a.flac")):
        soundfile.write(path, np.zeros((0, 1)), RATE, format=name.upper())
        with pytest.raises(InputError, match=r"which has none|is none"):
            read_sound(path, RATE)


def test_row_88_what_ends_too_soon_or_lies_is_flagged(tmp_path):
    whole = io.BytesIO()
    soundfile.write(whole, tone(seconds=1.0), RATE, format="WAV")
    cut, lie = tmp_path / "cut.wav", tmp_path / "lie.wav"
    cut.write_bytes(whole.getvalue()[:9000])
    lie.write_bytes(wav(data=b"\1\0" * 400, told=1_000_000))
    stream = tmp_path / "stream.wav"
    stream.write_bytes(wav(data=b"\1\0" * 400, told=0xFFFFFFFF))
    for path in (cut, lie):
        assert read_sound(path, RATE).oddities >= {"end before their header says"}
    assert not any("header" in what for what in read_sound(stream, RATE).oddities)
    found = Recordings.read([cut, lie])
    assert any("2 recordings end before their header says" in note for note in found.notes)
    odd = tmp_path / "bits.wav"
    odd.write_bytes(wav(bits=7, data=b"\1" * 400))
    with pytest.raises(InputError, match="with 7"):
        read_sound(odd, RATE)


def test_row_88_an_mp3_that_ends_too_soon_is_flagged(tmp_path):
    path = write(tmp_path / "a.mp3", tone(seconds=2.0))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    sound = read_sound(path, RATE)
    assert len(sound.wave) < 1.5 * RATE
    assert sound.oddities == {"end before their header says"}


def test_row_89_channels_rates_and_lengths_are_brought_to_one(tmp_path):
    left, right = tone(440, 0.5, 48_000), tone(1000, 0.5, 48_000)
    both = read_sound(write(tmp_path / "b.wav", np.stack([left, right], 1), 48_000), RATE).wave
    assert len(both) == RATE // 2
    strength = np.abs(np.fft.rfft(both))
    assert set(np.argsort(strength)[-2:] * 2) == {440, 1000}  # bins of 2 Hz
    high = read_sound(write(tmp_path / "h.wav", tone(440, 0.2, 384_000), 384_000), RATE).wave
    assert hertz_of(high, RATE) == pytest.approx(440, abs=6)
    slow = read_sound(write(tmp_path / "s.wav", tone(0.2, 5, 1), 1), RATE).wave
    assert np.isfinite(slow).all()
    assert len(slow) == 5 * RATE
    long = read_sound(write(tmp_path / "l.wav", tone(seconds=3.0)), RATE, most_seconds=1.0)
    assert len(long.wave) == RATE
    assert any("longer than 1 s" in what for what in long.oddities)


def test_row_89_samples_that_are_no_numbers_are_refused_odd_ones_said(tmp_path):
    for value in (np.nan, np.inf):
        wave = tone()
        wave[100] = value
        path = write(tmp_path / "n.wav", wave, subtype="FLOAT")
        with pytest.raises(InputError, match="NaN or infinity"):
            read_sound(path, RATE)
    loud = np.clip(9 * tone(), -1, 1)
    clipped = read_sound(write(tmp_path / "c.wav", loud), RATE)
    assert any("clipped" in what for what in clipped.oddities)
    still = read_sound(write(tmp_path / "d.wav", np.full(800, 0.25, "f4")), RATE)
    assert any("silent" in what for what in still.oddities)


def test_the_usual_rate_is_what_most_files_have_within_limits(tmp_path):
    paths = [write(tmp_path / f"{n}.wav", tone(), rate) for n, rate in enumerate((8000,) * 3)]
    assert survey([*paths, write(tmp_path / "x.wav", tone(), 44_100)]).rate == 8000
    assert survey([write(tmp_path / "y.wav", tone(), 48_000)]).rate == 16_000
    assert survey([tmp_path / "absent.wav"]) == (16_000, 0.0)
    assert survey(paths).seconds == 0.25


def test_more_than_there_is_room_for_is_refused_before_it_is_read(tmp_path, monkeypatch):
    paths = [write(tmp_path / f"{n}.wav", tone()) for n in range(3)]
    monkeypatch.setattr(audio, "MOST_BYTES", 3 * 2000 * 4 - 1)
    monkeypatch.setattr(audio, "read_all", None)
    with pytest.raises(DatasetError, match="give fewer"):
        Recordings.read(paths)


def test_recordings_are_taken_apart_by_rows():
    waves = tuple(np.full(n, n, "f4") for n in (3, 4, 5))
    some = Recordings(waves, RATE)[np.array([2, 0])]
    assert [len(wave) for wave in some.waves] == [5, 3]
    assert some.rate == RATE


def test_names_of_files_become_columns(tmp_path):
    for name in ("7_jane_0.wav", "3_joe-k_12.wav", "more/1_joe_2.wav", "readme.txt", ".0_a_1.wav"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"")
    frame = list_named(tmp_path / "set", "{digit}_{speaker}_{take}")
    assert frame.columns == ["file", "digit", "speaker", "take"]
    assert sorted(frame.rows()) == [
        ("set/3_joe-k_12.wav", "3", "joe-k", "12"),
        ("set/7_jane_0.wav", "7", "jane", "0"),
        ("set/more/1_joe_2.wav", "1", "joe", "2"),
    ]
    for pattern in ("no part", "{a}_{a}", "{file}_{b}", "{a}+{b}"):
        with pytest.raises(DatasetError):
            list_named(tmp_path / "set", pattern)


def test_without_its_packages_they_are_asked_for_rather_than_every_file_called_bad(
    monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(InputError, match=r"packages that read sound.*fathom-dnn\[audio\]"):
        Recordings.read([tmp_path / "any.wav"], most_bad=0.5)
