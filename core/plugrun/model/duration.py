"""Durations as Go writes them, and with it Docker's options and HEALTHCHECK: ``1m30s``."""

from __future__ import annotations

from plugrun.errors import InvalidArgument

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,
    "\u03bcs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_LARGEST = 2**63 - 1


def parse_duration(text: str) -> int:
    """Return ``1m30s``, ``-2h``, ``.5s`` or ``0`` in nanoseconds.

    Raise InvalidArgument as Go's time.ParseDuration does.
    """
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise InvalidArgument(f'time: invalid duration "{text}"')
    total = 0
    while rest:
        amount, rest = _term(text, rest)
        total += amount
    if total > _LARGEST:
        raise InvalidArgument(f'time: invalid duration "{text}"')
    return sign * total


def _term(text: str, rest: str) -> tuple[int, str]:
    """Return the first number with its unit, and what follows."""
    digits = len(rest) - len(rest.lstrip("0123456789."))
    whole, _, part = rest[:digits].partition(".")
    letters = 0
    while digits + letters < len(rest) and rest[digits + letters] not in "0123456789.":
        letters += 1
    unit = rest[digits : digits + letters]
    if not whole + part or "." in part or len(rest[:digits]) > 40:
        raise InvalidArgument(f'time: invalid duration "{text}"')
    if not unit:
        raise InvalidArgument(f'time: missing unit in duration "{text}"')
    if unit not in _UNITS:
        raise InvalidArgument(f'time: unknown unit "{unit}" in duration "{text}"')
    factor = _UNITS[unit]
    fraction = int(part or "0") * factor // 10 ** len(part)
    return int(whole or "0") * factor + fraction, rest[digits + letters :]
