"""The layers an image lacks: received in threads, unpacked in processes, committed here.

Threads and workers only put what happened into one queue; the thread that pulls takes it out and
alone touches the storage and the observer.
"""

from __future__ import annotations

import os
from queue import SimpleQueue

from plugrun.engine.images.downloads import AT_ONCE, Downloads
from plugrun.engine.images.layersizes import keep_layer_size
from plugrun.engine.images.layerwork import Layer, LayerWork, worker_count
from plugrun.layers.failures import found_in
from plugrun.layers.workers import WorkerPool
from plugrun.linux.filesystem import syncfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.interfaces.storage import Storage
    from plugrun.interfaces.transport import Transport
    from plugrun.layers.unpack import Unpacked
    from plugrun.model.descriptor import Descriptor

# A layer's states, in Docker's words.
PULLING = "Pulling fs layer"
WAITING = "Waiting"
DOWNLOADING = "Downloading"
VERIFYING = "Verifying Checksum"
DOWNLOADED = "Download complete"
EXTRACTING = "Extracting"
COMPLETE = "Pull complete"
EXISTS = "Already exists"

# What is unpacked has the digest that the image names: bringing it again brings the same.
_AS_PUBLISHED = "this is how it was published: only who made the image can make a sound one"


def short(digest: str) -> str:
    """Return the twelve digits Docker prints of a layer."""
    return digest[7:19]


def sync_filesystem(engine: Engine) -> None:
    """Put what was written below the root on the disk, the storage's file system included."""
    synced = set()
    for folder in (engine.root, f"{engine.root}/storage"):
        device = os.stat(folder).st_dev if os.path.isdir(folder) else None
        if device is None or device in synced:
            continue
        synced.add(device)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncfs(fd)
        finally:
            os.close(fd)


class Transfer:
    """Brings layers, lowest first, from a transport into the storage.

    ``familiar`` is what messages call the image.
    """

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        observer: PullObserver,
        layers: list[Layer],
        blobs: dict[str, Descriptor],
        storage: Storage,
        familiar: str,
    ) -> None:
        self._engine = engine
        self._familiar = familiar
        self._storage = storage
        self._transport = transport
        self._observer = observer
        self._layers = layers
        self._blobs = blobs
        self._missing_blobs = {
            d for d, blob in blobs.items() if not engine.content.has(d, blob.size)
        }
        self._known: set[str] = set()
        self._events: SimpleQueue[tuple[Any, ...]] = SimpleQueue()

    def run(self, below: str | None, publish: Callable[[list[str]], None]) -> None:
        """Bring all over ``below``.

        ``publish`` makes everything written durable and gives whole blobs their place; it is called
        before anything is committed. An error leaves blobs, and no layer that is not whole.
        """
        with (
            self._work(below, publish) as work,
            WorkerPool(worker_count(work.at_once)) as pool,
            Downloads(self._engine.content, self._transport, self._hear) as downloads,
        ):
            work.use(pool)
            if work.is_whole and self._missing_blobs:
                # They are unpacked once more, for this image; nothing of them is brought.
                self._known = {d for d in self._blobs if d not in self._missing_blobs}
            self._begin(work, downloads)
            while not work.is_done:
                self._handle(work, *self._events.get())
            work.commit(lambda layer: self._say(layer.blob, COMPLETE))

    def _work(self, below: str | None, publish: Callable[[list[str]], None]) -> LayerWork:
        def sync() -> None:
            # A storage that takes layers one by one commits while later blobs are on their way.
            publish([d for d in self._blobs if d not in self._missing_blobs])

        find = self._engine.content.received
        return LayerWork(self._storage, self._layers, below, self._hear, find, sync)

    def _begin(self, work: LayerWork, downloads: Downloads) -> None:
        wanted = [self._blobs[d] for d in self._in_order() if d in self._missing_blobs]
        for digest in self._in_order():
            if digest in self._known:
                self._observer.layer(short(digest), EXISTS)
            self._say(digest, PULLING)
        for blob in wanted[AT_ONCE:]:
            self._say(blob.digest, WAITING)
        for digest in self._in_order():
            if digest not in self._missing_blobs:
                self._whole(work, digest)
        downloads.start(wanted)

    def _in_order(self) -> list[str]:
        return list(dict.fromkeys(layer.blob for layer in self._layers))

    def _hear(self, what: str, *details: Any) -> None:
        self._events.put((what, *details))

    def _handle(self, work: LayerWork, what: str, subject: Any, detail: Any = None) -> None:
        if what == "failed":
            raise detail
        if what == "progress":
            self._say(subject.digest, DOWNLOADING, detail, subject.size)
        elif what == "received":
            self._missing_blobs.discard(subject.digest)
            self._say(subject.digest, VERIFYING)
            self._whole(work, subject.digest)
        elif what == "read":
            self._say(subject.blob, EXTRACTING, detail, self._blobs[subject.blob].size)
        elif what == "unpacked":
            self._unpacked(work, subject, detail)

    def _whole(self, work: LayerWork, digest: str) -> None:
        self._say(digest, DOWNLOADED)
        for layer in self._layers:
            if layer.blob == digest:
                work.received(layer)

    def _unpacked(self, work: LayerWork, layer: Layer, result: Unpacked | BaseException) -> None:
        with found_in(f"image {self._familiar}, layer {layer.blob}", _AS_PUBLISHED):
            if isinstance(result, BaseException):
                raise result
            size = self._blobs[layer.blob].size
            self._say(layer.blob, EXTRACTING, size, size)
            keep_layer_size(self._engine, layer.chain, result.bytes)
            work.unpacked(layer, result)

    def _say(self, digest: str, state: str, current: int = 0, total: int = 0) -> None:
        if digest not in self._known:
            self._observer.layer(short(digest), state, current, total)
