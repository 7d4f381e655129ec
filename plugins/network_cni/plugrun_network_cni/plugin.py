"""The hooks; the work is loaded when it is wanted."""

from __future__ import annotations

from plugrun.api import Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.api import Network

_FOLDERS = "/usr/lib/cni:/opt/cni/bin:/usr/libexec/cni"


def plugrun_options() -> tuple[Option, ...]:
    """Return the keys a profile may set."""
    return (
        Option("conflist", "string", "", "the network configuration list; empty: an own bridge"),
        Option("plugins", "string", _FOLDERS, "where the plugins are, as in CNI_PATH"),
    )


def plugrun_open_network(state: str, options: Mapping[str, Any]) -> Network:
    """Open the network that a conflist describes; its attachments are kept in ``state``."""
    from plugrun_network_cni.network import CniNetwork

    return CniNetwork(state, options.get("conflist", ""), options.get("plugins", _FOLDERS))
