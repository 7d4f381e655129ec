"""Names, images and containers: what the engine knows beside the files."""

from __future__ import annotations

from plugrun.errors import AlreadyExists, Conflict, NoSuchContainer, NoSuchImage
from plugrun.model.container import Container, container_from_json, container_to_json
from plugrun.model.image import Image, ImageName
from plugrun.model.jsontext import dumps, loads
from plugrun.model.record import as_json, replace
from plugrun.store.database import Transaction, asked, open_database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from plugrun.store.networks import NetworkTable
    from plugrun.store.volumes import VolumeTable


class Metadata:
    """The database behind one root. Each method that changes something is one transaction."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._db = open_database(path)

    def close(self) -> None:
        """Close the file. A process that forks must do so before, unless the child leaves it be."""
        self._db.close()

    def faults(self) -> list[str]:
        """Return what is wrong with the file, and which records cannot be read; all of it is read.

        Raise Corrupt if SQLite cannot even tell.
        """
        from plugrun.store.integrity import faults

        return faults(self._db, self._path)

    @property
    def volumes(self) -> VolumeTable:
        """Volumes, and which containers use them."""
        from plugrun.store.volumes import VolumeTable

        return VolumeTable(self._db, self._path)

    @property
    def networks(self) -> NetworkTable:
        """Networks, and which containers are on them."""
        from plugrun.store.networks import NetworkTable

        return NetworkTable(self._db, self._path)

    # -- images ---------------------------------------------------------------------------

    def image(self, id: str) -> Image | None:
        """Return one image by its ID."""
        row = self._db.execute("SELECT record FROM images WHERE id=?", (id,)).fetchone()
        return _image(row[0]) if row else None

    def images(self) -> list[Image]:
        """Return all images."""
        return [_image(row[0]) for row in self._db.execute("SELECT record FROM images")]

    def images_by_prefix(self, prefix: str) -> list[Image]:
        """Return the images whose ``sha256:…`` ID starts so; ``prefix`` is hexadecimal."""
        query = "SELECT record FROM images WHERE substr(id, 8, ?) = ?"
        return [_image(row[0]) for row in self._db.execute(query, (len(prefix), prefix))]

    def add_image(self, image: Image, names: Iterable[ImageName], address: str = "") -> None:
        """Store an image and point names to it, taking them from other images.

        ``address`` is what it was asked for by, where that is no name of its own (``host:…``);
        it stands for the first of the names from now on.
        """
        names = tuple(names)
        with Transaction(self._db, self._path) as db:
            db.execute(
                "INSERT OR IGNORE INTO images VALUES (?, ?)", (image.id, dumps(as_json(image)))
            )
            for name in names:
                db.execute(
                    "INSERT INTO image_names VALUES (?, ?, ?) ON CONFLICT (name) "
                    "DO UPDATE SET image=excluded.image, digest=excluded.digest",
                    (name.name, image.id, name.digest),
                )
            if address:
                db.execute(
                    "INSERT OR REPLACE INTO addresses VALUES (?, ?)", (address, names[0].name)
                )

    def name_of_address(self, address: str) -> str:
        """Return the name that an address stands for, or nothing."""
        query = "SELECT name FROM addresses WHERE address=?"
        row = self._db.execute(query, (asked(address),)).fetchone()
        return row[0] if row else ""

    def address_of_name(self, name: str) -> str:
        """Return an address that a full name was pulled by (``host:…``), or nothing."""
        query = "SELECT address FROM addresses WHERE name=? ORDER BY address"
        row = self._db.execute(query, (asked(name),)).fetchone()
        return row[0] if row else ""

    def image_names(self, image_id: str | None = None) -> list[ImageName]:
        """Return all names, or those of one image, in order."""
        query = "SELECT name, image, digest FROM image_names"
        if image_id is None:
            rows = self._db.execute(f"{query} ORDER BY name")
        else:
            rows = self._db.execute(f"{query} WHERE image=? ORDER BY name", (image_id,))
        return [ImageName(*row) for row in rows]

    def find_name(self, name: str) -> ImageName | None:
        """Return what a full name stands for."""
        query = "SELECT name, image, digest FROM image_names WHERE name=?"
        row = self._db.execute(query, (asked(name),)).fetchone()
        return ImageName(*row) if row else None

    def remove_name(self, name: str) -> None:
        """Forget a name; the image stays."""
        with Transaction(self._db, self._path) as db:
            db.execute("DELETE FROM image_names WHERE name=?", (name,))

    def remove_image(self, id: str) -> None:
        """Forget an image and its names; raise Conflict while a container was made from it."""
        with Transaction(self._db, self._path) as db:
            query = "SELECT id FROM containers WHERE image=?"
            user = db.execute(query, (id,)).fetchone()
            if user:
                raise Conflict(f"image {id} is used by container {user[0][:12]}")
            db.execute("DELETE FROM images WHERE id=?", (id,))

    # -- containers -----------------------------------------------------------------------

    def add_container(self, container: Container) -> None:
        """Store a container; its name and ID are reserved by the same transaction.

        Raise AlreadyExists if the name is taken, NoSuchImage if its image went meanwhile.
        """
        with Transaction(self._db, self._path) as db:
            query = "SELECT id FROM containers WHERE name=?"
            taken = db.execute(query, (container.name,)).fetchone()
            if taken:
                raise _name_taken(container.name, taken[0])
            if not db.execute("SELECT 1 FROM images WHERE id=?", (container.image,)).fetchone():
                raise NoSuchImage(f"No such image: {container.image_name}")
            db.execute(
                "INSERT INTO containers VALUES (?, ?, ?, ?, ?)",
                (
                    container.id,
                    container.name,
                    container.created_ns,
                    container.image,
                    dumps(container_to_json(container)),
                ),
            )
            if container.endpoints:
                from plugrun.store.networks import use

                use(db, container.id, (endpoint.network for endpoint in container.endpoints))

    def container(self, id: str) -> Container | None:
        """Return one container by its full ID."""
        return self._one("SELECT record FROM containers WHERE id=?", id)

    def container_named(self, name: str) -> Container | None:
        """Return one container by its name."""
        return self._one("SELECT record FROM containers WHERE name=?", name)

    def containers_by_prefix(self, prefix: str) -> list[Container]:
        """Return the containers whose ID starts so."""
        query = "SELECT record FROM containers WHERE substr(id, 1, ?) = ? LIMIT 2"
        return [_container(row[0]) for row in self._db.execute(query, (len(prefix), prefix))]

    def containers(self) -> list[Container]:
        """Return all containers, newest first."""
        query = "SELECT record FROM containers ORDER BY created_ns DESC"
        return [_container(row[0]) for row in self._db.execute(query)]

    def each_container(self) -> Iterator[Container]:
        """Yield all containers, newest first, each made when it is wanted."""
        query = "SELECT id FROM containers ORDER BY created_ns DESC, rowid DESC"
        for (id,) in self._db.execute(query).fetchall():
            found = self.container(id)
            if found is not None:
                yield found

    def container_ids(self) -> list[str]:
        """Return the IDs of all containers."""
        return [row[0] for row in self._db.execute("SELECT id FROM containers")]

    def containers_of_image(self, id: str) -> list[tuple[str, str]]:
        """Return ID and name of each container made from an image."""
        query = "SELECT id, name FROM containers WHERE image=?"
        return [(row[0], row[1]) for row in self._db.execute(query, (id,))]

    def rename_container(self, id: str, name: str) -> None:
        """Give a container another name; raise AlreadyExists if it is taken."""
        with Transaction(self._db, self._path) as db:
            query = "SELECT id FROM containers WHERE name=?"
            taken = db.execute(query, (name,)).fetchone()
            if taken:
                raise _name_taken(name, taken[0])
            row = db.execute("SELECT record FROM containers WHERE id=?", (id,)).fetchone()
            if row is None:
                raise NoSuchContainer(f"No such container: {id}")
            record = dumps(container_to_json(replace(_container(row[0]), name=name)))
            db.execute("UPDATE containers SET name=?, record=? WHERE id=?", (name, record, id))

    def change_container(self, id: str, decide: Callable[[Container], Container]) -> None:
        """Replace a container's record by what ``decide`` makes of it; its name and ID stay.

        Others wait meanwhile. When ``decide`` raises, nothing has changed.
        """
        with Transaction(self._db, self._path) as db:
            row = db.execute("SELECT record FROM containers WHERE id=?", (id,)).fetchone()
            if row is None:
                raise NoSuchContainer(f"No such container: {id}")
            record = dumps(container_to_json(decide(_container(row[0]))))
            db.execute("UPDATE containers SET record=? WHERE id=?", (record, id))

    def remove_container(self, id: str) -> None:
        """Forget a container; its name is free."""
        with Transaction(self._db, self._path) as db:
            db.execute("DELETE FROM containers WHERE id=?", (id,))

    def _one(self, query: str, value: str) -> Container | None:
        row = self._db.execute(query, (asked(value),)).fetchone()
        return _container(row[0]) if row else None


def _image(text: str) -> Image:
    data: dict[str, Any] = loads(text)
    data["layers"], data["chain"] = tuple(data["layers"]), tuple(data["chain"])
    return Image(**data)


def _name_taken(name: str, by: str) -> AlreadyExists:
    return AlreadyExists(
        f'Conflict. The container name "/{name}" is already in use by container "{by}". You have '
        "to remove (or rename) that container to be able to reuse that name."
    )


def _container(text: str) -> Container:
    return container_from_json(loads(text))
