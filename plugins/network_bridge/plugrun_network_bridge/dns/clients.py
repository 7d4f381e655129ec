"""One container's side: its questions by datagram and by connection, and their answers."""

from __future__ import annotations

import _socket

from plugrun_network_bridge.dns.forwarding import Forwarding, StreamForwarding
from plugrun_network_bridge.dns.loop import WRITE
from plugrun_network_bridge.dns.wire import (
    MOST_UDP,
    NOERROR,
    SERVFAIL,
    Malformed,
    Question,
    answer,
    failure,
    parse_question,
    refusal,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun_network_bridge.dns.directory import Directory
    from plugrun_network_bridge.dns.loop import Loop

_LARGEST = 65535
_MOST_OPEN = 256  # questions of one container that are on their way
_MOST_CONNECTIONS = 32  # of one container
_IDLE = 10.0  # seconds in which a connection must have asked
_AT_ONCE = 32  # datagrams that are read before somebody else's turn comes


class Client:
    """A container that asks. ``close`` ends all that is under way for it."""

    def __init__(
        self,
        loop: Loop,
        directory: Directory,
        container_id: str,
        sockets: tuple[_socket.socket, _socket.socket],
    ) -> None:
        self._loop, self._directory, self.container_id = loop, directory, container_id
        self._datagrams, self._listener = sockets
        self._open: set[Forwarding] = set()
        self._connections: set[Connection] = set()
        loop.watch(self._datagrams.fileno(), self._receive)
        loop.watch(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Close everything, so that nothing keeps the container's namespace."""
        for one in tuple(self._connections):
            one.close()
        for forwarding in self._open:
            forwarding.cancel()
        self._open.clear()
        for own in (self._datagrams, self._listener):
            self._loop.forget(own.fileno())
            own.close()

    def _receive(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                query, sender = self._datagrams.recvfrom(_LARGEST)
            except OSError:
                return
            self.ask(query, MOST_UDP, self._sender(sender))

    def _sender(self, to: tuple[str, int]) -> Callable[[bytes], None]:
        def send(reply: bytes) -> None:
            try:
                self._datagrams.sendto(reply, to)
            except OSError:
                return  # who asked has gone, or reads nothing

        return send

    def _accept(self) -> None:
        try:
            fd, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        connection = _socket.socket(fileno=fd)
        connection.setblocking(False)
        if len(self._connections) >= _MOST_CONNECTIONS:
            connection.close()
            return
        self._connections.add(Connection(self._loop, self, connection))

    def drop(self, connection: Connection) -> None:
        """Know no more of a connection, which has closed itself."""
        self._connections.discard(connection)

    def ask(
        self,
        query: bytes,
        most: int,
        reply: Callable[[bytes], None],
        by: type[Forwarding] = Forwarding,
    ) -> None:
        """Answer a query by ``reply``, now or when somebody else has answered it."""
        try:
            question = parse_question(query)
        except Malformed as error:
            reply(refusal(query, error.code))
            return
        if question is None:
            return
        known = self._directory.look_up(self.container_id, question)
        if known is not None:
            reply(answer(query, question, NOERROR, known, most))
        else:
            self._forward(query, question, reply, by)

    def _forward(
        self,
        query: bytes,
        question: Question,
        reply: Callable[[bytes], None],
        by: type[Forwarding],
    ) -> None:
        if len(self._open) >= _MOST_OPEN:
            reply(failure(query, question, SERVFAIL))
            return
        resolvers = self._directory.resolvers(self.container_id)

        def done(data: bytes) -> None:
            self._open.discard(forwarding)
            reply(data)

        forwarding = by(self._loop, query, question, resolvers, done)
        self._open.add(forwarding)
        forwarding.start()


class Connection:
    """A TCP connection from a container: one query after the other, each behind its length."""

    def __init__(self, loop: Loop, client: Client, connection: _socket.socket) -> None:
        self._loop, self._client, self._socket = loop, client, connection
        self._heard, self._unsent = b"", b""
        loop.watch(connection.fileno(), self._hear)
        loop.limit(connection.fileno(), _IDLE, self.close)

    def close(self) -> None:
        """End the connection; what comes in for it later is dropped."""
        if self._socket.fileno() >= 0:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._client.drop(self)

    def _hear(self) -> None:
        try:
            data = self._socket.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._heard += data
        self._take()

    def _take(self) -> None:
        whole = 2 + int.from_bytes(self._heard[:2], "big")
        if len(self._heard) >= max(whole, 3):
            query, self._heard = self._heard[2:whole], self._heard[whole:]
            # One at a time: the next is read when this one is answered.
            self._loop.forget(self._socket.fileno())
            self._loop.limit(self._socket.fileno(), _IDLE, self.close)
            self._client.ask(query, _LARGEST, self._answer, StreamForwarding)

    def _answer(self, data: bytes) -> None:
        if self._socket.fileno() < 0:
            return
        self._unsent = len(data).to_bytes(2, "big") + data
        self._loop.limit(self._socket.fileno(), _IDLE, self.close)
        self._send()

    def _send(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.watch(self._socket.fileno(), self._send, WRITE)
        else:
            # Others may be waiting, and so may be its next query, which came with this one.
            self._loop.forget(self._socket.fileno())
            self._loop.limit(self._socket.fileno(), 0.0, self._go_on)

    def _go_on(self) -> None:
        self._loop.watch(self._socket.fileno(), self._hear)
        self._loop.limit(self._socket.fileno(), _IDLE, self.close)
        self._take()
