"""The verb ``serve``: models answer over HTTP."""

import importlib.util
import logging
import math
import os
import sys

from fathom.cli.engine import prepare_engine
from fathom.cli.screen import Screen, printable
from fathom.errors import InputError

NEEDED = ("fastapi", "uvicorn", "httptools", "prometheus_client")
MIB = 2**20


def run_serve(
    models: list[str],
    host: str,
    port: int,
    token: str | None,
    allowed_hosts: list[str],
    most_mib: float,
    timeout_s: float,
    most_waiting: int,
    drain_s: float,
    is_json: bool,
) -> None:
    """Serve models until told to end."""
    _require_extra()
    from fathom.deployment.server.serving import Options, Serving

    for flag, value, most in (
        ("--max-body", most_mib, 1024), ("--timeout", timeout_s, 86_400),
        ("--drain", drain_s, 86_400), ("--queue", most_waiting, 10**9),
    ):  # fmt: skip
        if not 0 < value <= most:  # also false for NaN
            raise InputError(f"{flag} above 0 and at most {most:,}", got=f"{value:g}")
    if not 0 <= port <= 65_535:
        raise InputError("--port from 0 to 65535", got=f"{port}")
    screen = Screen(is_json)
    _write_log()
    prepare_engine()
    options = Options(
        models=tuple(models), host=host, port=port, token=token,
        allowed_hosts=tuple(allowed_hosts), most_bytes=math.ceil(most_mib * MIB),
        timeout_s=timeout_s, most_waiting=most_waiting, drain_s=drain_s,
    )  # fmt: skip

    def on_drain() -> None:
        screen.emit("draining")
        screen.say("Ending: what has come is answered. Once more to end at once.")

    serving = Serving(options, on_drain)

    def on_ready() -> None:
        screen.emit(
            "ready", address=serving.address, process=os.getpid(),
            models=[place.served.describe() for place in serving.shelf.places.values()],
        )  # fmt: skip
        for line in _welcome(serving.address, list(serving.shelf.places), token):
            screen.say(line)

    serving.run(on_ready)
    screen.emit("done")


def _require_extra() -> None:
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        raise InputError(
            "the extra for serving", got=f"no {', '.join(absent)}",
            hint="pip install 'fathom-dnn[serve]'",
        )  # fmt: skip


def _welcome(address: str, names: list[str], token: str | None) -> list[str]:
    path = "/predict" if len(names) == 1 else f"/models/{names[0]}/predict"
    shown = "" if token is None else " -H 'Authorization: Bearer …'"
    return [
        f"Serving {', '.join(names)} at {address}; Ctrl-C ends it.",
        f'  curl {address}{path}{shown} -d \'{{"rows": [{{"column": value, …}}]}}\'',
        f"  {address}/models says what models take, /openapi.json every address,",
        "  /v2 the Open Inference Protocol, /metrics what was counted.",
    ]


class _OneLine(logging.Formatter):
    """A line for each event; the trace of a failure of the server's own follows it."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _write_log() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    for name, level in (("fathom.serve", logging.INFO), ("uvicorn.error", logging.ERROR)):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(level)
