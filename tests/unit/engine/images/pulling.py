"""What pulls are tried with: a transport and a storage of a few lines each, and an engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator

from plugrun.engine.engine import Engine
from plugrun.engine.images.arrival import PullObserver
from plugrun.engine.request import GlobalOptions
from plugrun.errors import AlreadyExists, Conflict, ImageNotFound, NoSuchSnapshot
from plugrun.interfaces.storage import (
    ACTIVE,
    COMMITTED,
    VIEW,
    WHITEOUT_UNLINK,
    LayerTree,
    Snapshot,
    Usage,
)
from plugrun.interfaces.transport import Resolved
from plugrun.model.descriptor import Descriptor
from plugrun.model.reference import parse_reference, split_address

from tests.registry import Blob, MadeImage, MadeIndex


class Source:
    """Images by name, and a count of what was asked for. ``meet`` is called with each chunk."""

    capabilities = frozenset()

    def __init__(self, chunk: int = 4096) -> None:
        self.documents: dict[str, Blob] = {}
        self.blobs: dict[str, bytes] = {}
        self.resolved = 0
        self.fetched: list[tuple[str, int]] = []
        self.meet: Callable[[str, int], None] = lambda digest, offset: None
        self._chunk = chunk

    def put(self, name: str, image: MadeImage | MadeIndex) -> str:
        images = image.images if isinstance(image, MadeIndex) else (image,)
        for each in images:
            for blob in (each.manifest, each.config, *each.layers):
                self.blobs[blob.digest] = blob.data
        top = image.index if isinstance(image, MadeIndex) else image.manifest
        self.blobs[top.digest] = top.data
        self.documents[str(parse_reference(name))] = top
        return name

    def open(self, text: str) -> Opened:
        return Opened(self, parse_reference(split_address(text)[1]))


class Opened:
    """The transport of one address."""

    capabilities = frozenset()

    def __init__(self, source: Source, reference) -> None:
        self._source = source
        self._reference = reference

    def resolve(self, platform) -> Resolved:
        self._source.resolved += 1
        reference = self._reference
        if reference.digest:
            raw = self._source.blobs.get(reference.digest)
            found = raw and Blob("", raw)
        else:
            found = self._source.documents.get(str(reference))
        if not found:
            raise ImageNotFound(f"no {reference} in memory")
        descriptor = Descriptor(found.media_type, found.digest, len(found.data))
        return Resolved(str(reference), descriptor, found.data, "memory")

    def fetch(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        source = self._source
        source.fetched.append((descriptor.digest, offset))
        data = source.blobs[descriptor.digest]
        for at in range(offset, len(data), source._chunk):
            source.meet(descriptor.digest, at)
            yield data[at : at + source._chunk]

    def close(self) -> None:
        pass


class FullTrees:
    """A storage without any capability: each snapshot is a copy of its parent."""

    capabilities = frozenset()

    def __init__(self, root: str) -> None:
        self.root = root
        os.makedirs(root, exist_ok=True)

    def _path(self, kind: str, key: str) -> str:
        return f"{self.root}/{kind}-{key}"

    def _find(self, key: str) -> str:
        for kind in (ACTIVE, VIEW, COMMITTED):
            if os.path.isdir(self._path(kind, key)):
                return kind
        raise NoSuchSnapshot(key)

    def _parent(self, key: str) -> str | None:
        try:
            return os.readlink(f"{self.root}/parent-{key}") or None
        except FileNotFoundError:
            return None

    def prepare(self, key: str, parent: str | None) -> None:
        if any(os.path.isdir(self._path(kind, key)) for kind in (ACTIVE, COMMITTED)):
            raise AlreadyExists(key)
        path = self._path(ACTIVE, key)
        if parent is None:
            os.mkdir(path)
            os.chmod(path, 0o755)
            return
        if not os.path.isdir(self._path(COMMITTED, parent)):
            raise NoSuchSnapshot(parent)
        subprocess.run(["cp", "-a", self._path(COMMITTED, parent), path], check=True)
        os.symlink(parent, f"{self.root}/parent-{key}")

    def layer_tree(self, key: str) -> LayerTree:
        if self._find(key) != ACTIVE:
            raise NoSuchSnapshot(key)
        return LayerTree(self._path(ACTIVE, key), WHITEOUT_UNLINK)

    def commit(self, name: str, key: str) -> None:
        if os.path.isdir(self._path(COMMITTED, name)):
            raise AlreadyExists(name)
        os.rename(self._path(ACTIVE, key), self._path(COMMITTED, name))
        if os.path.islink(f"{self.root}/parent-{key}"):
            os.rename(f"{self.root}/parent-{key}", f"{self.root}/parent-{name}")

    def remove(self, key: str) -> None:
        kind = self._find(key)
        if any(self._parent(each.key) == key for each in self.walk()):
            raise Conflict(key)
        shutil.rmtree(self._path(kind, key))
        if os.path.islink(f"{self.root}/parent-{key}"):
            os.unlink(f"{self.root}/parent-{key}")

    def stat(self, key: str) -> Snapshot:
        return Snapshot(key, self._find(key), self._parent(key), time.time_ns())

    def walk(self) -> Iterator[Snapshot]:
        found = [name.partition("-")[::2] for name in os.listdir(self.root)]
        for kind, key in found:
            if kind in (ACTIVE, VIEW, COMMITTED):
                yield Snapshot(key, kind, self._parent(key), 0)

    def usage(self, key: str) -> Usage:
        return Usage(1, 1)

    def sweep(self) -> int:
        return 0


class TriedEngine(Engine):
    """An engine whose transport and storage are given."""

    def __init__(self, top: str, source: Source, make_storage) -> None:
        super().__init__(GlobalOptions(root=top, run_root=top), f"{top}/root", f"{top}/run")
        for folder in (self.root, self.run_root):
            os.makedirs(folder, exist_ok=True)
        self.source = source
        self._only = make_storage(f"{self.root}/storage/tried")

    def again(self) -> TriedEngine:
        """Return another on the same root, for a thread of its own: SQLite asks for that."""
        top = os.path.dirname(self.root)
        return TriedEngine(top, self.source, type(self._only))

    def close(self) -> None:
        if self._metadata is not None:
            self._metadata.close()

    def storage(self):
        return self._only

    def storage_named(self, name: str):
        assert name == "tried"
        return self._only

    def open_transport(self, address: str):
        return self.source.open(address)

    def emit(self, kind, action, id, attributes) -> None:
        pass


class Heard(PullObserver):
    """Writes down what is told; ``at`` is called with each word before."""

    def __init__(self, at: Callable[[str], None] = lambda word: None) -> None:
        self.words: list[tuple] = []
        self._at = at

    def resolved(self, familiar_name, tag, digest) -> None:
        self._tell("resolved", familiar_name, tag, digest)

    def layer(self, digest_short, state, current=0, total=0) -> None:
        self._tell(state, digest_short)

    def done(self, digest, up_to_date, familiar) -> None:
        self._tell("done", up_to_date, familiar)

    def _tell(self, *words) -> None:
        self.words.append(words)
        self._at(words[0])

    def states(self, digest: str) -> list[str]:
        return [w[0] for w in self.words if len(w) > 1 and w[1] == digest[7:19]]
