"""Transport: how images come and go.

An *address* is a scheme and the rest (``docker://host/name:tag``, ``host:sh,ls``); the hook
receives it and returns a transport for it, or None if the scheme is not its own. A transport
never touches the store: the core verifies digest and size of every byte that ``fetch`` yields.

Promises
--------
- ``resolve`` returns the manifest or index bytes exactly as the source has them, with their
  descriptor. A missing image raises ImageNotFound and says where it looked; a source that does
  not answer raises Unreachable; a refusal raises Unauthorized.
- ``fetch`` yields the blob's bytes in order, from ``offset``; it may be called from several
  threads at once. It raises rather than end early. If the source cannot start in the middle, it
  skips what was asked to be skipped.
- Certificates are verified, credentials never go to another host, and no request waits forever.

Capabilities
------------
``pull``
    ``resolve`` and ``fetch`` work.
``resume``
    ``fetch`` from an offset costs only the rest.
``offline``
    Needs no network.
"""

from __future__ import annotations

from plugrun.interfaces.backend import Backend
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from plugrun.model.descriptor import Descriptor, Platform
else:
    Protocol = object

PULL = "pull"
RESUME = "resume"
OFFLINE = "offline"


@record
class Resolved:
    """An image as its source names it.

    ``name`` is what the reference is called here from now on (``docker.io/library/debian:12``);
    ``raw`` are the bytes that ``descriptor`` describes. ``source`` says where it came from, for
    messages.
    """

    name: str
    descriptor: Descriptor
    raw: bytes
    source: str


class Transport(Backend, Protocol):
    """One image source, opened for one address."""

    def resolve(self, platform: Platform) -> Resolved:
        """Find the image; ``platform`` is a wish that only sources that build images need."""

    def fetch(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes; a manifest named in an index is fetched by this too."""

    def close(self) -> None:
        """Let go of connections and temporary files."""
