"""What the host's interfaces and routes use already (rtnetlink(7), through pyroute2)."""

from __future__ import annotations

from pyroute2 import IPRoute

from plugrun_network_bridge.addresses import SHORTEST, Block, parse_block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def used_blocks() -> list[Block]:
    """Return the blocks that addresses and routes of the host stand for, but for default routes."""
    with IPRoute() as host:
        found = [block for one in host.get_addr() for block in _on(one)]
        return found + [block for route in host.get_routes() for block in _behind(route)]


def _on(address: Any) -> Iterator[Block]:
    text = _get(address, "IFA_LOCAL") or _get(address, "IFA_ADDRESS")
    if text:
        yield parse_block(f"{text}/{address['prefixlen']}")


def _behind(route: Any) -> Iterator[Block]:
    text = _get(route, "RTA_DST")
    if text and route["dst_len"] >= SHORTEST:
        yield parse_block(f"{text}/{route['dst_len']}")


def _get(message: Any, name: str) -> Any:
    return dict(message["attrs"]).get(name)


def interfaces() -> list[tuple[str, str, str]]:
    """Return name, alias and master's name of every interface of the host."""
    with IPRoute() as host:
        links = list(host.get_links())
    names = {link["index"]: _get(link, "IFLA_IFNAME") for link in links}
    return [
        (
            _get(link, "IFLA_IFNAME"),
            _get(link, "IFLA_IFALIAS") or "",
            names.get(_get(link, "IFLA_MASTER"), ""),
        )
        for link in links
    ]
