"""SCTP by hand (RFC 9260): as much of it as shows that packets find their way, and back.

Most kernels translate its addresses and few have its sockets, so the packets are made here.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from plugrun.testing.network.place import PATIENCE

if TYPE_CHECKING:
    from plugrun.testing.network.place import Place

_SCTP = 132
_HEADER = struct.Struct(">HHI4s")  # source, destination, verification tag, checksum
_INIT, _INIT_ACK, _TAG = 1, 2, 0x706C7567
_POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected


def exchanges(client: Place, address: str, port: int, server: Place, inner: int) -> bool:
    """Whether an INIT to an address arrives at a server's port, and its INIT ACK comes back."""
    asking, serving = client.inside(_socket), server.inside(_socket)
    try:
        asking.sendto(_packet(40000, port, 0, _INIT), (address, 0))
        sender, source, destination, kind = _received(serving, inner)
        assert (destination, kind) == (inner, _INIT)
        serving.sendto(_packet(inner, source, _TAG, _INIT_ACK), (sender, 0))
        sender, source, destination, kind = _received(asking, 40000)
        return (sender, source, destination, kind) == (address, port, 40000, _INIT_ACK)
    except TimeoutError:
        return False
    finally:
        asking.close()
        serving.close()


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_RAW, _SCTP)
    made.settimeout(PATIENCE)
    return made


def _packet(source: int, destination: int, tag: int, kind: int) -> bytes:
    chunk = struct.pack(">BBHIIHHI", kind, 0, 20, _TAG, 65535, 1, 1, 1)
    bare = _HEADER.pack(source, destination, tag, bytes(4)) + chunk
    return _HEADER.pack(source, destination, tag, _checksum(bare)) + chunk


def _received(raw: socket.socket, port: int) -> tuple[str, int, int, int]:
    """Return sender, ports and kind of the first packet for a port; its checksum is right."""
    while True:
        data, (sender, _) = raw.recvfrom(4096)
        body = data[(data[0] & 0xF) * 4 :]
        source, destination, _, checksum = _HEADER.unpack_from(body)
        if destination == port:
            assert checksum == _checksum(body[:8] + bytes(4) + body[12:])
            return sender, source, destination, body[12]


def _checksum(data: bytes) -> bytes:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
    return (value ^ 0xFFFFFFFF).to_bytes(4, "little")
