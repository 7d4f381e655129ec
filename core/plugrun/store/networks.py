"""Networks as the database knows them: their names, and who is on them."""

from __future__ import annotations

from plugrun.errors import AlreadyExists, Conflict, NoSuchNetwork
from plugrun.model.jsontext import dumps, loads
from plugrun.model.network import network_from_json, network_to_json
from plugrun.store.database import Transaction, asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from plugrun.model.network import NetworkConfig

_USES = "INSERT OR IGNORE INTO network_uses VALUES (?, ?)"


class NetworkTable:
    """The database's part about networks. Each method that changes something is one transaction."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._db = connection
        self._path = path

    def get(self, id: str) -> NetworkConfig | None:
        """Return one network by its full ID."""
        return self._one("SELECT record FROM networks WHERE id=?", id)

    def named(self, name: str) -> NetworkConfig | None:
        """Return one network by its name."""
        return self._one("SELECT record FROM networks WHERE name=?", name)

    def by_prefix(self, prefix: str) -> list[NetworkConfig]:
        """Return two at most of the networks whose ID starts so."""
        query = "SELECT record FROM networks WHERE substr(id, 1, ?) = ? LIMIT 2"
        return [_network(row[0]) for row in self._db.execute(query, (len(prefix), asked(prefix)))]

    def all(self) -> list[NetworkConfig]:
        """Return all networks, by name."""
        rows = self._db.execute("SELECT record FROM networks ORDER BY name")
        return [_network(row[0]) for row in rows]

    def users(self, id: str) -> list[str]:
        """Return the IDs of the containers that are on a network, whether they run or not."""
        query = "SELECT container FROM network_uses WHERE network=?"
        return [row[0] for row in self._db.execute(query, (id,))]

    def add(self, network: NetworkConfig) -> None:
        """Store a network; AlreadyExists, in Docker's words, if its name is taken."""
        with Transaction(self._db, self._path) as db:
            query = "SELECT 1 FROM networks WHERE name=?"
            if db.execute(query, (network.name,)).fetchone():
                raise AlreadyExists(f"network with name {network.name} already exists")
            text = dumps(network_to_json(network))
            db.execute("INSERT INTO networks VALUES (?, ?, ?)", (network.id, network.name, text))

    def claim(self, ids: Iterable[str]) -> list[NetworkConfig]:
        """Return networks for a container about to be attached to them; NoSuchNetwork if one is
        gone.

        The container's task file is there already: who removes a network after this finds it
        (``remove``), and who did so before this is noticed here.
        """
        with Transaction(self._db, self._path):
            found = [(id, self.get(id)) for id in ids]
        for id, network in found:
            if network is None:
                raise NoSuchNetwork(f"network {id} not found")
        return [network for _, network in found if network is not None]

    def remove(self, id: str, lives: Callable[[str], bool]) -> None:
        """Forget a network; Conflict while a container on it ``lives``.

        Those that do not live keep its ID, and fail at their next start.
        """
        with Transaction(self._db, self._path) as db:
            query = "SELECT container FROM network_uses WHERE network=?"
            if any(lives(row[0]) for row in db.execute(query, (id,)).fetchall()):
                raise Conflict(f"network {id} has active endpoints")
            db.execute("DELETE FROM networks WHERE id=?", (id,))

    def check_unused(self, id: str, lives: Callable[[str], bool]) -> None:
        """Raise Conflict while a container on a network ``lives``."""
        if any(lives(container) for container in self.users(id)):
            raise Conflict(f"network {id} has active endpoints")

    def change(self, network: NetworkConfig) -> None:
        """Store what a network is from now on; its ID and its name stay."""
        with Transaction(self._db, self._path) as db:
            text = dumps(network_to_json(network))
            db.execute("UPDATE networks SET record=? WHERE id=?", (text, network.id))

    def join(self, container: str, network: str) -> None:
        """Write down that a container is on a network; NoSuchNetwork if that is gone."""
        with Transaction(self._db, self._path) as db:
            if not db.execute("SELECT 1 FROM networks WHERE id=?", (network,)).fetchone():
                raise NoSuchNetwork(f"network {network} not found")
            db.execute(_USES, (container, network))

    def leave(self, container: str, network: str) -> None:
        """Write down that it is not on it any more."""
        with Transaction(self._db, self._path) as db:
            db.execute(
                "DELETE FROM network_uses WHERE container=? AND network=?", (container, network)
            )

    def _one(self, query: str, value: str) -> NetworkConfig | None:
        row = self._db.execute(query, (asked(value),)).fetchone()
        return _network(row[0]) if row else None


def use(db: sqlite3.Connection, container: str, networks: Iterable[str]) -> None:
    """Write down, in a transaction under way, which networks a new container is on."""
    for id in networks:
        db.execute(_USES, (container, id))


def _network(text: str) -> NetworkConfig:
    return network_from_json(loads(text))
