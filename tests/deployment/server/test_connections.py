"""Connections: what is slow, too large or no HTTP; and how the server ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from fathom import FathomClassifier, Recipe, load, save
from fathom.deployment.server import batching
from fathom.deployment.server.batching import Batcher
from fathom.deployment.server.connections import Connection
from fathom.deployment.server.refusals import Refusal
from fathom.deployment.server.rows import Rows
from fathom.deployment.server.served import Cost
from fathom.estimators.predicting import RowsInOrder

ROWS = b'{"rows": [[1, 2, 3]]}'
HEAD = b"POST /models/labels/predict HTTP/1.1\r\nHost: localhost\r\n"


def receive(connection):
    """Receive one whole answer."""
    found = b""
    while not found.endswith(b"}"):
        part = connection.recv(65536)
        assert part
        found += part
    return found


def status_of(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert list(json.loads(body)) == ["error"]
    return int(head.split()[1])


@pytest.fixture
def hasty(run_server, files, monkeypatch):
    """Serve with short limits of time."""
    monkeypatch.setattr(Connection, "head_s", 1.0)
    with run_server(files["labels"], timeout_s=1.0) as found:
        yield found


def test_a_head_or_a_body_that_does_not_end_in_time(hasty):
    server = hasty
    assert status_of(server.raw(b"POST /models/labels/predict HTTP/1.1\r\nHost: loc")) == 408
    assert status_of(server.raw(HEAD + b"Content-Length: 50\r\n\r\n" + ROWS)) == 408
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + ROWS[:5] + b"\r\n"
    assert status_of(server.raw(chunked)) == 408
    assert server.raw(b"") == b""  # nothing was asked, nothing is answered
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(ROWS) + ROWS
    with server.socket(whole) as connection:
        assert receive(connection).startswith(b"HTTP/1.1 200")
        connection.sendall(b"\r\n")  # an empty line is no head
        assert connection.recv(100) == b""


def test_what_is_too_large_is_refused_before_it_is_read(server):
    assert status_of(server.raw(HEAD + b"Content-Length: 200001\r\n\r\n")) == 413
    assert status_of(server.raw(HEAD + b"Content-Length: 99999999999999999\r\n\r\n")) == 413
    many = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b" " * 65536 + b"\r\n"
    assert status_of(server.raw(many + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 3)) == 413
    body = b" " * 2_000_000  # of which most is on its way when it is refused
    assert status_of(server.raw(HEAD + b"Content-Length: 2000000\r\n\r\n" + body)) == 413
    assert status_of(server.raw(HEAD + b"X: y\r\n" * 101 + b"\r\n")) == 431
    assert status_of(server.raw(HEAD + b"X: " + b"y" * 70_000)) == 431
    assert status_of(server.raw(b"GET /" + b"y" * 70_000)) == 431


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n", b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: -5\r\n\r\n", HEAD + b"Content-Length: 5x\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_http_is_refused_in_json(server, sent):
    assert status_of(server.raw(sent)) == 400
    assert server.ask("GET", "/v2/health/live").status == 200


def test_requests_in_a_row_and_tiny_chunks(server):
    one = HEAD + b"Content-Length: %d\r\n\r\n" % len(ROWS) + ROWS
    last = one.replace(b"localhost", b"localhost\r\nConnection: close")
    assert server.raw(one * 3 + last).count(b"200 OK") == 4
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in b" " * 3000 + ROWS)
    head = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b"200 OK" in server.raw(head + chunks + b"0\r\n\r\n")
    waiting = HEAD + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 21\r\n\r\n"
    with server.socket(waiting) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(ROWS)
        assert b"200 OK" in connection.recv(65536)


def test_a_client_that_leaves_disturbs_nobody(server):
    for sent in (HEAD[:30], HEAD + b"Content-Length: 50\r\n\r\n" + ROWS, HEAD + b"\r\n"):
        with server.socket(sent):
            pass
    assert server.predict("labels", [[1, 2, 3]]).status == 200


def test_all_bodies_together_have_a_limit(server, monkeypatch):
    monkeypatch.setattr("fathom.deployment.server.bodies.MOST_AT_ONCE", 1)
    with server.socket(HEAD + b"Content-Length: 180001\r\n\r\n" + b" " * 180_000):
        for _ in range(100):
            answer = server.ask("POST", "/models/labels/predict", ROWS + b" " * 30_000)
            if answer.status == 429:
                break
        assert answer.status == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert server.predict("labels", [[1, 2, 3]]).status == 200


class Slow:
    """A model whose predictions take as long as a test likes."""

    cost = Cost(10.0, 1.0)
    n_answers = 1

    def __init__(self):
        self.has_begun, self.may_go_on, self.batches = threading.Event(), threading.Event(), []

    def predict(self, parts):
        self.has_begun.set()
        assert self.may_go_on.wait(300)
        self.batches.append([part.n for part in parts])
        x = np.concatenate([part.given.values for part in parts])
        if (x < 0).any():
            raise ValueError("a row below 0")
        return x * 2


async def until(is_so):
    """Let others have their turn until something is so."""
    async with asyncio.timeout(300):
        while not is_so():
            await asyncio.sleep(0.001)


def rows_of(*values):
    return Rows(len(values), RowsInOrder(np.array(values, float)[:, None]))


def test_what_waits_together_is_predicted_together_and_too_much_is_refused():
    slow = Slow()

    async def ask():
        told = []
        batcher = Batcher(slow, 100, 60.0, lambda *batch: told.append(batch[:2]))
        first = asyncio.create_task(batcher.predict(rows_of(1)))
        await until(slow.has_begun.is_set)
        others = [asyncio.create_task(batcher.predict(rows_of(n, n))) for n in (2, 3, -4, 5)]
        large = asyncio.create_task(batcher.predict(rows_of(*range(80))))
        await until(lambda: batcher.n_waiting == 88)
        with pytest.raises(Refusal, match="88 rows waiting") as refusal:
            await batcher.predict(rows_of(*range(20)))
        assert refusal.value.status == 429
        assert refusal.value.headers["retry-after"] == "60"
        slow.may_go_on.set()
        found = await asyncio.gather(first, *others, large, return_exceptions=True)
        assert batcher.n_waiting == 0
        return found, told

    found, told = asyncio.run(ask())
    assert isinstance(found[3], ValueError)
    assert [found[n][:, 0].tolist() for n in (0, 1, 2, 4)] == [[2], [4, 4], [6, 6], [10, 10]]
    assert found[5][:, 0].tolist() == [2 * n for n in range(80)]
    # the large one is computed in parts of what is left of 32 rows
    assert slow.batches[:2] == [[1], [2, 2, 2, 2, 24]]
    assert [one for one in slow.batches[2:] if len(one) > 1] == []  # each alone, one is to blame
    assert told == [(1, 1), (5, 32), (1, 32), (1, 24)]


def test_who_waits_too_long_is_refused(monkeypatch):
    slow, now = Slow(), [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], perf_counter=time.perf_counter)
    monkeypatch.setattr(batching, "time", clock)

    async def ask():
        batcher = Batcher(slow, 100, 5.0, lambda *_: None)
        first = asyncio.create_task(batcher.predict(rows_of(1)))
        await until(slow.has_begun.is_set)
        second = asyncio.create_task(batcher.predict(rows_of(2)))
        gone = asyncio.create_task(batcher.predict(rows_of(3)))
        await until(lambda: batcher.n_waiting == 2)
        now[0] = 6.0
        gone.cancel()
        slow.may_go_on.set()
        return await asyncio.gather(first, second, gone, return_exceptions=True), batcher.n_waiting

    (first, second, gone), n_waiting = asyncio.run(ask())
    assert first.tolist() == [[2.0]]
    assert second.status == 429
    assert isinstance(gone, asyncio.CancelledError)
    assert n_waiting == 0
    assert slow.batches == [[1]]


def test_a_model_is_replaced_with_its_file(run_server, models, tmp_path):
    path = save(models["labels"], tmp_path / "m.fathom")
    with run_server(path, timeout_s=60.0) as server:
        shelf = server.serving.shelf

        def wait_for(is_so):
            for _ in range(6000):
                if is_so():
                    return
                time.sleep(0.05)
            raise AssertionError("it did not happen")

        before = server.ask("POST", "/predict", ROWS).json["predictions"]
        path.write_bytes(path.read_bytes()[:-7])  # as while it is being copied
        wait_for(lambda: server.count(
            "fathom_model_reloads_total", model="m", outcome="refused"))  # fmt: skip
        assert server.ask("POST", "/predict", ROWS).json["predictions"] == before
        path.unlink()
        x = np.random.default_rng(9).normal(size=(40, 2))
        again = FathomClassifier(recipe=Recipe(epochs=1), random_state=1).fit(x, x[:, 0] > 0)
        save(again, path)
        wait_for(lambda: shelf.version == 1)
        assert server.ask("POST", "/predict", ROWS).status == 400  # it takes two numbers now
        answer = server.ask("POST", "/predict", {"rows": [[1, 2]]})
        expected = load(path).predict_proba([[1.0, 2.0]])[0]
        assert answer.json["predictions"][0]["probability_True"] == pytest.approx(expected[1])
        assert answer.json["predictions"][0]["prediction"] is bool(expected.argmax())
        size = server.ask("GET", "/openapi.json").json["paths"]["/predict"]["post"]
        rows = size["requestBody"]["content"]["application/json"]["schema"]["properties"]["rows"]
        assert rows["items"]["maxItems"] == 2
        said = server.ask("GET", "/metrics").body.decode()
        assert said.count("\nfathom_model_info{") == 1
        assert 'fathom_model_reloads_total{model="m",outcome="loaded"} 1.0' in said


def test_metrics_say_what_was_done(server):
    server.predict("labels", [[1, 2, 3]])
    server.predict("table", [[None] * 6])
    server.ask("POST", "/models/labels/predict", b" " * 200_001)
    answer = server.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    said = answer.body.decode()
    for part in (
        'fathom_requests_total{endpoint="predict",model="labels",status="200"}',
        'fathom_requests_total{endpoint="predict",model="labels",status="413"}',
        'fathom_request_seconds_bucket{endpoint="predict",le="0.001"}',
        'fathom_batch_rows_count{model="labels"}', 'fathom_rows_waiting{model="labels"} 0.0',
        'fathom_model_info{model="table",sha256="', "process_resident_memory_bytes",
        'fathom_column_missing_total{column="spent",model="table"}', "fathom_connections",
    ):  # fmt: skip
        assert part in said, part


@pytest.fixture
def process(files):
    """Run the command in a process of its own, and wait until it is ready."""
    command = [
        sys.executable, "-m", "fathom", "serve", str(files["labels"]), "--port", "0", "--json",
    ]  # fmt: skip
    found = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}
    )
    ready = json.loads(found.stdout.readline())
    assert ready["event"] == "ready"
    assert ready["process"] == found.pid
    port = int(ready["address"].rsplit(":", 1)[1])
    yield SimpleNamespace(process=found, port=port)
    found.kill()
    found.communicate()


def test_told_to_end_it_answers_what_has_come_and_leaves_in_good_order(process):
    import socket

    def connect(sent):
        found = socket.create_connection(("127.0.0.1", process.port), timeout=300)
        found.sendall(sent)
        return found

    begun = connect(HEAD + b"Content-Length: %d\r\n\r\n" % len(ROWS) + ROWS[:9])
    idle = connect(HEAD + b"Content-Length: %d\r\n\r\n" % len(ROWS) + ROWS)
    assert b"200 OK" in receive(idle)
    process.process.send_signal(signal.SIGTERM)
    assert json.loads(process.process.stdout.readline()) == {"event": "draining"}
    for _ in range(6000):
        try:
            connect(b"").close()
        except ConnectionError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("it still takes connections")
    assert idle.recv(65536) == b""
    begun.sendall(ROWS[9:])
    answer = receive(begun)
    assert b"200 OK" in answer
    assert b"connection: close" in answer
    begun.close()
    idle.close()
    out, err = process.process.communicate(timeout=300)
    assert (process.process.returncode, err) == (0, b"")
    assert json.loads(out) == {"event": "done"}
