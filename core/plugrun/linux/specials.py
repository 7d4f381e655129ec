"""Symlinks, devices, FIFOs and sockets: what is copied by name, since it must not be opened."""

from __future__ import annotations

import errno
import os
import stat


def copy_special(
    source: int,
    name: bytes,
    state: os.stat_result,
    target: int,
    into: bytes,
    *,
    skip: tuple[str, ...] = (),
) -> None:
    """Copy one from a folder into another under a name that is free, with all attributes.

    Left out are extended attributes whose name begins with one of ``skip``. Raise OSError.
    """
    if stat.S_ISLNK(state.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), into, dir_fd=target)
    else:
        os.mknod(into, state.st_mode, state.st_rdev, dir_fd=target)
    os.chown(into, state.st_uid, state.st_gid, dir_fd=target, follow_symlinks=False)
    fd = os.open(into, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=target)
    try:
        # By descriptor: a path could be led elsewhere meanwhile.
        if not stat.S_ISLNK(state.st_mode):
            os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(state.st_mode))
    finally:
        os.close(fd)
    _copy_xattrs(b"/proc/self/fd/%d/%b" % (source, name), target, into, skip)
    times = (state.st_atime_ns, state.st_mtime_ns)
    os.utime(into, ns=times, dir_fd=target, follow_symlinks=False)


def _copy_xattrs(path: bytes, target: int, into: bytes, skip: tuple[str, ...]) -> None:
    try:
        keys = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return
        raise
    for key in keys:
        if not key.startswith(skip):
            value = os.getxattr(path, key, follow_symlinks=False)
            place = b"/proc/self/fd/%d/%b" % (target, into)
            os.setxattr(place, key, value, follow_symlinks=False)
