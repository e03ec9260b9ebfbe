"""How soon the studio is there: ``python benchmarks/studio_start.py``.

Processor seconds of the studio's own process, and seconds of the clock, from the command until the
page is given, until a browser is let in, and until the numbers of the first network are there. The
clock means little beside other work; processor seconds do.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Start the studio a few times and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    runs = [start() for _ in range(given.times + 1)][1:]  # the first one warms files up
    print(f"{'until':<28} processor s  clock s   (median of {given.times})")
    for name in runs[0]:
        processor, clock = (sorted(run[name][k] for run in runs)[len(runs) // 2] for k in (0, 1))
        print(f"{name:<28} {processor:>11.2f}  {clock:>7.2f}")


def start() -> dict[str, tuple[float, float]]:
    """Start the studio once; return when what was there."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "fathom", "studio", "--no-open", "--port=0", "--json",
             f"--folder={folder}"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        address = urlsplit(json.loads(process.stdout.readline())["address"])
        token = address.fragment.partition("=")[2]
        found = {}

        def note(name: str) -> None:
            found[name] = (processor_seconds(process.pid), time.perf_counter() - began)

        note("it listens")
        ask(address.netloc, "GET", "/", {})
        note("the page is given")
        own = {"origin": f"http://{address.netloc}", "content-type": "application/json"}
        cookie = ask(address.netloc, "POST", "/api/session", own, json.dumps({"token": token}))
        note("the browser is let in")
        ask(address.netloc, "GET", "/api/network/examples/hand_worked", {"cookie": cookie})
        note("the first network is there")
        process.terminate()
        process.wait()
    return found


def processor_seconds(process: int) -> float:
    """Return the processor seconds a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def ask(host: str, method: str, path: str, headers: dict[str, str], body: str = "") -> str:
    """Ask once; return the cookie that was set, if one was."""
    connection = http.client.HTTPConnection(host, timeout=120)
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status
    cookie = answer.getheader("set-cookie", "")
    connection.close()
    return cookie.split(";")[0]


if __name__ == "__main__":
    main()
