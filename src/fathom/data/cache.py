"""The folder for what is kept between runs; loads nothing heavy."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder for downloaded data: FATHOM_CACHE, or ``fathom`` in the user's cache."""
    given = os.environ.get("FATHOM_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fathom"
