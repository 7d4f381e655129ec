"""A profile: which backend serves each kind, and with which options."""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

STORAGE = "storage"
ISOLATION = "isolation"
TRANSPORT = "transport"
NETWORK = "network"
HOOKS = "hooks"
USERNS = "userns"
KINDS = (STORAGE, ISOLATION, TRANSPORT, NETWORK)


@record
class Profile:
    """One choice of backends, complete.

    ``storage``, ``isolation`` and ``network`` are lists to fall back along, best first;
    ``transport`` names all that may be asked for an address, and ``hooks`` the plugins that adjust
    specs and hear of events, in order. ``options`` is by kind, then by backend's name. ``userns``
    is whose IDs containers get where they do not say: empty or ``host`` for the host's own,
    ``default``, ``USER[:GROUP]`` or ``auto[:size=N]`` (docs/userns.md).
    """

    name: str
    storage: tuple[str, ...]
    isolation: tuple[str, ...]
    transport: tuple[str, ...]
    network: tuple[str, ...]
    hooks: tuple[str, ...]
    options: Mapping[str, Mapping[str, Mapping[str, Any]]]
    userns: str = ""

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the backends of a kind, in the profile's order."""
        found: tuple[str, ...] = getattr(self, kind)
        return found

    def options_of(self, kind: str, name: str) -> Mapping[str, Any]:
        """Return the options set for one backend."""
        return self.options.get(kind, {}).get(name, {})
