"""What command lines say of networks: ``--network`` in its long form, subnets, links.

Docker's words where its client refuses.
"""

from __future__ import annotations

from plugrun.cli.failure import SaidError
from plugrun.errors import InvalidArgument
from plugrun.linux.addresses import block, contains
from plugrun.model.network import EndpointConfig, Subnet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_HEX = frozenset("0123456789abcdefABCDEF")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def pair(text: str) -> tuple[str, str]:
    """Return ``KEY=VALUE`` as a pair."""
    key, _, value = text.partition("=")
    return key, value


def parse_link(text: str) -> tuple[str, str]:
    """Return the alias and the container of ``NAME[:ALIAS]``."""
    parts = text.split(":")
    if not text:
        raise InvalidArgument("empty string specified for links")
    if len(parts) > 2 or not parts[0]:
        raise InvalidArgument(f"bad format for links: {text}")
    name, alias = parts[0], parts[-1].rpartition("/")[2]
    return alias or name, name.removeprefix("/")


def parse_mac(text: str) -> str:
    """Return a hardware address of six octets, in lower case."""
    octets = text.replace("-", ":").split(":")
    if len(octets) != 6 or not all(len(o) == 2 and _HEX.issuperset(o) for o in octets):
        raise InvalidArgument(f"{text} is not a valid mac address")
    return ":".join(octets).lower()


def parse_network(text: str) -> EndpointConfig:
    """Return what one ``--network`` says: a name, or ``name=…,alias=…,ip=…``."""
    if not _is_long(text):
        return EndpointConfig(text)
    found: dict[str, list[str]] = {}
    for field in text.split(","):
        key, equals, value = field.strip().partition("=")
        key = key.strip().lower()
        if not equals or not key:
            raise InvalidArgument(f"invalid field {field}")
        if key in ("driver-opt", "link-local-ip", "gw-priority"):
            raise InvalidArgument(f"{key} is not supported")
        if key not in ("name", "alias", "ip", "ip6", "mac-address"):
            raise InvalidArgument(f"invalid field key {key}")
        found.setdefault(key, []).append(value.strip())
    if not found.get("name", [""])[-1]:
        raise InvalidArgument("network name/id is not specified")
    last = {key: values[-1] for key, values in found.items()}
    return EndpointConfig(
        last["name"],
        ipv4=last.get("ip", ""),
        ipv6=last.get("ip6", ""),
        mac=parse_mac(last["mac-address"]) if "mac-address" in last else "",
        aliases=tuple(found.get("alias", ())),
    )


def _is_long(text: str) -> bool:
    """Whether there is a ``word=word`` in it, which no name of a network has."""
    head, equals, tail = text.partition("=")
    return bool(equals and head and tail and head[-1] in _WORD and tail[0] in _WORD)


def subnets(
    cidrs: Sequence[str], ranges: Sequence[str], gateways: Sequence[str], reserved: Sequence[str]
) -> tuple[Subnet, ...]:
    """Return the subnets of ``network create``, each with what lies in it."""
    if len(cidrs) < len(ranges) or len(cidrs) < len(gateways):
        raise SaidError("every ip-range or gateway must have a corresponding subnet")
    for cidr in cidrs:
        _check_cidr(cidr)
    _check_overlap(cidrs)
    return tuple(
        [
            Subnet(
                cidr,
                gateway=_within(cidr, cidrs, gateways, "gateway"),
                range=_within(cidr, cidrs, ranges, "range"),
                reserved=_reserved(cidr, cidrs, reserved),
            )
            for cidr in cidrs
        ]
    )


def _check_cidr(cidr: str) -> None:
    try:
        block(cidr)
    except ValueError as error:
        raise InvalidArgument(f"Invalid subnet {cidr} : {error}") from None


def _check_overlap(cidrs: Sequence[str]) -> None:
    seen: list[tuple[int, int, int]] = []
    for number, first, last in map(block, cidrs):
        if any(n == number and first <= end and start <= last for n, start, end in seen):
            raise SaidError("multiple overlapping subnet configuration is not supported")
        seen.append((number, first, last))


def _within(cidr: str, cidrs: Sequence[str], given: Sequence[str], what: str) -> str:
    """Return the one of the given addresses that lies in a subnet."""
    found = ""
    for text in given:
        if not any(_lies_in(one, text) for one in cidrs):
            raise SaidError(f"no matching subnet for {what} {text}")
        if _lies_in(cidr, text):
            if found:
                raise SaidError(f"cannot configure multiple {what}s ({text}, {found}) on a subnet")
            found = text
    return found


def _reserved(cidr: str, cidrs: Sequence[str], given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = [pair(text) for text in given]
    for _, address in pairs:
        if not any(_lies_in(one, address) for one in cidrs):
            raise SaidError(f"no matching subnet for aux-address {address}")
    return tuple([(name, address) for name, address in pairs if _lies_in(cidr, address)])


def _lies_in(cidr: str, text: str) -> bool:
    """Whether an address, or all of a range, lies in a subnet."""
    try:
        if "/" not in text:
            return contains(cidr, text)
        inner, outer = block(text), block(cidr)
    except ValueError:
        return False
    return inner[0] == outer[0] and outer[1] <= inner[1] and inner[2] <= outer[2]
