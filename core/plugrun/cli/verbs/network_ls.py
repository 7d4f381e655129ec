"""``plugrun network ls``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from plugrun.cli import output
from plugrun.cli.listing import render
from plugrun.cli.networkfilter import networks_filter
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.networks.find import all_networks
from plugrun.engine.request import GlobalOptions
from plugrun.model.network import NetworkConfig

_TABLE = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}"
_HEADERS: Mapping[str, Any] = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "IPv4": "IPV4",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "Label": lambda name: name,
    "CreatedAt": "CREATED AT",
}


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """List networks by name."""
    v = parsed.values
    engine = open_healed(options)
    passes = networks_filter(engine, v["filter"])
    rows = [_row(network, v["no_trunc"]) for network in all_networks(engine) if passes(network)]
    if v["quiet"] and not v["format"]:
        output.write("".join(f"{row['ID']}\n" for row in rows))
    else:
        output.write(render(v["format"], _TABLE, _HEADERS, rows, _RAW, "NetworkContext"))
    return 0


_RAW = "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n"


def _created(time_ns: int) -> str:
    """Return a time as Go prints one of UTC's; Docker shows it so here alone."""
    if not time_ns:
        return "0001-01-01 00:00:00 +0000 UTC"
    seconds, rest = divmod(time_ns, 10**9)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + fraction + " +0000 UTC"


def _row(network: NetworkConfig, full: bool) -> dict[str, Any]:
    labels = dict(network.labels)
    families = {":" in subnet.cidr for subnet in network.subnets}
    return {
        "ID": network.id if full else network.id[:12],
        "Name": network.name,
        "Driver": network.driver,
        "Scope": "local",
        "IPv4": "true" if False in families else "false",
        "IPv6": "true" if network.ipv6 else "false",
        "Internal": "true" if network.internal else "false",
        "Labels": ",".join(f"{key}={value}" for key, value in network.labels),
        "Label": lambda name: labels.get(name, ""),
        "CreatedAt": _created(network.created_ns),
    }
