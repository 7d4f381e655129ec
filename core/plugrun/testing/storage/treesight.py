"""A whole tree as it is compared with another of the same history."""

from __future__ import annotations

import os
import stat
import zlib

from plugrun.testing.storage.acts import told

Sight = dict[str, tuple[object, ...]]


def sight() -> Sight:
    """Return every path of the current folder, itself included, and what can be seen of each.

    That is what ``told`` says, xattrs, target or content, and the first of the names that share
    an inode.
    """
    found: Sight = {".": _seen(".", {})}
    inodes: dict[tuple[int, int], str] = {}
    pending = ["."]
    while pending:
        folder = pending.pop()
        for name in sorted(os.listdir(folder)):
            path = f"{folder}/{name}"
            found[path] = _seen(path, inodes)
            if stat.S_ISDIR(os.lstat(path).st_mode):
                pending.append(path)
    return found


def _seen(path: str, inodes: dict[tuple[int, int], str]) -> tuple[object, ...]:
    state = os.lstat(path)
    names = sorted(os.listxattr(path, follow_symlinks=False))
    xattrs = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
    content: object = None
    if stat.S_ISLNK(state.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(state.st_mode):
        content = _content(path)
    same_as = inodes.setdefault((state.st_dev, state.st_ino), path)
    return (*told(state), xattrs, content, same_as)


def _content(path: str) -> object:
    with open(path, "rb") as file:
        data = file.read()
    return data if len(data) < 40 else (len(data), zlib.crc32(data))
