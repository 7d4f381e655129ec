"""Links, addresses and routes by rtnetlink(7), as far as a container's start needs them."""

from __future__ import annotations

import errno
from struct import Struct

from plugrun.api import record

from plugrun_network_bridge.netlink import (
    NETLINK_ROUTE,
    NLM_F_CREATE,
    NLM_F_EXCL,
    Netlink,
    attribute,
    attributes,
    message,
    nested,
    text,
    u32,
)

_NEWLINK, _DELLINK, _GETLINK, _NEWADDR, _NEWROUTE = 16, 17, 18, 20, 24
_ADDRESS, _IFNAME, _MTU, _MASTER, _LINKINFO = 1, 3, 4, 10, 18
_IFALIAS, _GROUP, _NET_NS_FD = 20, 27, 28
_NEWNSID, _GETNSID, _NETNSA_NSID, _NETNSA_FD = 88, 90, 1, 3
_INFO_KIND, _INFO_DATA, _SLAVE_KIND, _SLAVE_DATA, _VETH_PEER = 1, 2, 4, 5, 1
_BRPORT_MODE, _BRPORT_ISOLATED, _IFF_UP = 4, 33, 1
_IFLA_OPERSTATE, _IF_OPER_UP = 16, b"\6"
_RTMGRP_LINK, _PATIENCE = 1, 5.0  # seconds
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_F_NODAD = 1, 2, 4, 0x02
_RTA_OIF, _RTA_GATEWAY = 4, 5
_MAIN_TABLE, _PROTO_BOOT, _UNICAST = 254, 3, 1

# The group of every bridge of plugrun's, whichever state folder it belongs to, so that one rule
# fences networks off from all others. It spells "plug".
GROUP = 0x706C7567

_LINK = Struct("=BxHiII")
_ADDR = Struct("=BBBBi")
_ROUTE = Struct("=BBBBBBBBI")
_I32 = Struct("=i")


@record
class Link:
    """An interface as the kernel describes it. ``carrier``: whether packets can go out by it."""

    index: int
    name: str
    alias: str
    up: bool
    carrier: bool


def find_link(netlink: Netlink, name: str) -> Link:
    """Return the interface of that name; OSError with ENODEV if there is none."""
    _, body = netlink.ask(message(_GETLINK, 0, _LINK.pack(0, 0, 0, 0, 0), text(_IFNAME, name)))
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = attributes(body, 16)
    alias = found.get(_IFALIAS, b"").rstrip(b"\0").decode()
    carrier = found.get(_IFLA_OPERSTATE) == _IF_OPER_UP
    return Link(index, name, alias, bool(flags & _IFF_UP), carrier)


def link_name(netlink: Netlink, index: int) -> str:
    """Return what the interface of a number is called; empty if it has just gone."""
    try:
        _, body = netlink.ask(message(_GETLINK, 0, _LINK.pack(0, 0, index, 0, 0)))
    except OSError as error:
        if error.errno == errno.ENODEV:
            return ""
        raise
    return attributes(body, 16).get(_IFNAME, b"").rstrip(b"\0").decode()


def namespace_number(netlink: Netlink, netns: int) -> int:
    """Return the number that the kernel knows the namespace behind a descriptor by, in this one."""
    chosen, by = attribute(_NETNSA_NSID, _I32.pack(-1)), attribute(_NETNSA_FD, u32(netns))
    try:
        netlink.act(message(_NEWNSID, 0, bytes(4), chosen, by))
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    _, body = netlink.ask(message(_GETNSID, 0, bytes(4), by))
    number: int = _I32.unpack(attributes(body, 4)[_NETNSA_NSID])[0]
    return number


def lives_on(netlink: Netlink, number: int) -> bool:
    """Whether the namespace of that number is used by anybody.

    One that nobody uses keeps its interfaces until the kernel comes round to removing it, and for
    that time all questions about interfaces wait (RTNL); this one does not.
    """
    try:
        netlink.ask(message(_GETNSID, 0, bytes(4), attribute(_NETNSA_NSID, _I32.pack(number))))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True


