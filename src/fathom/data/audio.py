"""Recordings: from a sound file to one wave at one sampling rate."""

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fathom.data.folders import MOST_LISTED, read_all
from fathom.errors import DatasetError, FathomError, InputError

INSTALL = "pip install 'fathom-dnn[audio]'"
MOST_SECONDS = 60.0  # of one recording that are heard
MOST_BYTES = 2**32  # memory that the recordings of one training may take
FEWEST_RATE, MOST_RATE = 1, 1_000_000  # samples a second in a file
HEARD_RATE = 16_000  # samples a second that are heard at most: what speech needs
LEAST_RATE = 4_000
MOST_CHANNELS = 256
BLOCK = 2**16  # samples read at once
SAMPLED = 48  # recordings looked at to find a sampling rate
BITS = frozenset({8, 16, 24, 32, 64})
CLIPPED_SHARE = 0.01  # of samples at the very top, from which a recording counts as clipped


class Sound(NamedTuple):
    """One recording.

    Attributes
    ----------
    wave : numpy.ndarray
        Float32, mono.
    oddities : frozenset of str
        What is odd about it, in words that follow "recordings".
    """

    wave: np.ndarray
    oddities: frozenset[str]


@dataclass(frozen=True)
class Recordings:
    """Recordings of one sampling rate.

    Attributes
    ----------
    waves : tuple of numpy.ndarray
        Samples of each, float32 of shape (n,), full scale being 1.
    rate : int
        Samples a second.
    kept : numpy.ndarray or None
        Positions of the files they come from, those that cannot be read left out; None where they
        come from no files.
    notes : tuple of str
        What was passed over, and what is odd.

    Examples
    --------
    >>> tone = np.sin(np.arange(8000) * 0.3).astype(np.float32)
    >>> len(Recordings((tone, tone), 8000)[np.array([1])])
    1
    """

    waves: tuple[np.ndarray, ...]
    rate: int
    kept: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.waves)

    def __getitem__(self, rows: np.ndarray | slice) -> "Recordings":
        """Return some of them."""
        places = np.arange(len(self))[rows]
        kept = None if self.kept is None else self.kept[places]
        return Recordings(tuple(self.waves[place] for place in places), self.rate, kept)

    @classmethod
    def read(
        cls, paths: Sequence[Path | str], rate: int | None = None, *, most_bad: float = 0.0
    ) -> "Recordings":
        """Read files: WAV, FLAC, OGG, MP3 or AIFF, of any sampling rate and any channels.

        Parameters
        ----------
        paths : sequence of Path or str
            The files.
        rate : int, optional
            Samples a second they are brought to; what is usual among them, at most 16,000, where
            left out.
        most_bad : float, default 0
            Share of the files that may be unreadable; with 0 none may.

        Raises
        ------
        DatasetError
            If more than that share cannot be read.
        InputError
            If the package that reads sound is missing.
        """
        require_packages()
        places = [Path(path) for path in paths]
        usual = survey(places)
        heard = rate or usual.rate
        _require_room(len(places), 4.0 * usual.seconds * heard * len(places))
        found = read_all(places, lambda path: read_sound(path, heard), "recordings",
                         most_bad=most_bad)  # fmt: skip
        if not found.values:
            raise DatasetError(
                "a recording that can be read", got="none",
                hint="WAV, FLAC, OGG, MP3 and AIFF are read",
            )  # fmt: skip
        waves, odd = [], Counter[str]()
        for value in found.values:
            assert isinstance(value, Sound)
            waves.append(value.wave)
            odd.update(value.oddities)
        _require_room(len(waves), float(sum(wave.nbytes for wave in waves)))
        notes = tuple(f"{count:,} recordings {what}" for what, count in sorted(odd.items()))
        return cls(tuple(waves), heard, found.kept, (*found.notes, *notes[:MOST_LISTED]))


def resample(recordings: Recordings, rate: int) -> Recordings:
    """Bring recordings to another sampling rate."""
    if recordings.rate == rate:
        return recordings
    import soxr

    waves = (soxr.resample(wave, recordings.rate, rate) for wave in recordings.waves)
    return Recordings(tuple(waves), rate, recordings.kept, recordings.notes)


def _require_room(n: int, need: float) -> None:
    if need > MOST_BYTES:
        raise DatasetError(
            f"recordings that take at most {MOST_BYTES / 2**30:.0f} GiB",
            got=f"{n:,}, which take {need / 2**30:.1f} GiB", hint="give fewer",
        )  # fmt: skip


class Survey(NamedTuple):
    """What is usual among files: samples a second, 16,000 at most; seconds that are heard."""

    rate: int
    seconds: float


