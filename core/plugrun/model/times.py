"""RFC 3339 times, as image configs have them (image-spec config.md, ``created``)."""

from __future__ import annotations

_NS = 10**9
_DIGITS = frozenset("0123456789")
# Days of a year before each month, in one without a leap day.
_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def rfc3339_ns(text: str) -> int:
    """Return an RFC 3339 time in nanoseconds since the epoch, 0 if it is none.

    Without ``datetime``, which a listing would load for this alone.
    """
    day, clock, rest = text[:10], text[11:19], text[19:]
    if len(clock) < 8 or text[10] not in "Tt " or day[4] + day[7] + clock[2] + clock[5] != "--::":
        return 0
    fraction, offset = _split(rest)
    numbers = (day[:4], day[5:7], day[8:], clock[:2], clock[3:5], clock[6:])
    if offset is None or not all(_DIGITS.issuperset(number) for number in (*numbers, fraction)):
        return 0
    year, month, date, hour, minute, second = (int(number) for number in numbers)
    if not (1 <= month <= 12 and 1 <= date <= 31 and hour < 24 and minute < 60 and second <= 60):
        return 0
    seconds = ((_days(year, month, date) * 24 + hour) * 60 + minute) * 60 + second - offset
    return seconds * _NS + int(fraction[:9].ljust(9, "0"))


def rfc3339(ns: int) -> str:
    """Return a time in nanoseconds since the epoch as Go writes it: no zeros at the end."""
    import time

    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // _NS))
    fraction = f"{ns % _NS:09}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def _days(year: int, month: int, date: int) -> int:
    """Return the days from the epoch to a date, by the Gregorian calendar."""
    past = year - 1
    leaps = past // 4 - past // 100 + past // 400 - 477  # those before 1970
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (year - 1970) * 365 + leaps + _BEFORE[month - 1] + (is_leap and month > 2) + date - 1


def _split(rest: str) -> tuple[str, int | None]:
    """Split what follows the seconds into fraction and offset in seconds; None if it is wrong."""
    fraction = ""
    if rest.startswith("."):
        end = 1
        while end < len(rest) and rest[end] in _DIGITS:
            end += 1
        fraction, rest = rest[1:end], rest[end:]
    if rest in ("", "Z", "z"):
        return fraction, 0
    hours, minutes = rest[1:3], rest[4:6]
    shaped = len(rest) == 6 and rest[0] in "+-" and rest[3] == ":"
    if not shaped or not _DIGITS.issuperset(hours + minutes):
        return fraction, None
    seconds = int(hours) * 3600 + int(minutes) * 60
    return fraction, -seconds if rest[0] == "-" else seconds
