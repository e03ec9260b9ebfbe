"""The server: requests a second and how long they take, from clients beside it.

    python benchmarks/server.py [--seconds 5] [--rows 1 32] [--clients 1 4 16]
        [--ways json v2 binary] [--model FILE --data TABLE] [--mlserver COMMAND] [--json]
    python benchmarks/server.py --soak SECONDS [--model FILE --data TABLE]

Without a model it serves a network of 20 → 64 → 64 → 1 neurons, which it trains first, so that it
measures the server rather than the model; with one it sends rows of the table. All clients are one
process beside the server, each with a connection of its own that asks again once it is answered.
``json`` is ``POST /predict``, ``v2`` the Open Inference Protocol in JSON, ``binary`` its tensors as
bytes. Beside the time of the wall it says what CPU time of the server a request took, which other
work on the machine changes little.

``--mlserver`` measures MLServer beside it, where that is installed (the command ``mlserver`` of its
environment, with its scikit-learn runtime): scikit-learn's MLPClassifier of the same size.

``--soak`` asks with random numbers of rows, 1 to 200, over 8 connections, and says how many answers
were not 200, and by how much the server's memory grew after the first minute (or, in a short soak,
after the first fifth), and in the second half alone: what is bounded grows by nothing there.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

FEATURES, WARM_S = 20, 1.0
SOAK_ROWS, SOAK_CLIENTS = 200, 8
TICKS = os.sysconf("SC_CLK_TCK")


# --- requests -----------------------------------------------------------------------------------


def post(path: str, body: bytes, extra: str = "") -> bytes:
    """Return a whole request."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def make_request(way: str, rows: list, name: str) -> bytes:
    """Return the request for rows, given as lists or as objects."""
    if way == "json":
        return post("/predict", json.dumps({"rows": rows}).encode())
    if isinstance(rows[0], dict):
        tensors = [column_tensor(key, [row[key] for row in rows]) for key in rows[0]]
    else:
        tensors = [("input", [len(rows), len(rows[0])], "FP64", np.array(rows))]
    said, tail = [], b""
    for key, shape, datatype, values in tensors:
        one = {"name": key, "shape": shape, "datatype": datatype}
        if way == "binary" and datatype != "BYTES":
            data = np.asarray(values, "<f8").tobytes()
            tail += data
            one["parameters"] = {"binary_data_size": len(data)}
        else:
            one["data"] = np.asarray(values, object).reshape(-1).tolist()
        said.append(one)
    is_binary = way == "binary"
    body = json.dumps({"inputs": said, "parameters": {"binary_data_output": is_binary}}).encode()
    extra = f"Inference-Header-Content-Length: {len(body)}\r\n" if is_binary else ""
    return post(f"/v2/models/{name}/infer", body + tail, extra)


def column_tensor(key: str, values: list) -> tuple:
    """Return one column as a tensor."""
    is_number = all(isinstance(value, int | float | None) for value in values)
    if is_number:
        values = [np.nan if value is None else value for value in values]
    return key, [len(values), 1], "FP64" if is_number else "BYTES", values


