"""Netlink by hand: messages, attributes, and a socket that asks (netlink(7)).

pyroute2 costs a quarter of a second to import, so a container's start does without; what is not
hot uses it.
"""

from __future__ import annotations

import _socket
import errno
import os
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_DUMP = 0x300
NLA_F_NESTED = 0x8000
_NLA_TYPE_MASK = 0x3FFF

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_SOL_NETLINK, _NETLINK_EXT_ACK, _NETLINK_CAP_ACK = 270, 11, 10
_NLM_F_ACK_TLVS = 0x200
_NLMSGERR_ATTR_MSG = 1
_LARGEST = 1 << 17  # bytes of one answer; the kernel's are 32 KiB at most

_HEADER = Struct("=IHHII")
_ATTRIBUTE = Struct("=HH")
_NUMBER = Struct("=i")
u16 = Struct("=H").pack
u32 = Struct("=I").pack
be16 = Struct(">H").pack
be32 = Struct(">I").pack
be64 = Struct(">Q").pack


class NetlinkError(OSError):
    """The kernel refused a message: errno, and its own words where it has some."""


def attribute(kind: int, payload: bytes) -> bytes:
    """Return one attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(len(payload) + 4, kind) + payload + bytes(-len(payload) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """Return an attribute that holds others."""
    return attribute(kind | NLA_F_NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """Return a NUL-terminated string as an attribute."""
    return attribute(kind, value.encode() + b"\0")


def message(kind: int, flags: int, *parts: bytes) -> bytes:
    """Return a request without its sequence number, which ``Netlink`` fills in."""
    body = b"".join(parts)
    return _HEADER.pack(len(body) + 16, kind, flags | NLM_F_REQUEST, 0, 0) + body


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """Return the attributes from ``offset`` on, by type; the last of one type counts."""
    found = {}
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            break
        found[kind & _NLA_TYPE_MASK] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


class Netlink:
    """A socket to the kernel, in the network namespace in which it was made.

    With ``groups`` it hears what the kernel tells everybody, and waits ``patience`` seconds for it.
    """

    def __init__(self, protocol: int, *, groups: int = 0, patience: float | None = None) -> None:
        kind = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
        self._socket = _socket.socket(_socket.AF_NETLINK, kind, protocol)
        # The kernel's own words for what is wrong with a message, without that message.
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        if groups:
            self._socket.bind((0, groups))
            self._socket.settimeout(patience)

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def act(self, *messages: bytes) -> None:
        """Have each message done, in order; NetlinkError for the first that was refused.

        The others are done nevertheless.
        """
        flagged = [_flag(one, number, NLM_F_ACK) for number, one in enumerate(messages)]
        self._socket.send(b"".join(flagged))
        self._raise_first(len(messages) - 1)

    def batch(self, messages: Sequence[bytes], begin: bytes, end: bytes) -> None:
        """Have all of the messages done, or none; NetlinkError for the first that was refused."""
        last = len(messages) - 1
        numbered = [_flag(one, at, NLM_F_ACK * (at == last)) for at, one in enumerate(messages)]
        self._socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, _LARGEST * 8)
        self._socket.send(b"".join((begin, *numbered, end)))
        self._raise_first(last)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Return the type and the body of the one answer to a request."""
        self._socket.send(request)
        for kind, _, body in _messages(self._socket.recv(_LARGEST)):
            if kind == _NLMSG_ERROR:
                raise _error(body)
            return kind, body
        raise NetlinkError(errno.EBADMSG, "an answer without a message")

    def dump(self, request: bytes) -> Iterator[bytes]:
        """Yield the body of each object that a request for all of them gives."""
        self._socket.send(_flag(request, 0, NLM_F_DUMP))
        while True:
            for kind, _, body in _messages(self._socket.recv(_LARGEST)):
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    raise _error(body)
                yield body

    def wait(self) -> bool:
        """Wait until something has been told; say whether it was."""
        try:
            self._socket.recv(_LARGEST)
        except TimeoutError:
            return False
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # so much was told that some was lost
                raise
        return True

    def _raise_first(self, last: int) -> None:
        """Read answers up to the last message's, all of which were queued while it was sent."""
        failed: NetlinkError | None = None
        while True:
            try:
                data = self._socket.recv(_LARGEST, 0 if failed is None else _socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            answered = -1
            for kind, sequence, body in _messages(data):
                if kind == _NLMSG_ERROR:
                    answered = sequence
                    if failed is None and _NUMBER.unpack_from(body)[0]:
                        failed = _error(body)
            if answered == last and failed is None:
                return
        assert failed is not None
        raise failed


def _flag(one: bytes, sequence: int, flags: int) -> bytes:
    length, kind, given, _, _ = _HEADER.unpack_from(one)
    return _HEADER.pack(length, kind, given | flags, sequence, 0) + one[16:]


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    offset = 0
    while offset + 16 <= len(data):
        length, kind, _, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < 16:
            return
        yield kind, sequence, data[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def _error(body: bytes) -> NetlinkError:
    number = -_NUMBER.unpack_from(body)[0]
    # Behind the number stands the header of what was refused; then what the kernel has to say.
    said = attributes(body, 20).get(_NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode()
    return NetlinkError(number, said or os.strerror(number))
