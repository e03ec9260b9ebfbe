"""A studio that listens, ways to ask it, and a browser."""

import http.client
import json
import os
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fathom.errors import InputError
from fathom.studio.page import page_files

BROWSER = Path("/usr/bin/chromium")
NEEDS_ALL = "FATHOM_NEEDS_BROWSER" in os.environ


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """Return a studio that listens on a free port; it ends with the tests."""
    from fathom.studio.serving import Served

    try:
        page_files()
    except InputError as error:
        if NEEDS_ALL:
            raise
        pytest.skip(str(error))
    one = Served(tmp_path_factory.mktemp("studio"))
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    yield one
    one.close()
    thread.join(10)


class Client:
    """Asks a studio as a browser would, or as one who means ill."""

    def __init__(self, served):
        self.port = served.port
        self.host = f"127.0.0.1:{self.port}"
        self.origin = f"http://{self.host}"
        status, headers, _ = self.ask(
            "POST", "/api/session", {"token": served.keys.token}, cookie=None
        )
        assert status == 200
        self.cookie = headers["set-cookie"].split(";")[0]

    def ask(self, method, path, message=None, *, cookie="own", headers=None, body=None):
        """Ask; return status, headers and what came back, JSON read."""
        known = {"host": self.host}
        if method not in ("GET", "HEAD"):
            known |= {"origin": self.origin, "content-type": "application/json"}
        if cookie is not None:
            known["cookie"] = self.cookie if cookie == "own" else cookie
        known |= headers or {}
        data = body if body is not None else None if message is None else json.dumps(message)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if data is not None:
            data = data.encode() if isinstance(data, str) else data
            known.setdefault("content-length", str(len(data)))
        for name, value in known.items():
            if value is not None:
                connection.putheader(name, value)
        with closing(connection):
            connection.endheaders(data)
            answer = connection.getresponse()
            text = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
        is_json = found.get("content-type", "").startswith("application/json")
        return answer.status, found, json.loads(text) if is_json else text


@pytest.fixture(scope="session")
def client(served):
    return Client(served)


@pytest.fixture(scope="session")
def browser():
    """Return a real browser, or skip where there is none."""
    if not NEEDS_ALL:
        pytest.importorskip("playwright", reason="needs the package playwright")
        if not BROWSER.exists():
            pytest.skip(f"needs a browser at {BROWSER}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=str(BROWSER), args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()
