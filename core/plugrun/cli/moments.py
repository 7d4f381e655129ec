"""Points in time on the command line: ``--since`` and ``--until`` of ``logs`` and ``events``.

A time is RFC 3339, whole or cut short (``2026-01-02``, ``2026-01-02T15:04``; local where no zone is
said), seconds since the epoch with or without a fraction, or a duration before now as Go writes
them (``10m``, ``1h30m``).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from plugrun.errors import InvalidArgument
from plugrun.model.duration import parse_duration

_NS = 10**9
_DIGITS = frozenset("0123456789")
# Those of the greatest number Go takes; Python refuses to read thousands of them.
_MOST_DIGITS = 19
# How much of a time there is, by its length without zone and fraction.
_SHAPES = {
    10: "%Y-%m-%d",
    13: "%Y-%m-%dT%H",
    16: "%Y-%m-%dT%H:%M",
    19: "%Y-%m-%dT%H:%M:%S",
}


def parse_moment(text: str, now_ns: int | None = None) -> int:
    """Return a time in nanoseconds since the epoch; InvalidArgument in Docker's words."""
    try:
        return (time.time_ns() if now_ns is None else now_ns) - parse_duration(text)
    except InvalidArgument:
        pass
    if "-" in text:
        return _rfc3339(text)
    whole, _, fraction = text.partition(".")
    if not _DIGITS.issuperset(whole + fraction) or not whole or len(whole) > _MOST_DIGITS:
        raise InvalidArgument(f'failed to parse value as time or duration: "{text}"')
    return int(whole) * _NS + int(fraction[:9].ljust(9, "0"))


def _rfc3339(text: str) -> int:
    head, zone = _zone(text)
    head, _, fraction = head.partition(".")
    shape = _SHAPES.get(len(head))
    if shape is None or not _DIGITS.issuperset(fraction):
        raise InvalidArgument(f'parsing time "{text}": it is not of the form 2006-01-02T15:04:05Z')
    try:
        found = datetime.strptime(head + zone, shape + ("%z" if zone else ""))
    except ValueError:
        raise InvalidArgument(f'parsing time "{text}": {_fault(head)}') from None
    return _seconds(found) * _NS + int(fraction[:9].ljust(9, "0"))


def _seconds(found: datetime) -> int:
    try:
        return int(found.timestamp())
    except (ValueError, OverflowError):
        # At both ends of the calendar there is no telling what the local time was.
        return int(found.replace(tzinfo=UTC).timestamp())


def _zone(text: str) -> tuple[str, str]:
    """Split a time's zone off, as ``strptime`` reads it; it is empty where there is none."""
    if text[-1:] in ("Z", "z"):
        return text[:-1], "+0000"
    sign = text[-6:-5]
    if len(text) > 16 and sign in ("+", "-") and text[-3] == ":":
        return text[:-6], text[-6:]
    return text, ""


def _fault(head: str) -> str:
    """Say what is out of range, as Go does."""
    parts = (("month", 5, 1, 12), ("day", 8, 1, 31), ("hour", 11, 0, 23))
    for name, at, least, most in (*parts, ("minute", 14, 0, 59), ("second", 17, 0, 59)):
        digits = head[at : at + 2]
        if digits.isdecimal() and not least <= int(digits) <= most:
            return f"{name} out of range"
    return "it is not of the form 2006-01-02T15:04:05Z"
