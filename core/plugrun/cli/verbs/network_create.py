"""``plugrun network create``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.networkvalue import pair, subnets
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.networks.create import create_network
from plugrun.engine.request import GlobalOptions
from plugrun.model.network import NetworkConfig


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Make a network and print its ID."""
    v = parsed.values
    if v["ipam_driver"] != "default":
        raise SaidError(
            f'invalid ipam driver: "{v["ipam_driver"]}"', hint="the backend gives addresses itself"
        )
    wanted = NetworkConfig(
        "",
        parsed.args[0],
        v["driver"],
        subnets=subnets(v["subnet"], v["ip_range"], v["gateway"], v["aux_address"]),
        internal=v["internal"],
        ipv6=v["ipv6"],
        options=tuple(dict(pair(text) for text in v["opt"]).items()),
        labels=tuple(dict(pair(text) for text in v["label"]).items()),
    )
    output.line(create_network(open_healed(options, makes=True), wanted).id)
    return 0
