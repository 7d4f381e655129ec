"""The hooks; the work is loaded when it is wanted."""

from __future__ import annotations

from plugrun.api import Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.api import Network


def plugrun_options() -> tuple[Option, ...]:
    """Return the keys a profile may set; all else is chosen for each network (``--opt``)."""
    text = "what makes the rules; empty: nftables, or iptables where the kernel has none"
    return (Option("firewall", "string", "", text, choices=("", "nftables", "iptables")),)


def plugrun_open_network(state: str, options: Mapping[str, Any]) -> Network:
    """Open the networks whose state lies in a folder that a reboot may empty."""
    from plugrun_network_bridge.network import BridgeNetwork

    return BridgeNetwork(state, options.get("firewall", ""))