def survey(paths: Sequence[Path]) -> Survey:
    """Look at the headers of some files before all are read."""
    rates, seconds = [], []
    for path in paths[:: max(1, len(paths) // SAMPLED)]:
        with contextlib.suppress(FathomError), _opened(path) as file:
            rates.append(int(file.samplerate))
            seconds.append(min(MOST_SECONDS, file.frames / file.samplerate))
    usual = int(np.median(rates)) if rates else HEARD_RATE
    rate = min(HEARD_RATE, max(LEAST_RATE, usual))
    return Survey(rate, float(np.mean(seconds)) if seconds else 0.0)


def read_sound(path: Path, rate: int, most_seconds: float = MOST_SECONDS) -> Sound:
    """Read one file as a wave: its channels averaged, resampled, as long as it may be.

    Parameters
    ----------
    path : Path
        A file in any format libsndfile reads.
    rate : int
        Samples a second to bring it to.
    most_seconds : float, default 60
        What comes later is not heard.

    Raises
    ------
    InputError
        If the file is absent, is no recording, has no sample, or a sample that is no number.
    """
    odd = set()
    with _opened(path) as file:
        _require_sound(path, file)
        told = int(file.frames)
        most = math.ceil(most_seconds * file.samplerate)
        wave, native = _read_mono(file, min(most, told)), int(file.samplerate)
    if told > most:
        odd.add(f"are longer than {most_seconds:g} s; what comes later is not heard")
    elif len(wave) < told:
        odd.add("end before their header says")
    missing = _missing_bytes(path)
    if missing:
        odd.add("end before their header says")
    if not len(wave):
        raise InputError(
            "a recording with a sample in it", got=f"{path}, which has none", hint="leave it out"
        )
    if not np.isfinite(wave).all():
        raise InputError(
            "samples that are numbers", got=f"{path} with NaN or infinity", hint="leave it out"
        )
    top = float(np.abs(wave).max())
    if top >= 0.99 and float(np.mean(np.abs(wave) > 0.999 * top)) > CLIPPED_SHARE:
        odd.add("are clipped: loud passages are cut off")
    if float(np.ptp(wave)) == 0.0:
        odd.add("are silent from end to end")
    return Sound(_resample(path, wave, native, rate), frozenset(odd))


def _require_sound(path: Path, file: Any) -> None:
    if file.frames <= 0:
        raise InputError(
            "a recording with a sample in it", got=f"{path}, which has none", hint="leave it out"
        )
    if not FEWEST_RATE <= file.samplerate <= MOST_RATE:
        raise InputError(
            f"up to {MOST_RATE:,} samples a second", got=f"{path}: {file.samplerate}",
            hint="resample it first",
        )  # fmt: skip
    if file.channels > MOST_CHANNELS:
        raise InputError(
            f"up to {MOST_CHANNELS} channels", got=f"{path} with {file.channels:,}",
            hint="mix it down first",
        )  # fmt: skip
    bits = _bits_of_wav(path)
    if bits is not None and bits not in BITS:
        raise InputError(
            "samples of 8, 16, 24, 32 or 64 bits", got=f"{path} with {bits}",
            hint="save it as WAV of 16 bits",
        )  # fmt: skip


def _read_mono(file: Any, most: int) -> np.ndarray:
    """Return up to so many samples, channels averaged as they come: only mono is ever kept."""
    parts, found = [], 0
    block = max(1, BLOCK // file.channels)
    while found < most:
        part = file.read(min(block, most - found), dtype="float32", always_2d=True)
        if not len(part):
            break
        parts.append(part.mean(axis=1))
        found += len(part)
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _resample(path: Path, wave: np.ndarray, native: int, rate: int) -> np.ndarray:
    if native == rate:
        return wave
    import soxr

    try:
        found = np.asarray(soxr.resample(wave, native, rate), np.float32)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            "a rate that can be changed", got=f"{path} ({error})", hint="leave it out"
        ) from None
    return found if len(found) else np.zeros(1, np.float32)


def require_packages() -> None:
    """Make sure, before any file is looked at, that sound can be read.

    Raises
    ------
    InputError
        If a package that reads sound is missing.
    """
    try:
        import soundfile  # noqa: F401
        import soxr  # noqa: F401
    except (ImportError, OSError):
        raise InputError("the packages that read sound", got="none", hint=INSTALL) from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a sound file, whatever it is called, and bring every failure into our words."""
    require_packages()
    import soundfile

    try:
        if not path.is_file():
            raise InputError("a recording", got=f"{path}, which is no file", hint="check the path")
        with path.open("rb") as data, soundfile.SoundFile(data) as file:
            yield file
    except OSError as error:
        raise InputError(
            "a recording that can be read", got=f"{path} ({error})", hint="check its permissions"
        ) from None
    except soundfile.SoundFileError as error:
        reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise InputError(
            "a recording (WAV, FLAC, OGG, MP3 or AIFF)", got=f"{path}, which is none ({reason})",
            hint="leave it out",
        ) from None  # fmt: skip
    except (ValueError, RuntimeError, MemoryError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "a whole recording", got=f"{path}, which is damaged ({error})",
            hint="fetch it again, or leave it out",
        ) from None  # fmt: skip


def _chunks_of_wav(path: Path) -> Iterator[tuple[bytes, int, int, bytes]]:
    """Yield name, length told, bytes there are and the first ones of each chunk of a WAV file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(12)
            if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
                return
            place = 12
            while place + 8 <= size:
                file.seek(place)
                name, told = file.read(4), int.from_bytes(file.read(4), "little")
                yield name, told, size - place - 8, file.read(16)
                if name == b"data":  # what follows it, if anything, is no sound
                    return
                place += 8 + told + told % 2
    except OSError:
        return


def _missing_bytes(path: Path) -> int:
    """Return how many bytes of sound a WAV file lacks of what its header says."""
    for name, told, there, _ in _chunks_of_wav(path):
        if name == b"data":
            is_stream = told >= 2**31 - 1  # written before the length was known
            return 0 if is_stream else max(0, told - there)
    return 0


def _bits_of_wav(path: Path) -> int | None:
    """Return the bits of a sample that a WAV file of plain samples tells of, else None."""
    for name, _, _, content in _chunks_of_wav(path):
        if name == b"fmt " and len(content) == 16:
            is_plain = int.from_bytes(content[:2], "little") in (1, 3)
            return int.from_bytes(content[14:16], "little") if is_plain else None
    return None
