"""Layers in folders, and the union that plugrun serves of them."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import stat

from plugrun_storage_fuse.server import wire
from plugrun_storage_fuse.server.standalone import mount

OLD = wire.PASSTHROUGH | wire.SETXATTR_EXT | wire.HANDLE_KILLPRIV_V2 | wire.INIT_EXT
OLD |= wire.NO_OPENDIR_SUPPORT | wire.CACHE_SYMLINKS | wire.DO_READDIRPLUS | wire.READDIRPLUS_AUTO
LIBC = ctypes.CDLL(None, use_errno=True)
WHITEOUT = "trusted.overlay.opaque"
NOBODY = 65534


class Union:
    """Layers in folders, and the union of them at ``at``."""

    def __init__(self, base, without=0):
        self.base = str(base)
        self.without = without
        for name in ("low", "mid", "up", "work", "at"):
            os.mkdir(f"{self.base}/{name}")
        os.chmod(self.base, 0o755)
        self.low, self.mid, self.up, self.at = (
            f"{self.base}/{name}" for name in ("low", "mid", "up", "at")
        )
        self.server = 0

    def mount(self, upper=True):
        work = f"{self.base}/work" if upper else ""
        lower = [self.mid, self.low]
        self.server = mount(lower, self.up if upper else "", work, self.at, self.without)
        os.stat(self.at)  # waits until the server answers
        return self

    def unmount(self):
        if self.server:
            assert LIBC.umount2(os.fsencode(self.at), 2) == 0
            ended(self.server)
            self.server = 0

    def remount(self):
        self.unmount()
        return self.mount()

    def __truediv__(self, name):
        return f"{self.at}/{name}"


def ended(server):
    """Wait for a server that has lost its mount; a file still open would keep that alive."""
    pidfd = os.pidfd_open(server)
    try:
        if not select.select([pidfd], [], [], 20)[0]:
            os.kill(server, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(server, 0)[1]) == 0
    finally:
        os.close(pidfd)


def write(path, data=b"data", mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def is_whiteout(path):
    state = os.lstat(path)
    return stat.S_ISCHR(state.st_mode) and state.st_rdev == 0


def rename2(old, new, flags):
    if LIBC.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) < 0:
        raise OSError(ctypes.get_errno(), "renameat2")
