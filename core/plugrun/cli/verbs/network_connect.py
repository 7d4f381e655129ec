"""``plugrun network connect``."""

from __future__ import annotations

from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.networks.connect import connect
from plugrun.engine.request import GlobalOptions
from plugrun.model.network import EndpointConfig


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Put a container on a network; print nothing."""
    v, (network, container) = parsed.values, parsed.args
    asked = EndpointConfig(
        network,
        ipv4=v["ip"],
        ipv6=v["ip6"],
        aliases=v["alias"],
        links=v["link"],
    )
    connect(open_healed(options), container, asked)
    return 0
