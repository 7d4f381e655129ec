"""What a container has of a network: an interface of its own, in its own namespace."""

from __future__ import annotations

import os

from plugrun.api import process

from plugrun_network_bridge.addresses import packed
from plugrun_network_bridge.links import default_route, find_link, link_up, new_address
from plugrun_network_bridge.netlink import NETLINK_ROUTE, Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    T = TypeVar("T")

_OWN = "/proc/thread-self/ns/net"


def within(netns: int, work: Callable[[], T]) -> T:
    """Do something in a network namespace; this thread alone is there meanwhile."""
    own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        process.setns(netns, process.CLONE_NEWNET)
        try:
            return work()
        finally:
            process.setns(own, process.CLONE_NEWNET)
    finally:
        os.close(own)


def configure(netns: int, name: str, addresses: Sequence[str], gateways: Sequence[str]) -> None:
    """Give an interface its addresses (in CIDR form), switch it on, and lead out by gateways."""
    netlink = within(netns, lambda: _prepare(name, v6=any(":" in one for one in addresses)))
    with netlink:
        index = find_link(netlink, name).index
        given = [new_address(index, *_split(address)) for address in addresses]
        led = [default_route(index, packed(gateway)) for gateway in gateways]
        netlink.act(*given, link_up(name), *led)


def _prepare(name: str, *, v6: bool) -> Netlink:
    """A socket stays in the namespace in which it was made; /proc/sys/net shows the thread's."""
    # Docker, too, leaves IPv6 off where a network has none; link-local chatter costs a start.
    _switch(f"{name}/accept_dad" if v6 else f"{name}/disable_ipv6", b"0" if v6 else b"1")
    return Netlink(NETLINK_ROUTE)


def _switch(path: str, value: bytes) -> None:
    try:
        fd = os.open(f"/proc/sys/net/ipv6/conf/{path}", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # a kernel without IPv6
    try:
        os.write(fd, value)
    finally:
        os.close(fd)


def _split(cidr: str) -> tuple[bytes, int]:
    address, _, length = cidr.partition("/")
    return packed(address), int(length)
