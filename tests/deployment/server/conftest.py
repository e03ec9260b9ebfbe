"""A server in a thread, with a model of every kind: a table, numbers, labels, pictures."""

import contextlib
import http.client
import json
import socket
import threading
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
import pytest

from fathom import (
    Architecture,
    Conv2D,
    Dense,
    FathomClassifier,
    FathomRegressor,
    GlobalAveragePool,
    Recipe,
    save,
)
from fathom.deployment.server.serving import Options, Serving

RNG = np.random.default_rng(0)
QUICK = Recipe(epochs=2, combine="average")
CONVOLUTIONS = Architecture(
    input_shape=(6, 6, 1),
    layers=(
        Conv2D(channels=2, activation="relu"), GlobalAveragePool(),
        Dense(units=3, activation="softmax"),
    ),
    loss="cross_entropy",
)  # fmt: skip


def make_table(n, seed=0):
    """Make rows with every kind of column, values missing and a class."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, n)
    return pl.DataFrame({
        "age": age,
        "spent": [None if row % 9 == 4 else v for row, v in enumerate(rng.normal(30, 8, n))],
        "city": rng.choice(["Ulm", "Bonn", "Kiel", None], n).tolist(),
        "is member": rng.choice(["yes", "no"], n),
        "since": (np.datetime64("2023-01-01") + rng.integers(0, 500, n)).astype(str),
        "remark": [f"called {a} times about item {b}" for a, b in rng.integers(0, 999, (n, 2))],
        "churn": np.where(age + rng.normal(0, 3, n) > 50, "leaves", "stays"),
    })  # fmt: skip


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body, parse_constant=_refuse)

    @property
    def error(self):
        """The one line in which it refuses."""
        assert list(self.json) == ["error"]
        assert self.headers["content-type"] == "application/json"
        assert "Traceback" not in self.json["error"]
        return self.json["error"]


def _refuse(word):
    raise AssertionError(f"{word} is not JSON")


class Running:
    """A server that answers, and how to ask it."""

    def __init__(self, serving):
        self.serving, self.port = serving, serving.port

    def ask(self, method, path, body=None, headers=None, timeout=300):
        """Send one request over a connection of its own."""
        if isinstance(body, dict | list):
            body = json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            found = connection.getresponse()
            return Answer(found.status, dict(found.getheaders()), found.read())

    def predict(self, name, rows, **more):
        return self.ask("POST", f"/models/{name}/predict", {"rows": rows}, **more)

    def infer(self, name, body, headers=None):
        return self.ask("POST", f"/v2/models/{name}/infer", body, headers)

    def count(self, name, **labels):
        """Return what a counter holds, 0 where it was never touched."""
        registry = self.serving.shelf._metrics.registry
        return registry.get_sample_value(name, labels) or 0

    @contextlib.contextmanager
    def socket(self, sent=b""):
        with socket.create_connection(("127.0.0.1", self.port), timeout=300) as found:
            found.sendall(sent)
            yield found

    def raw(self, sent):
        """Send bytes; return all that comes until the server ends the connection."""
        with self.socket(sent) as connection:
            return receive_all(connection)


def receive_all(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@contextlib.contextmanager
def running(*models, **options):
    """Serve models in a thread."""
    serving = Serving(Options(tuple(map(str, models)), port=0, **options))
    is_ready = threading.Event()
    thread = threading.Thread(target=serving.run, args=(is_ready.set,))
    thread.start()
    try:
        assert is_ready.wait(60)
        yield Running(serving)
    finally:
        serving.stop()
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture(scope="package")
def table():
    """Return rows like those of training, and some unlike them."""
    found = make_table(60, seed=1).drop("churn")
    odd = pl.DataFrame({
        "age": [400, None, 30], "spent": [-900.0, None, 1e9], "city": ["Rom", None, "ulm "],
        "is member": ["perhaps", None, "YES"], "since": ["2099-01-01", None, "2023-02-30"],
        "remark": ["é", None, "n/a"],
    })  # fmt: skip
    return pl.concat([found, odd])


@pytest.fixture(scope="package")
def models():
    """Return fitted estimators by name."""
    table = make_table(120)
    x = RNG.normal(size=(60, 3))
    named = pd.DataFrame(x, columns=["a", "b", "c"])
    quick = {"recipe": QUICK, "random_state": 0}
    pictures = (RNG.random((60, 6, 6)) > 0.5).astype(np.uint8)
    return {
        "table": FathomClassifier(time_limit=1.5, random_state=0).fit(
            table.drop("churn"), table["churn"]
        ),
        "plain": FathomRegressor(time_limit=1, random_state=0).fit(x, x[:, 0]),
        "numbers": FathomRegressor(**quick).fit(named, x[:, :2] * 3 + 1),
        "labels": FathomClassifier(**quick).fit(x, x[:, :2] > 0),
        "pictures": FathomClassifier(CONVOLUTIONS, QUICK, random_state=0).fit(
            pictures, np.arange(60) % 3
        ),
    }


@pytest.fixture(scope="package")
def files(models, tmp_path_factory):
    """Return the models' files by name."""
    folder = tmp_path_factory.mktemp("served")
    return {name: save(model, folder / f"{name}.fathom") for name, model in models.items()}


@pytest.fixture(scope="session")
def run_server():
    """Return `running`, for servers of a test's own."""
    return running


@pytest.fixture(scope="package")
def server(files):
    """Serve all models."""
    with running(*files.values(), most_bytes=200_000, timeout_s=60.0) as found:
        yield found