def new_bridge(name: str, alias: str, mac: bytes, mtu: int) -> tuple[bytes, ...]:
    """Make a bridge; its alias, which only a second message can set, says whose it is."""
    size = attribute(_MTU, u32(mtu)) if mtu else b""
    parts = (
        text(_IFNAME, name),
        attribute(_ADDRESS, mac),
        attribute(_GROUP, u32(GROUP)),
        size,
        nested(_LINKINFO, text(_INFO_KIND, "bridge")),
    )
    head = _LINK.pack(0, 0, 0, 0, 0)
    made = message(_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, head, *parts)
    return made, message(_NEWLINK, 0, head, text(_IFNAME, name), text(_IFALIAS, alias))


def link_up(name: str) -> bytes:
    """Switch an interface on."""
    return message(_NEWLINK, 0, _LINK.pack(0, 0, 0, _IFF_UP, _IFF_UP), text(_IFNAME, name))


def new_veth(name: str, master: int, netns: int, inner: str, mac: bytes, mtu: int) -> bytes:
    """Make a pair: one end up on a bridge, the other in the namespace behind a descriptor."""
    size = attribute(_MTU, u32(mtu)) if mtu else b""
    peer = (
        _LINK.pack(0, 0, 0, 0, 0),
        text(_IFNAME, inner),
        attribute(_ADDRESS, mac),
        size,
        attribute(_NET_NS_FD, u32(netns)),
    )
    data = nested(_INFO_DATA, nested(_VETH_PEER, *peer))
    info = nested(_LINKINFO, text(_INFO_KIND, "veth"), data)
    parts = (text(_IFNAME, name), size, attribute(_MASTER, u32(master)), info)
    head = _LINK.pack(0, 0, 0, _IFF_UP, _IFF_UP)
    return message(_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, head, *parts)


def enslave(name: str, master: int) -> bytes:
    """Make an interface a port of a bridge."""
    head = _LINK.pack(0, 0, 0, 0, 0)
    return message(_NEWLINK, 0, head, text(_IFNAME, name), attribute(_MASTER, u32(master)))


def bridge_port(name: str, *, hairpin: bool, isolated: bool) -> bytes:
    """Say how a bridge treats a port of it.

    With ``hairpin`` a packet may leave by the port that it came in by; if ``isolated`` it reaches
    the host, and no other isolated port.
    """
    flags = (
        attribute(_BRPORT_MODE, bytes((hairpin,))),
        attribute(_BRPORT_ISOLATED, bytes((isolated,))),
    )
    info = nested(_LINKINFO, text(_SLAVE_KIND, "bridge"), nested(_SLAVE_DATA, *flags))
    return message(_NEWLINK, 0, _LINK.pack(0, 0, 0, 0, 0), text(_IFNAME, name), info)


def await_carrier(netlink: Netlink, name: str) -> None:
    """Wait until an interface that was up before its other end was passes packets on.

    The kernel sees to it a little later (linkwatch), and drops packets until then: a container's
    first one, whose repetition takes a second. Asking for the interface makes it see to it now,
    since Linux 6.6; before, it says so to whoever listens.
    """
    if find_link(netlink, name).carrier:
        return
    with Netlink(NETLINK_ROUTE, groups=_RTMGRP_LINK, patience=_PATIENCE) as events:
        while not find_link(netlink, name).carrier:
            if not events.wait():
                return


def delete_link(name: str) -> bytes:
    """Remove an interface, and with a veth its other end."""
    return message(_DELLINK, 0, _LINK.pack(0, 0, 0, 0, 0), text(_IFNAME, name))


def new_address(index: int, address: bytes, length: int) -> bytes:
    """Give an interface an address; of IPv6 it counts at once, as no other host can have it."""
    v6 = len(address) == 16
    family, flags = (10, _IFA_F_NODAD) if v6 else (2, 0)
    parts = [attribute(_IFA_LOCAL, address), attribute(_IFA_ADDRESS, address)]
    if not v6 and length < 31:
        host = (1 << (32 - length)) - 1
        highest = int.from_bytes(address, "big") | host
        parts.append(attribute(_IFA_BROADCAST, highest.to_bytes(4, "big")))
    head = _ADDR.pack(family, length, flags, 0, index)
    return message(_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, head, *parts)


def default_route(index: int, gateway: bytes) -> bytes:
    """Lead everything that no other route takes to a gateway."""
    family = 10 if len(gateway) == 16 else 2
    head = _ROUTE.pack(family, 0, 0, 0, _MAIN_TABLE, _PROTO_BOOT, 0, _UNICAST, 0)
    way = attribute(_RTA_OIF, u32(index)), attribute(_RTA_GATEWAY, gateway)
    return message(_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, head, *way)
