"""Which subnets a new network gets.

Docker's pools, in Docker's order, but for those that anything on the host uses: a VPN's route, a
bridge of another engine's, a network of another state folder's.
"""

from __future__ import annotations

import os

from plugrun.api import AlreadyExists, Conflict, InvalidArgument, NoAddress, Subnet, replace

from plugrun_network_bridge import hostbridge
from plugrun_network_bridge.addresses import Block, address_text, parse_address, parse_block
from plugrun_network_bridge.survey import used_blocks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from plugrun.api import NetworkConfig

_DOCKER, _DOCKERS_OWN = "/var/lib/docker", "172.17.0.0/16"
_LOCAL_POOLS = (
    *(f"172.{second}.0.0/16" for second in range(17, 32)),
    *(f"192.168.{third}.0/20" for third in range(0, 256, 16)),
)


def complete(network: NetworkConfig, others: Sequence[NetworkConfig]) -> NetworkConfig:
    """Return the network with subnets and gateways.

    Conflict if a subnet that is asked for is another network's, NoAddress if none is free.
    """
    name = hostbridge.bridge_name(network)
    hostbridge.mtu(network)
    for other in others:
        if other.driver == network.driver and hostbridge.bridge_name(other) == name:
            raise AlreadyExists(f'network "{other.name}" has the bridge {name} already')
    known = [parse_block(one.cidr) for other in others for one in other.subnets]
    return replace(network, subnets=_subnets(network, known))


def _subnets(network: NetworkConfig, known: list[Block]) -> tuple[Subnet, ...]:
    asked = [_checked(subnet) for subnet in network.subnets]
    kinds = [":" in subnet.cidr for subnet in asked]
    if len(set(kinds)) != len(kinds):
        raise InvalidArgument("a bridge has one IPv4 and one IPv6 subnet at most")
    for subnet in asked:
        if any(parse_block(subnet.cidr).overlaps(other) for other in known):
            raise Conflict(
                "invalid pool request: Pool overlaps with other one on this address space",
                hint="see plugrun network ls, or leave --subnet out",
            )
    used = known + used_blocks()
    if False not in kinds:
        asked.insert(0, _free(_pools(), used, "IPv4"))
    if network.ipv6 and True not in kinds:
        asked.append(_free(_unique_local(network), used, "IPv6"))
    return tuple([_with_gateway(subnet) for subnet in asked])


def _checked(subnet: Subnet) -> Subnet:
    """Return a subnet that was asked for in its usual form; InvalidArgument if it is none."""
    block = parse_block(subnet.cidr)
    if block.bits - block.length < 2:
        raise InvalidArgument(f"subnet {subnet.cidr} has no room for a gateway and a container")
    if _is_multicast(block):
        raise InvalidArgument(f"subnet {subnet.cidr} has addresses of groups, not of hosts")
    texts = {"gateway": subnet.gateway}
    texts.update(("auxiliary address", address) for _, address in subnet.reserved)
    for what, text in texts.items():
        if text and not _lies_in(text, block):
            raise InvalidArgument(f"no matching subnet for {what} {text}")
    within = parse_block(subnet.range) if subnet.range else block
    inside = block.contains(within.first) and block.contains(within.last)
    if within.v6 != block.v6 or not inside:
        raise InvalidArgument(f"no matching subnet for range {subnet.range}")
    return replace(subnet, cidr=str(block), range=str(within) if subnet.range else "")


def _is_multicast(block: Block) -> bool:
    return block.overlaps(parse_block("ff00::/8" if block.v6 else "224.0.0.0/4"))


def _lies_in(text: str, block: Block) -> bool:
    return (":" in text) == block.v6 and block.contains(parse_address(text))


def _pools() -> tuple[str, ...]:
    """Docker's own bridge has the first one from every boot on: it is left to Docker, if any."""
    if not os.path.isdir(_DOCKER):
        return _LOCAL_POOLS
    return tuple([pool for pool in _LOCAL_POOLS if pool != _DOCKERS_OWN])


def _free(pools: Iterable[str], used: list[Block], kind: str) -> Subnet:
    for text in pools:
        block = parse_block(text)
        if not any(block.overlaps(other) for other in used):
            return Subnet(text)
    raise NoAddress(
        f"could not find an available, non-overlapping {kind} address pool among the defaults "
        "to assign to the network",
        hint="name one: --subnet; or remove networks: plugrun network prune",
    )


def _unique_local(network: NetworkConfig) -> Iterator[str]:
    """Yield /64s of the network's own (RFC 4193): its ID is random."""
    for start in range(0, len(network.id) - 14, 2):
        number = 0xFD << 120 | int(network.id[start : start + 14], 16) << 64
        yield f"{address_text(number, v6=True)}/64"


def _with_gateway(subnet: Subnet) -> Subnet:
    """The gateway is the lowest address that containers could have."""
    if subnet.gateway:
        return subnet
    block = parse_block(subnet.cidr)
    within = parse_block(subnet.range) if subnet.range else block
    reserved = {parse_address(address) for _, address in subnet.reserved}
    number = max(within.first, block.first + 1)
    while number in reserved:
        number += 1
    if not block.contains(number):
        raise NoAddress(f"subnet {subnet.cidr} has no address left for a gateway")
    return replace(subnet, gateway=address_text(number, v6=block.v6))
