"""``HEALTHCHECK`` of a Dockerfile as the image config has it."""

from __future__ import annotations

from plugrun.engine.images.instructionwords import json_words
from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_TIMES = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}


def healthcheck(text: str) -> dict[str, Any]:
    """Return ``[OPTIONS] CMD command`` or ``NONE`` as Docker's Healthcheck object."""
    found: dict[str, Any] = {}
    rest = text
    while rest.startswith("--"):
        option, _, rest = rest.partition(" ")
        rest = rest.strip()
        _option(found, option[2:])
    kind, _, command = rest.partition(" ")
    command = command.strip()
    if kind.upper() == "NONE":
        if command:
            raise InvalidArgument("HEALTHCHECK NONE takes no arguments")
        return {"Test": ["NONE"]}
    if kind.upper() != "CMD":
        what = f'Unknown type "{kind.upper()}" in HEALTHCHECK (try CMD)'
        raise InvalidArgument(what if kind else "HEALTHCHECK requires at least one argument")
    if not command:
        raise InvalidArgument("Missing command after HEALTHCHECK CMD")
    words = json_words(command)
    return {"Test": ["CMD-SHELL", command] if words is None else ["CMD", *words], **found}


def _option(found: dict[str, Any], text: str) -> None:
    name, _, value = text.partition("=")
    if name in _TIMES:
        found[_TIMES[name]] = _duration(name, value)
    elif name == "retries" and value.isascii() and value.isdigit():
        found["Retries"] = int(value)
    else:
        raise InvalidArgument(f"Unknown flag or value: --{text}")


def _duration(name: str, text: str) -> int:
    """Return Go's ``1m30s`` in nanoseconds."""
    total, rest = 0.0, text
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        letters = len(rest[digits:]) - len(rest[digits:].lstrip("hmsun"))
        number, unit = rest[:digits], rest[digits : digits + letters]
        try:
            total += float(number) * _UNITS[unit]
        except (ValueError, KeyError):
            total, rest = -1, ""
            break
        rest = rest[digits + letters :]
    if total <= 0 or not text:
        raise InvalidArgument(f'Interval "{name}" must be a duration of at least 1ms, not "{text}"')
    return int(total)
