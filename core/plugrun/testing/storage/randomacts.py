"""Random lists of acts, most of which fit the tree as it is by then."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from plugrun.testing.storage.actions import ACTIONS, XATTRS
from plugrun.testing.storage.acts import SLOTS, Act, Hand, attempt

_NEW = ["new", "f", "g", "h", "d", "i"]
_ODD = ["new", "d/new", "new/f", "t/f", "s/f", "../f", "d/../e/f", ".", "f/f", "t/new", "u" * 256]
_MODES = [0o644, 0o600, 0o755, 0o4755, 0o2775, 0o6711, 0o1777, 0o000, 0o444, 0o777, 0o666]
_OWNERS = [0, 7, 1000, -1]
_SIZES = [0, 1, 5, 300, 4096, 5000, 70_000]
_OFFSETS = [0, 1, 100, 4095, 4096, 70_000, 1 << 20]
_LETTERS = "uvwxyz"
_TIMES = [-1_500_000_000, 1, 999_999_999_999_999_999, 5_000_000_000_123_456_789]
_KINDS = ["fifo", "socket", "char", "block"]
_TARGETS = ["f", "d", "/d/f", "d/e", "../f", "gone", "s", "new", "/", "t" * 300]
_CREATE = [os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_CREAT | os.O_TRUNC, os.O_CREAT | os.O_APPEND]
_WRITE = [0, 0, os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW, *_CREATE]
_OPEN = [os.O_RDONLY, os.O_RDONLY, os.O_RDONLY | os.O_NOFOLLOW, os.O_WRONLY, os.O_PATH]
_OPEN += [os.O_RDWR | flag for flag in _WRITE] * 2
_RENAME_FLAGS = [0, 0, 0, 0, 1, 2]  # RENAME_NOREPLACE, RENAME_EXCHANGE
_FALLOCATE = [0, 1, 3, 16]  # FALLOC_FL_KEEP_SIZE, and with it PUNCH_HOLE; ZERO_RANGE
_LOCKS = [fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN]
_XATTRS = sorted(XATTRS)
_AS_IT_IS = 0.9  # how often a name, or a descriptor, is one that is there


def draw_lives(seed: int) -> list[list[Act]]:
    """Draw the acts of one to three lives of the tree in the current folder, and do them to it.

    Descriptors end with a life. The same seed and tree give the same acts.
    """
    random = Random(seed)  # noqa: S311  (a test's choice, to be made again)
    return [_life(random, random.randint(5, 50)) for _ in range(random.randint(1, 3))]


def _life(random: Random, size: int) -> list[Act]:
    drawer = _Drawer(random)
    acts: list[Act] = []
    try:
        while len(acts) < size:
            draw, weight = random.choice(_DRAWS)
            if random.random() > weight:
                continue
            acts.append(drawer.do(draw))
            if acts[-1][0] == "as_user":
                acts += [drawer.do(random.choice(_DRAWS)[0]) for _ in range(random.randint(1, 4))]
                acts.append(drawer.do(lambda _: ("as_user", 0)))
        return acts
    finally:
        drawer.hand.close()


class _Drawer:
    """Draws acts that mostly fit the tree, and does each so as to know what the next one finds."""

    def __init__(self, random: Random) -> None:
        self.hand = Hand()
        self._random = random
        self._files: list[str] = []
        self._folders: list[str] = []
        self._others: list[str] = []

    def do(self, draw: _Draw) -> Act:
        user = self.hand.user
        self.hand.act_as(0)
        self._look()
        self.hand.act_as(user)
        act = draw(self)
        attempt(lambda: ACTIONS[act[0]](self.hand, *act[1:]))
        return act

    def _look(self) -> None:
        self._files, self._folders, self._others = [], [], []
        pending = [""]
        while pending:
            above = pending.pop()
            for entry in sorted(os.scandir(f"./{above}"), key=lambda e: e.name):
                if entry.name[0].isdigit():
                    continue  # one of a crowd
                path = f"{above}/{entry.name}".lstrip("/")
                if entry.is_dir(follow_symlinks=False):
                    self._folders.append(path)
                    pending.append(path)
                else:
                    fits = entry.is_file(follow_symlinks=False)
                    (self._files if fits else self._others).append(path)

    def one(self, values: Sequence[Any]) -> Any:
        return self._random.choice(values)

    def owners(self) -> tuple[int, int]:
        """Draw an owner and a group, one of which may be left as it is.

        Not both: that clears setuid, and of it a file system behind FUSE is told nothing.
        """
        uid = self.one(_OWNERS)
        return uid, self.one(_OWNERS if uid >= 0 else _OWNERS[:-1])

    def _from(self, names: list[str]) -> str:
        if not names or self._random.random() > _AS_IT_IS:
            names = [*_ODD, *self._files, *self._folders, *self._others]
        return self._random.choice(names)

    def file(self) -> str:
        return self._from(self._files)

    def folder(self) -> str:
        return self._from(self._folders)

    def empty(self) -> str:
        """Draw a folder in which nothing is, as far as there is one."""
        full = {os.path.dirname(path) for path in self._files + self._folders + self._others}
        return self._from([path for path in self._folders if path not in full])

    def path(self) -> str:
        kinds = (self._files, self._files, self._folders, self._folders, self._others)
        return self._from(self._random.choice(kinds))

    def new(self) -> str:
        """Draw a name that may be free, in a folder that is there."""
        above = self._random.choice(["", *self._folders])
        return self._from([f"{above}/{name}".lstrip("/") for name in _NEW])

    def slot(self) -> int:
        held = [slot for slot in range(SLOTS) if self.hand.holds(slot)]
        if held and self._random.random() < _AS_IT_IS:
            return self._random.choice(held)
        return self._random.randrange(SLOTS)

    def make(self, path: str) -> Act:
        """Make something new."""
        kind = self.one(["file", "file", "folder", "folder", "symlink", "node"])
        if kind == "folder":
            return ("mkdir", path, self.one(_MODES))
        if kind == "file":
            return ("write", path, self.one(_LETTERS), self.one(_SIZES), self.one(_CREATE))
        if kind == "symlink":
            return ("symlink", self.one(_TARGETS), path)
        return ("mknod", path, self.one(_KINDS), self.one(_MODES))

    def rename(self, path: str, other: str) -> Act:
        return ("rename", path, other, self.one(_RENAME_FLAGS))

    def open(self) -> Act:
        slot = self._random.randrange(SLOTS)
        if self._random.random() < 0.15:
            return ("open", slot, self.folder(), os.O_RDONLY | os.O_DIRECTORY, 0)
        path = self.one([self.file, self.file, self.file, self.new])()
        return ("open", slot, path, self.one(_OPEN), self.one(_MODES))


_Draw = Callable[[_Drawer], Act]
# What can be drawn, and with what probability it is taken then.
_DRAWS: list[tuple[_Draw, float]] = [
    (lambda d: ("as_user", d.one([1000, 7])), 0.6),
    (lambda d: ("stat", d.path()), 0.5),
    (lambda d: ("lstat", d.path()), 0.8),
    (lambda d: ("read", d.file()), 0.8),
    (lambda d: ("write", d.file(), d.one(_LETTERS), d.one(_SIZES), d.one(_WRITE)), 1),
    (lambda d: ("truncate", d.file(), d.one(_SIZES)), 0.5),
    (lambda d: d.make(d.new()), 1),
    (lambda d: d.make(d.path()), 0.3),
    (lambda d: ("unlink", d.file()), 1),
    (lambda d: ("unlink", d.path()), 0.2),
    (lambda d: ("rmdir", d.empty()), 0.8),
    (lambda d: ("thin_out", d.folder(), 1), 0.7),
    (lambda d: d.rename(d.path(), d.path()), 0.7),
    (lambda d: d.rename(d.path(), d.new()), 1),
    (lambda d: d.rename(d.file(), d.file()), 0.7),
    (lambda d: d.rename(d.folder(), d.folder()), 0.4),
    (lambda d: d.rename(d.folder(), d.empty()), 0.6),
    (lambda d: d.rename(d.folder(), d.new()), 0.7),
    (lambda d: ("link", d.one([d.file, d.file, d.path])(), d.new()), 1),
    (lambda d: ("readlink", d.path()), 0.3),
    (lambda d: ("chmod", d.path(), d.one(_MODES)), 1),
    (lambda d: ("chown", d.path(), *d.owners()), 0.8),
    (lambda d: ("utime", d.path(), d.one(_TIMES), d.one([0, 1])), 0.8),
    (lambda d: ("access", d.path(), d.one([4, 2, 1, 6, 7])), 0.3),
    (lambda d: ("setxattr", d.path(), d.one(_XATTRS), d.one([0, 1]), d.one([0, 0, 1, 2])), 1),
    (lambda d: ("removexattr", d.path(), d.one(_XATTRS)), 0.4),
    (lambda d: ("xattrs", d.path()), 0.4),
    (lambda d: ("listdir", d.folder()), 0.8),
    (lambda d: ("crowd", d.folder(), d.one([3, 20, 40])), 0.4),
    (lambda d: ("thin_out", d.folder(), d.one([2, 3])), 0.5),
    *[(_Drawer.open, 1.0)] * 4,
    (lambda d: ("close", d.one([0, 1, 2])), 0.2),
    (lambda d: ("pread", d.slot(), d.one(_SIZES), d.one(_OFFSETS)), 1),
    (lambda d: ("pwrite", d.slot(), d.one(_LETTERS), d.one(_SIZES), d.one(_OFFSETS)), 1),
    (lambda d: ("write_on", d.slot(), d.one(_LETTERS), d.one(_SIZES)), 0.7),
    (lambda d: ("mmap_write", d.slot(), d.one(_LETTERS), d.one(_SIZES), d.one(_OFFSETS)), 0.8),
    (lambda d: ("seek_end", d.slot()), 0.3),
    (lambda d: ("ftruncate", d.slot(), d.one(_SIZES)), 0.7),
    (lambda d: ("fallocate", d.slot(), d.one(_FALLOCATE), d.one(_OFFSETS), d.one(_SIZES)), 0.8),
    (lambda d: ("copy_range", d.slot(), d.slot(), d.one(_SIZES)), 0.5),
    (lambda d: ("fsync", d.slot()), 0.2),
    (lambda d: ("fstat", d.slot()), 1),
    (lambda d: ("fchmod", d.slot(), d.one(_MODES)), 0.6),
    (lambda d: ("fchown", d.slot(), *d.owners()), 0.5),
    (lambda d: ("futime", d.slot(), d.one(_TIMES)), 0.5),
    (lambda d: ("fsetxattr", d.slot(), d.one(_XATTRS), d.one([0, 1])), 0.5),
    (lambda d: ("flock", d.slot(), d.one(_LOCKS)), 0.6),
    (lambda d: ("flistdir", d.slot()), 0.4),
    (lambda d: ("create_in", d.slot(), d.one("fgh")), 0.4),
    (lambda d: ("is_same", d.slot(), d.path()), 0.5),
    (lambda d: ("is_as_opened", d.slot()), 0.5),
]
