"""A destination that is a folder and holds one image: what ``dir:`` and ``rootfs:`` share."""

from __future__ import annotations

import threading
from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.api import Descriptor

    from plugrun_archive_tar.writing import Read


class Writer(Protocol):
    """What an image is put into; its blobs may come in several threads at once."""

    def has(self, blob: Descriptor) -> bool:
        """Whether a blob was put; what lay there before may be any bytes."""

    def put(self, blob: Descriptor, read: Read) -> None:
        """Write a blob."""

    def put_manifest(self, manifest: Descriptor, raw: bytes) -> None:
        """Take in the manifest, or the index after all it names."""

    def finish(self) -> None:
        """Give the image its place."""


class OneImage:
    """The half of such a transport that takes images in; the writer is made when it is needed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._writer: Writer | None = None

    def has(self, blob: Descriptor) -> bool:
        """Whether a blob was put."""
        return self._writing().has(blob)

    def put(self, blob: Descriptor, read: Read) -> None:
        """Write a blob."""
        writer = self._writing()
        if not writer.has(blob):
            writer.put(blob, read)

    def put_manifest(self, manifest: Descriptor, raw: bytes, names: Iterable[str]) -> None:
        """Take in the manifest; a folder has no place for names."""
        self._writing().put_manifest(manifest, raw)

    def finish(self) -> None:
        """Give the image its place."""
        self._writing().finish()

    def _writing(self) -> Writer:
        with self._lock:
            if self._writer is None:
                self._writer = self._new_writer()
            return self._writer

    def _new_writer(self) -> Writer:
        raise NotImplementedError
