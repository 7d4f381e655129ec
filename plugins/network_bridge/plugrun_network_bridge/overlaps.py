"""Whether a network's subnet has meanwhile been given to something else on the host.

Subnets are chosen once, among what the host does not use; a bridge goes with a reboot, and what
comes up before it is made again may have taken the addresses: a VPN, a bridge of another engine's.
By rtnetlink(7) by hand, as the first start after a reboot need not load more.
"""

from __future__ import annotations

from struct import Struct

from plugrun.api import record

from plugrun_network_bridge.addresses import SHORTEST, Block, parse_block
from plugrun_network_bridge.links import link_name
from plugrun_network_bridge.netlink import attributes, message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.api import NetworkConfig

    from plugrun_network_bridge.netlink import Netlink

_GETADDR, _GETROUTE = 22, 26
_IFA_ADDRESS, _IFA_LOCAL, _RTA_DST, _RTA_OIF = 1, 2, 1, 4
_UNICAST, _UNREACHABLE = 1, (6, 7, 8)  # RTN_*: blackhole, unreachable, prohibit
_ADDR = Struct("=BBBBi")
_ROUTE = Struct("=BBBBBBBBI")
_I32 = Struct("=i")


@record
class Overlap:
    """What else stands for addresses of a network. ``within``: for no others than its own."""

    subnet: str
    block: str
    what: str
    device: str
    within: bool

    def __str__(self) -> str:
        where = f" ({self.device})" if self.device else ""
        return f"its subnet {self.subnet} overlaps the {self.what} {self.block}{where}"


def find_overlaps(netlink: Netlink, network: NetworkConfig, own: int = -1) -> list[Overlap]:
    """Return what overlaps a network's subnets; ``own`` is the index of its bridge, if any.

    Routes that lead everywhere count for nothing.
    """
    wanted = [parse_block(subnet.cidr) for subnet in network.subnets]
    found = []
    for block, what, index in (*_addresses(netlink), *_routes(netlink)):
        for subnet in wanted:
            if index != own and subnet.overlaps(block):
                name = link_name(netlink, index) if index else ""
                within = block.length >= subnet.length
                found.append(Overlap(str(subnet), str(block), what, name, within))
    return found


def _addresses(netlink: Netlink) -> Iterator[tuple[Block, str, int]]:
    for body in list(netlink.dump(message(_GETADDR, 0, _ADDR.pack(0, 0, 0, 0, 0)))):
        _, length, _, _, index = _ADDR.unpack_from(body)
        found = attributes(body, 8)
        address = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
        if address:
            yield _block(address, length), "address", index


def _routes(netlink: Netlink) -> Iterator[tuple[Block, str, int]]:
    head = _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)
    for body in list(netlink.dump(message(_GETROUTE, 0, head))):
        _, length, _, _, _, _, _, kind, _ = _ROUTE.unpack_from(body)
        found = attributes(body, 12)
        if length >= SHORTEST and _RTA_DST in found and kind in (_UNICAST, *_UNREACHABLE):
            index = _I32.unpack(found[_RTA_OIF])[0] if _RTA_OIF in found else 0
            yield _block(found[_RTA_DST], length), "route", index


def _block(address: bytes, length: int) -> Block:
    bits = len(address) * 8
    first = int.from_bytes(address, "big") >> (bits - length) << (bits - length)
    return Block(len(address) == 16, first, length)
