"""A program that serves a read-only file system of one file over FUSE, for contract suites.

``one_file`` is the mount; executed by its path, this module is the program behind it, with the
connection as descriptor 0. What a test says is in the file ``said``; ``--die`` as first word lets
the program end before it answers.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.mount import Mount

# include/uapi/linux/fuse.h
_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _STATFS, _RELEASE = 1, 2, 3, 14, 15, 17, 18
_FLUSH, _INIT, _OPENDIR, _READDIR, _RELEASEDIR, _BATCH_FORGET = 25, 26, 27, 28, 29, 42
_FILE = 2


def one_file(said: str, *flags: str, target: str = "", options: tuple[str, ...] = ()) -> Mount:
    """Return the mount of a file system whose one file holds what is said."""
    from plugrun.model.mount import Mount

    argv = (sys.executable, "-I", "-S", os.path.abspath(__file__), *flags, said)
    return Mount("fuse", "one-file", options, target, argv)


def servers(said: str) -> list[int]:
    """Return the PIDs of the programs that serve what is said."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if said.encode() in words and os.path.abspath(__file__).encode() in words:
            found.append(int(name))
    return found


def await_end(pid: int, milliseconds: int = 10_000) -> bool:
    """Wait until a process has ended; False if it does not."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(milliseconds))
    finally:
        os.close(fd)


def _serve(said: bytes) -> None:
    while True:
        try:
            request = os.read(0, 1 << 20)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return
            raise
        size, code, unique, node = struct.unpack_from("<IIQQ", request)
        if code in (_FORGET, _BATCH_FORGET):
            continue
        found = _answer(said, code, node, request[40:size])
        body, error_code = (b"", found) if isinstance(found, int) else (found, 0)
        os.write(0, struct.pack("<IiQ", 16 + len(body), error_code, unique) + body)


def _answer(said: bytes, code: int, node: int, body: bytes) -> bytes | int:
    if code == _LOOKUP:
        if body.rstrip(b"\0") != b"said":
            return -errno.ENOENT
        return struct.pack("<4Q2I", _FILE, 0, 0, 0, 0, 0) + _attributes(said, _FILE)
    if code == _GETATTR:
        return struct.pack("<QII", 0, 0, 0) + _attributes(said, node)
    if code in (_READ, _READDIR):
        _, offset, size = struct.unpack_from("<QQI", body)
        whole = said if code == _READ else _entry(b"said")
        return whole[offset : offset + size] if code == _READ or not offset else b""
    return _plain(code, body)


def _plain(code: int, body: bytes) -> bytes | int:
    if code == _INIT:
        _, minor, readahead, _ = struct.unpack_from("<4I", body)
        return struct.pack("<4I2H2I", 7, min(minor, 31), readahead, 0, 0, 0, 4096, 1) + bytes(32)
    sizes = {_OPEN: 16, _OPENDIR: 16, _STATFS: 80, _FLUSH: 0, _RELEASE: 0, _RELEASEDIR: 0}
    return bytes(sizes[code]) if code in sizes else -errno.ENOSYS


def _attributes(said: bytes, node: int) -> bytes:
    mode = stat.S_IFREG | 0o444 if node == _FILE else stat.S_IFDIR | 0o755
    size = len(said) if node == _FILE else 0
    times = (0,) * 6
    return struct.pack("<3Q3Q3I7I", node, size, 1, *times, mode, 1, *(0,) * 3, 4096, 0)


def _entry(name: bytes) -> bytes:
    return struct.pack("<QQII8s", _FILE, 1, len(name), stat.S_IFREG >> 12, name)


if __name__ == "__main__":
    if "--die" in sys.argv:
        sys.exit("one thing\nthere is nothing to serve")
    _serve(sys.argv[-1].encode())
