"""A search kept safe while it goes on: the best model so far as a file, should it be killed."""

import contextlib
import shlex
from pathlib import Path

from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, forget_run, record_run
from fathom.errors import ModelFileError
from fathom.estimators.designing import Searching


class Unfinished:
    """Keeps the model of a search that goes on in a file beside the one it is to become.

    The file is a model like any other, whole at any moment: it predicts, and ``--continue`` goes on
    with its search. It is removed when the search is over and saved.

    Parameters
    ----------
    screen : Screen
        Told where it cannot be kept.
    place : Path
        Where the model is going to be saved.
    options : TableOptions
        What it is trained on.
    decimal : str
        The decimal mark of the table.
    """

    def __init__(self, screen: Screen, place: Path, options: TableOptions, decimal: str) -> None:
        self._screen, self._options, self._decimal = screen, options, decimal
        self._is_kept, self._has_failed = False, False
        self.path = place.with_name(f"{place.stem}.unfinished.fathom")
        self._say_if_there()

    def _say_if_there(self) -> None:
        """Say so where an earlier search was killed and left its model."""
        if self.path.is_file():
            name = shlex.quote(str(self.path))
            text = (
                f"{self.path} is what a search that did not end has left; this one begins anew and "
                f"will take its place (fathom train --continue {name} goes on with it)"
            )
            self._screen.emit("note", kind="unfinished", text=text)
            self._screen.say(f"  \N{MIDDLE DOT} {text}")

    def keep(self, found: Searching) -> None:
        """Save the model as it stands; where that fails, say so once and loudly."""
        if self._has_failed:
            return
        from fathom.cli.concluding import model_for
        from fathom.deployment.archive import save

        model = model_for(found.schema.target, self._options.seed)
        model.restore_design(found.schema, found.design)
        try:
            if self._is_kept:
                forget_run(self.path)
            save(model, self.path)
            record_run(self.path, self._options, self._decimal)
            self._is_kept = True
        except ModelFileError as error:
            self._has_failed = True
            text = f"the search is NOT kept safe while it goes on: {error}"
            self._screen.emit("note", kind="unkept", text=text)
            self._screen.say(f"  \N{MIDDLE DOT} {text}")

    def remove(self) -> None:
        """Remove the file once the search is over and its model saved."""
        if not self._is_kept:
            return
        with contextlib.suppress(OSError):
            forget_run(self.path)
            self.path.unlink()
