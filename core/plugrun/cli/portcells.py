"""Ports as ``ps`` and ``port`` print them."""

from __future__ import annotations

from plugrun.engine.inspect.network import published_ports
from plugrun.engine.networks.attached import read_attached
from plugrun.engine.networks.ports import exposed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container, Status
    from plugrun.model.network import Port


def ports_cell(engine: Engine, container: Container, status: Status) -> str:
    """Return the ports of a container that runs: those exposed, and those published.

    Ports that follow each other and have the same number outside are one entry.
    """
    attached = read_attached(engine, container.id) if status.running else None
    if attached is None:
        return ""
    published = published_ports(attached)
    known = {(port.port, port.protocol) for port in published}
    bare = [one for text in container.exposed_ports for one in exposed(text) if one not in known]
    return ports_text(bare, published)


def ports_text(exposed_only: list[tuple[int, str]], published: list[Port]) -> str:
    """Return the cell, in Docker's order: what has its own number outside comes first."""
    spans: dict[str, list[list[int]]] = {}
    others = []
    entries = [(number, "", 0, protocol) for number, protocol in exposed_only]
    entries += [(p.port, p.host_address, p.host_port, p.protocol) for p in published]
    for number, address, outside, protocol in sorted(entries):
        if address and outside != number:
            others.append(f"{joined(address, outside)}->{number}/{protocol}")
            continue
        group = spans.setdefault(f"{address}/{protocol}", [])
        if group and group[-1][1] == number - 1:
            group[-1][1] = number
        else:
            group.append([number, number])
    # Docker has said each span but the last of a group before it comes to the last ones.
    ended = [_span(key, span) for key, group in spans.items() for span in group[:-1]]
    last = [_span(key, group[-1]) for key, group in spans.items()]
    return ", ".join([*ended, *last, *others])


def _span(key: str, span: list[int]) -> str:
    address, _, protocol = key.rpartition("/")
    first, last = span
    text = str(first) if first == last else f"{first}-{last}"
    return f"{joined(address, text)}->{text}/{protocol}" if address else f"{text}/{protocol}"


def joined(address: str, port: int | str) -> str:
    """Return address and port as one, as URLs have them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
