"""One archive or layout: what it holds, and what is put into it."""

from __future__ import annotations

import os
import threading

from plugrun.api import (
    LIST,
    OFFLINE,
    PARALLEL,
    PULL,
    PUSH,
    RESUME,
    DigestMismatch,
    ImageNotFound,
    InvalidArgument,
    Probe,
    Resolved,
    found_in,
)

from plugrun_archive_tar.catalog import Catalog, Held, read_catalog
from plugrun_archive_tar.layout import blob_name, full_name
from plugrun_archive_tar.members import FolderMembers, TarMembers
from plugrun_archive_tar.names import local_name
from plugrun_archive_tar.opening import open_tar
from plugrun_archive_tar.plugin import DOCKER_ARCHIVE, OCI
from plugrun_archive_tar.scanning import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from plugrun.api import Descriptor, Platform

    from plugrun_archive_tar.members import Members
    from plugrun_archive_tar.writing import Read, Writer

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class ArchiveTransport:
    """One address; the file is opened when it is first needed, to read or to write."""

    capabilities = frozenset((PULL, LIST, PUSH, RESUME, OFFLINE))

    def __init__(self, scheme: str, path: str, reference: str) -> None:
        if scheme == OCI:
            self.capabilities |= {PARALLEL}  # each blob is a file of its own
        self._scheme = scheme
        self._path = path
        self._reference = reference
        self._lock = threading.Lock()
        self._members: Members | None = None
        self._catalog: Catalog | None = None
        self._writer: Writer | None = None

    def probe(self) -> Probe:
        """Say that it works: files are read and written, nothing is unpacked."""
        return Probe(True)

    # -- reading --------------------------------------------------------------------------

    def resolve(self, platform: Platform) -> Resolved:
        """Find the image that the address names, or the only one there is."""
        _, catalog = self._opened()
        held, name = self._chosen(catalog.images)
        named = [*((name,) if name else ()), *held.names] or [self._made_name(held)]
        also = tuple(other for other in held.names if other != named[0])
        return Resolved(named[0], held.descriptor, held.raw, self._source, also)

    def list(self, platform: Platform) -> Iterator[Resolved]:
        """Yield all images, those without a name too."""
        _, catalog = self._opened()
        for held in catalog.images:
            name, *also = held.names or ("",)
            yield Resolved(name, held.descriptor, held.raw, self._source, tuple(also))

    def fetch(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Yield a member's bytes; it is a blob's if the core's digest says so."""
        if not 0 <= offset <= descriptor.size:
            raise InvalidArgument(f"{descriptor.digest} has no byte {offset}")
        members, catalog = self._opened()
        own = blob_name(descriptor.digest)
        name, _ = catalog.parts.get(descriptor.digest, (own, 0))
        for held in catalog.images:
            if held.descriptor.digest == descriptor.digest:
                return iter((held.raw[offset:],) if offset < len(held.raw) else ())
        if not members.has(name):
            raise ImageNotFound(f"{self._source} lacks {descriptor.digest}")
        size = members.size(name)
        if size != descriptor.size:
            raise DigestMismatch(f"{name} has {size} bytes, not {descriptor.size}")
        return members.read(name, offset)

    @property
    def _source(self) -> str:
        return "standard input" if self._path == "-" else self._path

    def _opened(self) -> tuple[Members, Catalog]:
        with self._lock:
            if self._members is None:
                self._members = self._open()
            if self._catalog is None:
                self._catalog = read_catalog(
                    self._members, self._source, docker=self._scheme == DOCKER_ARCHIVE
                )
            return self._members, self._catalog

    def _open(self) -> Members:
        if self._scheme == OCI:
            try:
                return FolderMembers(os.open(self._path, _FOLDER))
            except OSError as error:
                reason = (error.strerror or "").lower()
                raise ImageNotFound(f"open {self._path}: {reason}") from None
        with found_in(self._source):
            fd = open_tar(self._path)
            try:
                return TarMembers(fd, scan(fd))
            except BaseException:
                os.close(fd)
                raise

    def _chosen(self, images: tuple[Held, ...]) -> tuple[Held, str]:
        """Return the image an address means, and the name it is meant by if it has that."""
        wanted = self._reference
        if not wanted:
            if len(images) == 1:
                return images[0], ""
            hint = f"write {self._scheme}:{self._path}:REFERENCE; it has {_known(images)}"
            raise ImageNotFound(f"{self._source} holds {len(images)} images", hint=hint)
        if wanted.startswith("@") and wanted[1:].isdigit() and int(wanted[1:]) < len(images):
            return images[int(wanted[1:])], ""
        full = full_name(wanted)
        for held in images:
            if full and full in held.names:
                return held, full
        for held in images:
            if wanted in held.tags:
                return held, ""
        raise ImageNotFound(
            f"{self._source} has no image {wanted!r:.200}", hint=f"it has {_known(images)}"
        )

    def _made_name(self, held: Held) -> str:
        """Return a name for an image that has none: after its file, and its tag or digest."""
        tag = next(iter(held.tags), "")
        own = local_name("stdin" if self._path == "-" else self._path, tag)
        return own or local_name(self._path, held.descriptor.digest[7:19])

    # -- writing --------------------------------------------------------------------------

    def has(self, blob: Descriptor) -> bool:
        """Whether a blob was put, or lies in the layout already."""
        return self._writing().has(blob)

    def put(self, blob: Descriptor, read: Read) -> None:
        """Write a blob, unless it is there."""
        writer = self._writing()
        if not writer.has(blob):
            writer.put(blob, read)

    def put_manifest(self, manifest: Descriptor, raw: bytes, names: Iterable[str]) -> None:
        """Write a manifest; the address's own reference, if it has one, goes before names."""
        self._writing().put_manifest(manifest, raw, tuple(names), self._reference)

    def finish(self) -> None:
        """Write the index, and give an archive its place."""
        self._writing().finish()

    def close(self) -> None:
        """Close the file; what was begun and not finished goes."""
        with self._lock:
            members, writer = self._members, self._writer
            self._members = self._writer = None
        if members is not None:
            members.close()
        if writer is not None:
            writer.close()

    def _writing(self) -> Writer:
        with self._lock:
            if self._writer is None:
                from plugrun_archive_tar.sinks import ArchiveFile, LayoutFolder
                from plugrun_archive_tar.writing import Writer

                sink = (LayoutFolder if self._scheme == OCI else ArchiveFile)(self._path)
                self._writer = Writer(sink, for_docker=self._scheme == DOCKER_ARCHIVE)
            return self._writer


def _known(images: tuple[Held, ...]) -> str:
    known = [name for held in images for name in (*held.names, *held.tags)]
    return ", ".join(known[:10]) or "images without names: use @0, @1 …"
