"""Network: how containers reach each other and the world.

``attach`` is called between a task's create and its start, with the path of its network
namespace (``/proc/PID/ns/net``); ``detach`` after its end. Loopback is up already: isolation sees
to it. ``--network none`` and ``--network host`` never reach a backend.

Promises
--------
- ``attach`` leaves nothing behind when it fails. ``detach`` can be repeated, and works when the
  namespace is gone.
- Nothing on the host that the backend did not make is changed.

Capabilities
------------
``outbound``
    Attached containers reach other hosts.
"""

from __future__ import annotations

from plugrun.interfaces.backend import Backend
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object

OUTBOUND = "outbound"


@record
class Attachment:
    """What a container got: addresses in CIDR form, empty for loopback only."""

    addresses: tuple[str, ...] = ()
    gateway: str = ""


class Network(Backend, Protocol):
    """Joins network namespaces to a network."""

    def attach(self, container_id: str, netns: str) -> Attachment:
        """Connect a container's network namespace."""

    def detach(self, container_id: str) -> None:
        """Undo ``attach``."""
