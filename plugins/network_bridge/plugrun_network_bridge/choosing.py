"""Which address a container gets of a network."""

from __future__ import annotations

from plugrun.api import Conflict, InvalidArgument, NoAddress

from plugrun_network_bridge.addresses import (
    Block,
    address_text,
    is_v6,
    parse_address,
    parse_block,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from plugrun.api import NetworkConfig, Subnet


def choose(network: NetworkConfig, subnet: Subnet, asked: str, taken: Container[str]) -> str:
    """Return an address of a subnet, the lowest that is free unless one is ``asked`` for.

    ``taken`` are those that somebody has. Conflict if the one that is asked for is among them,
    NoAddress if all are.
    """
    block, reserved = parse_block(subnet.cidr), _reserved(subnet)
    if asked:
        return _asked(block, asked, reserved, taken)
    first, last = _offered(block, subnet)
    for number in range(first, last + 1):
        text = address_text(number, v6=block.v6)
        if number not in reserved and text not in taken:
            return text
    offered = subnet.range or subnet.cidr
    raise NoAddress(
        f'network "{network.name}" has no free address: all of {offered} are in use',
        hint="end a container that has one, or create a network with a larger --subnet",
    )


def _asked(block: Block, asked: str, reserved: Container[int], taken: Container[str]) -> str:
    number = parse_address(asked)
    if is_v6(asked) != block.v6 or not block.contains(number):
        raise InvalidArgument(
            f"Invalid address {asked}: It does not belong to any of this network's subnets"
        )
    text = address_text(number, v6=block.v6)
    if text in taken or number in reserved or number in _own(block):
        raise Conflict(f"Address already in use: {text}")
    return text


def _offered(block: Block, subnet: Subnet) -> tuple[int, int]:
    """Return the lowest and the highest address for containers: not the network's own names."""
    within = parse_block(subnet.range) if subnet.range else block
    first, last = within.first, within.last
    own = _own(block)
    return first + (first in own), last - (last in own)


def _own(block: Block) -> tuple[int, ...]:
    """Return the addresses that stand for the subnet itself: for nobody, or for everybody."""
    if block.bits - block.length < 2:
        return ()
    return (block.first,) if block.v6 else (block.first, block.last)


def _reserved(subnet: Subnet) -> frozenset[int]:
    texts = [address for _, address in subnet.reserved]
    if subnet.gateway:
        texts.append(subnet.gateway)
    return frozenset([parse_address(text) for text in texts])
