"""Values of rare options: text in Docker's forms to numbers and records.

Every function raises InvalidArgument with what Docker says after ``invalid argument "x" for
"--y" flag:``.
"""

from __future__ import annotations

import _socket

from plugrun.cli.values import parse_bytes
from plugrun.errors import InvalidArgument
from plugrun.model.duration import parse_duration
from plugrun.model.fence import Ulimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.mountpoint import MountPoint

_STREAMS = ("stdin", "stdout", "stderr")
_LONGEST = 2**63 - 1
_DIGITS = frozenset("0123456789")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

# getrlimit(2)'s, as Docker names them.
ULIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc"),
    *("rss", "rtprio", "rttime", "sigpending", "stack"),
)
# What a namespace of the container's own has: ipc_namespaces(7), network_namespaces(7).
_SYSCTLS = frozenset(
    f"kernel.{name}" for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni")
) | {"kernel.shm_rmid_forced"}
_SYSCTL_ROOTS = ("net.", "fs.mqueue.")


def parse_stream(text: str) -> str:
    """Return ``stdin``, ``stdout`` or ``stderr``."""
    if text.lower() not in _STREAMS:
        raise InvalidArgument("valid streams are STDIN, STDOUT and STDERR")
    return text.lower()


def parse_uint16(text: str) -> int:
    """Return a number from 0 to 65535."""
    if not text.isascii() or not text.isdigit():
        raise InvalidArgument(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if len(text) > 5 or int(text) > 0xFFFF:
        raise InvalidArgument(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def parse_swap(text: str) -> int:
    """Return bytes, or -1 for no limit."""
    return -1 if text == "-1" else parse_bytes(text)


def parse_ulimit(text: str) -> Ulimit:
    """Return ``NAME=SOFT[:HARD]``; -1 is unlimited."""
    name, equals, limits = text.partition("=")
    if not equals:
        raise InvalidArgument(f"invalid ulimit argument: {text}")
    if name not in ULIMITS:
        raise InvalidArgument(f"invalid ulimit type: {name}")
    parts = limits.split(":")
    if len(parts) > 2:
        raise InvalidArgument(
            f"too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`"
        )
    soft = _integer(parts[0])
    hard = _integer(parts[1]) if len(parts) == 2 and parts[1] else soft
    if hard != -1 and soft == -1:
        raise InvalidArgument(
            "ulimit soft limit must be less than or equal to hard limit: "
            f"soft: -1 (unlimited), hard: {hard}"
        )
    if hard != -1 and soft > hard:
        raise InvalidArgument(
            f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        )
    return Ulimit(name, soft, hard)


def _integer(text: str) -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not digits.isascii() or not digits.isdigit():
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if len(digits) > 19 or int(text) > _LONGEST:
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": value out of range')
    return int(text)


def parse_address(text: str) -> str:
    """Return an IPv4 or IPv6 address in its usual form."""
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            return _socket.inet_ntop(family, _socket.inet_pton(family, text.strip()))
        except (OSError, ValueError):
            continue
    raise InvalidArgument(f"IP address is not correctly formatted: {text}")


def parse_host(text: str) -> str:
    """Return ``NAME:ADDRESS``; ``host-gateway`` stands for this machine."""
    name, found, address = text.partition("=")
    if not found:
        name, found, address = text.partition(":")
    if not found or not name or ":" in name:
        raise InvalidArgument(f'bad format for add-host: "{text}"')
    if address == "host-gateway":
        return f"{name}:{address}"
    if len(address) > 2 and address[0] == "[" and address[-1] == "]":
        address = address[1:-1]
    try:
        parse_address(address)
    except InvalidArgument:
        raise InvalidArgument(f'invalid IP address in add-host: "{address}"') from None
    return f"{name}:{address}"


def parse_domain(text: str) -> str:
    """Return a domain to search, or ``.`` for none."""
    wanted = text.strip()
    if wanted == ".":
        return wanted
    labels = wanted.removesuffix(".").split(".")
    if not _LETTERS.intersection(wanted) or not all(_is_label(label) for label in labels):
        raise InvalidArgument(f"{text} is not a valid domain")
    return wanted.removesuffix(".")


def _is_label(text: str) -> bool:
    plain = text.strip("-") == text and text.replace("-", "a")
    return bool(plain) and (_LETTERS | _DIGITS).issuperset(str(plain))


def parse_device_rule(text: str) -> str:
    """Return a rule of the devices cgroup: ``c 1:3 rwm``, ``a *:* rwm``."""
    words = text.split(" ")
    numbers = words[1].split(":") if len(words) == 3 else []
    fits = (
        len(numbers) == 2
        and words[0] in ("a", "b", "c")
        and all(n == "*" or (n.isascii() and n.isdigit()) for n in numbers)
        and 1 <= len(words[2]) <= 3
        and frozenset("rwm").issuperset(words[2])
    )
    if not fits:
        raise InvalidArgument(f"invalid device cgroup format '{text}'")
    return text


def parse_sysctl(text: str) -> tuple[str, str]:
    """Return a kernel parameter that belongs to a namespace, and its value."""
    name, equals, value = text.partition("=")
    if not equals or not (name in _SYSCTLS or name.startswith(_SYSCTL_ROOTS)):
        raise InvalidArgument(f"sysctl '{text}' is not allowed")
    return name, value


def parse_mount(text: str) -> MountPoint:
    """Return what one ``--mount`` asks."""
    from plugrun.cli.mountvalue import parse_mount

    return parse_mount(text)


def parse_weight(text: str) -> tuple[str, int]:
    """Return a device's path and its weight; 0 takes a weight back."""
    path, value = _of_device(text)
    fits = value.isascii() and value.isdigit() and len(value) < 6
    if not fits or (int(value) and not 10 <= int(value) <= 1000):
        raise InvalidArgument(f"invalid weight for device: {text}")
    return path, int(value)


def parse_bps(text: str) -> tuple[str, int]:
    """Return a device's path and bytes a second."""
    path, value = _of_device(text)
    try:
        return path, parse_bytes(value)
    except InvalidArgument:
        raise InvalidArgument(
            f"invalid rate for device: {text}. The correct format is "
            "<device-path>:<number>[<unit>]. Number must be a positive integer. "
            "Unit is optional and can be kb, mb, or gb"
        ) from None


def parse_iops(text: str) -> tuple[str, int]:
    """Return a device's path and operations a second."""
    path, value = _of_device(text)
    if not (value.isascii() and value.isdigit() and len(value) < 20):
        raise InvalidArgument(
            f"invalid rate for device: {text}. The correct format is "
            "<device-path>:<number>. Number must be a positive integer"
        )
    return path, int(value)


def _of_device(text: str) -> tuple[str, str]:
    path, colon, value = text.partition(":")
    if not colon or not path:
        raise InvalidArgument(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise InvalidArgument(f"bad format for device path: {text}")
    return path, value


def parse_link(text: str) -> tuple[str, str]:
    """Return the alias and the container of one ``--link``."""
    from plugrun.cli.networkvalue import parse_link

    return parse_link(text)


CONVERTERS = {
    "link": parse_link,
    "mount": parse_mount,
    "stream": parse_stream,
    "uint16": parse_uint16,
    "duration": parse_duration,
    "swap": parse_swap,
    "ulimit": parse_ulimit,
    "ip": parse_address,
    "host": parse_host,
    "domain": parse_domain,
    "device-rule": parse_device_rule,
    "sysctl": parse_sysctl,
    "device-weight": parse_weight,
    "device-bps": parse_bps,
    "device-iops": parse_iops,
}
