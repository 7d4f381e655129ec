"""What an archive or layout holds, by what it contains and not by what it is called."""

from __future__ import annotations

from plugrun.api import Corrupt, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugrun.api import Descriptor

    from plugrun_archive_tar.members import Members

MANIFEST_JSON = "manifest.json"
INDEX_JSON = "index.json"
OCI_LAYOUT = "oci-layout"
BLOBS = "blobs/sha256"


@record
class Held:
    """One image: the full names it has, ``tags`` as an OCI layout calls it, its document."""

    names: tuple[str, ...]
    tags: tuple[str, ...]
    descriptor: Descriptor
    raw: bytes


@record
class Catalog:
    """All images, in the archive's order; ``parts`` are blobs by digest: member and size."""

    images: tuple[Held, ...]
    parts: Mapping[str, tuple[str, int]]


def read_catalog(members: Members, source: str, *, docker: bool) -> Catalog:
    """Read Docker's ``manifest.json``, if it may be that, or else an OCI layout's ``index.json``.

    An archive with both (Docker's since version 25) has Docker's names, and the layout's
    manifests, so that an image keeps its digest.
    """
    if docker and members.has(MANIFEST_JSON):
        from plugrun_archive_tar.dockerformat import read_docker

        return read_docker(members)
    if members.has(INDEX_JSON):
        from plugrun_archive_tar.layout import read_layout

        return read_layout(members)
    raise Corrupt(
        f"{source} is not an image archive: it has neither {MANIFEST_JSON} nor {INDEX_JSON}",
        hint="to make an image of a file system's archive, use plugrun import",
    )
