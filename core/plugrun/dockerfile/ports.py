"""``EXPOSE``: ports as written, and as the image config has them."""

from __future__ import annotations

from plugrun.errors import InvalidArgument
from plugrun.model.record import record

_PROTOCOLS = ("tcp", "udp", "sctp")
_DIGITS = frozenset("0123456789")


@record
class Exposed:
    """What one word of EXPOSE comes down to; ``mapped`` says that it names a host's port too."""

    ports: tuple[str, ...]
    lower_case: bool
    mapped: bool


def exposed(word: str) -> Exposed:
    """Return ``80``, ``53/udp`` or ``[ip:][host:]7000-7010/tcp`` as ``7000/tcp`` …."""
    *front, container = _parts(word)
    numbers, _, protocol = container.partition("/")
    if not numbers:
        raise InvalidArgument(f"No port specified: {word}<empty>")
    if protocol.lower() not in ("", *_PROTOCOLS):
        raise InvalidArgument(f"Invalid proto: {protocol}")
    first, last = _range("containerPort", numbers)
    _check_front(front, numbers, last - first)
    kind = protocol.lower() or "tcp"
    ports = tuple(f"{number}/{kind}" for number in range(first, last + 1))
    return Exposed(ports, protocol == protocol.lower(), any(front))


def _parts(word: str) -> list[str]:
    parts = word.split(":")
    if len(parts) <= 3:
        return parts
    return [":".join(parts[:-2]), *parts[-2:]]


def _check_front(front: list[str], container: str, span: int) -> None:
    if len(front) == 2 and front[0]:
        _check_address(front[0])
    if not front or not front[-1]:
        return
    first, last = _range("hostPort", front[-1])
    if span not in (0, last - first):
        raise InvalidArgument(
            f"Invalid ranges specified for container and host Ports: {container} and {front[-1]}"
        )


def _check_address(text: str) -> None:
    import socket

    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, bare)
        except (OSError, ValueError):
            continue
        return
    raise InvalidArgument(f"Invalid ip address: {text}")


def _range(what: str, text: str) -> tuple[int, int]:
    start, dash, end = text.partition("-")
    ends = [start, end if dash else start]
    for one in ends:
        if not one or not _DIGITS.issuperset(one) or len(one) > 5 or int(one) > 65535:
            raise InvalidArgument(f"Invalid {what}: {text}")
    if int(ends[0]) > int(ends[1]):
        raise InvalidArgument(f"Invalid range specified for port: {text}")
    return int(ends[0]), int(ends[1])
