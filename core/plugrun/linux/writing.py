"""Write everything, also where the descriptor does not block. Loads no ctypes: monitors use it."""

from __future__ import annotations

import posix
import select


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of ``data``; wait where there is no room. OSError (EPIPE …) is the caller's."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[posix.write(fd, rest) :]
        except BlockingIOError:
            room = select.poll()
            room.register(fd, select.POLLOUT)
            room.poll()
