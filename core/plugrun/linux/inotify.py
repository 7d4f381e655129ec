"""inotify(7): wait until a file is written to, without looking at it again and again."""

from __future__ import annotations

import ctypes
import os
import select
import struct

from plugrun.linux.libc import LIBC, check

IN_MODIFY = 0x2
IN_CLOSE_WRITE = 0x8
IN_CREATE = 0x100
IN_DELETE = 0x200

_EVENT = struct.Struct("iIII")


class FileWatch:
    """Tells when a file was changed; what happened since the last wait counts.

    ``closed`` is whether somebody who could write to it has let go of it. Of a folder it tells when
    one of the files in it was changed, made or removed. Of ``others`` only that something happened.
    """

    def __init__(self, path: str, *others: str) -> None:
        self.closed = False
        self._fd = check(LIBC.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        try:
            mask = ctypes.c_uint32(IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE)
            for watched in (*others, path):
                own = check(LIBC.inotify_add_watch(self._fd, os.fsencode(watched), mask), watched)
            self._own = own
        except OSError:
            os.close(self._fd)
            raise

    def __enter__(self) -> FileWatch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        os.close(self._fd)

    def wait(self, seconds: float | None = None) -> bool:
        """Block until the file was changed or a writer has closed it; False if time ran out."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if not poll.poll(None if seconds is None else max(seconds, 0) * 1000):
            return False
        events = os.read(self._fd, 65536)
        while events:
            # struct inotify_event: wd, mask, cookie, length of the name that follows.
            source, mask, _, length = _EVENT.unpack_from(events)
            if source == self._own and mask & IN_CLOSE_WRITE:
                self.closed = True
            events = events[_EVENT.size + length :]
        return True
