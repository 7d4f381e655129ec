"""``dir:FOLDER``: one image in a folder of its own, as skopeo and podman write it.

``manifest.json`` is the manifest, or an index with each manifest as ``<hex>.manifest.json``;
every blob is a file ``<hex>``; ``version`` says that the folder is such a one. Source:
containers/image, docs/containers-transports(5) and its directory transport. Signatures are
passed over.
"""

from __future__ import annotations

import hashlib
import os

from plugrun.api import (
    INDEX_OCI,
    MANIFEST_OCI,
    OFFLINE,
    PARALLEL,
    PULL,
    PUSH,
    RESUME,
    Descriptor,
    DigestMismatch,
    ImageNotFound,
    InvalidArgument,
    Probe,
    Resolved,
    TransportError,
)

from plugrun_archive_tar.documents import LARGEST, object_in, parsed, text_in
from plugrun_archive_tar.members import FolderMembers, whole
from plugrun_archive_tar.names import local_name
from plugrun_archive_tar.oneimage import OneImage
from plugrun_archive_tar.sinks import LayoutFolder
from plugrun_archive_tar.writing import children_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.api import Platform

    from plugrun_archive_tar.writing import Read

_MANIFEST = "manifest.json"
_VERSION = "version"
_VERSION_TEXT = b"Directory Transport Version: 1.1\n"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_ENDINGS = ("", "manifest.json", "tar")
_HEX = frozenset("0123456789abcdef")


class DirectoryTransport(OneImage):
    """One folder; it is opened when it is first needed."""

    capabilities = frozenset((PULL, PUSH, PARALLEL, RESUME, OFFLINE))

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._members: FolderMembers | None = None

    def probe(self) -> Probe:
        """Say that it works: files are read and written, nothing is unpacked."""
        return Probe(True)

    def resolve(self, platform: Platform) -> Resolved:
        """Read the manifest."""
        members = self._opened()
        if not members.has(_MANIFEST):
            raise ImageNotFound(
                f"{self._path} is no image: it has no {_MANIFEST}",
                hint="dir: is skopeo's form of an image; a tree of files is rootfs:",
            )
        raw = whole(members, _MANIFEST, LARGEST)
        return Resolved(local_name(self._path, "latest"), _described(raw), raw, self._path)

    def fetch(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes; it is a blob's if the core's digest says so."""
        if not 0 <= offset <= descriptor.size:
            raise InvalidArgument(f"{descriptor.digest} has no byte {offset}")
        members = self._opened()
        name = next((name for name in _names(descriptor) if members.has(name)), "")
        if not name and members.has(_MANIFEST):
            raw = whole(members, _MANIFEST, LARGEST)
            if _described(raw).digest == descriptor.digest:
                return iter((raw[offset:],) if offset < len(raw) else ())
        if not name:
            raise ImageNotFound(f"{self._path} lacks {descriptor.digest}")
        size = members.size(name)
        if size != descriptor.size:
            raise DigestMismatch(f"{name} has {size} bytes, not {descriptor.size}")
        return members.read(name, offset)

    def close(self) -> None:
        """Close the folder."""
        with self._lock:
            members, self._members = self._members, None
        if members is not None:
            members.close()

    def _opened(self) -> FolderMembers:
        with self._lock:
            if self._members is None:
                try:
                    self._members = FolderMembers(os.open(self._path, _FOLDER))
                except OSError as error:
                    reason = (error.strerror or "").lower()
                    raise ImageNotFound(f"open {self._path}: {reason}") from None
            return self._members

    def _new_writer(self) -> _Writer:
        return _Writer(self._path)


def _names(descriptor: Descriptor) -> tuple[str, ...]:
    """Return where a blob may lie: version 1.0 had an ending."""
    digits = descriptor.digest[7:]
    return digits, f"{digits}.manifest.json", f"{digits}.tar"


def _described(raw: bytes) -> Descriptor:
    body = object_in(parsed(raw, _MANIFEST), _MANIFEST)
    # Docker's documents always say what they are.
    usual = INDEX_OCI if "manifests" in body else MANIFEST_OCI
    media_type = text_in(body.get("mediaType"), f"{_MANIFEST}.mediaType") or usual
    return Descriptor(media_type, f"sha256:{hashlib.sha256(raw).hexdigest()}", len(raw))


class _Writer:
    """What is put; the folder is an image's once ``manifest.json`` is there."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            there = os.listdir(path)
        except FileNotFoundError:
            there = []
        except OSError as error:
            raise TransportError(f"open {path}: {(error.strerror or '').lower()}") from None
        if there and _VERSION not in there:
            raise InvalidArgument(
                f"{path} has files that are no image's, and would be lost",
                hint="name a folder that is new or empty",
            )
        self._sink = LayoutFolder(path)
        self._put: set[str] = set()
        self._manifests: dict[str, tuple[bytes, frozenset[str]]] = {}
        self._top = ""

    def has(self, blob: Descriptor) -> bool:
        return blob.digest in self._put

    def put(self, blob: Descriptor, read: Read) -> None:
        self._mark()
        self._sink.add(blob.digest[7:], blob.size, read(0))
        self._put.add(blob.digest)

    def put_manifest(self, manifest: Descriptor, raw: bytes) -> None:
        children = children_of(object_in(parsed(raw, "a manifest"), "a manifest"))
        for child in children:
            if not self.has(child) and child.digest not in self._manifests:
                raise InvalidArgument(f"{child.digest} is named by a manifest, and was not put")
        self._manifests[manifest.digest] = (raw, frozenset(child.digest for child in children))
        self._top = manifest.digest

    def finish(self) -> None:
        if not self._top:
            return
        self._mark()
        kept = self._below(self._top)
        strangers = set(self._manifests) - kept
        if strangers:
            raise InvalidArgument(
                f"a folder of dir: holds one image, and {len(strangers) + 1} were put",
                hint="oci: holds several",
            )
        files = {digest[7:] for digest in self._put}
        for digest in kept - {self._top}:
            if digest in self._manifests:
                files.add(f"{digest[7:]}.manifest.json")
                self._sink.replace(f"{digest[7:]}.manifest.json", self._manifests[digest][0])
        self._sink.replace(_MANIFEST, self._manifests[self._top][0])
        self._remove_others(files)

    def _below(self, digest: str) -> set[str]:
        found = {digest}
        for child in self._manifests.get(digest, (b"", ()))[1]:
            if child not in found:
                found |= self._below(child)
        return found

    def _mark(self) -> None:
        """Say what kind of folder it is, before anything that may have to be removed is in it."""
        if not os.path.exists(f"{self._path}/{_VERSION}"):
            self._sink.replace(_VERSION, _VERSION_TEXT)

    def _remove_others(self, files: set[str]) -> None:
        for name in os.listdir(self._path):
            if name not in files and _is_ours(name):
                os.unlink(f"{self._path}/{name}")


def _is_ours(name: str) -> bool:
    """Whether a file is one that images are made of, by its name."""
    digits, _, ending = name.partition(".")
    is_digest = len(digits) == 64 and _HEX.issuperset(digits)
    is_signature = name.startswith("signature-") and name[10:].isdigit()
    return is_signature or (is_digest and ending in _ENDINGS)
