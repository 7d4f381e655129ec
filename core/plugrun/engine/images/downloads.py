"""Blobs on their way from a transport into the content store, a few at a time, in threads."""

from __future__ import annotations

import time

from plugrun.errors import Interrupted, PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from queue import SimpleQueue
    from threading import Thread

    from plugrun.interfaces.transport import Transport
    from plugrun.model.descriptor import Descriptor
    from plugrun.store.content import ContentStore

    Heard = Callable[..., None]

AT_ONCE = 4
_STEP = 1 << 18  # bytes between two words about progress
_PATIENCE = 1.0  # seconds for all threads to see that they shall end


class Downloads:
    """Threads that receive blobs; ``with`` ends them.

    ``started``, ``progress`` (descriptor, bytes so far), ``received`` and ``failed`` (descriptor,
    error) are called in these threads. After a failure no other blob is begun.
    """

    def __init__(self, content: ContentStore, transport: Transport, hear: Heard) -> None:
        from queue import SimpleQueue

        self._content = content
        self._transport = transport
        self._hear = hear
        self._todo: SimpleQueue[Descriptor | None] = SimpleQueue()
        self._stopped = False
        self._threads: list[Thread] = []

    def start(self, blobs: Iterable[Descriptor], at_once: int = AT_ONCE) -> None:
        """Begin to receive blobs, in this order."""
        from threading import Thread

        todo = list(blobs)
        count = min(at_once, len(todo))
        for blob in todo + [None] * count:
            self._todo.put(blob)
        for _ in range(count):
            thread = Thread(target=self._work, name="download", daemon=True)
            self._threads.append(thread)
            thread.start()

    def __enter__(self) -> Downloads:
        return self

    def __exit__(self, *_: object) -> None:
        """Tell the threads to end at their next chunk, and wait for them, but not for ever.

        One that waits for its source ends with the process; what it has stays for the next pull.
        """
        self._stopped = True
        end = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        while (blob := self._todo.get()) is not None:
            if self._stopped:
                return
            try:
                self._receive(blob)
            except (PlugrunError, OSError) as error:
                self._stopped = True
                self._hear("failed", blob, error)
                return
            except BaseException as error:
                self._stopped = True
                self._hear("failed", blob, error)
                raise
            self._hear("received", blob)

    def _receive(self, blob: Descriptor) -> None:
        self._hear("started", blob)
        told = 0

        def progress(count: int) -> None:
            nonlocal told
            if self._stopped:
                raise Interrupted("the pull ended")
            if count - told >= _STEP:
                told = count
                self._hear("progress", blob, count)

        self._content.receive(blob, lambda offset: self._chunks(blob, offset), progress)

    def _chunks(self, blob: Descriptor, offset: int) -> Iterator[bytes]:
        if offset < blob.size or not blob.size:
            yield from self._transport.fetch(blob, offset)
