"""``--link`` on the default network, where nobody has a name: lines in hosts, and variables."""

from __future__ import annotations

from plugrun.engine.networks.attached import read_attached
from plugrun.errors import Conflict
from plugrun.model.network import BRIDGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.networks.attached import AttachedTask
    from plugrun.model.container import Container


def legacy_links(engine: Engine, container: Container, attached: AttachedTask) -> str:
    """Return the lines for those that a container on the default network is linked with.

    Raise Conflict, in Docker's words, if one of them does not run or is not on it.
    """
    asked = next((one for one in container.endpoints if one.name == BRIDGE), None)
    if asked is None:
        return ""
    lines = ""
    for alias, id in asked.links:
        other = engine.metadata.container(id)
        if other is None:
            raise Conflict(f"could not get container for {id}: No such container: {id}")
        for address in linked_addresses(engine, container, other, alias):
            names = dict.fromkeys((alias, other.hostname, other.name))
            lines += f"{address}\t{' '.join(names)}\n"
    return lines


def linked_addresses(
    engine: Engine, container: Container, other: Container, alias: str
) -> tuple[str, ...]:
    """Return the other's addresses on the default network; Conflict if there are none."""
    found = read_attached(engine, other.id)
    if found is None:
        raise Conflict(
            f"Cannot link to a non running container: /{other.name} AS /{container.name}/{alias}"
        )
    for one in found.endpoints:
        if one.name == BRIDGE:
            return tuple(address.partition("/")[0] for address in one.attachment.addresses)
    raise Conflict(f"Cannot link to /{other.name}, as it does not belong to the default network")
