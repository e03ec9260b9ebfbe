"""Processes of jobs: whether one lives, and the last thing it said."""

import json
import os
from pathlib import Path
from typing import Any

MOST_LINE = 2**20


def begun_at(process: int) -> str:
    """Return when a process began, as the system tells it; nothing where it does not live."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
        fields = text.rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return "" if Path("/proc/self/stat").exists() else _is_alive(process)
    return "" if fields[0] == "Z" else fields[19]


def _is_alive(process: int) -> str:
    try:
        os.kill(process, 0)
    except OSError:
        return ""
    return "alive"


def last_event(path: Path) -> dict[str, Any]:
    """Return the last whole line a job said."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - MOST_LINE, 0))
            lines = [line for line in file.read().split(b"\n") if line]
        return dict(json.loads(lines[-1])) if lines else {}
    except (OSError, ValueError):
        return {}
