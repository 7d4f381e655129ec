"""Addresses as numbers; without ``ipaddress``, which a start need not load."""

from __future__ import annotations

import _socket

from plugrun.api import InvalidArgument, record

# Of the prefixes of routes that lead somewhere. VPNs that take everything say so in two halves of
# it, 0.0.0.0/1 and 128.0.0.0/1, and overlap whatever there is.
SHORTEST = 2


@record
class Block:
    """A block of addresses: ``first`` is its lowest one, ``length`` the prefix's, in bits."""

    v6: bool
    first: int
    length: int

    @property
    def bits(self) -> int:
        """How many bits an address has."""
        return 128 if self.v6 else 32

    @property
    def last(self) -> int:
        """The highest address."""
        return self.first | ((1 << (self.bits - self.length)) - 1)

    def contains(self, address: int) -> bool:
        """Whether an address of the same kind lies in it."""
        return self.first <= address <= self.last

    def overlaps(self, other: Block) -> bool:
        """Whether the two have an address in common."""
        same = self.v6 == other.v6
        return same and self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        return f"{address_text(self.first, v6=self.v6)}/{self.length}"


def is_v6(text: str) -> bool:
    """Whether an address in text form is of IPv6."""
    return ":" in text


def parse_address(text: str) -> int:
    """Return an address as a number; InvalidArgument if it is none."""
    try:
        return int.from_bytes(packed(text), "big")
    except OSError:
        raise InvalidArgument(f"invalid IP address: {text}") from None


def packed(text: str) -> bytes:
    """Return an address as its bytes in network order; OSError if it is none."""
    return _socket.inet_pton(_socket.AF_INET6 if ":" in text else _socket.AF_INET, text)


def address_text(number: int, *, v6: bool) -> str:
    """Return the usual text of an address."""
    if v6:
        return _socket.inet_ntop(_socket.AF_INET6, number.to_bytes(16, "big"))
    return _socket.inet_ntop(_socket.AF_INET, number.to_bytes(4, "big"))


def parse_block(text: str) -> Block:
    """Return what CIDR notation says; bits behind the prefix are ignored, as Docker does."""
    address, slash, length = text.partition("/")
    number, v6 = parse_address(address), is_v6(address)
    bits = 128 if v6 else 32
    if not slash or not length.isascii() or not length.isdigit() or int(length) > bits:
        raise InvalidArgument(f"invalid CIDR address: {text}")
    rest = bits - int(length)
    return Block(v6, number >> rest << rest, int(length))


def mac_of(ipv4: int) -> str:
    """Return the MAC that Docker derives from an address."""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in ipv4.to_bytes(4, "big"))


def packed_mac(text: str) -> bytes:
    """Return the bytes of a MAC; InvalidArgument if it is none, or one for groups."""
    pieces = text.replace("-", ":").split(":")
    try:
        mac = bytes(int(piece, 16) for piece in pieces)
    except ValueError:
        mac = b""
    if len(mac) != 6 or not all(0 < len(piece) <= 2 for piece in pieces):
        raise InvalidArgument(f"{text} is not a valid mac address")
    if mac[0] & 1:
        raise InvalidArgument(f"{text} is not the address of one interface")
    return mac
