"""Blobs on their way from the store to a destination, a few at a time, in threads."""

from __future__ import annotations

import time

from plugrun.errors import Interrupted, PlugrunError
from plugrun.interfaces.transport import PARALLEL
from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from queue import SimpleQueue
    from threading import Thread
    from typing import Any

    from plugrun.engine.images.outgoing import Part
    from plugrun.interfaces.transport import Destination

    Say = Callable[..., None]

AT_ONCE = 5
_STEP = 1 << 18  # bytes between two words about progress
_PATIENCE = 1.0  # seconds for all threads to see that they shall end

# A layer's states, in Docker's words.
PREPARING = "Preparing"
WAITING = "Waiting"
PUSHING = "Pushing"
PUSHED = "Pushed"
EXISTS = "Layer already exists"
MOUNTED = "Mounted from"


class Uploads:
    """The parts of one image, config first; ``with`` ends the threads.

    ``say`` (ID, state, bytes so far, of how many) is called in the thread that runs, of layers
    only, the highest first, as Docker lists them.
    """

    def __init__(
        self, transport: Destination, parts: Sequence[Part], near: Sequence[str], say: Say
    ) -> None:
        from queue import SimpleQueue

        self._transport = transport
        distinct = {part.descriptor.digest: part for part in parts}
        self._parts = [*list(distinct.values())[:0:-1], parts[0]]
        self._near = near
        self._say = say
        self._todo: SimpleQueue[Part | None] = SimpleQueue()
        self._heard: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        self._threads: list[Thread] = []
        self._stopped = False

    def __enter__(self) -> Uploads:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        end = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def run(self) -> None:
        """Bring all parts to the destination; raise the first error."""
        self._begin()
        left = len(self._parts)
        while left:
            what, part, *details = self._heard.get()
            if what == "failed":
                raise details[0]
            if what == "progress":
                self._tell(part, PUSHING, *details)
            else:
                left -= 1
                self._tell(part, *details)

    def _begin(self) -> None:
        from threading import Thread

        count = min(AT_ONCE if PARALLEL in self._transport.capabilities else 1, len(self._parts))
        for number, part in enumerate(self._parts):
            self._tell(part, PREPARING)
            if number >= AT_ONCE:
                self._tell(part, WAITING)
        for each in [*self._parts, *[None] * count]:
            self._todo.put(each)
        for _ in range(count):
            thread = Thread(target=self._work, name="upload", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _tell(self, part: Part, state: str, *counts: int) -> None:
        if part.diff_id:
            self._say(part.diff_id[7:19], state, *counts)

    def _work(self) -> None:
        while (part := self._todo.get()) is not None:
            if self._stopped:
                return
            try:
                state = self._bring(part)
            except (PlugrunError, OSError) as error:
                self._fail(part, error)
                return
            except BaseException as error:
                self._fail(part, error)
                raise
            self._heard.put(("done", part, state))

    def _fail(self, part: Part, error: BaseException) -> None:
        self._stopped = True
        self._heard.put(("failed", part, error))

    def _bring(self, part: Part) -> str:
        blob = part.descriptor
        if self._transport.has(blob):
            return EXISTS
        origin = self._transport.mount(blob, self._near) if self._near and part.diff_id else ""
        if origin:
            return f"{MOUNTED} {parse_reference(origin, default_tag='').path}"
        self._transport.put(blob, lambda offset: self._read(part, offset))
        return PUSHED

    def _read(self, part: Part, offset: int) -> Iterator[bytes]:
        told = 0
        for piece in part.read(offset):
            if self._stopped:
                raise Interrupted("the push ended")
            yield piece
            offset += len(piece)
            if offset - told >= _STEP:
                told = offset
                self._heard.put(("progress", part, offset, part.descriptor.size))
