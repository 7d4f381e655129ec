"""The hooks, and the network itself: there is nothing to do."""

from __future__ import annotations

from plugrun.api import Attachment, Option, Probe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.api import Network


def plugrun_options() -> tuple[Option, ...]:
    """No key may be set."""
    return ()


def plugrun_open_network(state: str, options: Mapping[str, Any]) -> Network | None:
    """Open the network that joins nothing; it keeps no state."""
    return LoopbackOnly()


class LoopbackOnly:
    """Containers reach themselves alone, by the loopback that isolation has brought up."""

    capabilities: frozenset[str] = frozenset()

    def probe(self) -> Probe:
        """Say that it works, everywhere."""
        return Probe(True)

    def attach(self, container_id: str, netns: str) -> Attachment:
        """Leave the namespace as it is."""
        return Attachment()

    def detach(self, container_id: str) -> None:
        """Undo nothing."""
