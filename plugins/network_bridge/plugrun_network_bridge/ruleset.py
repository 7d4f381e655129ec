"""The one table of a state folder: what may pass between its bridges and the world, and how.

The rules are the same for any number of networks and ports, which are elements of sets and maps.
``table`` gives all of it as one transaction, so that it is there whole or not at all;
``is_whole`` tells whether somebody has taken something out of it.
"""

from __future__ import annotations

import errno

from plugrun.api import record

from plugrun_network_bridge import hostbridge
from plugrun_network_bridge import nftables as nft
from plugrun_network_bridge.addresses import Block, packed, parse_block
from plugrun_network_bridge.links import GROUP
from plugrun_network_bridge.netlink import attributes, be16, be32, u32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from plugrun.api import NetworkConfig, Port

    from plugrun_network_bridge.leases import Lease
    from plugrun_network_bridge.netlink import Netlink

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}

_CT_STATE, _CT_STATUS = 0, 2
_ESTABLISHED_RELATED = u32(1 << 1 | 1 << 2)  # NF_CT_STATE_BIT
_WAS_DNAT = u32(1 << 5)  # IPS_DST_NAT
_NOTHING = u32(0)
_LOCAL = u32(2)  # RTN_LOCAL
_LOOPBACK = b"\x7f"  # the first byte of 127.0.0.0/8
_SOURCE4, _DESTINATION4 = (12, 4), (16, 4)  # offset and size in the header
_SOURCE6, _DESTINATION6 = (8, 16), (24, 16)
_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"


@record
class Fenced:
    """A network as the rules see it. ``masqueraded`` are the blocks it goes out from."""

    bridge: str
    internal: bool
    masqueraded: tuple[Block, ...]
    v6: bool = False


@record
class Published:
    """A port, and the address in a container that it leads to."""

    port: Port
    target: str


def fenced(network: NetworkConfig) -> Fenced:
    """Return a network as the rules see it."""
    out = not network.internal and hostbridge.option(network, _MASQUERADE, "true") != "false"
    blocks = [parse_block(subnet.cidr) for subnet in network.subnets]
    name, v6 = hostbridge.bridge_name(network), any(block.v6 for block in blocks)
    return Fenced(name, network.internal, tuple(blocks) if out else (), v6)


def published(lease: Lease) -> list[Published]:
    """Return a lease's ports, each with the address of its kind."""
    return [
        Published(port, lease.ipv6 if ":" in port.host_address else lease.ipv4)
        for port in lease.ports
    ]


def table(name: str, networks: Iterable[Fenced], ports: Iterable[Published]) -> list[bytes]:
    """Return the messages that make the table anew, whatever was there of it."""
    made = [nft.add_table(name), nft.delete_table(name), nft.add_table(name)]
    made += _sets(name)
    for chain, (kind, hook, priority) in _BASES.items():
        made.append(nft.add_base_chain(name, chain, kind, hook, priority))
    made.append(nft.add_chain(name, "publish"))
    made += [nft.add_rule(name, chain, *steps) for chain, steps in _rules()]
    for network in networks:
        made += _elements(name, network)
    return made + add_ports(name, ports, exclusive=False)


def is_whole(netlink: Netlink, name: str, bridge: str) -> bool:
    """Whether the table has its rules, and knows a bridge."""
    wanted = dict.fromkeys((*_BASES, "publish"), 0)
    for chain, _ in _rules():
        wanted[chain] += 1
    wanted["publish"] += 2  # those who jump to it
    try:
        for chain, uses in wanted.items():
            _, body = netlink.ask(nft.get_chain(name, chain))
            if attributes(body, 4).get(nft.CHAIN_USE) != be32(uses):
                return False
        netlink.ask(nft.get_element(name, "bridges", _interface(bridge)))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True


def add_ports(name: str, ports: Iterable[Published], *, exclusive: bool) -> list[bytes]:
    """Return the messages that publish ports; ``exclusive``: EEXIST for one that is taken."""
    return [
        nft.add_elements(name, mapped, (nft.element(key, data),), exclusive=exclusive)
        for mapped, key, data in map(_mapping, ports)
    ]


