"""How soon the studio is there: ``python benchmarks/studio_start.py``.

Processor seconds of the studio's own process, and seconds of the clock, from the command until the
page is given, until a browser is let in, and until the numbers of the first network, the order they
come in and the reason of one are there. Then, while the engine is loaded, how long a changed
weight waits for its answer, asked for again and again. The clock means little beside other work;
processor seconds do.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
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
        own["cookie"] = sign_in(address.netloc, own, token)
        note("the browser is let in")
        answer = ask(address.netloc, "GET", "/api/network/examples/hand_worked", own)
        state = json.loads(answer)["state"]
        note("the first network is there")
        shape = {"n_inputs": 2, "units": [2, 2, 2]}
        ask(address.netloc, "POST", "/api/network/tape", own, json.dumps(shape))
        asked = {"state": state, "name": "output.neuron1.a"}
        ask(address.netloc, "POST", "/api/network/why", own, json.dumps(asked))
        note("its order and a reason")
        waits = []
        engine = threading.Thread(
            target=ask, args=(address.netloc, "POST", "/api/network/along", own,
                              json.dumps(asked | {"name": "output.neuron1.bias"})),
        )  # fmt: skip
        engine.start()
        while engine.is_alive():
            asked_at = time.perf_counter()
            ask(address.netloc, "POST", "/api/network/answer", own, json.dumps(state))
            waits.append(time.perf_counter() - asked_at)
            time.sleep(1 / 30)
        note("the engine has answered")
        found["a weight meanwhile, middle"] = (float("nan"), sorted(waits)[len(waits) // 2])
        found["a weight meanwhile, slowest"] = (float("nan"), max(waits))
        process.terminate()
        process.wait()
    return found


def processor_seconds(process: int) -> float:
    """Return the processor seconds a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def sign_in(host: str, headers: dict[str, str], token: str) -> str:
    """Exchange the token of the link for a cookie."""
    answer = request(host, "POST", "/api/session", headers, json.dumps({"token": token}))
    return answer.getheader("set-cookie", "").split(";")[0]


def ask(host: str, method: str, path: str, headers: dict[str, str], body: str = "") -> bytes:
    """Ask once; return what is answered."""
    return request(host, method, path, headers, body).read()


def request(
    host: str, method: str, path: str, headers: dict[str, str], body: str
) -> http.client.HTTPResponse:
    """Send a request; return its answer, not yet read."""
    connection = http.client.HTTPConnection(host, timeout=120)
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    return answer


if __name__ == "__main__":
    main()
