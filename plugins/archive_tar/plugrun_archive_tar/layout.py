"""OCI image layouts (image-spec image-layout.md): ``oci-layout``, ``index.json``, ``blobs``."""

from __future__ import annotations

from plugrun.api import (
    INDEXES,
    MANIFESTS,
    Corrupt,
    DigestMismatch,
    InvalidArgument,
    parse_reference,
    record,
)

from plugrun_archive_tar.catalog import BLOBS, INDEX_JSON, OCI_LAYOUT, Catalog, Held
from plugrun_archive_tar.documents import (
    LARGEST,
    descriptor_in,
    document,
    list_in,
    object_in,
    text_in,
)
from plugrun_archive_tar.members import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.api import Descriptor

    from plugrun_archive_tar.members import Members

REF_NAME = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"


@record
class Entry:
    """One entry of ``index.json`` that is an image; its body is kept for who rewrites it."""

    descriptor: Descriptor
    name: str
    tag: str


def read_layout(members: Members) -> Catalog:
    """Read a layout; what is no image or index of images is passed over."""
    _check_version(members)
    images: dict[str, Held] = {}
    for entry in layout_entries(members):
        digest = entry.descriptor.digest
        known = images.get(digest) or Held((), (), entry.descriptor, b"")
        names, tags = _with(known.names, entry.name), _with(known.tags, entry.tag)
        raw = known.raw or read_blob(members, entry.descriptor)
        images[digest] = Held(names, tags, known.descriptor, raw)
    return Catalog(tuple(images.values()), {})


def _with(words: tuple[str, ...], more: str) -> tuple[str, ...]:
    return words if not more or more in words else (*words, more)


def _check_version(members: Members) -> None:
    version = object_in(document(members, OCI_LAYOUT), OCI_LAYOUT).get("imageLayoutVersion")
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise Corrupt(f"{OCI_LAYOUT} has version {version!r:.40}, and this plugrun reads 1")


def layout_entries(members: Members) -> list[Entry]:
    """Return the images of ``index.json``."""
    body = object_in(document(members, INDEX_JSON), INDEX_JSON)
    found = []
    for number, item in enumerate(list_in(body.get("manifests"), "manifests", dict)):
        where = f"{INDEX_JSON}: manifests[{number}]"
        if item.get("mediaType") in MANIFESTS | INDEXES and not _is_attestation(item):
            found.append(_entry(item, where))
    return found


def _is_attestation(item: dict[str, Any]) -> bool:
    platform = item.get("platform")
    return isinstance(platform, dict) and platform.get("os") == "unknown"


def _entry(item: dict[str, Any], where: str) -> Entry:
    annotations = object_in(item.get("annotations") or {}, f"{where}.annotations")
    tag = text_in(annotations.get(REF_NAME), where)
    full = full_name(text_in(annotations.get(FULL_NAME), where))
    if tag and not full.endswith(tag):
        full = ""  # a copy made by a tool (umoci) that gave it another tag, and left this as it was
    return Entry(descriptor_in(item, where), full or name_of_tag(tag), tag)


def name_of_tag(tag: str) -> str:
    """Return the name a ``ref.name`` stands for: a bare word is a tag of nothing in particular."""
    return full_name(tag) if "/" in tag or ":" in tag else ""


def full_name(text: str) -> str:
    """Return a reference in full, or nothing if the text is none."""
    try:
        reference = parse_reference(text)
    except InvalidArgument:
        return ""
    return f"{reference.name}:{reference.tag}" if reference.tag else ""


def read_blob(members: Members, blob: Descriptor) -> bytes:
    """Return a manifest or index; raise DigestMismatch if it is not what its descriptor says."""
    import hashlib

    raw = whole(members, blob_name(blob.digest), LARGEST)
    if len(raw) != blob.size or f"sha256:{hashlib.sha256(raw).hexdigest()}" != blob.digest:
        raise DigestMismatch(f"{blob_name(blob.digest)} is not the {blob.size} bytes of its digest")
    return raw


def blob_name(digest: str) -> str:
    """Return where a layout keeps a blob."""
    return f"{BLOBS}/{digest[7:]}"
