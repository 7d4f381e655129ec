"""What a container has of a network: an interface of its own, in its own namespace.

IPv4 goes by netdevice(7), and only IPv6, for which that is too little, by rtnetlink(7): a netlink
socket that was closed keeps its namespace for an RCU grace period, some 20 ms on an idle machine.
Who ends a container sooner would find its namespace in use, and have to remove the interface.
"""

from __future__ import annotations

import os

from plugrun.api import process

from plugrun_network_bridge.addresses import packed
from plugrun_network_bridge.links import default_route, find_link, new_address
from plugrun_network_bridge.netdevice import Netdevice
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
    given = [_split(address) for address in addresses]
    led = [packed(gateway) for gateway in gateways]
    v6 = any(len(address) == 16 for address, _ in given)
    device, netlink = within(netns, lambda: _prepare(name, v6=v6))
    with device:
        for address, length in _of_size(4, given):
            device.set_address(address, length)
        device.switch_on()
        for gateway in led:
            if len(gateway) == 4:
                device.add_default_route(gateway)
    if netlink is not None:
        with netlink:
            index = find_link(netlink, name).index
            ways = [default_route(index, gateway) for gateway in led if len(gateway) == 16]
            netlink.act(*(new_address(index, *one) for one in _of_size(16, given)), *ways)


def _of_size(size: int, given: list[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
    return [one for one in given if len(one[0]) == size]


def _prepare(name: str, *, v6: bool) -> tuple[Netdevice, Netlink | None]:
    """A socket stays in the namespace in which it was made; /proc/sys/net shows the thread's."""
    # Docker, too, leaves IPv6 off where a network has none; link-local chatter costs a start.
    _switch(f"{name}/accept_dad" if v6 else f"{name}/disable_ipv6", b"0" if v6 else b"1")
    return Netdevice(name), Netlink(NETLINK_ROUTE) if v6 else None


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
