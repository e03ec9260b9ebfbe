"""A worker: a process that does one task after another for the process that started it."""

import os
import pickle
import queue
import struct
import sys
import threading
from pathlib import Path
from typing import IO, Any

from fathom.parallel.executor import Task, call

_LENGTH = struct.Struct("<Q")


def send(stream: IO[bytes], message: object) -> None:
    """Write a message with its length before it."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Return the next message.

    Raises
    ------
    EOFError
        If the other side is gone.
    """
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    data = stream.read(_LENGTH.unpack(head)[0])
    if len(data) < _LENGTH.unpack(head)[0]:
        raise EOFError
    return pickle.loads(data)


def main() -> None:
    """Do tasks until the process that started this one hangs up, or is gone."""
    cores = {int(core) for core in sys.argv[1].split(",") if core}
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a task prints must not come among the answers
    requests: queue.SimpleQueue[tuple[int, Task, str]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    known: dict[str, Any] = {}
    while True:
        ticket, task, place = requests.get()
        if task.data not in known:
            known.clear()  # one search at a time
            known[task.data] = pickle.loads(Path(place).read_bytes())
        send(answers, (ticket, *call(task, known[task.data])))


def _listen(requests: "queue.SimpleQueue[tuple[int, Task, str]]") -> None:
    """Hear of tasks; end at once, whatever goes on, when there is nobody to answer to."""
    try:
        while True:
            requests.put(receive(sys.stdin.buffer))
    except (EOFError, OSError):
        os._exit(0)
