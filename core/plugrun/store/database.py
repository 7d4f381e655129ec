"""The SQLite file: opening, schema, transactions.

WAL with ``synchronous=NORMAL``: a commit survives the death of any process at once, and a power
failure may lose the last commits but never the file's consistency (sqlite.org/wal.html). Every
change of state is one transaction, taken with BEGIN IMMEDIATE so that two commands queue instead
of failing half-way.
"""

from __future__ import annotations

import fcntl
import os

from plugrun.errors import Conflict, Corrupt, NoSpace, PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
else:
    # The package sqlite3 adds date converters (and imports datetime) to this module, 2 ms of
    # every start; nothing else is used here.
    import _sqlite3 as sqlite3

SCHEMA_VERSION = 3
BUSY_SECONDS = 60.0
_LONGEST = 504  # bytes of a path, with what SQLite adds for its log (os_unix.c, MAX_PATHNAME)

_SCHEMA = """
CREATE TABLE images (
    id TEXT PRIMARY KEY,
    record TEXT NOT NULL
) STRICT;
CREATE TABLE image_names (
    name TEXT PRIMARY KEY,
    image TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    digest TEXT NOT NULL
) STRICT;
CREATE INDEX image_names_by_image ON image_names(image);
CREATE TABLE addresses (
    address TEXT PRIMARY KEY,
    name TEXT NOT NULL REFERENCES image_names(name) ON DELETE CASCADE
) STRICT;
CREATE INDEX addresses_by_name ON addresses(name);
CREATE TABLE containers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_ns INTEGER NOT NULL,
    image TEXT NOT NULL REFERENCES images(id),
    record TEXT NOT NULL
) STRICT;
CREATE INDEX containers_by_image ON containers(image);
"""

# Since schema 2.
_VOLUMES = """
CREATE TABLE volumes (
    name TEXT PRIMARY KEY,
    record TEXT NOT NULL
) STRICT;
CREATE TABLE volume_uses (
    container TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,
    volume TEXT NOT NULL REFERENCES volumes(name),
    PRIMARY KEY (container, volume)
) STRICT, WITHOUT ROWID;
CREATE INDEX volume_uses_by_volume ON volume_uses(volume);
"""
# Since schema 3. A container that does not run keeps no network: who uses one is no reference.
_NETWORKS = """
CREATE TABLE networks (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL
) STRICT;
CREATE TABLE network_uses (
    container TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    PRIMARY KEY (container, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX network_uses_by_network ON network_uses(network);
"""
# What each schema adds to the one before it; a new file has all of them.
_STEPS = (_SCHEMA, _VOLUMES, _NETWORKS)


def asked(text: str) -> str:
    """Return a user's text as a query takes it: what is not UTF-8 becomes ``?``, as in no name."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


class Transaction:
    """``with`` this: all of it happens, or none. SQLite's errors leave it as errors of ours."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise explain(error, self._path) from error
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: object
    ) -> None:
        try:
            self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.Error as failure:
            raise explain(failure, self._path) from failure
        if isinstance(error, sqlite3.Error):
            raise explain(error, self._path) from error


def open_database(path: str) -> sqlite3.Connection:
    """Open the file, made if it is not there, and brought to this schema; for root's eyes only."""
    try:
        connection = _connect(path)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.DatabaseError as error:
        raise explain(error, path) from error
    return connection


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=NORMAL")
    # Hot commands end without closing, so that they need not wait for the disk; who opens the
    # file next reads the log again, which this keeps short.
    connection.execute("PRAGMA wal_autocheckpoint=100")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version < SCHEMA_VERSION:
        _create(connection, path)
    elif version > SCHEMA_VERSION:
        raise PlugrunError(
            f"{path} has schema {version}, and this plugrun knows {SCHEMA_VERSION}",
            hint="use the version of plugrun that wrote it, or another --root",
        )


def explain(error: sqlite3.Error, path: str) -> PlugrunError:
    """Turn an error of SQLite's into one that says what to do."""
    if "full" in str(error) or ("disk I/O" in str(error) and _is_full(path)):
        return NoSpace(f"no space left to write {path}", hint="free some space")
    if "locked" in str(error):
        return Conflict(
            f"{path} is locked by another command, for longer than {BUSY_SECONDS:.0f} seconds",
            hint="find out what holds it (fuser, lsof), and try again",
        )
    if "unable to open" in str(error) and len(os.fsencode(path)) > _LONGEST:
        return PlugrunError(
            f"{path} is a longer path than SQLite takes",
            hint=f"use a --root of at most {_LONGEST - len('/plugrun.db')} bytes",
        )
    return Corrupt(
        f"{path}: {error}",
        hint="restore it from a backup, or move it away: images are pulled again when needed",
    )


def _is_full(path: str) -> bool:
    """Whether there is no room for SQLite's shared memory: it calls that an I/O error."""
    found = os.statvfs(os.path.dirname(path))
    return found.f_bavail * found.f_frsize < 1 << 17


def _connect(path: str) -> sqlite3.Connection:
    # SQLite gives its other files the mode of this one. Not by umask, which is the whole process's;
    # and an existing one is not opened: closing it again would drop this process's locks on it.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)


def _create(connection: sqlite3.Connection, path: str) -> None:
    # One at a time: the switch to WAL does not wait for others, whatever the timeout.
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            connection.execute("PRAGMA journal_mode=WAL")
        if version < SCHEMA_VERSION:
            _write_schema(connection, path, version)
    finally:
        os.close(folder)


def _write_schema(connection: sqlite3.Connection, path: str, version: int) -> None:
    """Bring a file from an earlier schema to this one; all of it or nothing."""
    with Transaction(connection, path):
        for statement in "".join(_STEPS[version:]).split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
