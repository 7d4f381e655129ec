"""What is being written goes to its disk meanwhile, so that who syncs at the end hardly waits.

Without that the kernel begins after seconds only, and making a layer and writing it to the disk
take their times one after the other (measured: 1.9 s against 1.4 s for 20,000 files).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_PAUSE = 0.05  # seconds between two; the disk decides how long each takes


class WritingBack:
    """While it is entered, the file systems of these descriptors are synced again and again.

    A disk that fails is told of once only, to whoever syncs first: so what a sync raised here is
    raised when it is left, unless something else is raised already.
    """

    def __init__(self, descriptors: Sequence[int]) -> None:
        self._descriptors = list({os.fstat(fd).st_dev: fd for fd in descriptors}.values())
        self._failed: OSError | None = None

    def __enter__(self) -> WritingBack:
        from threading import Event, Thread

        self._ended = Event()
        self._thread = Thread(target=self._sync, name="write back", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._failed is not None and kind is None:
            raise self._failed

    def _sync(self) -> None:
        from plugrun.linux.filesystem import syncfs

        while not self._ended.wait(_PAUSE):
            try:
                for fd in self._descriptors:
                    syncfs(fd)
            except OSError as error:
                self._failed = error
                return
