"""Containers on the network of another one (``--network container:NAME``)."""

from __future__ import annotations

from plugrun.errors import NoSuchContainer
from plugrun.model.network import OF_CONTAINER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


def leader(engine: Engine, container: Container) -> Container:
    """Return the container whose network it is, however many lead to it."""
    while container.network.startswith(OF_CONTAINER):
        id = container.network.removeprefix(OF_CONTAINER)
        other = engine.metadata.container(id)
        if other is None:
            raise NoSuchContainer(f"No such container: {id}")
        container = other
    return container


def leader_folder(engine: Engine, container: Container) -> str:
    """Return where the hosts, hostname and resolv.conf lie that it shares."""
    return engine.container_folder(leader(engine, container).id)
