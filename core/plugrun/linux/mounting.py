"""mount(2), umount2(2), pivot_root(2) and their flags."""

from __future__ import annotations

import ctypes
import os

from plugrun.linux.libc import LIBC, check

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_SYNCHRONOUS = 0x10
MS_REMOUNT = 0x20
MS_DIRSYNC = 0x80
MS_NOSYMFOLLOW = 0x100
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_SILENT = 0x8000
MS_UNBINDABLE = 0x20000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MS_RELATIME = 0x200000
MS_STRICTATIME = 0x1000000

MNT_DETACH = 2

# fstab's and the OCI runtime spec's words: the flag each sets, or clears.
SET_FLAGS = {
    "ro": MS_RDONLY,
    "nosuid": MS_NOSUID,
    "nodev": MS_NODEV,
    "noexec": MS_NOEXEC,
    "sync": MS_SYNCHRONOUS,
    "remount": MS_REMOUNT,
    "dirsync": MS_DIRSYNC,
    "nosymfollow": MS_NOSYMFOLLOW,
    "noatime": MS_NOATIME,
    "nodiratime": MS_NODIRATIME,
    "relatime": MS_RELATIME,
    "strictatime": MS_STRICTATIME,
    "silent": MS_SILENT,
    "bind": MS_BIND,
    "rbind": MS_BIND | MS_REC,
}
CLEAR_FLAGS = {
    "rw": MS_RDONLY,
    "suid": MS_NOSUID,
    "dev": MS_NODEV,
    "exec": MS_NOEXEC,
    "async": MS_SYNCHRONOUS,
    "atime": MS_NOATIME,
    "diratime": MS_NODIRATIME,
    "norelatime": MS_RELATIME,
    "nostrictatime": MS_STRICTATIME,
}
PROPAGATION = {
    "private": MS_PRIVATE,
    "rprivate": MS_PRIVATE | MS_REC,
    "slave": MS_SLAVE,
    "rslave": MS_SLAVE | MS_REC,
    "shared": MS_SHARED,
    "rshared": MS_SHARED | MS_REC,
    "unbindable": MS_UNBINDABLE,
    "runbindable": MS_UNBINDABLE | MS_REC,
}


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount; ``kind`` and ``data`` may be empty. OSError names the target."""
    result = LIBC.mount(
        os.fsencode(source) or None,
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        os.fsencode(data) or None,
    )
    check(result, target)


def umount(target: str, flags: int = 0) -> None:
    """Unmount what is mounted topmost at a path."""
    check(LIBC.umount2(os.fsencode(target), flags), target)


def pivot_root(new_root: str, put_old: str) -> None:
    """Exchange the root mount of this mount namespace; see pivot_root(2)."""
    check(LIBC.pivot_root(os.fsencode(new_root), os.fsencode(put_old)), new_root)


def own_options(options: tuple[str, ...] | list[str]) -> list[str]:
    """Return the options that are the file system's own, in their order."""
    known = (SET_FLAGS, CLEAR_FLAGS, PROPAGATION, ("defaults",))
    return [option for option in options if not any(option in words for words in known)]


def parse_options(options: tuple[str, ...] | list[str]) -> tuple[int, int, int, str]:
    """Split mount options into flags set, flags cleared, propagation and file-system data."""
    set_flags = clear_flags = propagation = 0
    for option in options:
        if option in SET_FLAGS:
            set_flags |= SET_FLAGS[option]
        elif option in CLEAR_FLAGS:
            clear_flags |= CLEAR_FLAGS[option]
        elif option in PROPAGATION:
            propagation |= PROPAGATION[option]
    data = ",".join(own_options(options))
    return set_flags & ~clear_flags, clear_flags, propagation, data
