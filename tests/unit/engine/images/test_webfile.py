"""``import URL``: servers that drag, and answers that are cut short."""

from __future__ import annotations

import contextlib

import pytest
from plugrun.engine.images.webfile import web_pieces
from plugrun.errors import Unreachable

from tests.unit.registry_http.test_stall import Rough, Serve, drip


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUGRUN_HTTP_STALL_TIMEOUT", "0.4")
    monkeypatch.setenv("NO_PROXY", "*")


def refused(serve: Serve) -> str:
    with contextlib.closing(Rough(serve)) as server, pytest.raises(Unreachable) as caught:
        list(web_pieces(f"http://{server.host}/a.tar"))
    return caught.value.message


@pytest.mark.parametrize(
    "begin",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "],
    ids=["body", "headers"],
)
def test_a_server_that_drips_is_given_up(patience, begin):
    assert "/a.tar" in refused(drip(begin, b"x"))


def test_an_answer_that_is_cut_short(patience):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
    assert "/a.tar" in refused(lambda connection, over: connection.sendall(answer))
