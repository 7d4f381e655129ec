"""``volume ls --filter`` and ``volume prune --filter``: which volumes are meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from plugrun.errors import InvalidArgument
from plugrun.model.volume import Volume

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def volumes_filter(texts: Iterable[str]) -> Callable[[Volume, bool], bool]:
    """Return whether a volume passes ``KEY=VALUE`` filters, given whether nobody uses it.

    One of the names and drivers must fit, but all labels; as in Docker.
    """
    wanted = _grouped(texts, ("dangling", "driver", "label", "name"))
    for value in wanted.get("dangling", ()):
        if value not in _TRUTHS:
            raise InvalidArgument(f"invalid filter 'dangling={value}'", hint="true or false")
    patterns = [_pattern(value) for value in wanted.get("name", ())]

    def passes(volume: Volume, dangling: bool) -> bool:
        return (
            all(_TRUTHS[value] == dangling for value in wanted.get("dangling", ()))
            and ("driver" not in wanted or volume.driver in wanted["driver"])
            and all(_has_label(volume, value) for value in wanted.get("label", ()))
            and (not patterns or any(pattern.search(volume.name) for pattern in patterns))
        )

    return passes


def prune_filter(texts: Iterable[str], all_volumes: bool) -> Callable[[Volume], bool]:
    """Return whether ``prune`` may remove a volume: an anonymous one, or any with ``--all``."""
    wanted = _grouped(texts, ("all", "label", "label!"))
    for value in wanted.get("all", ()):
        if value not in _TRUTHS:
            raise InvalidArgument(f"invalid filter 'all={value}'", hint="true or false")
        all_volumes = all_volumes or _TRUTHS[value]

    def passes(volume: Volume) -> bool:
        return (
            (all_volumes or volume.anonymous)
            and all(_has_label(volume, value) for value in wanted.get("label", ()))
            and not any(_has_label(volume, value) for value in wanted.get("label!", ()))
        )

    return passes


def _grouped(texts: Iterable[str], known: tuple[str, ...]) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for text in texts:
        key, _, value = text.partition("=")
        key, value = key.strip().lower(), value.strip()
        if key not in known:
            raise InvalidArgument(
                f"invalid filter '{key}'", hint=f"known filters: {', '.join(known)}"
            )
        wanted.setdefault(key, []).append(value)
    return wanted


def _pattern(value: str) -> re.Pattern[str]:
    try:
        return re.compile(value)
    except re.error as error:
        raise InvalidArgument(f"invalid filter 'name={value}': {error}") from None


def _has_label(volume: Volume, value: str) -> bool:
    key, equals, wanted = value.partition("=")
    labels = dict(volume.labels)
    return key in labels and (not equals or labels[key] == wanted)
