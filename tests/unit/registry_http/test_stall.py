"""Servers that send next to nothing: given up, whatever part of the answer they drag out."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from plugrun.api import ConfigError, Descriptor, Unreachable, host_platform
from plugrun.web.stall import LEAST, PacedStream, stall_timeout

from tests.unit.registry_http.conftest import digest_of

Serve = Callable[[socket.socket, threading.Event], None]


class Rough:
    """A server below HTTP: what is sent, and when, is up to the test."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.connections = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._one, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                self._serve(connection, self._over)
            except OSError:
                return

    def close(self) -> None:
        self._over.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def rough() -> Iterator[Callable[[Serve], Rough]]:
    made: list[Rough] = []

    def make(serve: Serve) -> Rough:
        made.append(Rough(serve))
        return made[-1]

    yield make
    for each in made:
        each.close()


def drip(begin: bytes, piece: bytes) -> Serve:
    """Send something, then a little again and again, faster than any timeout of one read."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(begin)
        while not over.wait(0.05):
            connection.sendall(piece)

    return serve


BLOB = bytes(range(256)) * 4000
DESCRIPTOR = Descriptor("application/octet-stream", digest_of(BLOB), len(BLOB))
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(BLOB)


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"HTTP/1.1 200", b" "),
        (LENGTH, b"X-More: 1\r\n"),
        (LENGTH + b"\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    ],
    ids=["status", "headers", "body", "chunks", "chunk size"],
)
def test_a_byte_now_and_then_is_a_stall(rough, open_transport, begin, piece):
    server = rough(drip(begin, piece))
    transport = open_transport(f"{server.host}/me/app:1", timeout=0.2, retries=1)
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"stalled|broke off"):
        list(transport.fetch(DESCRIPTOR))
    assert time.monotonic() - began < 10
    assert server.connections <= 4  # over HTTP and, at this machine itself, TLS


def test_a_manifest_that_drips_is_a_stall(rough, open_transport):
    kind = b"Content-Type: application/vnd.oci.image.manifest.v1+json\r\n\r\n"
    server = rough(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n" + kind, b"x"))
    transport = open_transport(f"{server.host}/me/app:1", timeout=0.2, retries=0)
    with pytest.raises(Unreachable, match="stalled"):
        transport.resolve(host_platform())


@pytest.mark.parametrize("after", [0, 5, 40, 200, 70_000])
def test_a_reset_at_any_point_is_taken_up_again(rough, open_transport, after):
    """A connection that is reset (RST), not closed."""
    whole = LENGTH + b"\r\n" + BLOB
    count = [0]

    def serve(connection: socket.socket, over: threading.Event) -> None:
        count[0] += 1
        if count[0] == 1:
            connection.sendall(whole[:after])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        connection.sendall(whole)

    server = rough(serve)
    transport = open_transport(f"{server.host}/me/app:1", retries=2)
    assert b"".join(transport.fetch(DESCRIPTOR)) == BLOB
    assert server.connections == 2


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def paced(clock: Clock, pieces: list[tuple[float, int]]) -> PacedStream:
    """Return a stream of pieces, each after some seconds."""
    left = iter(pieces)

    def read(buffer: object) -> int:
        seconds, size = next(left)
        clock.now += seconds
        return size

    return PacedStream(read, 60, clock)


def test_the_least_pace():
    clock, enough = Clock(), LEAST * 60
    stream = paced(clock, [(50, 10), (50, enough), (50, 10), (59, 1)])
    assert [stream.readinto(b"") for _ in range(3)] == [10, enough, 10]
    with pytest.raises(TimeoutError):
        stream.readinto(b"")


def test_the_end_is_no_stall_and_the_readers_time_is_its_own():
    clock = Clock()
    stream = paced(clock, [(1, 10), (1, 10), (100, 0)])
    stream.readinto(b"")
    clock.now += 1000
    assert stream.readinto(b"") == 10
    assert stream.readinto(b"") == 0


def test_the_environment_goes_before_the_profile():
    name = "PLUGRUN_HTTP_STALL_TIMEOUT"
    assert stall_timeout({}, {}) == 60
    assert stall_timeout({"timeout": 5}, {}) == 5
    assert stall_timeout({"timeout": 5}, {name: "0.5"}) == 0.5
    for wrong in ("0", "-1", "soon", "nan", "inf", "1e9"):
        with pytest.raises(ConfigError, match=name):
            stall_timeout({}, {name: wrong})


def test_the_environments_word_is_kept(rough, open_transport, monkeypatch):
    monkeypatch.setenv("PLUGRUN_HTTP_STALL_TIMEOUT", "0.2")
    server = rough(drip(b"", b""))
    transport = open_transport(f"{server.host}/me/app:1", timeout=60, retries=0)
    with pytest.raises(Unreachable, match=r"stalled|in time"):
        transport.resolve(host_platform())
