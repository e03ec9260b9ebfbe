"""The command ``fathom``, also run by ``python -m fathom``."""

import gc
import os
import signal
import sys
from types import FrameType

STOPPED = 130  # as in cli/screen.py, which is not loaded yet when it is needed
OBJECTS = 20_000  # made between two looks for garbage; loading makes many, and nearly all stay
STOPPED_EARLY = "stopped before there was anything to save"


def main() -> None:
    """Run the command line; a request to stop ends it in one line, also while it loads."""
    gc.set_threshold(OBJECTS)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    from fathom.cli import main as run

    run()


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process at once: what is being imported or compiled would be waited for."""
    if "--json" in sys.argv[1:]:
        os.write(1, f'{{"event": "error", "message": "{STOPPED_EARLY}"}}\n'.encode())
    os.write(2, f"fathom: {STOPPED_EARLY}\n".encode())
    os._exit(STOPPED)


if __name__ == "__main__":
    main()
