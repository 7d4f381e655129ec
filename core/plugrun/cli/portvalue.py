"""``-p``: Docker's four forms of a published port, its ranges, and its long form.

``ip:host:container``, ``host:container``, ``ip::container``, ``container``; a range of host ports
for one of the container's asks for any of them that is free.
"""

from __future__ import annotations

from plugrun.errors import UsageError
from plugrun.linux.addresses import version
from plugrun.model.network import Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PROTOCOLS = ("tcp", "udp", "sctp")
_MOST = 65535


def published_ports(texts: Iterable[str]) -> tuple[Port, ...]:
    """Return the ports of all ``-p``; UsageError, in Docker's words."""
    return tuple(dict.fromkeys(port for text in texts for port in parse_port(text)))


def parse_port(text: str) -> list[Port]:
    """Return the ports that one ``-p`` asks for."""
    text = _short_form(text)
    address, host, inner = _parts(text)
    inner, _, rest = inner.partition("/")
    protocol = (rest.partition("/")[0] or "tcp").lower()
    bare = _address(address)
    if not inner:
        raise UsageError(f"no port specified: {text}<empty>")
    first, last = _range(inner, "containerPort")
    host = host if host.strip("0") else ""  # 0 is any that is free
    low, high = _range(host, "hostPort") if host else (0, 0)
    if host and last - first != high - low and last != first:
        raise UsageError(
            f"invalid ranges specified for container and host Ports: {inner} and {host}"
        )
    if protocol not in _PROTOCOLS:
        raise UsageError(f"invalid proto: {protocol}")
    if first == last and high > low:
        return [Port(first, protocol, bare, low, high)]
    step = 1 if host else 0
    return [
        Port(first + n, protocol, bare, low + n * step if host else 0)
        for n in range(last - first + 1)
    ]


def _short_form(text: str) -> str:
    """Return ``published=8080,target=80`` in the usual form; any other text as it is."""
    if "=" not in text:
        return text
    found = {}
    for field in text.split(","):
        key, equals, value = field.partition("=")
        if not equals:
            raise UsageError(
                f"invalid publish opts format (should be name=value but got '{field}')"
            )
        found[key] = value
    published, target = found.get("published", ""), found.get("target", "")
    return f"{published}:{target}/{found.get('protocol') or 'tcp'}"


def _parts(text: str) -> tuple[str, str, str]:
    """Return address, host's and container's part; colons before the last two are the address's."""
    *head, inner = text.split(":")
    return ":".join(head[:-1]), head[-1] if head else "", inner


def _address(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if bare and not version(bare):
        raise UsageError(f"invalid IP address: {bare}")
    return bare


def _range(text: str, what: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    parts = (first, last if dash else first)
    if not all(part.isascii() and part.isdigit() and _is_port(part) for part in parts):
        raise UsageError(f"invalid {what}: {text}")
    if int(parts[1]) < int(parts[0]) or int(parts[0]) == 0:
        raise UsageError(f"invalid {what}: {text}")
    return int(parts[0]), int(parts[1])


def _is_port(digits: str) -> bool:
    return len(digits.lstrip("0")) <= len(str(_MOST)) and int(digits) <= _MOST
