"""inotify(7): wait until a file is written to, without looking at it again and again."""

from __future__ import annotations

import ctypes
import os
import select
import struct

from plugrun.linux.libc import LIBC, check

IN_MODIFY = 0x2
IN_CLOSE_WRITE = 0x8

_EVENT = struct.Struct("iIII")


class FileWatch:
    """Tells when a file was changed; what happened since the last wait counts.

    ``closed`` is whether somebody who could write to it has let go of it.
    """

    def __init__(self, path: str) -> None:
        self.closed = False
        self._fd = check(LIBC.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        try:
            mask = ctypes.c_uint32(IN_MODIFY | IN_CLOSE_WRITE)
            check(LIBC.inotify_add_watch(self._fd, os.fsencode(path), mask), path)
        except OSError:
            os.close(self._fd)
            raise

    def __enter__(self) -> FileWatch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        os.close(self._fd)

    def wait(self) -> None:
        """Block until the file was changed or a writer has closed it."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.poll()
        events = os.read(self._fd, 65536)
        while events:
            # struct inotify_event: wd, mask, cookie, length of the name that follows.
            _, mask, _, length = _EVENT.unpack_from(events)
            self.closed = self.closed or bool(mask & IN_CLOSE_WRITE)
            events = events[_EVENT.size + length :]
