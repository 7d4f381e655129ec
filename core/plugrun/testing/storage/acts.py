"""Acts on a tree as a program in a container does them: one list, the same on every file system.

An act is a tuple: its name, then plain values. ``perform`` does a list of them in the current
folder, which must be a root of its own (chroot(2)): symlinks may lead anywhere. What an act gave
back, or the name of its errno, is made of plain values, so that two trees can be compared.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Sequence
from typing import Any

from plugrun.linux.libc import LIBC

Act = tuple[Any, ...]
Result = Any

SLOTS = 3  # descriptors that are kept open between acts
_NOT_OPEN = 1 << 30
_DAY = 86_400 * 10**9


class Hand:
    """Who acts: a user, and the descriptors that were opened."""

    def __init__(self) -> None:
        self.user = 0
        self._held: list[int | None] = [None] * SLOTS
        self._opened_as: list[tuple[int, int]] = [(0, 0)] * SLOTS
        os.umask(0o022)
        os.setgroups([])

    def act_as(self, user: int) -> None:
        """Be a user before the file system, by setfsuid(2); 0 is root again."""
        first, second = (LIBC.setfsuid, LIBC.setfsgid) if user == 0 else _USER_LAST
        first(user)
        second(user)
        self.user = user

    def hold(self, slot: int, fd: int) -> None:
        """Keep a descriptor; what the slot held before is closed."""
        self.let_go(slot)
        self._held[slot] = fd
        found = os.fstat(fd)
        self._opened_as[slot] = (found.st_dev, found.st_ino)

    def let_go(self, slot: int) -> None:
        """Close a slot's descriptor, if there is one."""
        fd = self._held[slot]
        if fd is not None:
            os.close(fd)
        self._held[slot] = None

    def fd(self, slot: int) -> int:
        """Return a slot's descriptor, or a number that is not open; to os, -1 may be the folder."""
        fd = self._held[slot]
        return _NOT_OPEN if fd is None else fd

    def holds(self, slot: int) -> bool:
        """Whether a slot has a descriptor."""
        return self._held[slot] is not None

    def is_as_opened(self, slot: int) -> bool:
        """Whether a descriptor has still the device and inode number it was opened with."""
        found = os.fstat(self.fd(slot))
        return (found.st_dev, found.st_ino) == self._opened_as[slot]

    def close(self) -> None:
        """Be root again and close everything."""
        self.act_as(0)
        for slot in range(SLOTS):
            self.let_go(slot)


_USER_LAST = (LIBC.setfsgid, LIBC.setfsuid)


def perform(acts: Sequence[Act], skipped: Sequence[int] = ()) -> list[Result]:
    """Do all acts in the current folder; return each one's result, None for those skipped."""
    from plugrun.testing.storage.actions import ACTIONS

    hand = Hand()
    try:
        results = []
        for number, (name, *values) in enumerate(acts):
            done = None if number in skipped else attempt(lambda: ACTIONS[name](hand, *values))  # noqa: B023
            results.append(done)
        return results
    finally:
        hand.close()


def attempt(call: Any) -> Result:
    """Return what a call returns, or the name of its errno."""
    try:
        return call()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))


def told(found: os.stat_result) -> tuple[Any, ...]:
    """Return what of stat(2) must be the same on every file system."""
    # Whether what goes through a FIFO changes it, file systems see differently.
    time_ns = 0 if stat.S_ISFIFO(found.st_mode) else when(found.st_mtime_ns)
    common = (oct(found.st_mode), found.st_uid, found.st_gid, found.st_rdev, time_ns)
    if stat.S_ISDIR(found.st_mode):
        return common  # size and number of links of a folder are each file system's own
    return (*common, found.st_size, found.st_nlink)


def when(time_ns: int) -> int | str:
    """Return a time that was set on purpose; all that are about now are the same."""
    return time_ns if abs(time.time_ns() - time_ns) > _DAY else "now"
