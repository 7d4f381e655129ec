"""``search`` as Docker shows it, on a server of a few lines."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

RESULTS = [
    {"name": "debian", "description": "d" * 60, "star_count": 12, "is_official": True},
    {"name": "me/debian", "description": "mine\nown", "star_count": 3, "is_official": False},
]


@contextlib.contextmanager
def searched() -> Iterator[tuple[str, list[str]]]:
    """A server with a search; yields its host and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({"results": RESULTS}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, list[str]]]:
    with searched() as found:
        yield found


def test_the_table(plugrun, server):
    host, asked = server
    assert plugrun.out("search", f"{host}/debian") == (
        "NAME        DESCRIPTION                                     STARS     OFFICIAL\n"
        f"debian      {'d' * 44}…   12        [OK]\n"
        "me/debian   mine own                                        3         "
    )
    assert asked[-1] == "/v1/search?q=debian&n=25"


def test_limits_filters_and_formats(plugrun, server):
    host, asked = server
    term = f"{host}/debian"
    assert plugrun.out("search", "--limit", "1", "--format", "{{.Name}}", term) == "debian"
    assert asked[-1].endswith("&n=1")
    form = "{{.Name}} {{.StarCount}}"
    assert plugrun.out("search", "-f", "stars=5", "--format", form, term) == "debian 12"
    assert plugrun.out("search", "-f", "is-official=false", "--format", form, term) == (
        "me/debian 3"
    )
    full = plugrun.out("search", "--no-trunc", "--format", "{{.Description}}", term)
    assert full == f"{'d' * 60}\nmine own"
    assert "Invalid filter 'x'" in plugrun("search", "-f", "x=1", term, code=1).stderr
    assert "invalid limit 101" in plugrun("search", "--limit", "101", term, code=1).stderr
