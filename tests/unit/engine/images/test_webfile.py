"""``import URL``: servers that drag, and answers that are cut short."""

from __future__ import annotations

import contextlib
import socket
import threading

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


@pytest.mark.parametrize("place", ["http://[::", "http://x..y/", "http://h:99999/"])
def test_a_redirect_to_what_is_no_address(patience, place):
    answer = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
    assert "/a.tar" in refused(lambda connection, over: connection.sendall(answer))


def test_nobody_at_home_is_said_as_of_a_registry(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.socket() as bound:  # and never listening: nobody else gets the port
        bound.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(Unreachable) as caught:
            list(web_pieces(f"http://me:secret@{host}/x?token=secret"))
        assert caught.value.message == f"cannot reach http://{host}/x: Connection refused"


def test_no_server_of_that_name(monkeypatch):
    def resolve(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(Unreachable) as caught:
        list(web_pieces("https://nonesuch.invalid/x"))
    assert caught.value.message == (
        "cannot reach https://nonesuch.invalid/x: Name or service not known"
    )


def test_a_proxy_that_is_not_there(monkeypatch):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(Unreachable) as caught:
            list(web_pieces("http://nonesuch.invalid/x"))
    assert caught.value.message == (
        "cannot reach http://nonesuch.invalid/x through the proxy: Connection refused"
    )
    assert "HTTP_PROXY" in caught.value.hint


def test_a_long_body_in_chunks_arrives(patience):
    """Nobody says its length, and it is longer than what may come beside a body."""
    piece = bytes(range(256)) * 1024
    chunk = b"%x\r\n%s\r\n" % (len(piece), piece)

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(16):
            connection.sendall(chunk)
        connection.sendall(b"0\r\n\r\n")

    with contextlib.closing(Rough(serve)) as server:
        assert b"".join(web_pieces(f"http://{server.host}/a.tar")) == piece * 16
