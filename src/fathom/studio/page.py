"""The built page: which files there are, and what to do where there is none."""

import mimetypes
from pathlib import Path

from fathom.errors import InputError

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}  # fmt: skip


def page_files(folder: Path = STATIC) -> dict[str, tuple[bytes, str]]:
    """Return every file of the page by its address, with its type: a table fixed at the start.

    No address is ever made into a path, so none leads out of the folder.

    Raises
    ------
    InputError
        If the page was not built.
    """
    if not (folder / "index.html").is_file():
        raise InputError(
            "the studio's page", got="a Fathom without it, as an editable install has",
            hint="build it: cd frontend && npm ci && npm run build (or pip install .)",
        )  # fmt: skip
    found = {}
    for path in sorted(folder.rglob("*")):
        is_shown = path.is_file() and not path.name.startswith(".") and path.suffix != ".json"
        if is_shown:
            kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
            address = "/" + path.relative_to(folder).as_posix()
            found[address] = (path.read_bytes(), kind or "application/octet-stream")
    found["/"] = found.pop("/index.html")
    return found
