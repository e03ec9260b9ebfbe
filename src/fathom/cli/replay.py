"""``train --replay``: the networks of a model trained again, and whether they are the same."""

import copy
import threading
import time
from pathlib import Path
from typing import Any

from fathom.cli.engine import prepare_engine
from fathom.cli.introducing import introduce
from fathom.cli.screen import LINE_SECONDS, STOPPED, Screen, StopRequest, report_error
from fathom.cli.tables import (
    TableOptions,
    read_with_target,
    record_run,
    refuse_overwriting,
    require_table,
    started_at,
    take_apart,
)
from fathom.cli.train import earlier, to_given
from fathom.deployment.archive import save
from fathom.deployment.comparison import find_differences
from fathom.deployment.container import require_writable
from fathom.errors import TrainingError
from fathom.estimators.designing import Given, replay_search
from fathom.search.design import Design
from fathom.search.replay import require_replayable
from fathom.training.history import Epoch, NetworkEvent
from fathom.training.monitor import Monitor

DIFFERENT = 1  # exit code where what was trained again is not the same


class ReplayView(Monitor):
    """Shows how many networks are trained again.

    Parameters
    ----------
    screen : Screen
        Where to.
    n_networks : int
        How many there are.
    stop : StopRequest
        Asked whether to go on.
    """

    def __init__(self, screen: Screen, n_networks: int, stop: StopRequest) -> None:
        self._screen, self._n_networks, self._stop = screen, n_networks, stop
        self._lock, self._n_done, self._spoke = threading.Lock(), 0, time.monotonic()

    def should_stop(self) -> bool:
        """Tell whether the user asked to stop."""
        return self._stop.is_asked

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        """Show an epoch of a network."""
        self._screen.emit("epoch", network=start + 1, **epoch.model_dump())

    def on_network(self, event: NetworkEvent) -> None:
        """Show that a network is trained again."""
        with self._lock:
            self._n_done += 1
            done = f"{self._n_done} of {self._n_networks}"
            fields = {"structure": event.structure, "reason": event.reason, "epoch": event.epoch}
            self._screen.emit("network", number=event.number + 1, status="replayed", **fields)
            is_last = self._n_done == self._n_networks
            if is_last or time.monotonic() - self._spoke >= LINE_SECONDS:
                self._spoke = time.monotonic()
                self._screen.say(f"  {done} networks trained again")


def run_replay(options: TableOptions, replayed: str, output: str | None, is_json: bool) -> int:
    """Train the networks of a model again, save them, say whether they are the same.

    Returns
    -------
    int
        The exit code: 0 where not a byte differs, `DIFFERENT` where one does.
    """
    began, path = started_at(), Path(replayed)
    model, options = earlier(path, options, "--replay")
    found: Design = model.design_
    record = require_replayable(found)
    require_table(options)
    place = Path(output) if output else path.with_suffix(".replayed.fathom")
    refuse_overwriting(place, options.path, replayed)
    require_writable(place)
    screen = Screen(is_json)
    prepare_engine()
    whole, options = read_with_target(options)
    table = take_apart(whole, options)
    introduce(screen, table, options)
    n = len(record.networks)
    screen.say(f"Training the {n} network{'s' * (n != 1)} in {path} again, whatever time it takes.")
    stop = StopRequest(screen)
    with stop.listening():
        view = ReplayView(screen, n, stop)
        try:
            again, differences = _again(model, table.features, to_given(table, options), view)
        except TrainingError:
            if not stop.is_asked:
                raise
            report_error("stopped before every network was trained; nothing is saved", is_json)
            return STOPPED
        copied = copy.copy(model).restore_design(model.schema_, again)
        saved = save(copied, place)
        record_run(saved, options, whole.decimal)
    is_same_file = saved.read_bytes() == path.read_bytes()
    _conclude(screen, found, again, differences, is_same_file, len(table.y))
    seconds = time.monotonic() - began
    screen.say(f"Saved as {saved} after {seconds:.1f} s.")
    screen.emit("done", seconds=round(seconds, 3), output=str(saved), is_same=not differences)
    return DIFFERENT if differences else 0


def _again(
    model: Any, features: Any, given: Given, view: Monitor
) -> tuple[Design, tuple[str, ...]]:
    """Return the model trained again, and in what it differs."""
    found: Design = model.design_
    again, parsed = replay_search(features, given, model.schema_, found, monitor=view)
    return again, find_differences(found, again, parsed)


def _conclude(
    screen: Screen,
    found: Design,
    again: Design,
    differences: tuple[str, ...],
    is_same_file: bool,
    n_rows: int,
) -> None:
    """Say whether the models are the same."""
    n = sum(len(member.networks) for member in found.members)
    changed = changes_of_place(found, again)
    screen.emit(
        "replay", is_same=not differences, is_same_file=is_same_file, networks=n, rows=n_rows,
        differences=list(differences), changes=list(changed),
    )  # fmt: skip
    screen.say()
    for line in words(n, n_rows, differences, changed, is_same_file):
        screen.say(line)


def words(
    n: int,
    n_rows: int,
    differences: tuple[str, ...],
    changed: tuple[str, ...],
    is_same_file: bool,
) -> list[str]:
    r"""Say in plain words whether a model trained again is the same.

    Parameters
    ----------
    n, n_rows : int
        Networks, and rows predicted.
    differences : tuple of str
        What differs.
    changed : tuple of str
        What of versions and machine is not as it was.
    is_same_file : bool
        Whether the files are the same.

    Examples
    --------
    >>> print(*words(2, 90, ("the calibration",), ("was jax 1", "is jax 2"), False), sep="\n")
    Not the same. What differs: the calibration.
    The last bits depend on versions and machine: was jax 1; is jax 2.
    """
    if differences:
        found = [f"Not the same. What differs: {'; '.join(differences)}."]
        why = "; ".join(changed) or "versions and kind of machine are as they were"
        return [*found, f"The last bits depend on versions and machine: {why}."]
    networks = f"{n} network{'s' * (n != 1)} and of the members"
    found = [
        f"The same to the last byte: the weights of {networks}, and the predictions of "
        f"{n_rows:,} rows."
    ]
    if is_same_file:
        return [*found, "So is the whole file, which keeps the times of the first training."]
    why = f" ({'; '.join(changed)})" if changed else ""
    return [*found, f"The files differ in what they say of how they were made only{why}."]


def changes_of_place(found: Design, again: Design) -> tuple[str, ...]:
    """Return what of versions and machine is not as it was."""
    before, now = (set(d.record.made_with) if d.record else set() for d in (found, again))
    return tuple(
        f"{sign} {one}" for sign, some in (("was", before - now), ("is", now - before))
        for one in sorted(some)
    )  # fmt: skip
