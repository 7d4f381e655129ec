"""What steps of builds came to, kept across commands: an SQLite file of its own.

A build that is run again finds its steps by what they depend on. Losing the file costs time and
nothing else; what it names is kept from collection (``held``) until an entry is removed.
"""

from __future__ import annotations

import os
import time

from plugrun.linux.filesystem import unlink
from plugrun.model.jsontext import dumps, loads
from plugrun.model.record import record
from plugrun.store.database import BUSY_SECONDS, Transaction, asked, explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
else:
    import _sqlite3 as sqlite3

_SCHEMA = """
CREATE TABLE IF NOT EXISTS steps (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    diff_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    chain TEXT NOT NULL,
    blobs TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    used_ns INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    description TEXT NOT NULL
) STRICT
"""


@record
class Entry:
    """What one step came to.

    ``diff_id`` is empty for a step that changed no file. ``chain`` are the ChainIDs of all layers
    up to it, ``blobs`` what holds them; ``size`` the bytes of its own layer's files. Times are in
    nanoseconds since the epoch.
    """

    key: str
    kind: str
    diff_id: str
    size: int
    chain: tuple[str, ...]
    blobs: tuple[str, ...]
    created_ns: int
    used_ns: int
    uses: int
    description: str


@record
class Held:
    """What the cache keeps from collection: ChainIDs and digests of blobs."""

    chains: frozenset[str]
    blobs: frozenset[str]


def cache_path(root: str) -> str:
    """Return where the cache of a root lies, whether it is there or not."""
    return f"{root}/build/cache.db"


def held(root: str) -> Held:
    """Return what entries stand on; nothing where no build was made."""
    if not os.path.exists(cache_path(root)):
        return Held(frozenset(), frozenset())
    with BuildCache(root) as cache:
        entries = cache.all()
    return Held(
        frozenset(chain for one in entries for chain in one.chain),
        frozenset(blob for one in entries for blob in one.blobs),
    )


def open_spare(path: str, schema: str) -> sqlite3.Connection:
    """Open a database that only saves time; one that is damaged or of another schema is begun
    anew.
    """
    try:
        return _opened(path, schema)
    except sqlite3.DatabaseError as error:
        if not any(word in str(error) for word in ("not a database", "malformed")):
            raise explain(error, path) from error
    for tail in ("", "-wal", "-shm"):
        unlink(path + tail)
    try:
        return _opened(path, schema)
    except sqlite3.DatabaseError as error:
        raise explain(error, path) from error


def _opened(path: str, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(schema)
        query = "SELECT trim(sql, char(10)) FROM sqlite_master WHERE type='table'"
        found = connection.execute(query).fetchall()
        if found != [(schema.strip().replace("IF NOT EXISTS ", ""),)]:
            raise sqlite3.DatabaseError("not a database of this schema")
    except BaseException:
        connection.close()
        raise
    return connection


class BuildCache:
    """The entries of one root. ``with`` it, or ``close`` it: a process that forks must before."""

    def __init__(self, root: str) -> None:
        self._path = cache_path(root)
        os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
        self._db = open_spare(self._path, _SCHEMA)

    def __enter__(self) -> BuildCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def find(self, key: str) -> Entry | None:
        """Return what a step came to."""
        found = self._whole("SELECT * FROM steps WHERE key=?", (key,))
        return found[0] if found else None

    def _whole(self, query: str, parameters: tuple[str, ...] = ()) -> list[Entry]:
        """Return the entries of a query; a row that is damaged is as good as none, and goes."""
        rows = self._db.execute(query, parameters).fetchall()
        entries = [_entry(row) for row in rows]
        damaged = [str(row[0]) for row, one in zip(rows, entries, strict=True) if one is None]
        if damaged:
            self.remove(damaged)
        return [one for one in entries if one is not None]

    def use(self, keys: Iterable[str]) -> None:
        """Write down that entries have been of use now."""
        now = time.time_ns()
        with Transaction(self._db, self._path) as db:
            for key in keys:
                db.execute("UPDATE steps SET used_ns=?, uses=uses+1 WHERE key=?", (now, key))

    def put(self, entry: Entry) -> None:
        """Keep an entry; it takes the place of one of its key."""
        with Transaction(self._db, self._path) as db:
            db.execute(
                "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    entry.key,
                    entry.kind,
                    entry.diff_id,
                    entry.size,
                    dumps(list(entry.chain)),
                    dumps(list(entry.blobs)),
                    entry.created_ns,
                    entry.used_ns,
                    entry.uses,
                    asked(entry.description),
                ),
            )

    def all(self) -> list[Entry]:
        """Return all entries, those first that were used the longest time ago."""
        return self._whole("SELECT * FROM steps ORDER BY used_ns")

    def remove(self, keys: Iterable[str]) -> None:
        """Forget entries."""
        with Transaction(self._db, self._path) as db:
            for key in keys:
                db.execute("DELETE FROM steps WHERE key=?", (key,))


def _entry(row: tuple[str | int, ...]) -> Entry | None:
    """Return a row's entry, None if what lists of digests should be is something else."""
    key, kind, diff_id, size, chain, blobs, created, used, uses, description = row
    chains, layers = _texts(str(chain)), _texts(str(blobs))
    if chains is None or layers is None:
        return None
    return Entry(
        str(key),
        str(kind),
        str(diff_id),
        int(size),
        chains,
        layers,
        int(created),
        int(used),
        int(uses),
        str(description),
    )


def _texts(text: str) -> tuple[str, ...] | None:
    try:
        found = loads(text)
    except ValueError:
        return None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        return None
    return tuple(found)
