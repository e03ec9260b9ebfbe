"""The server and the command say the same of the same rows."""

import http.client
import json
import threading

import pytest

from fathom.deployment.server.serving import Options, Serving


@pytest.fixture
def ask(model):
    """Serve the model in a thread; return a function that predicts rows with it."""
    serving = Serving(Options((str(model),), port=0))
    is_ready = threading.Event()
    thread = threading.Thread(target=serving.run, args=(is_ready.set,))
    thread.start()
    assert is_ready.wait(60)

    def post(rows):
        connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=60)
        try:
            connection.request("POST", "/predict", json.dumps({"rows": rows}))
            return json.loads(connection.getresponse().read())["predictions"]
        finally:
            connection.close()

    yield post
    serving.stop()
    thread.join(60)
    assert not thread.is_alive()


def test_the_server_says_what_the_command_says(ask, fathom, model, customers, tmp_path):
    customers.write_csv(tmp_path / "rows.csv")
    events = fathom("predict", model, "rows.csv", "--json").events
    said = [event["values"] for event in events if event["event"] == "row"]
    rows = customers.to_dicts()
    found = ask(rows) + ask(rows[:1])
    for one, expected in zip(found, [*said, said[0]], strict=True):
        assert list(one) == list(expected)
        for name, value in expected.items():
            same = pytest.approx(value, abs=1e-6) if isinstance(value, float) else value
            assert one[name] == same
