"""Removing a tree by directory descriptors: deep or hostile, nothing outside it is touched."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(name: bytes, dir_fd: int) -> None:
    """Remove a file, or a folder with all in it. Symlinks are removed, not followed."""
    try:
        os.unlink(name, dir_fd=dir_fd)
        return
    except IsADirectoryError:
        pass
    prune(name, dir_fd, lambda _path, _folder, _name: False)
    os.rmdir(name, dir_fd=dir_fd)


def prune(name: bytes, dir_fd: int, keep: Callable[[bytes, int, bytes], bool]) -> None:
    """Remove everything beneath a folder but what ``keep(path, folder_fd, name)`` says.

    ``path`` is relative to the folder. What is kept and is a folder is pruned too. One
    descriptor is open at a time, whatever the depth: the way up is ``..``, which holds since
    nobody else works in this tree.
    """
    fd = os.open(name, _FOLDER, dir_fd=dir_fd)
    try:
        path: list[bytes] = []
        pending = [_names(fd)]
        remove_on_exit = [False]
        while True:
            if pending[-1]:
                fd = _step(fd, path, pending, remove_on_exit, keep)
                continue
            pending.pop()
            remove = remove_on_exit.pop()
            if not pending:
                return
            fd = _swap(fd, os.open(b"..", _FOLDER, dir_fd=fd))
            done = path.pop()
            if remove:
                os.rmdir(done, dir_fd=fd)
    finally:
        os.close(fd)


def _step(
    fd: int,
    path: list[bytes],
    pending: list[list[bytes]],
    remove_on_exit: list[bool],
    keep: Callable[[bytes, int, bytes], bool],
) -> int:
    """Deal with one name; return the folder to go on in."""
    name = pending[-1].pop()
    kept = not remove_on_exit[-1] and keep(b"/".join([*path, name]), fd, name)
    if not stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
        if not kept:
            os.unlink(name, dir_fd=fd)
        return fd
    fd = _swap(fd, os.open(name, _FOLDER, dir_fd=fd))
    path.append(name)
    pending.append(_names(fd))
    remove_on_exit.append(not kept)
    return fd


def _names(fd: int) -> list[bytes]:
    return [os.fsencode(name) for name in os.listdir(fd)]


def _swap(old: int, new: int) -> int:
    os.close(old)
    return new
