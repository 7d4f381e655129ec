"""``--link`` on the default network, where nobody has a name: lines in hosts, and variables."""

from __future__ import annotations

from plugrun.engine.networks.attached import read_attached
from plugrun.engine.networks.ports import exposed
from plugrun.errors import Conflict
from plugrun.model.network import BRIDGE
from plugrun.model.record import replace

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


def with_link_environment(engine: Engine, container: Container) -> Container:
    """Return the container with the variables of its links, under what was given."""
    return replace(container, env=(*link_environment(engine, container), *container.env))


def link_environment(engine: Engine, container: Container) -> tuple[str, ...]:
    """Return the variables that tell of those a container on the default network is linked with.

    Their names and forms are those of Docker's legacy links. One that does not run has none: the
    start fails without it (``legacy_links``), or writes the bundle anew.
    """
    asked = next((one for one in container.endpoints if one.name == BRIDGE), None)
    found: list[str] = []
    for alias, id in asked.links if asked is not None else ():
        other = engine.metadata.container(id)
        if other is None or read_attached(engine, id) is None:
            continue
        addresses = linked_addresses(engine, container, other, alias)
        name = alias.replace("-", "_").upper()
        found += _ports_told(name, other, addresses[0])
        found.append(f"{name}_NAME=/{container.name}/{alias}")
        kept = [text for text in other.env if not text.startswith(("HOME=", "PATH="))]
        found += [f"{name}_ENV_{text}" for text in kept]
    return tuple(found)


def _ports_told(name: str, other: Container, address: str) -> list[str]:
    ports = sorted({one for text in other.exposed_ports for one in exposed(text)})
    if not ports:
        return []
    first, protocol = ports[0]
    told = [f"{name}_PORT={protocol}://{address}:{first}"]
    for span in _spans(ports):
        told += _span_told(name, span, address)
    for port, protocol in ports:
        key = f"{name}_PORT_{port}_{protocol.upper()}"
        told += [f"{key}={protocol}://{address}:{port}", f"{key}_ADDR={address}"]
        told += [f"{key}_PORT={port}", f"{key}_PROTO={protocol}"]
    return told


def _span_told(name: str, span: list[tuple[int, str]], address: str) -> list[str]:
    (first, protocol), (last, _) = span[0], span[-1]
    if first == last:
        return []
    key = f"{name}_PORT_{first}_{protocol.upper()}"
    return [
        f"{key}_START={protocol}://{address}:{first}",
        f"{key}_PORT_START={first}",
        f"{key}_END={protocol}://{address}:{last}",
        f"{key}_PORT_END={last}",
    ]


def _spans(ports: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """Return runs of ports that follow each other."""
    spans: list[list[tuple[int, str]]] = []
    for port, protocol in ports:
        if spans and spans[-1][-1] == (port - 1, protocol):
            spans[-1].append((port, protocol))
        else:
            spans.append([(port, protocol)])
    return spans
