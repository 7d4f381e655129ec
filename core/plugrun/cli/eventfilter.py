"""``events --filter``: which events are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from plugrun.errors import InvalidArgument
from plugrun.model.event import Event

# These are named with what follows them (`exec_start: ls`): they are compared from the beginning.
_PREFIXED = frozenset(("health_status", "exec_create", "exec_start"))
_BY_NAME = frozenset(("container", "network", "plugin", "volume", "daemon"))
_KEYS = (*sorted((*_BY_NAME, "event", "image", "label", "scope", "type")),)
_Wanted = Mapping[str, Sequence[str]]


def events_filter(texts: Iterable[str]) -> Callable[[Event], bool]:
    """Return whether an event passes ``KEY=VALUE`` filters.

    As in Docker one of the values of a key must fit, but all labels; and every key must.
    """
    wanted: dict[str, list[str]] = {}
    for text in texts:
        key, _, value = text.partition("=")
        key, value = key.strip().lower(), value.strip()
        if key not in _KEYS:
            raise InvalidArgument(
                f"invalid filter '{key}'", hint=f"known filters: {', '.join(_KEYS)}"
            )
        wanted.setdefault(key, []).append(value)
    return lambda event: all(_fits(key, values, event) for key, values in wanted.items())


def _fits(key: str, values: Sequence[str], event: Event) -> bool:
    if key == "event":
        return _action(values, event.action)
    if key == "type":
        return event.kind in values
    if key == "scope":
        return "local" in values
    if key == "label":
        return all(_label(value, event.attributes) for value in values)
    if key == "image":
        return _image(values, event)
    name = event.attributes.get("name", "")
    return event.kind == key and any(event.id.startswith(v) or name.startswith(v) for v in values)


def _action(values: Sequence[str], action: str) -> bool:
    if _PREFIXED.isdisjoint(values):
        return action in values
    return any(action.startswith(value) for value in values)


def _label(value: str, attributes: Mapping[str, str]) -> bool:
    key, equals, wanted = value.partition("=")
    return key in attributes and (not equals or attributes[key] == wanted)


def _image(values: Sequence[str], event: Event) -> bool:
    name = event.attributes.get("name" if event.kind == "image" else "image", "")
    return any(text in values for text in (event.id, name, _untagged(event.id), _untagged(name)))


def _untagged(name: str) -> str:
    """Return a name without its tag; one that is a digest has none."""
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag and not name.startswith("sha256:") else name
