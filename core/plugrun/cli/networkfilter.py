"""``network ls --filter`` and ``network prune --filter``: which networks are meant."""

from __future__ import annotations

from plugrun.cli.filters import labels_fit, pruned_labels_fit, read_bool, read_filters, read_until
from plugrun.engine.networks.attached import is_attached
from plugrun.errors import InvalidArgument
from plugrun.model.network import BRIDGE, HOST, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from plugrun.cli.filters import Filters
    from plugrun.engine.engine import Engine
    from plugrun.model.network import NetworkConfig

KNOWN = frozenset(("dangling", "driver", "id", "label", "name", "scope", "type"))
_BUILT_IN = (BRIDGE, HOST, NONE)


def networks_filter(engine: Engine, texts: Iterable[str]) -> Callable[[NetworkConfig], bool]:
    """Return whether a network passes ``KEY=VALUE`` filters.

    As in Docker one of the values of a key must fit, but all labels; and every key must. Names
    and IDs fit if the value is a part of them.
    """
    filters = read_filters(texts, KNOWN)
    dangling = read_bool(filters, "dangling")
    kinds = filters.get("type", ())
    for kind in kinds:
        if kind not in ("builtin", "custom"):
            raise InvalidArgument(f"invalid filter: 'type'='{kind}'", hint="builtin or custom")

    def passes(network: NetworkConfig) -> bool:
        kind = "builtin" if network.name in _BUILT_IN else "custom"
        return (
            _one_of(filters, "driver", lambda value: value == network.driver)
            and _one_of(filters, "name", lambda value: value in network.name)
            and _one_of(filters, "id", lambda value: value in network.id)
            and _one_of(filters, "scope", lambda value: value == "local")
            and labels_fit(dict(network.labels), filters.get("label", ()))
            and (not kinds or kind in kinds)
            and (dangling is None or dangling == _is_dangling(engine, network))
        )

    return passes


def _one_of(filters: Filters, key: str, fits: Callable[[str], bool]) -> bool:
    return key not in filters or any(fits(value) for value in filters[key])


def _is_dangling(engine: Engine, network: NetworkConfig) -> bool:
    """Whether nobody would miss it: of one's own, and no container that runs is on it."""
    if network.name in _BUILT_IN:
        return False
    users = engine.metadata.networks.users(network.id)
    return not any(is_attached(engine, id, network.id) for id in users)


def wanted_networks(filters: Filters) -> Callable[[NetworkConfig], bool]:
    """Return whether the filters of a prune let a network go."""
    until = read_until(filters)

    def wanted(network: NetworkConfig) -> bool:
        young = until is not None and network.created_ns > until
        return not young and pruned_labels_fit(filters, dict(network.labels))

    return wanted
