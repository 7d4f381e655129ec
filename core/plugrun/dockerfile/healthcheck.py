"""``HEALTHCHECK`` of a Dockerfile as the image config has it."""

from __future__ import annotations

from plugrun.dockerfile.characters import SPACES
from plugrun.dockerfile.flags import TEXT, Flags
from plugrun.dockerfile.splitting import json_words
from plugrun.errors import InvalidArgument
from plugrun.model.duration import parse_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_TIMES = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}
_FLAGS = {**dict.fromkeys(_TIMES, TEXT), "retries": TEXT}
_SHORTEST = 10**6
_MOST_RETRIES = 2**31 - 1


def healthcheck(flags: Sequence[str], rest: str) -> dict[str, Any]:
    """Return ``[OPTIONS] CMD command`` or ``NONE`` as Docker's Healthcheck object."""
    if not rest:
        raise InvalidArgument("HEALTHCHECK requires at least one argument")
    at = next((i for i, char in enumerate(rest) if char in SPACES), len(rest))
    kind, command = rest[:at].upper(), rest[at:].strip(SPACES)
    if kind == "NONE":
        if command:
            raise InvalidArgument("HEALTHCHECK NONE takes no arguments")
        return {"Test": ["NONE"]}
    given = Flags(flags, _FLAGS)
    if kind != "CMD":
        raise InvalidArgument(f'Unknown type "{kind}" in HEALTHCHECK (try CMD)')
    words = json_words(command)
    if not command or words == ():
        raise InvalidArgument("Missing command after HEALTHCHECK CMD")
    test = ["CMD-SHELL", command] if words is None else ["CMD", *words]
    times = {key: _time(name, given.text(name)) for name, key in _TIMES.items()}
    numbers = {**times, "Retries": _retries(given.text("retries"))}
    return {"Test": test, **{key: number for key, number in numbers.items() if number}}


def _time(name: str, text: str) -> int:
    duration = parse_duration(text) if text else 0
    if duration and duration < _SHORTEST:
        raise InvalidArgument(f'Interval "{name}" cannot be less than 1ms')
    return duration


def _retries(text: str) -> int:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not text:
        return 0
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 20:
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    number = int(text)
    if abs(number) > _MOST_RETRIES:
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": value out of range')
    if number < 0:
        raise InvalidArgument(f"--retries cannot be negative ({number})")
    return number
