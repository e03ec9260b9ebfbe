"""Recordings as commands learn from them."""

from fathom.cli.pictures import KnownFiles
from fathom.cli.screen import Screen
from fathom.cli.tables import shown_notes
from fathom.data.audio import Recordings
from fathom.data.folders import MOST_BAD
from fathom.data.schema import ImageInput
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.listening import search_sounds
from fathom.estimators.photographs import Earlier
from fathom.training.monitor import Deadline, Monitor


def hear_files(screen: Screen, files: KnownFiles) -> Recordings:
    """Read recordings, and say how they are heard and what was passed over."""
    heard = Recordings.read(files.paths, most_bad=MOST_BAD)
    assert heard.kept is not None
    seconds = sum(map(len, heard.waves)) / heard.rate
    screen.say(f"  heard at {heard.rate:,} samples a second; {seconds / 60:.1f} minutes in all")
    for line in shown_notes(heard.notes):
        screen.say(line)
    screen.emit(
        "sounds", count=len(heard), rate=heard.rate, seconds=round(seconds, 3),
        notes=list(heard.notes),
    )  # fmt: skip
    return heard


def train_sounds(
    screen: Screen,
    files: KnownFiles,
    seed: int,
    time_limit: float,
    monitor: Monitor,
    deadline: Deadline,
    before: FathomClassifier | FathomRegressor | None = None,
) -> FathomClassifier | FathomRegressor:
    """Read recordings and find a network that tells what each is, or train one on."""
    heard = hear_files(screen, files)
    y, weight = files.y[heard.kept], files.weight[heard.kept]
    target = files.target
    if target.task == "classes" and len(set(y.tolist())) < len(target.classes):
        raise InputError(
            "recordings of every class", got="a class of which none can be read",
            hint="replace its files, or leave the class out",
        )  # fmt: skip
    groups = None if files.groups is None else files.groups[heard.kept]
    found = search_sounds(
        heard, y, target, weight, seed, monitor=monitor, deadline=deadline, groups=groups,
        earlier=None if before is None else (before.schema_, Earlier.of(before)),
    )  # fmt: skip
    described = found.schema.input
    assert isinstance(described, ImageInput)
    screen.say(
        f"  each as {described.height} moments of {described.width} bands "
        "(log-mel), silence before and after left out, slower or faster where that brings it there"
    )
    kind = FathomRegressor if target.task == "numbers" else FathomClassifier
    return kind(time_limit=time_limit, random_state=seed).restore(*found)
