"""Servers that send nothing, or next to nothing: when waiting for them ends.

A socket's timeout is for one read: a server that sends a byte a minute never meets it. So what
comes over a connection, headers and bodies alike, has a least pace. And one that sends for ever
what is no part of the body (interim answers, trailers, chunk extensions) is left, too:
``http.client`` limits a line, not how many there are.
"""

from __future__ import annotations

import http.client
import io
import os
import time
from contextlib import contextmanager

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from plugrun.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

VARIABLE = "PLUGRUN_HTTP_STALL_TIMEOUT"
DEFAULT = 60
# Bytes a second of waiting, over the length of the timeout, below which a server has stalled.
LEAST = 256
# What may come beside the body, and how many bytes for each byte of the body: a chunk of one byte
# takes six.
BESIDES = 1 << 20
TIMES = 16


def stall_timeout(options: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> float:
    """Return the seconds to wait for a server: the environment's word, or else the profile's."""
    text = environment.get(VARIABLE, "")
    if not text:
        return float(options.get("timeout", DEFAULT))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise ConfigError(f"{VARIABLE} is {text[:100]!r}, not a number of seconds above 0")
    return seconds


class PacedStream(io.RawIOBase):
    """What comes over a connection; TimeoutError once it comes too slowly.

    The time that counts is spent waiting here: the reader's own is not the server's.
    """

    def __init__(
        self,
        read: Callable[[Any], int | None],
        timeout: float | None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._timeout = timeout
        self._now = now
        self._waited = 0.0
        self._count = 0
        self._allowed: int | None = None

    def allow(self, count: int | None) -> None:
        """Take at most so many bytes from now on, or any number; HTTPException beyond that."""
        self._allowed = count

    def readable(self) -> bool:
        """Say that it is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Fill in what is there, and wait for it if need be; nothing at the end."""
        if self._allowed is not None and self._allowed <= 0:
            raise http.client.HTTPException("headers, trailers or chunks without an end")
        began = self._now()
        count = self._read(buffer)
        self._waited += self._now() - began
        self._count += count or 0
        if self._allowed is not None:
            self._allowed -= count or 0
        if self._timeout is not None and self._waited > self._timeout:
            if count and self._count < LEAST * self._timeout:
                raise TimeoutError("next to no bytes came")
            self._waited, self._count = 0.0, 0
        return count


class _Response(http.client.HTTPResponse):
    """An answer that is read at no less than the least pace, from its first line on."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        raw = sock.makefile("rb", buffering=0)
        self._paced = PacedStream(raw.readinto, sock.gettimeout())
        self._paced.allow(BESIDES)  # a proxy's answer to CONNECT is read past `begin`
        self.fp.close()
        self.fp = _Buffered(self._paced, raw)

    def begin(self) -> None:
        """Read the status and the headers, which are of bounded length."""
        with self._at_most(BESIDES):
            super().begin()

    def read(self, amt: int | None = None) -> bytes:
        """Read some of the body; what it takes to get at that is bounded, too."""
        if amt is None or amt < 0:
            return super().read(amt)
        with self._at_most(amt * TIMES + BESIDES):
            return super().read(amt)

    @contextmanager
    def _at_most(self, count: int) -> Iterator[None]:
        # For this call alone: urllib3 reads chunks past this class, a whole body at once.
        self._paced.allow(count)
        try:
            yield
        finally:
            self._paced.allow(None)


class _Buffered(io.BufferedReader):
    """Closes the connection's own stream with itself: the socket lives as long as that."""

    def __init__(self, paced: PacedStream, raw: io.RawIOBase) -> None:
        super().__init__(paced, 1 << 16)
        self._own = raw

    def close(self) -> None:
        """Close both."""
        super().close()
        self._own.close()


class _Plain(HTTPConnection):
    response_class = _Response


class _Tls(HTTPSConnection):
    response_class = _Response


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls


_POOLS = {"http": _PlainPool, "https": _TlsPool}


class TimedAdapter(HTTPAdapter):
    """An adapter whose connections, through proxies too, keep servers to their time."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Make the pool for direct connections."""
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        """Return the pool for a proxy."""
        manager = super().proxy_manager_for(proxy, **more)
        manager.pool_classes_by_scheme = _POOLS
        return manager
