"""Whether the database is as it should be: SQLite's own checks, and every record read."""

from __future__ import annotations

from plugrun.model.container import container_from_json
from plugrun.model.jsontext import loads
from plugrun.model.network import network_from_json
from plugrun.store.database import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from typing import Any
else:
    import _sqlite3 as sqlite3

_MOST = 100  # of SQLite's own words


def faults(db: sqlite3.Connection, path: str) -> list[str]:
    """Return what is wrong, in words; raise Corrupt if the file cannot be read at all."""
    try:
        said = [row[0] for row in db.execute(f"PRAGMA integrity_check({_MOST})")]
        wrong = [text for text in said if text != "ok"]
        for table, row, parent, _ in db.execute("PRAGMA foreign_key_check"):
            wrong.append(f"row {row} of {table} speaks of something {parent} has not")
        wrong += _unreadable(db, "containers", "id", container_from_json)
        wrong += _unreadable(db, "images", "id", _image)
        wrong += _unreadable(db, "volumes", "name", dict)
        wrong += _unreadable(db, "networks", "name", network_from_json)
    except sqlite3.DatabaseError as error:
        raise explain(error, path) from error
    return wrong


def _image(data: dict[str, Any]) -> None:
    for key in ("id", "manifest", "layers", "chain", "size"):
        data[key]


def _unreadable(
    db: sqlite3.Connection, table: str, key: str, read: Callable[[dict[str, Any]], object]
) -> list[str]:
    wrong = []
    for name, text in db.execute(f"SELECT {key}, record FROM {table}"):  # noqa: S608
        try:
            read(loads(text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            wrong.append(f"the record of {table.removesuffix('s')} {name} cannot be read: {error}")
    return wrong