class Client(asyncio.Protocol):
    """Asks again and again, over one connection."""

    def __init__(self, requests: Iterator[bytes], until: float) -> None:
        self._requests, self._until = requests, until
        self.seconds: list[float] = []
        self.statuses: dict[int, int] = {}
        self.ended = asyncio.get_running_loop().create_future()
        self._found, self._began = b"", 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Ask for the first time."""
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer; ask again once it is whole."""
        self._found += data
        head, end, body = self._found.partition(b"\r\n\r\n")
        if not end:
            return
        lower = head.lower()
        at = lower.index(b"content-length: ") + 16
        if len(body) < int(lower[at : at + 12].split(b"\r\n")[0]):
            return
        now = time.perf_counter()
        self.seconds.append(now - self._began)
        status = int(head[9:12])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self._found = b""
        if now < self._until and not self._transport.is_closing():
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Say that it is over."""
        if not self.ended.done():
            self.ended.set_result(error)


async def ask(port: int, requests: list[Iterator[bytes]], seconds: float) -> list[Client]:
    """Let as many clients ask as there are streams of requests."""
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + seconds
    clients = []
    for one in requests:
        _, client = await loop.create_connection(
            lambda one=one: Client(one, until), "127.0.0.1", port
        )
        clients.append(client)
    await asyncio.gather(*(client.ended for client in clients))
    return clients


def run_clients(port: int, requests: list[Iterator[bytes]], seconds: float) -> list[Client]:
    """Run clients on the quickest event loop there is."""
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:
        factory = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(ask(port, requests, seconds))


def again(request: bytes) -> Iterator[bytes]:
    while True:
        yield request


# --- servers ------------------------------------------------------------------------------------


def cpu_seconds(process: int) -> float:
    """Return the CPU time of a process and of those it started."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) == process or int(fields[1]) == process:
            total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def memory_mib(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def fathom_server(model: Path) -> Iterator[tuple[int, int]]:
    """Serve a model in a process of its own; give its port and number."""
    command = [sys.executable, "-m", "fathom", "serve", f"m={model}", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            ready = json.loads(process.stdout.readline())
            yield int(ready["address"].rsplit(":", 1)[1]), process.pid
        finally:
            is_ending = process.poll() is not None
            process.terminate()
            said = process.stdout.read()
            if is_ending:
                raise SystemExit(f"the server ended by itself, with {process.returncode}: {said!r}")
    if process.returncode:
        raise SystemExit(f"the server ended with {process.returncode}")


@contextmanager
def mlserver(command: str, folder: Path, x: np.ndarray, y: np.ndarray) -> Iterator[tuple[int, int]]:
    """Serve scikit-learn's network by MLServer."""
    python = Path(shutil.which(command) or command).with_name("python")
    train = (
        "import sys, joblib, numpy as np; from sklearn.neural_network import MLPClassifier;"
        "d = np.load(sys.argv[1]); m = MLPClassifier((64, 64), max_iter=5).fit(d['x'], d['y']);"
        "joblib.dump(m, sys.argv[2])"
    )
    np.savez(folder / "rows.npz", x=x, y=y)
    model = folder / "model.joblib"
    asked = [python, "-W", "ignore", "-c", train, folder / "rows.npz", model]
    subprocess.run(asked, check=True)
    port = 18_080
    settings = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2, "debug": False,
                "host": "127.0.0.1", "parallel_workers": 0}  # fmt: skip
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps({
        "name": "m", "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(model)},
    }))  # fmt: skip
    with subprocess.Popen([command, "start", str(folder)], stderr=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL) as process:  # fmt: skip
        try:
            rows = again(make_request("v2", [[0.0] * FEATURES], "m"))
            for _ in range(600):
                time.sleep(0.2)
                try:
                    if run_clients(port, [rows], 0)[0].statuses.get(200):
                        break
                except OSError:
                    continue
            yield port, process.pid
        finally:
            process.terminate()


# --- figures ------------------------------------------------------------------------------------


def measure(port: int, process: int, request: bytes, n_clients: int, seconds: float) -> dict:
    """Return requests a second, percentiles in ms, and CPU time of the server in µs a request."""
    run_clients(port, [again(request)] * n_clients, WARM_S)
    before, began = cpu_seconds(process), time.perf_counter()
    clients = run_clients(port, [again(request)] * n_clients, seconds)
    wall, cpu = time.perf_counter() - began, cpu_seconds(process) - before
    spent = np.concatenate([client.seconds for client in clients]) * 1e3
    wrong = sum(n for c in clients for status, n in c.statuses.items() if status != 200)
    return {
        "per_s": len(spent) / wall, "p50_ms": float(np.median(spent)),
        "p99_ms": float(np.quantile(spent, 0.99)), "cpu_us": 1e6 * cpu / len(spent), "wrong": wrong,
    }  # fmt: skip