def delete_port(name: str, port: Published) -> bytes:
    """Return the message that publishes a port no more."""
    mapped, key, _ = _mapping(port)
    return nft.delete_elements(name, mapped, (nft.element(key),))


def _mapping(published: Published) -> tuple[str, bytes, bytes]:
    port, target = published.port, packed(published.target)
    kind = "6" if len(target) == 16 else "4"
    data = target + _padded(be16(port.port))
    key = bytes((PROTOCOLS[port.protocol], 0, 0, 0)) + _padded(be16(port.host_port))
    if port.host_address in ("", "0.0.0.0", "::"):  # noqa: S104  (every address)
        return f"any{kind}", key, data
    return f"ports{kind}", packed(port.host_address) + key, data


def _padded(value: bytes) -> bytes:
    return value + bytes(-len(value) % 4)


def _interface(name: str) -> bytes:
    return name.encode().ljust(16, b"\0")


def _sets(name: str) -> Iterator[bytes]:
    yield nft.add_set(name, "bridges", (nft.IFNAME, 16))
    yield nft.add_set(name, "inside", (nft.concatenated(nft.IFNAME, nft.IFNAME), 32))
    yield nft.add_set(name, "internal", (nft.IFNAME, 16))
    port = nft.concatenated(nft.PROTOCOL, nft.SERVICE), 8
    for kind, address, size in (("4", nft.IPV4_ADDR, 4), ("6", nft.IPV6_ADDR, 16)):
        target = nft.concatenated(address, nft.SERVICE), size + 4
        exact = nft.concatenated(address, nft.PROTOCOL, nft.SERVICE), size + 8
        yield nft.add_set(name, f"subnets{kind}", (address, size), flags=nft.INTERVAL)
        yield nft.add_map(name, f"ports{kind}", exact, target)
        yield nft.add_map(name, f"any{kind}", port, target)


def _elements(name: str, network: Fenced) -> Iterator[bytes]:
    key = _interface(network.bridge)
    into = {"bridges": [nft.element(key)], "inside": [nft.element(key + key)]}
    if network.internal:
        into["internal"] = [nft.element(key)]
    for block in network.masqueraded:
        size = block.bits // 8
        ends = block.first.to_bytes(size, "big"), block.last.to_bytes(size, "big")
        into.setdefault("subnets6" if block.v6 else "subnets4", []).extend(nft.interval(*ends))
    for one, elements in into.items():
        yield nft.add_elements(name, one, elements, exclusive=False)


_BASES = {
    "guard": ("filter", nft.PREROUTING, nft.RAW),
    "prerouting": ("nat", nft.PREROUTING, nft.DSTNAT),
    "output": ("nat", nft.OUTPUT, nft.DSTNAT),
    "postrouting": ("nat", nft.POSTROUTING, nft.SRCNAT),
    "forward": ("filter", nft.FORWARD, nft.FILTER),
}


def _rules() -> Iterator[tuple[str, tuple[bytes, ...]]]:
    yield "guard", _no_strangers_on_loopback()
    for chain in ("prerouting", "output"):
        yield chain, (nft.destination_type(), nft.is_equal(_LOCAL), nft.jump("publish"))
    yield "publish", _not_loopback6()
    for family, header, size in ((nft.IPV4, _DESTINATION4, 4), (nft.IPV6, _DESTINATION6, 16)):
        yield "publish", _publish(family, header, size)
        yield "publish", _publish_everywhere(family, size)
    yield "postrouting", _from_loopback()
    for family, header in ((nft.IPV4, _SOURCE4), (nft.IPV6, _SOURCE6)):
        yield "postrouting", _back_inside(family, header)
        yield "postrouting", _outbound(family, header)
    for steps in _forwarding():
        yield "forward", steps


def _of(family: int) -> tuple[bytes, bytes]:
    return nft.meta(nft.NFPROTO), nft.is_equal(bytes((family,)))


