"""Several networks, or one with options: put together by the rules of Docker's client."""

from __future__ import annotations

from plugrun.cli.networkvalue import parse_mac
from plugrun.errors import InvalidArgument, UsageError
from plugrun.model.network import BRIDGE, DEFAULT, HOST, NONE, OF_CONTAINER
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.model.network import EndpointConfig

_PREDEFINED = ("", BRIDGE, DEFAULT, HOST, NONE)
# The field, the option, and what Docker calls the same in --network's long form.
_OPTIONS = (
    ("aliases", "network_alias", "--network-alias", "per-network alias"),
    ("links", "link", "--link", "per-network links"),
    ("ipv4", "ip", "--ip", "per-network IPv4 address"),
    ("ipv6", "ip6", "--ip6", "per-network IPv6 address"),
    ("mac", "mac_address", "--mac-address", "per-network MAC address"),
)


def network_options(
    given: tuple[EndpointConfig, ...], values: Mapping[str, Any]
) -> tuple[EndpointConfig, ...]:
    """Return the networks; what speaks of no network in particular is said of the first."""
    found = [_with_options(given[0], values), *given[1:]]
    if len(found) > 1:
        _check_several(found)
    for one in found:
        if one.aliases and _is_predefined(one.name):
            raise UsageError("network-scoped aliases are only supported for user-defined networks")
    return tuple(found)


def _with_options(first: EndpointConfig, values: Mapping[str, Any]) -> EndpointConfig:
    changes = {}
    for field, dest, option, other in _OPTIONS:
        given = values.get(dest)
        if not given:
            continue
        if getattr(first, field):
            raise UsageError(f"conflicting options: cannot specify both {option} and {other}")
        changes[field] = given
    if "mac" in changes:
        try:
            changes["mac"] = parse_mac(changes["mac"])
        except InvalidArgument as error:
            raise UsageError(error.message) from None
    return replace(first, **changes)


def _check_several(found: list[EndpointConfig]) -> None:
    names = [one.name for one in found]
    if any(map(_is_predefined, names)):
        raise UsageError(
            "conflicting options: cannot attach both user-defined and non-user-defined "
            "network-modes"
        )
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f'network "{name}" is specified multiple times')


def _is_predefined(name: str) -> bool:
    return name in _PREDEFINED or name.startswith(OF_CONTAINER)