def show(asked: argparse.Namespace, server: str, way: str, n: int, clients: int, got: dict) -> None:
    if asked.json:
        cell = {"server": server, "way": way, "rows": n, "clients": clients}
        print(json.dumps(cell | got), flush=True)
        return
    times = f"{got['p50_ms']:.2f} | {got['p99_ms']:.2f} | {got['cpu_us']:,.0f}"
    cells = (server, way, n, clients, f"{got['per_s']:,.0f}", times, got["wrong"])
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def soak(asked: argparse.Namespace, model: Path, rows: list) -> int:
    """Ask for long with random numbers of rows; return 1 where something was not right."""
    rng = np.random.default_rng(0)

    def requests() -> Iterator[bytes]:
        while True:
            n = int(rng.integers(1, SOAK_ROWS + 1))
            chosen = [rows[place] for place in rng.integers(0, len(rows), n)]
            way = ("json", "v2", "binary")[int(rng.integers(3))]
            yield make_request(way, chosen, "m")

    with fathom_server(model) as (port, process):
        first = min(60.0, asked.soak / 5)
        statuses: dict[int, int] = {}
        n, memory, began = 0, [], time.perf_counter()
        while (spent := time.perf_counter() - began) < asked.soak:
            length = first if not memory else min(60.0, asked.soak - spent)
            found = run_clients(port, [requests() for _ in range(SOAK_CLIENTS)], length)
            for client in found:
                for status, count in client.statuses.items():
                    statuses[status] = statuses.get(status, 0) + count
                    n += count
            memory.append(memory_mib(process))
            shown = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
            print(
                f"{time.perf_counter() - began:6.0f} s  {shown}  {memory[-1]:.1f} MiB", flush=True
            )
    growth, late = memory[-1] - memory[0], memory[-1] - memory[len(memory) // 2]
    print(
        f"{n:,} requests; memory grew by {growth:.1f} MiB after the first {first:.0f} s, by "
        f"{late:.1f} MiB in the second half"
    )
    return int(set(statuses) != {200})


# --- the command --------------------------------------------------------------------------------


def train_network(folder: Path) -> tuple[Path, list, np.ndarray, np.ndarray]:
    from fathom import Architecture, Dense, FathomClassifier, Recipe, save

    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, FEATURES))
    y = x[:, 0] + x[:, 1] ** 2 > 1
    hidden = Dense(units=64, activation="relu")
    network = Architecture(
        input_shape=(FEATURES,), loss="binary_cross_entropy",
        layers=(hidden, hidden, Dense(units=1, activation="sigmoid")),
    )  # fmt: skip
    model = FathomClassifier(network, Recipe(epochs=3), random_state=0).fit(x, y)
    return save(model, folder / "m.fathom"), x.round(4).tolist(), x, y


def read_rows(model: Path, data: str) -> list:
    """Return rows of a table as a client sends them: numbers as numbers, the target left out."""
    import polars as pl

    from fathom import load

    known = [column.name for column in load(model).schema_.input.columns]
    frame = pl.read_csv(data, infer_schema_length=None)
    return frame.select(known).head(1000).to_dicts()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--ways", nargs="+", default=["json", "v2", "binary"])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data")
    parser.add_argument("--mlserver")
    parser.add_argument("--soak", type=float)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        x = y = None
        if asked.model:
            model, rows = asked.model, read_rows(asked.model, asked.data)
        else:
            model, rows, x, y = train_network(folder)
        if asked.soak:
            return soak(asked, model, rows)
        if not asked.json:
            print("| server | way | rows | clients | requests a second | p50 ms | p99 ms "
                  "| CPU µs | wrong |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
        servers = [("Fathom", asked.ways, fathom_server(model))]
        if asked.mlserver and x is not None:
            servers.append(("MLServer", ["v2"], mlserver(asked.mlserver, folder, x, y)))
        for server, ways, started in servers:
            with started as (port, process):
                for way in ways:
                    for n in asked.rows:
                        request = make_request(way, rows[:n], "m")
                        for clients in asked.clients:
                            got = measure(port, process, request, clients, asked.seconds)
                            show(asked, server, way, n, clients, got)
    return 0


if __name__ == "__main__":
    sys.exit(main())
