"""Questions about the rest of the world: passed on to the host's resolvers, one after the other.

Every question goes out by a socket of its own, connected to who is asked, so that an answer must
come from there, to a port and with a number that nobody else knows (RFC 5452).
"""

from __future__ import annotations

import _socket
import os

from plugrun_network_bridge.dns.loop import WRITE
from plugrun_network_bridge.dns.wire import (
    NXDOMAIN,
    SERVFAIL,
    Question,
    failure,
    is_answer,
    is_failure,
    with_number,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun_network_bridge.dns.loop import Loop

PORT = 53
_PATIENCE = 2.0  # seconds that one resolver gets
_LARGEST = 65535
_NONBLOCKING = _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC


class Forwarding:
    """One question on its way; ``done`` gets the answer, whatever it is, once."""

    def __init__(
        self,
        loop: Loop,
        query: bytes,
        question: Question,
        resolvers: tuple[str, ...],
        done: Callable[[bytes], None],
    ) -> None:
        self._loop, self._done = loop, done
        self._query, self._question = query, question
        self._left = list(resolvers)
        self._asked = query
        self._last = failure(query, question, SERVFAIL if resolvers else NXDOMAIN)
        self._socket: _socket.socket | None = None

    def start(self) -> None:
        """Ask the first who can be asked."""
        self._next()

    def cancel(self) -> None:
        """Drop the question: nobody waits for the answer."""
        self._close()

    def _next(self) -> None:
        self._close()
        while self._left:
            resolver = self._left.pop(0)
            self._asked = with_number(self._query, os.urandom(2))
            try:
                self._socket = self._ask(resolver)
            except OSError:
                self._close()
                continue
            self._loop.limit(self._socket.fileno(), _PATIENCE, self._next)
            return
        self._done(self._last)

    def _ask(self, resolver: str) -> _socket.socket:
        family = _socket.AF_INET6 if ":" in resolver else _socket.AF_INET
        self._socket = _socket.socket(family, _socket.SOCK_DGRAM | _NONBLOCKING)
        self._socket.connect((resolver, PORT))
        self._socket.send(self._asked)
        self._loop.watch(self._socket.fileno(), self._hear)
        return self._socket

    def _hear(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:  # refused
            self._next()
            return
        self._take(data)

    def _take(self, data: bytes) -> None:
        if not is_answer(data, self._asked, self._question):
            return
        data = with_number(data, self._query[:2])
        if is_failure(data) and self._left:
            self._last = data
            self._next()
            return
        self._close()
        self._done(data)

    def _close(self) -> None:
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
        self._socket = None


class StreamForwarding(Forwarding):
    """The same over TCP: what the container asks by it was too long for UDP."""

    def _ask(self, resolver: str) -> _socket.socket:
        family = _socket.AF_INET6 if ":" in resolver else _socket.AF_INET
        self._heard = b""
        self._socket = _socket.socket(family, _socket.SOCK_STREAM | _NONBLOCKING)
        try:
            self._socket.connect((resolver, PORT))
        except BlockingIOError:
            pass
        self._loop.watch(self._socket.fileno(), self._connected, WRITE)
        return self._socket

    def _connected(self) -> None:
        assert self._socket is not None
        try:
            # A question is shorter than any socket's buffer.
            self._socket.send(len(self._asked).to_bytes(2, "big") + self._asked)
        except OSError:
            self._next()
            return
        self._loop.watch(self._socket.fileno(), self._hear)

    def _hear(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._next()
            return
        self._heard += data
        whole = 2 + int.from_bytes(self._heard[:2], "big")
        if len(self._heard) >= max(whole, 3):
            answer = self._heard[2:whole]
            if not is_answer(answer, self._asked, self._question):
                self._next()
                return
            self._take(answer)
