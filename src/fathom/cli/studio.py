"""The verb ``studio``: a local page, served to the person at this machine alone."""

import os
import threading
import webbrowser
from pathlib import Path

from fathom.cli.screen import Screen
from fathom.data.cache import cache_folder
from fathom.errors import InputError

PORT = 8765


def run_studio(port: int | None, folder: str | None, opens: bool, is_json: bool) -> None:
    """Serve the studio until Ctrl-C, and open it in the browser."""
    if port is not None and not 0 <= port < 65536:
        raise InputError("--port from 0 to 65535", got=f"{port}")
    try:
        from fathom.studio.serving import Served
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn", "anyio"):
            raise
        raise InputError(
            "the packages of the studio", got=f"no {error.name}",
            hint="pip install 'fathom-dnn[studio]'",
        ) from None  # fmt: skip
    os.umask(0o077)  # tables and models are for their owner alone
    screen = Screen(is_json)
    place = Path(folder) if folder else cache_folder() / "studio"

    def tell(link: str) -> None:
        screen.say(f"For another window: {link}")
        screen.emit("link", address=link)

    served = Served(place, PORT if port is None else port, is_port_fixed=port is not None,
                    on_link=tell)  # fmt: skip
    link = served.link
    screen.say("The studio is open, for this machine alone, until Ctrl-C:")
    screen.say(f"  {link}")
    screen.emit("link", address=link)
    if opens:
        threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()
    served.run()
    screen.say("\nThe studio is closed. Searches that go on end in their time, and are kept.")
