"""Files of a container that several verbs speak of."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


def log_path(engine: Engine, container: Container) -> str:
    """Where a container's output is kept, under Docker's name for it; empty if it is not."""
    if container.log.driver == "none":
        return ""
    return f"{engine.container_folder(container.id)}/{container.id}-json.log"


def door_path(engine: Engine, id: str) -> str:
    """Where a running container's monitor listens for whoever attaches: a Unix socket."""
    return f"{engine.task_folder(id)}/attach"


def halt_path(engine: Engine, id: str) -> str:
    """The mark that a user ended a container, so that its restart policy does not start it."""
    return f"{engine.task_folder(id)}/halt"


def networks_path(engine: Engine, id: str) -> str:
    """What networks gave a running container: addresses, ports, resolvers."""
    return f"{engine.task_folder(id)}/networks"


def joined_path(engine: Engine, id: str) -> str:
    """The backends of networks that a container was connected with while it ran, one a line.

    Its monitor knows those of its start alone; who connects it may be killed before the record is
    written.
    """
    return f"{engine.task_folder(id)}/joined"


def shm_path(engine: Engine, id: str) -> str:
    """Where another container's /dev/shm is put while one that shares it is being made."""
    return f"{engine.task_folder(id)}/shm"
