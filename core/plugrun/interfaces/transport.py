"""Transport: how images come and go.

An *address* is a scheme and the rest (``docker://host/name:tag``, ``host:sh,ls``,
``docker-archive:/path``); the hook receives it and returns a transport for it, or None if the
scheme is not its own. A transport never touches the store: the core verifies digest and size of
every byte that ``fetch`` yields, and hands over bytes that it has read itself.

Promises
--------
- ``resolve`` returns the manifest or index bytes exactly as the source has them, with their
  descriptor; a source that has no such document (Docker's archive) makes one, always the same. A
  missing image raises ImageNotFound and says where it looked; a source that does not answer
  raises Unreachable; a refusal raises Unauthorized; a source that is damaged or hostile raises
  Corrupt.
- ``list`` resolves, one after another, all images that are there under the address's name: all
  tags of a repository, all images of an archive.
- ``fetch`` yields the blob's bytes in order, from ``offset``; it may be called from several
  threads at once. It raises rather than end early. If the source cannot start in the middle, it
  skips what was asked to be skipped.
- Certificates are verified, credentials never go to another host, and no request waits forever.

An image goes out in this order: for each blob ``has``, perhaps ``mount``, or ``put``; then
``put_manifest``; after the last image ``finish``. One address takes several images, and a blob
they share once.

- ``put`` calls ``read(offset)`` for the bytes from there on, again if it has to start over; it
  returns once the destination has them all. Putting what is there already does no harm.
- ``put_manifest`` gives bytes a name or several (full references; none is an image without a
  name); they are kept as they are. All it names has been put before; otherwise it raises.
- A destination without ``list`` holds one image: ``put_manifest`` or ``finish`` raises
  InvalidArgument on a second one. A manifest that an index names is put before it, without a
  name, and is no image of its own then; a destination that cannot hold an index raises
  InvalidArgument.
- What was put is there for others after ``finish`` at the latest; ``close`` without it leaves
  nothing behind that a reader could take for an image, and a file that stood at the
  destination stays as it was.
- The same images put in the same order make the same bytes.

Capabilities
------------
``pull``
    ``resolve`` and ``fetch`` work.
``list``
    ``list`` works.
``push``
    ``has``, ``put``, ``put_manifest`` and ``finish`` work.
``flatten``
    What is put is unpacked into one tree of files: its manifest and blobs are not kept.
``parallel``
    ``has``, ``mount`` and ``put`` may be called from several threads at once, for different
    blobs. Without it they come one after another, in the order the result shall have.
``mount``
    ``mount`` takes blobs over from other repositories of the same registry.
``resume``
    ``fetch`` from an offset costs only the rest.
``offline``
    Needs no network.
``repository``
    ``tags``, ``referrers`` and ``delete`` work: others see the images there.
"""

from __future__ import annotations

from plugrun.interfaces.backend import Backend
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Protocol

    from plugrun.model.descriptor import Descriptor, Platform

    Read = Callable[[int], Iterable[bytes]]
else:
    Protocol = object

PULL = "pull"
LIST = "list"
PUSH = "push"
FLATTEN = "flatten"
PARALLEL = "parallel"
MOUNT = "mount"
RESUME = "resume"
OFFLINE = "offline"
REPOSITORY = "repository"


@record
class Resolved:
    """An image as its source names it.

    ``name`` is what the reference is called here from now on (``docker.io/library/debian:12``),
    ``also`` are more names it has at its source; from ``list`` both may be empty. ``raw`` are the
    bytes that ``descriptor`` describes. ``source`` says where it came from, for messages.
    """

    name: str
    descriptor: Descriptor
    raw: bytes
    source: str
    also: tuple[str, ...] = ()


@record
class Referrer:
    """A manifest that names an image as its subject: a signature, an SBOM, an attestation."""

    manifest: Descriptor
    artifact_type: str
    annotations: tuple[tuple[str, str], ...] = ()


class Transport(Backend, Protocol):
    """One image source or destination, opened for one address."""

    def resolve(self, platform: Platform) -> Resolved:
        """Find the image; ``platform`` is a wish that only sources that build images need."""

    def fetch(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob's bytes; a manifest named in an index is fetched by this too."""

    def close(self) -> None:
        """Let go of connections and temporary files."""


class Collection(Transport, Protocol):
    """A transport with the capability ``list``."""

    def list(self, platform: Platform) -> Iterator[Resolved]:
        """Yield every image under the address's name, whatever tag the address has."""


class Destination(Transport, Protocol):
    """A transport with the capability ``push``; ``mount`` belongs to the capability of its name."""

    def has(self, blob: Descriptor) -> bool:
        """Whether the destination has a blob."""

    def mount(self, blob: Descriptor, repositories: Iterable[str]) -> str:
        """Take a blob over from the first of these (full names) that has it; return which.

        Return nothing if none could be used: those of other registries never are.
        """

    def put(self, blob: Descriptor, read: Read) -> None:
        """Take in a blob."""

    def put_manifest(self, manifest: Descriptor, raw: bytes, names: Iterable[str]) -> None:
        """Take in a manifest or index, under names or none."""

    def finish(self) -> None:
        """Complete what was put: the archive gets its index, and its place."""


class Repository(Collection, Protocol):
    """A transport with the capability ``repository``."""

    def tags(self) -> Sequence[str]:
        """Return all tags of the address's repository."""

    def referrers(self, digest: str, artifact_type: str = "") -> Sequence[Referrer]:
        """Return what refers to a manifest; with a type, only that kind."""

    def delete(self, wanted: str) -> None:
        """Delete a manifest by its digest, or one tag and nothing else.

        Raise ImageNotFound, and InvalidArgument if the source does not do that.
        """
