"""Which ports of a container are exposed, and which are to be published."""

from __future__ import annotations

from plugrun.model.network import Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.container import Container

_PROTOCOLS = ("", "tcp", "udp", "sctp")


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
    span, _, protocol = text.lower().partition("/")
    first, dash, last = span.partition("-")
    ends = _number(first), _number(last if dash else first)
    if 0 in ends or protocol not in _PROTOCOLS:
        return []
    return [(port, protocol or "tcp") for port in range(ends[0], ends[1] + 1)]


def _number(text: str) -> int:
    """Return a port, or 0; an image may say anything."""
    usual = text.isascii() and text.isdigit() and len(text) <= len("65535")
    return int(text) if usual and int(text) < 1 << 16 else 0
