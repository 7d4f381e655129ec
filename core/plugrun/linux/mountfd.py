"""The mount calls that work on descriptors: open_tree(2), move_mount(2), mount_setattr(2).

A target is a descriptor, of a container resolved beneath its root. Nothing is looked up a
second time between the check and the mount, which is the gap of CVE-2021-30465.
"""

from __future__ import annotations

import ctypes
import os

from plugrun.linux import libc, mounting

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
MOVE_MOUNT_EMPTY = 0x04 | 0x40  # F_EMPTY_PATH | T_EMPTY_PATH

# include/uapi/linux/mount.h
ATTR_RDONLY = 0x1
_ATTR_IDMAP = 0x100000
_ATTRIBUTES = {
    mounting.MS_RDONLY: ATTR_RDONLY,
    mounting.MS_NOSUID: 0x2,
    mounting.MS_NODEV: 0x4,
    mounting.MS_NOEXEC: 0x8,
    mounting.MS_NODIRATIME: 0x80,
    mounting.MS_NOSYMFOLLOW: 0x200000,
}
_ATIME_MASK = 0x70
_ATIME = {mounting.MS_RELATIME: 0x00, mounting.MS_NOATIME: 0x10, mounting.MS_STRICTATIME: 0x20}


class _MountAttr(ctypes.Structure):
    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


def clone_tree(dir_fd: int, path: str, *, recursive: bool = False) -> int:
    """Return a descriptor of a bind mount not yet attached; an empty path is ``dir_fd`` itself."""
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | (AT_RECURSIVE if recursive else 0)
    if not path:
        flags |= AT_EMPTY_PATH
    raw = os.fsencode(path)
    return libc.syscall(libc.SYS_OPEN_TREE, dir_fd, raw, flags, subject=raw)


def attach(tree: int, target: int, subject: str) -> None:
    """Attach a mount onto what the descriptor ``target`` is."""
    libc.syscall(libc.SYS_MOVE_MOUNT, tree, b"", target, b"", MOVE_MOUNT_EMPTY, subject=subject)


def set_attributes(
    mount: int,
    set_flags: int = 0,
    clear_flags: int = 0,
    propagation: int = 0,
    *,
    deep: bool = False,
) -> None:
    """Change a mount's flags, given as MS_ words; those not named stay as they are."""
    wanted, cleared = attributes(set_flags), attributes(clear_flags)
    if set_flags & (mounting.MS_RELATIME | mounting.MS_NOATIME | mounting.MS_STRICTATIME):
        cleared |= _ATIME_MASK
    if not (wanted or cleared or propagation):
        return
    deep = deep or bool(propagation & mounting.MS_REC)
    attr = _MountAttr(wanted, cleared, propagation & ~mounting.MS_REC, 0)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if deep else 0)
    size = ctypes.sizeof(attr)
    libc.syscall(libc.SYS_MOUNT_SETATTR, mount, b"", flags, ctypes.byref(attr), size)


def map_ids(mount: int, namespace: int) -> None:
    """Let a detached mount, and all below it, be seen through a user namespace: its ID mapping."""
    attr = _MountAttr(_ATTR_IDMAP, 0, 0, namespace)
    flags, size = AT_EMPTY_PATH | AT_RECURSIVE, ctypes.sizeof(attr)
    libc.syscall(libc.SYS_MOUNT_SETATTR, mount, b"", flags, ctypes.byref(attr), size)


def attributes(flags: int) -> int:
    """Return the MOUNT_ATTR_ word of MS_ flags."""
    result = 0
    for mask, attribute in _ATTRIBUTES.items():
        if flags & mask:
            result |= attribute
    for mask, attribute in _ATIME.items():
        if flags & mask:
            result |= attribute
    return result


def filesystem_type(fd: int) -> int:
    """Return statfs(2)'s ``f_type`` of a descriptor."""
    buffer = (ctypes.c_long * 32)()
    libc.check(libc.LIBC.fstatfs(fd, buffer))
    return buffer[0] & 0xFFFFFFFF
