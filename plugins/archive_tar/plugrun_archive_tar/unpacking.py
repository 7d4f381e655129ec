"""An image on its way into a tree of files: blobs aside, then one layer over the other."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing

from plugrun.api import (
    INDEXES,
    Corrupt,
    InvalidArgument,
    TransportError,
    found_in,
    remove_tree,
    unpack_layers,
)

from plugrun_archive_tar.documents import LARGEST, list_in, object_in, parsed
from plugrun_archive_tar.opening import spool_folder
from plugrun_archive_tar.sinks import LayoutFolder
from plugrun_archive_tar.writing import children_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import Descriptor

    from plugrun_archive_tar.writing import Read


class TreeWriter:
    """One image for one folder, which is new or empty; it gets its name when it is whole."""

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)
        if os.path.lexists(self._path) and not _is_empty(self._path):
            raise InvalidArgument(
                f"{path} is there already, and is no empty folder",
                hint="name a new folder for the image's files",
            )
        self._aside = tempfile.TemporaryDirectory(prefix="plugrun-rootfs-", dir=spool_folder())
        self._blobs = LayoutFolder(self._aside.name)
        self._put: set[str] = set()
        self._image: list[Descriptor] = []
        self._tree = ""

    def has(self, blob: Descriptor) -> bool:
        """Whether a blob was put."""
        return blob.digest in self._put

    def put(self, blob: Descriptor, read: Read) -> None:
        """Write a blob aside."""
        self._blobs.add(blob.digest[7:], blob.size, read(0))
        self._put.add(blob.digest)

    def put_manifest(self, manifest: Descriptor, raw: bytes) -> None:
        """Take the manifest; raise InvalidArgument on an index, a second image, what is missing."""
        if manifest.media_type in INDEXES:
            raise InvalidArgument("a tree of files is one platform's: an index has no place in it")
        found = children_of(object_in(parsed(raw, "a manifest"), "a manifest"))
        if self._image and self._image != found:
            raise InvalidArgument("a tree of files holds one image")
        for child in found:
            if not self.has(child):
                raise InvalidArgument(f"{child.digest} is named by a manifest, and was not put")
        self._image = found

    def finish(self) -> None:
        """Unpack; raise Corrupt if a layer is not what the config says, HostileArchive."""
        if not self._image:
            return
        config, *layers = self._image
        expected = self._diff_ids(config)
        paths = [f"{self._aside.name}/{layer.digest[7:]}" for layer in layers]
        if len(expected) != len(paths):
            raise Corrupt(f"an image has {len(paths)} layers, and its config {len(expected)}")
        self._tree = self._new_tree()
        with closing(unpack_layers(paths, self._tree)) as unpacked:
            for layer, wanted in zip(layers, expected, strict=True):
                with found_in(f"layer {layer.digest}"):
                    found = next(unpacked)
                    if found != wanted:
                        raise Corrupt(f"it unpacks to {found}, and not to {wanted}")
        try:
            os.rename(self._tree, self._path)
        except OSError as error:
            raise TransportError(f"cannot make {self._path}: {error.strerror}") from error
        self._tree = ""

    def close(self) -> None:
        """Remove what is put aside, and a tree that is not whole."""
        self._aside.cleanup()
        if self._tree:
            folder, name = os.path.split(self._tree)
            self._tree = ""
            parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                remove_tree(os.fsencode(name), parent)
            finally:
                os.close(parent)

    def _diff_ids(self, config: Descriptor) -> list[str]:
        if config.size > LARGEST:
            raise Corrupt(f"a config has {config.size} bytes, over the limit of {LARGEST}")
        with open(f"{self._aside.name}/{config.digest[7:]}", "rb") as file:
            body = object_in(parsed(file.read(), "the image's config"), "the image's config")
        rootfs = object_in(body.get("rootfs") or {}, "rootfs")
        found: list[str] = list_in(rootfs.get("diff_ids"), "rootfs.diff_ids", str)
        return found

    def _new_tree(self) -> str:
        """Make the folder to unpack in, beside the one it is to be."""
        folder, name = os.path.split(self._path)
        try:
            made = tempfile.mkdtemp(prefix=f".{name[:100]}.", dir=folder or "/")
        except OSError as error:
            raise TransportError(f"cannot make {self._path}: {error.strerror}") from error
        os.chmod(made, 0o755)
        return made


def _is_empty(path: str) -> bool:
    try:
        return not os.listdir(path)
    except NotADirectoryError:
        return False
