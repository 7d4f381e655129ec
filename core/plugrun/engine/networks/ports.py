"""Which ports of a container are exposed, and which are to be published."""

from __future__ import annotations

from plugrun.model.network import Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.container import Container


def published(container: Container) -> tuple[Port, ...]:
    """Return the ports to publish; with ``-P`` also those exposed, each at any that is free."""
    if not container.publish_all:
        return container.ports
    given = {(port.port, port.protocol) for port in container.ports}
    more = []
    for text in container.exposed_ports:
        for port, protocol in exposed(text):
            if (port, protocol) not in given:
                more.append(Port(port, protocol))
    return (*container.ports, *more)


def exposed(text: str) -> list[tuple[int, str]]:
    """Return the ports of EXPOSE's ``80``, ``80/udp`` or ``80-90/tcp``; none if it is no port."""
    span, _, protocol = text.partition("/")
    first, dash, last = span.partition("-")
    if not (first.isascii() and first.isdigit()) or (dash and not last.isdigit()):
        return []
    ports = range(int(first), int(last if dash else first) + 1)
    return [(port, protocol.lower() or "tcp") for port in ports if 0 < port < 1 << 16]
