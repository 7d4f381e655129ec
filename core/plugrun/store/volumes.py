"""Volumes as the database knows them: their names, and who uses them."""

from __future__ import annotations

from plugrun.errors import Conflict, NoSuchVolume
from plugrun.model.jsontext import dumps, loads
from plugrun.model.volume import Volume, volume_from_json, volume_to_json
from plugrun.store.database import Transaction, asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_UNUSED = "SELECT name FROM volumes WHERE name NOT IN (SELECT volume FROM volume_uses)"
_REMOVE_UNUSED = "DELETE FROM volumes WHERE name=? AND name NOT IN (SELECT volume FROM volume_uses)"


class VolumeTable:
    """The database's part about volumes. Each method that changes something is one transaction."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._db = connection
        self._path = path

    def get(self, name: str) -> Volume | None:
        """Return one volume."""
        query = "SELECT record FROM volumes WHERE name=?"
        row = self._db.execute(query, (asked(name),)).fetchone()
        return _volume(row[0]) if row else None

    def all(self) -> list[Volume]:
        """Return all volumes, by name."""
        rows = self._db.execute("SELECT record FROM volumes ORDER BY name")
        return [_volume(row[0]) for row in rows]

    def names(self) -> set[str]:
        """Return the names of all volumes."""
        return {row[0] for row in self._db.execute("SELECT name FROM volumes")}

    def users(self, name: str) -> list[str]:
        """Return the IDs of the containers that use a volume."""
        query = "SELECT container FROM volume_uses WHERE volume=?"
        return [row[0] for row in self._db.execute(query, (name,))]

    def unused(self) -> set[str]:
        """Return the names of the volumes that no container uses."""
        return {row[0] for row in self._db.execute(_UNUSED)}

    def add(self, volume: Volume) -> bool:
        """Store a volume; False if there is one of its name, which is left as it is."""
        with Transaction(self._db, self._path) as db:
            return _insert(db, volume)

    def use(self, container: str, made: Iterable[Volume], shared: Iterable[str]) -> list[str]:
        """Write down that a container uses volumes; return the names of those that are new.

        ``made`` are stored if they are not there. ``shared`` are another container's: raise
        NoSuchVolume if one was removed meanwhile.
        """
        with Transaction(self._db, self._path) as db:
            wanted = list(made)
            new = [volume.name for volume in wanted if _insert(db, volume)]
            names = {volume.name for volume in wanted}.union(shared)
            for name in names:
                if not db.execute("SELECT 1 FROM volumes WHERE name=?", (name,)).fetchone():
                    raise NoSuchVolume(f"get {name}: no such volume")
                db.execute("INSERT OR IGNORE INTO volume_uses VALUES (?, ?)", (container, name))
            return new

    def remove(self, name: str) -> Volume:
        """Forget a volume; raise NoSuchVolume, or Conflict while a container uses it."""
        with Transaction(self._db, self._path) as db:
            query = "SELECT record FROM volumes WHERE name=?"
            row = db.execute(query, (asked(name),)).fetchone()
            if not row:
                raise NoSuchVolume(f"get {name}: no such volume")
            users = db.execute("SELECT container FROM volume_uses WHERE volume=?", (name,))
            listed = ", ".join(user[0] for user in users)
            if listed:
                raise Conflict(f"remove {name}: volume is in use - [{listed}]")
            db.execute("DELETE FROM volumes WHERE name=?", (name,))
            return _volume(row[0])

    def remove_unused(self, names: Iterable[str]) -> list[str]:
        """Forget those of these volumes that no container uses, and return their names."""
        with Transaction(self._db, self._path) as db:
            return [name for name in names if db.execute(_REMOVE_UNUSED, (name,)).rowcount]

    def leave(self, container: str, names: Iterable[str]) -> list[str]:
        """Forget volumes that this container uses and nobody else, and return their names."""
        use = "DELETE FROM volume_uses WHERE container=? AND volume=?"
        with Transaction(self._db, self._path) as db:
            left = [name for name in names if db.execute(use, (container, name)).rowcount]
            return [name for name in left if db.execute(_REMOVE_UNUSED, (name,)).rowcount]


def _insert(db: sqlite3.Connection, volume: Volume) -> bool:
    row = (volume.name, dumps(volume_to_json(volume)))
    return db.execute("INSERT OR IGNORE INTO volumes VALUES (?, ?)", row).rowcount > 0


def _volume(text: str) -> Volume:
    return volume_from_json(loads(text))
