"""Images on their way into an archive or a layout.

An archive for Docker is an OCI layout with ``manifest.json`` and ``repositories`` besides, as
``docker save`` has written it since version 25: each tool finds the form it knows.
"""

from __future__ import annotations

from plugrun.api import (
    INDEX_OCI,
    INDEXES,
    Corrupt,
    InvalidArgument,
    dumps,
    parse_reference,
    record,
)

from plugrun_archive_tar.catalog import BLOBS, INDEX_JSON, MANIFEST_JSON, OCI_LAYOUT
from plugrun_archive_tar.documents import (
    as_json,
    descriptor_in,
    list_in,
    object_in,
    parsed,
)
from plugrun_archive_tar.layout import FULL_NAME, REF_NAME, blob_name, name_of_tag
from plugrun_archive_tar.sinks import ArchiveFile, LayoutFolder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from plugrun.api import Descriptor

    Read = Callable[[int], Iterable[bytes]]

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


@record
class _Written:
    """One image: its manifest as a descriptor and parsed, its names, its tag if it has none."""

    descriptor: Descriptor
    body: dict[str, Any]
    names: tuple[str, ...]
    reference: str


class Writer:
    """Collects what is put, and writes the documents that name it at the end."""

    def __init__(self, sink: ArchiveFile | LayoutFolder, *, for_docker: bool) -> None:
        self._sink = sink
        self._for_docker = for_docker
        self._put: set[str] = set()
        self._images: dict[str, _Written] = {}
        folder = ""
        for part in BLOBS.split("/"):
            folder += part + "/"
            sink.folder(folder)

    def has(self, blob: Descriptor) -> bool:
        """Whether a blob is there."""
        return blob.digest in self._put or self._sink.has(blob_name(blob.digest))

    def put(self, blob: Descriptor, read: Read) -> None:
        """Write a blob."""
        self._sink.add(blob_name(blob.digest), blob.size, read(0))
        self._put.add(blob.digest)

    def put_manifest(
        self, manifest: Descriptor, raw: bytes, names: tuple[str, ...], reference: str
    ) -> None:
        """Write a manifest or index; raise InvalidArgument if what it names was not put.

        ``reference`` is the address's: a full name, or a layout's tag, which count before names.
        """
        body = object_in(parsed(raw, "a manifest"), "a manifest")
        if self._for_docker and manifest.media_type in INDEXES:
            raise InvalidArgument("Docker's archive has no place for an index of platforms")
        children = children_of(body)
        for child in children:
            if not self.has(child):
                raise InvalidArgument(f"{child.digest} is named by a manifest, and was not put")
        if not self.has(manifest):
            self.put(manifest, lambda offset: (raw[offset:],))
        if reference:
            names = tuple(filter(None, (name_of_tag(reference),)))
        known = self._images.get(manifest.digest)
        names = tuple(dict.fromkeys((*(known.names if known else ()), *names)))
        self._part_of_index(children)
        self._images[manifest.digest] = _Written(manifest, body, names, reference)

    def _part_of_index(self, children: list[Descriptor]) -> None:
        """What an index names needs no entry of its own, unless it has a name."""
        for child in children:
            known = self._images.get(child.digest)
            if known is not None and not known.names:
                del self._images[child.digest]

    def finish(self) -> None:
        """Write the index, and what Docker reads."""
        entries = [entry for image in self._images.values() for entry in _entries(image)]
        if isinstance(self._sink, LayoutFolder):
            entries = [*_others(self._sink.index(), entries), *entries]
        documents = [(INDEX_JSON, _index(entries)), (OCI_LAYOUT, _LAYOUT)]
        if self._for_docker:
            documents[1:1] = _for_docker(list(self._images.values()))
        for name, raw in documents:
            if isinstance(self._sink, LayoutFolder):
                self._sink.replace(name, raw)
            else:
                self._sink.add(name, len(raw), (raw,))
        self._sink.finish()

    def close(self) -> None:
        """Let go; what was not finished goes."""
        self._sink.close()


def children_of(body: dict[str, Any]) -> list[Descriptor]:
    """Return what a manifest or index names."""
    items = [*([body["config"]] if "config" in body else []), *list_in_manifest(body)]
    return [descriptor_in(item, "a manifest") for item in items]


def list_in_manifest(body: dict[str, Any]) -> list[Any]:
    """Return the layers of a manifest, or the manifests of an index."""
    return [item for key in ("layers", "manifests") for item in list_in(body.get(key), key, dict)]


def _entries(image: _Written) -> list[dict[str, Any]]:
    """Return an image's entries in the index: one a name."""
    entry = as_json(image.descriptor)
    if not image.names:
        tag = {"annotations": {REF_NAME: image.reference}} if image.reference else {}
        return [{**entry, **tag}]
    return [
        {
            **entry,
            # Tools look for what stands in the address, letter by letter.
            "annotations": {
                FULL_NAME: name,
                REF_NAME: image.reference or parse_reference(name).tag,
            },
        }
        for name in image.names
    ]


def _others(index: bytes, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what a layout held before, without what goes by one of the new names."""
    if not index:
        return []
    body = object_in(parsed(index, INDEX_JSON), INDEX_JSON)
    found = list_in(body.get("manifests"), INDEX_JSON, dict)
    taken = {_called(entry) for entry in entries}
    return [item for item in found if _called(item) not in taken]


def _called(entry: dict[str, Any]) -> tuple[Any, ...]:
    notes = entry.get("annotations") or {}
    full, tag = notes.get(FULL_NAME), notes.get(REF_NAME)
    return (full, tag) if full or tag else (entry.get("digest"),)


def _index(entries: list[dict[str, Any]]) -> bytes:
    return dumps({"schemaVersion": 2, "mediaType": INDEX_OCI, "manifests": entries}).encode()


def _for_docker(images: list[_Written]) -> list[tuple[str, bytes]]:
    """Return ``manifest.json``, and ``repositories`` if there are names."""
    items, repositories = [], dict[str, dict[str, str]]()
    for image in images:
        children = [blob_name(child.digest) for child in children_of(image.body)]
        if not children:
            raise Corrupt("an image without a config cannot be written for Docker")
        config, *layers = children
        tags = []
        for name in image.names:
            reference = parse_reference(name)
            tags.append(reference.familiar)
            top = (layers or [config])[-1].rpartition("/")[2]
            repositories.setdefault(reference.familiar_name, {})[reference.tag] = top
        items.append({"Config": config, "RepoTags": tags or None, "Layers": layers})
    documents = [(MANIFEST_JSON, dumps(items).encode())]
    if repositories:
        documents.append(("repositories", dumps(repositories).encode()))
    return documents
