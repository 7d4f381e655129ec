"""``ps --filter``: which containers are listed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from plugrun.errors import InvalidArgument
from plugrun.model.container import Container, Status

_STATES = ("created", "restarting", "running", "removing", "paused", "exited", "dead")
_Test = Callable[[Container, Status, str], bool]


def containers_filter(texts: Iterable[str]) -> Callable[[Container, Status], bool]:
    """Return whether a container passes ``KEY=VALUE`` filters.

    As in Docker one of the values of a key must fit, but all labels; and every key must.
    """
    wanted: dict[str, list[str]] = {}
    for text in texts:
        key, _, value = text.partition("=")
        key, value = key.strip().lower(), value.strip()
        if key not in _TESTS:
            raise InvalidArgument(
                f"invalid filter '{key}'", hint=f"known filters: {', '.join(_TESTS)}"
            )
        _check(key, value)
        wanted.setdefault(key, []).append(value)

    def passes(container: Container, status: Status) -> bool:
        return all(
            _enough(key)(_TESTS[key](container, status, value) for value in values)
            for key, values in wanted.items()
        )

    return passes


def _enough(key: str) -> Any:
    return all if key == "label" else any


def _check(key: str, value: str) -> None:
    if key == "status" and value not in _STATES:
        raise InvalidArgument(
            f"invalid filter 'status={value}'", hint=f"one of {', '.join(_STATES)}"
        )
    if key == "exited" and not value.lstrip("-").isdecimal():
        raise InvalidArgument(f"invalid filter 'exited={value}'", hint="a number")
    if key in ("name", "id"):
        try:
            re.compile(value)
        except re.error as error:
            raise InvalidArgument(f"invalid filter '{key}={value}': {error}") from None


def _label(container: Container, status: Status, value: str) -> bool:
    key, equals, wanted = value.partition("=")
    labels = dict(container.labels)
    return key in labels and (not equals or labels[key] == wanted)


def _name(container: Container, status: Status, value: str) -> bool:
    # Docker's names begin with a slash, and a pattern may count on it or not.
    found = re.search(value, container.name) or re.search(value, f"/{container.name}")
    return found is not None


def _ancestor(container: Container, status: Status, value: str) -> bool:
    id = container.image.removeprefix("sha256:")
    by_id = len(value) >= 4 and id.startswith(value.removeprefix("sha256:"))
    return by_id or value in (container.image_name, container.image_name.partition(":")[0])


_TESTS: dict[str, _Test] = {
    "ancestor": _ancestor,
    "exited": lambda c, s, v: s.state == "exited" and s.exit_code == int(v),
    "id": lambda c, s, v: re.match(v, c.id) is not None,
    "label": _label,
    "name": _name,
    "network": lambda c, s, v: c.network == v,
    "status": lambda c, s, v: s.state == v,
}
