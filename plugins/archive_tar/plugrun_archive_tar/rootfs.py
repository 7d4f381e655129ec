"""``rootfs:FOLDER``: a tree of files. As a source it is an image of one layer; a copy to it is
the image's files, unpacked.

Nothing is added to the tree, and the image says no time at which it was made, so that the same tree
is always the same image. It runs ``sh`` if it has one, and has no other settings. A
folder that is another file system's is empty in the image, as with ``tar --one-file-system``, so
that a machine's own root can be taken.
"""

from __future__ import annotations

import hashlib
import os

from plugrun.api import (
    CONFIG_OCI,
    FLATTEN,
    LAYER_TAR,
    MANIFEST_OCI,
    OFFLINE,
    PARALLEL,
    PULL,
    PUSH,
    RESUME,
    Descriptor,
    ImageNotFound,
    InvalidArgument,
    NoMatchingPlatform,
    Probe,
    Resolved,
    TransportError,
    dumps,
    host_platform,
    platform_order,
    record,
)
from plugrun.api import as_json as fields

from plugrun_archive_tar.documents import as_json
from plugrun_archive_tar.names import local_name
from plugrun_archive_tar.oneimage import OneImage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from plugrun.api import Platform

    from plugrun_archive_tar.unpacking import TreeWriter

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CHUNK = 1 << 20
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@record
class _Made:
    """An image: its small documents by digest, and its layer in a temporary file."""

    manifest: Descriptor
    documents: dict[str, bytes]
    layer: Descriptor
    file: FileIO


class RootfsTransport(OneImage):
    """One folder; as a source it is read once, when it is first asked for."""

    capabilities = frozenset((PULL, PUSH, FLATTEN, PARALLEL, RESUME, OFFLINE))

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._made: _Made | None = None
        self._writer: TreeWriter | None = None

    def probe(self) -> Probe:
        """Say that it works."""
        return Probe(True)

    def resolve(self, platform: Platform) -> Resolved:
        """Make the image, for this machine's platform and no other."""
        own = host_platform()
        if own not in platform_order(platform):
            raise NoMatchingPlatform(f"a tree of files is for {own}, not for {platform}")
        made = self._image()
        raw = made.documents[made.manifest.digest]
        return Resolved(local_name(self._path, "latest"), made.manifest, raw, self._path)

    def fetch(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Yield the layer, the config or the manifest."""
        if not 0 <= offset <= descriptor.size:
            raise InvalidArgument(f"{descriptor.digest} has no byte {offset}")
        made = self._image()
        if descriptor.digest == made.layer.digest:
            return _pieces(made.file.fileno(), offset, made.layer.size)
        document = made.documents.get(descriptor.digest)
        if document is None:
            raise ImageNotFound(f"{descriptor.digest} is no part of the image of {self._path}")
        return iter((document[offset:],) if offset < len(document) else ())

    def _image(self) -> _Made:
        with self._lock:
            if self._made is None:
                self._made = _make(self._path)
            return self._made

    def close(self) -> None:
        """Remove what is temporary; a tree that is not whole goes."""
        with self._lock:
            made, writer = self._made, self._writer
            self._made = self._writer = None
        if made is not None:
            made.file.close()
        if writer is not None:
            writer.close()

    def _new_writer(self) -> TreeWriter:
        from plugrun_archive_tar.unpacking import TreeWriter

        return TreeWriter(self._path)


def _make(path: str) -> _Made:
    try:
        root = os.open(path, _FOLDER)
    except OSError as error:
        raise ImageNotFound(f"open {path}: {(error.strerror or '').lower()}") from None
    try:
        layer, file = _layer(root, path)
        has_shell = os.access("bin/sh", os.F_OK, dir_fd=root, follow_symlinks=False)
    finally:
        os.close(root)
    platform = {key: value for key, value in fields(host_platform()).items() if value}
    config_raw = dumps(
        {
            **platform,
            "config": {"Env": [_PATH], **({"Cmd": ["sh"]} if has_shell else {})},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
            "history": [{"created_by": "rootfs:"}],
        }
    ).encode()
    config = _described(CONFIG_OCI, config_raw)
    raw = dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_OCI,
            "config": as_json(config),
            "layers": [as_json(layer)],
        }
    ).encode()
    manifest = _described(MANIFEST_OCI, raw)
    return _Made(manifest, {manifest.digest: raw, config.digest: config_raw}, layer, file)


def _layer(root: int, path: str) -> tuple[Descriptor, FileIO]:
    """Write the tree to a temporary file without a name."""
    from plugrun.api import TarSink, archive_tree

    from plugrun_archive_tar.opening import spool_file

    file = spool_file()
    try:
        sink = TarSink(file.fileno(), hashed=True)
        archive_tree(root, sink, one_file_system=True)
    except OSError as error:
        file.close()
        raise TransportError(f"cannot read {path}: {error}") from error
    except BaseException:
        file.close()
        raise
    return Descriptor(LAYER_TAR, sink.digest, sink.written), file


def _described(media_type: str, raw: bytes) -> Descriptor:
    return Descriptor(media_type, f"sha256:{hashlib.sha256(raw).hexdigest()}", len(raw))


def _pieces(fd: int, position: int, size: int) -> Iterator[bytes]:
    """Yield a file from a position; threads share the descriptor, so none of them seeks."""
    while position < size:
        piece = os.pread(fd, min(_CHUNK, size - position), position)
        if not piece:
            raise TransportError("the layer's temporary file has been cut short")
        position += len(piece)
        yield piece
