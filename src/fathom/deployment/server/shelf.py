"""The shelf: models by name, each replaced when its file is."""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fathom.data.cells import listing, quoted
from fathom.deployment.server.batching import Batcher
from fathom.deployment.server.metrics import Metrics
from fathom.deployment.server.refusals import Refusal
from fathom.deployment.server.served import Mark, Served
from fathom.errors import FathomError, InputError

LOG = logging.getLogger("fathom.serve")
LONGEST_NAME = 64
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
RESERVED = {"stats"}


@dataclass
class Place:
    """One model on the shelf: the file it comes from, and what answers now."""

    name: str
    path: Path
    served: Served
    batcher: Batcher
    seen: Mark | None


def name_models(given: Sequence[str]) -> dict[str, Path]:
    """Return the files to serve by name: that of the file, unless given as ``NAME=FILE``.

    Raises
    ------
    InputError
        If a name cannot stand in an address, or two are the same.

    Examples
    --------
    >>> name_models(["churn.fathom", "digits=out/best-2.fathom"])
    {'churn': PosixPath('churn.fathom'), 'digits': PosixPath('out/best-2.fathom')}
    """
    found: dict[str, Path] = {}
    for text in given:
        name, sign, path = text.partition("=")
        if not sign or not _NAME.match(name):
            name, path = Path(text).stem, text
        if not _NAME.match(name) or len(name) > LONGEST_NAME or name in RESERVED:
            raise InputError(
                f"a model whose name has letters, digits, . _ - only, at most {LONGEST_NAME}",
                got=quoted(name),
                hint=f"give it one: NAME={quoted(path)}",
            )
        if name in found:
            raise InputError(
                "a name of its own for each model", got=f"{name} twice",
                hint=f"give one another: {name}-2={quoted(path)}",
            )  # fmt: skip
        found[name] = Path(path)
    return found


class Shelf:
    """The models that are served.

    Parameters
    ----------
    files : dict of str to Path
        By name.
    metrics : Metrics
        Told of what is loaded.
    most_waiting, most_seconds
        As of a `Batcher`.

    Raises
    ------
    ModelFileError
        If a file cannot be used.
    """

    def __init__(
        self, files: dict[str, Path], metrics: Metrics, most_waiting: int, most_seconds: float
    ) -> None:
        self._metrics = metrics
        self._most_waiting, self._most_seconds = most_waiting, most_seconds
        self.version = 0  # counts what was put on it
        self.places: dict[str, Place] = {}
        for name, path in files.items():
            served = Served.load(name, path)
            self.places[name] = Place(name, path, served, self._batcher(served), served.mark)
            metrics.on_load(served)

    def _batcher(self, served: Served) -> Batcher:
        metrics = self._metrics

        def on_batch(n_requests: int, n_rows: int, seconds: float) -> None:
            metrics.on_batch(served.name, n_rows, seconds)

        found = Batcher(served, self._most_waiting, self._most_seconds, on_batch)
        metrics.waiting.labels(served.name).set_function(lambda: found.n_waiting)
        return found

    def find(self, name: str) -> Place:
        """Return the model of a name.

        Raises
        ------
        Refusal
            If there is none.
        """
        found = self.places.get(name)
        if found is None:
            known = listing(self.places)
            raise Refusal(404, f"expected one of the models {known} — got {quoted(name)}")
        return found

    def only(self) -> Place:
        """Return the one model.

        Raises
        ------
        Refusal
            If there are several.
        """
        if len(self.places) > 1:
            raise Refusal(
                404,
                f"expected a model in the address, as there are several — got none — "
                f"use /models/NAME/predict with one of {listing(self.places)}",
            )
        return next(iter(self.places.values()))

    async def refresh(self) -> None:
        """Load every model whose file is another than when it was last looked at.

        What cannot be used is said in the log and counted; the model that was there stays.
        """
        for place in self.places.values():
            mark = await asyncio.to_thread(Mark.of, place.path)
            if mark is None or mark == place.seen:
                continue
            place.seen = mark
            try:
                served = await asyncio.to_thread(Served.load, place.name, place.path)
            except FathomError as error:
                self._metrics.on_reload(place.name, "refused")
                LOG.warning("%s stays as it was: %s", place.name, error)
                continue
            place.seen = served.mark
            if served.digest == place.served.digest:
                continue
            # Who waits at the former batcher is answered by it.
            place.served, place.batcher = served, self._batcher(served)
            self.version += 1
            self._metrics.on_load(served, "loaded")
            LOG.info("%s loaded anew (sha256 %s)", place.name, served.digest[:16])