def _no_strangers_on_loopback() -> tuple[bytes, ...]:
    """Drop what comes from elsewhere for 127.0.0.0/8.

    ``route_localnet``, which published ports on loopback need, would let containers reach the
    host's own loopback servers (CVE-2020-8558), and address translation, which comes before the
    kernel drops such packets, would let neighbours reach ports published there alone.
    """
    lo = nft.meta(nft.IIFNAME), nft.is_equal(_interface("lo"), negated=True)
    address = nft.network_header(_DESTINATION4[0], 1), nft.is_equal(_LOOPBACK)
    return (*_of(nft.IPV4), *lo, *address, nft.verdict(nft.DROP))


def _not_loopback6() -> tuple[bytes, ...]:
    """The kernel has no route_localnet for ::1: be refused at once, rather than not answered."""
    address = nft.network_header(*_DESTINATION6), nft.is_equal(packed("::1"))
    return (*_of(nft.IPV6), *address, nft.verdict(nft.RETURN))


def _publish(family: int, header: tuple[int, int], size: int) -> tuple[bytes, ...]:
    behind = nft.R0 + size // 4
    key = nft.network_header(*header), nft.meta(nft.L4PROTO, behind)
    found = nft.looked_up(_named("ports", family))
    return (*_of(family), *key, nft.destination_port(behind + 1), found, _translated(family, size))


def _publish_everywhere(family: int, size: int) -> tuple[bytes, ...]:
    key = nft.meta(nft.L4PROTO), nft.destination_port(nft.R0 + 1)
    found = nft.looked_up(_named("any", family))
    return (*_of(family), *key, found, _translated(family, size))


def _named(name: str, family: int) -> str:
    return f"{name}{'4' if family == nft.IPV4 else '6'}"


def _translated(family: int, size: int) -> bytes:
    return nft.destination_nat(family, nft.R0, nft.R0 + size // 4)


def _onto_bridge(*, negated: bool = False) -> tuple[bytes, bytes]:
    return nft.meta(nft.OIFNAME), nft.is_in("bridges", negated=negated)


def _from_loopback() -> tuple[bytes, ...]:
    """The host's own connections to a port on 127.0.0.1: nobody could answer that address."""
    address = nft.network_header(_SOURCE4[0], 1), nft.is_equal(_LOOPBACK)
    return (*_of(nft.IPV4), *address, *_onto_bridge(), nft.masquerade())


def _from_subnets(family: int, header: tuple[int, int]) -> tuple[bytes, ...]:
    subnets = nft.is_in(_named("subnets", family))
    return (*_of(family), nft.network_header(*header), subnets)


def _back_inside(family: int, header: tuple[int, int]) -> tuple[bytes, ...]:
    """Containers that use a published port: answers must come back by the host, too."""
    return (*_from_subnets(family, header), *_was_translated(), *_onto_bridge(), nft.masquerade())


def _outbound(family: int, header: tuple[int, int]) -> tuple[bytes, ...]:
    return (*_from_subnets(family, header), *_onto_bridge(negated=True), nft.masquerade())


def _was_translated() -> tuple[bytes, ...]:
    status = nft.conntrack(_CT_STATUS), nft.masked(_WAS_DNAT)
    return (*status, nft.is_equal(_NOTHING, negated=True))


def _forwarding() -> Iterator[tuple[bytes, ...]]:
    """Docker's fence: out, answers, published ports, and nothing else."""
    accept, drop = nft.verdict(nft.ACCEPT), nft.verdict(nft.DROP)
    state = nft.conntrack(_CT_STATE), nft.masked(_ESTABLISHED_RELATED)
    yield (*state, nft.is_equal(_NOTHING, negated=True), accept)
    # What stays on one bridge comes here only if br_netfilter hands it to IP's rules.
    both = nft.meta(nft.IIFNAME), nft.meta(nft.OIFNAME, nft.R0 + 4)
    yield (*both, nft.is_in("inside"), accept)
    # Before ports: their gateway is an address of the host, at which those of others are published.
    yield nft.meta(nft.IIFNAME), nft.is_in("internal"), drop
    yield (*_was_translated(), accept)
    ours = nft.meta(nft.IIFNAME), nft.is_in("bridges")
    yield (*ours, nft.meta(nft.OIFGROUP), nft.is_equal(u32(GROUP)), drop)
    yield (*_onto_bridge(), drop)
