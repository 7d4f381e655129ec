"""Files: syncfs(2), statfs magic numbers, names made in one piece."""

from __future__ import annotations

import os
from _thread import get_ident

from plugrun.linux.writing import write_all

# include/uapi/linux/magic.h
EXT_MAGIC = 0xEF53
XFS_MAGIC = 0x58465342
BTRFS_MAGIC = 0x9123683E
OVERLAY_MAGIC = 0x794C7630
NFS_MAGIC = 0x6969
PROC_MAGIC = 0x9FA0
TMPFS_MAGIC = 0x01021994
CGROUP2_MAGIC = 0x63677270
FUSE_MAGIC = 0x65735546
_SYSFS, _DEVPTS, _MQUEUE, _CGROUP1 = 0x62656572, 0x1CD1, 0x19800202, 0x27E0EB
_DEBUGFS, _TRACEFS, _SECURITYFS, _BPF = 0x64626720, 0x74726163, 0x73636673, 0xCAFE4A11
_KERNELS = frozenset((PROC_MAGIC, CGROUP2_MAGIC, _SYSFS, _DEVPTS, _MQUEUE, _CGROUP1))
_KERNELS |= {_DEBUGFS, _TRACEFS, _SECURITYFS, _BPF}


def syncfs(fd: int) -> None:
    """Write all of a file system's dirty data: syncfs(2)."""
    from plugrun.linux.libc import LIBC, check

    check(LIBC.syncfs(fd))


def begin_writing_back(fd: int, offset: int, count: int) -> None:
    """Have dirty bytes of a file written to its disk soon: sync_file_range(2); waits for none.

    Who syncs at the end has less to wait for then. A file system that cannot do it is left alone.
    """
    import ctypes

    from plugrun.linux.libc import LIBC

    write = 2  # SYNC_FILE_RANGE_WRITE
    LIBC.sync_file_range(fd, ctypes.c_int64(offset), ctypes.c_int64(count), write)


def filesystem_magic(path: str) -> int:
    """Return the file system's type at a path, as statfs(2) has it in ``f_type``."""
    import ctypes

    from plugrun.linux.libc import LIBC, check

    buffer = (ctypes.c_long * 32)()
    check(LIBC.statfs(os.fsencode(path), buffer), path)
    return buffer[0] & 0xFFFFFFFF


def type_name(magic: int) -> str:
    """Return what people call a file system of this type."""
    names = {
        OVERLAY_MAGIC: "overlayfs",
        NFS_MAGIC: "NFS",
        FUSE_MAGIC: "FUSE",
        EXT_MAGIC: "ext4",
        XFS_MAGIC: "xfs",
        BTRFS_MAGIC: "btrfs",
        TMPFS_MAGIC: "tmpfs",
    }
    return names.get(magic, f"a file system of type {magic:#x}")


def is_kernels_own(fd: int) -> bool:
    """Whether an open folder is on a file system whose files the kernel makes up, as /proc is.

    Their sizes are 0 whatever they hold, and they come and go.
    """
    return filesystem_magic(f"/proc/self/fd/{fd}") in _KERNELS


def exchange(one: str, other: str) -> None:
    """Let two names change places in one step: renameat2(2) with RENAME_EXCHANGE."""
    from plugrun.linux.libc import LIBC, check

    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    check(LIBC.renameat2(here, os.fsencode(one), here, os.fsencode(other), both), one)


def write_whole(path: str, data: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
    """Write a file so that it is never seen in part: written aside, then renamed.

    With ``durable`` the bytes and the name survive a power failure (fsync of file and folder);
    without it they survive the death of this process.
    """
    aside = f"{path}.tmp-{get_ident():x}-{os.getpid()}"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        try:
            write_all(fd, data)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(aside, path)
    except BaseException:
        os.unlink(aside)
        raise
    if durable:
        sync_folder(os.path.dirname(path))


def make_private(path: str) -> None:
    """Make a folder, and those above it that are missing, readable by their owner alone.

    os.makedirs gives its mode to the last folder only.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        above = os.path.dirname(path)
        if not os.path.isdir(above):
            make_private(above)
        # Once more: somebody else may have made the one above meanwhile. Where nothing can be
        # made (/proc), this raises.
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            return


def unlink(path: str) -> None:
    """Remove a file; one that is gone is no error."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def sync_folder(path: str) -> None:
    """Make a folder's names durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
