"""What networks gave a container that runs: a small file beside its task file."""

from __future__ import annotations

from plugrun.engine.places import joined_path, networks_path
from plugrun.engine.taskfile import read_task_file
from plugrun.linux.filesystem import write_whole
from plugrun.model.jsontext import dumps, loads
from plugrun.model.network import Attachment
from plugrun.model.record import as_json, from_json, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from plugrun.engine.engine import Engine


@record
class AttachedEndpoint:
    """One network that a task is on: which, by which backend, and what came of it.

    ``id`` names the endpoint, as Docker's EndpointID, for this life of the container.
    """

    network: str
    name: str
    driver: str
    id: str
    attachment: Attachment
    NESTED: ClassVar = {"attachment": Attachment}


@record
class AttachedTask:
    """All of a task's; ``sandbox`` names its network namespace, as Docker's SandboxID.

    ``resolv`` is the resolv.conf that was written, to tell whether it was changed since. ``leads``
    is the ID of the network that leads everywhere else.
    """

    sandbox: str
    endpoints: tuple[AttachedEndpoint, ...] = ()
    resolv: str = ""
    leads: str = ""
    NESTED: ClassVar = {"endpoints": AttachedEndpoint}

    @property
    def held(self) -> tuple[int, ...]:
        """Descriptors to be kept open until the container has ended."""
        return tuple([fd for one in self.endpoints for fd in one.attachment.held])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What backends had to mend on the way."""
        return tuple([text for one in self.endpoints for text in one.attachment.warnings])

    @property
    def resolvers(self) -> tuple[str, ...]:
        """The DNS servers of the networks."""
        found = [one for endpoint in self.endpoints for one in endpoint.attachment.resolvers]
        return tuple(dict.fromkeys(found))

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses, without their prefixes, in the order of the networks."""
        return tuple(
            address.partition("/")[0]
            for endpoint in self.endpoints
            for address in endpoint.attachment.addresses
        )


def write_attached(engine: Engine, id: str, attached: AttachedTask) -> None:
    """Write it whole, for the container of a full ID."""
    write_whole(networks_path(engine, id), dumps(as_json(attached)).encode())


def read_attached(engine: Engine, id: str) -> AttachedTask | None:
    """Return what is written, or None if the container is on no network now."""
    try:
        with open(networks_path(engine, id), "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    return from_json(AttachedTask, loads(data)) if data else None


def note_joined(engine: Engine, id: str, driver: str) -> None:
    """Write down that a running container is about to be on a network of a backend."""
    with open(joined_path(engine, id), "a", encoding="utf-8") as file:
        file.write(f"{driver}\n")


def joined_drivers(engine: Engine, id: str) -> tuple[str, ...]:
    """Return the backends that ``note_joined`` was told of since the container's start."""
    try:
        with open(joined_path(engine, id), encoding="utf-8") as file:
            return tuple(file.read().split())
    except FileNotFoundError:
        return ()


def is_attached(engine: Engine, id: str, network: str) -> bool:
    """Whether a container is on a network now, or about to be.

    One that is being started has no file as yet, and one between two lives of its restart policy
    comes back: both count.
    """
    task = read_task_file(engine.task_folder(id))
    if task is None or not (task.running or task.attended):
        return False
    attached = read_attached(engine, id)
    if attached is None or not task.running:
        return True
    return any(one.network == network for one in attached.endpoints)
