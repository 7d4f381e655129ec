"""``--filter KEY=VALUE`` of the listings and of prune: what is read of it, and what it asks."""

from __future__ import annotations

from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    Filters = Mapping[str, tuple[str, ...]]

_TRUE = frozenset(("1", "true", "True", "TRUE", "t", "T"))
_FALSE = frozenset(("0", "false", "False", "FALSE", "f", "F"))


def read_filters(texts: Iterable[str], known: Collection[str]) -> Filters:
    """Return the values of each key; raise InvalidArgument, in Docker's words, for unknown keys."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        key, _, value = text.partition("=")
        key, value = key.strip().lower(), value.strip()
        if key not in known:
            hint = f"known filters: {', '.join(sorted(known))}"
            raise InvalidArgument(f"Invalid filter '{key}'", hint=hint)
        found[key] = (*found.get(key, ()), value)
    return found


def labels_fit(labels: Mapping[str, str], wanted: Iterable[str]) -> bool:
    """Whether all of ``KEY`` or ``KEY=VALUE`` are among the labels."""
    for text in wanted:
        key, equals, value = text.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True


def pruned_labels_fit(filters: Filters, labels: Mapping[str, str]) -> bool:
    """Whether labels pass the ``label`` and ``label!`` of a prune."""
    unwanted = filters.get("label!", ())
    return labels_fit(labels, filters.get("label", ())) and not (
        unwanted and labels_fit(labels, unwanted)
    )


def read_bool(filters: Filters, key: str) -> bool | None:
    """Return what a filter of true or false says, None if it is not given."""
    values = filters.get(key, ())
    if not values:
        return None
    if len(set(values)) > 1 or values[0] not in _TRUE | _FALSE:
        raise InvalidArgument(f"Invalid filter '{key}=[{' '.join(values)}]'", hint="true or false")
    return values[0] in _TRUE


def read_until(filters: Filters) -> int | None:
    """Return the time of ``until`` in nanoseconds since the epoch, None if it is not given."""
    values = filters.get("until", ())
    if not values:
        return None
    if len(values) > 1:
        raise InvalidArgument("more than one until filter specified")
    from plugrun.cli.moments import parse_moment

    return parse_moment(values[0])
