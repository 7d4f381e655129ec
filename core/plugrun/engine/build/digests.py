"""Digests of files that were read before: a context of many files is read once.

A file whose device, inode, size and times of change are the same has the same content: the kernel
sets the time of change (ctime) at every write, and nobody else can. What was changed so short a
time before it was read that a later write could bear the same time is not remembered.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_right

from plugrun.store.buildcache import open_spare
from plugrun.store.database import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
else:
    import _sqlite3 as sqlite3

# The clock that ctime is taken from ticks at least this often; file systems that keep whole
# seconds alone show it by a ctime without a fraction.
_TICK_NS = 50_000_000
_COARSE_NS = 3_000_000_000
_MOST = 1_000_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS digests (
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    facts TEXT NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (device, inode)
) STRICT, WITHOUT ROWID
"""
_PIECE = 1 << 20
_SMALLEST_BATCH = 16
_LARGEST_BATCH = 8192
_MUCH = 200_000  # entries in memory
_LAST = (1 << 63) - 1


def digests_path(root: str) -> str:
    """Return where what is remembered lies; it may be removed at any time."""
    return f"{root}/build/digests.db"


class Digests:
    """The digests one process asks for. ``with`` it: new ones are written down at the end."""

    def __init__(self, root: str) -> None:
        self._path = digests_path(root)
        os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
        self._new: list[tuple[int, int, str, bytes]] = []
        self._remembered: dict[tuple[int, int], tuple[str, bytes]] = {}
        self._loaded: dict[int, tuple[list[int], list[int]]] = {}
        self._batch = _SMALLEST_BATCH
        self._db = open_spare(self._path, _SCHEMA)

    def __enter__(self) -> Digests:
        return self

    def __exit__(self, *_: object) -> None:
        if self._new:
            self._keep()
        self._db.close()

    def of(self, fd: int, state: os.stat_result, *, keep: bool) -> bytes:
        """Return the SHA-256 of an open regular file whose state is known.

        ``keep`` is to remember it: not of a file whose device will be another's next time.
        """
        digest = _read(fd)
        if not keep:
            return digest
        now = time.time_ns()
        margin = _TICK_NS if state.st_ctime_ns % 10**9 else _COARSE_NS
        after = os.fstat(fd)
        if facts_of(after) == facts_of(state) and state.st_ctime_ns + margin < now:
            self._new.append((*_file(state), facts_of(state), digest))
        return digest

    def known(self, state: os.stat_result) -> bytes | None:
        """Return the digest of a file that is as it was when it was read."""
        device, inode = _file(state)
        found = self._remembered.get((device, inode))
        if found is None:
            if self._is_loaded(device, inode):
                return None
            self._load(device, inode)
            found = self._remembered.get((device, inode))
        return found[1] if found is not None and found[0] == facts_of(state) else None

    def _is_loaded(self, device: int, inode: int) -> bool:
        """Whether all that is remembered around an inode was read from the file."""
        starts, ends = self._loaded.get(device, ((), ()))
        place = bisect_right(starts, inode) - 1
        return place >= 0 and inode <= ends[place]

    def _load(self, device: int, inode: int) -> None:
        """Read what is remembered from an inode on: files of a folder are neighbours.

        Each time it is more, so that little is read for few files and soon all of many.
        """
        query = (
            "SELECT inode, facts, digest FROM digests WHERE device=? AND inode>=? "
            "ORDER BY inode LIMIT ?"
        )
        rows = self._db.execute(query, (device, inode, self._batch)).fetchall()
        last = rows[-1][0] if len(rows) == self._batch else _LAST
        is_much = len(self._remembered) > _MUCH
        self._batch = 1 if is_much else min(2 * self._batch, _LARGEST_BATCH)
        for number, facts, digest in rows:
            self._remembered[device, number] = (facts, digest)
        starts, ends = self._loaded.setdefault(device, ([], []))
        place = bisect_right(starts, inode)
        after = bisect_right(starts, last)
        starts[place:after], ends[place:after] = [inode], [last]

    def _keep(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if self._db.execute("SELECT count(*) FROM digests").fetchone()[0] > _MOST:
                self._db.execute("DELETE FROM digests")
            self._db.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?)", self._new)
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise explain(error, self._path) from error


def facts_of(state: os.stat_result) -> str:
    """Return what changes with every write to a file."""
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"


def _file(state: os.stat_result) -> tuple[int, int]:
    """Return device and inode as SQLite takes them: signed, of 64 bits."""
    return _signed(state.st_dev), _signed(state.st_ino)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _read(fd: int) -> bytes:
    from hashlib import sha256

    digest = sha256()
    while piece := os.read(fd, _PIECE):
        digest.update(piece)
    return digest.digest()
