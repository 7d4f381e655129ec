"""Sizes and times as people read them, in Docker's forms."""

from __future__ import annotations

import time

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
NS = 10**9


def human_size(size: float, digits: int = 3) -> str:
    """Return a size with a factor of 1000 and so many significant digits: ``7.8kB``, ``124MB``."""
    for unit in _SIZES:
        # What rounds up to four digits belongs to the next unit.
        if float(f"{size:.{digits}g}") < 1000 or unit == _SIZES[-1]:
            break
        size /= 1000
    return f"{size:.{max(digits, 3)}g}{unit}"


def human_duration(seconds: float) -> str:
    """Return a length of time: ``5 seconds``, ``About an hour``, ``3 weeks``."""
    whole = int(max(seconds, 0))
    minutes, hours = whole // 60, int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    days = hours // 24
    for limit, days_in, name in ((14, 1, "days"), (60, 7, "weeks"), (730, 30, "months")):
        if days < limit:
            return f"{days // days_in} {name}"
    return f"{int(seconds / 3600) // 24 // 365} years"


def ago(time_ns: int, now_ns: int) -> str:
    """Return how long ago a time was."""
    return human_duration((now_ns - time_ns) / NS) + " ago"


def local_time(time_ns: int) -> str:
    """Return a time as Docker's ``CreatedAt``: ``2024-01-02 03:04:05 +0000 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(time_ns // NS))


def rfc3339_local(time_ns: int) -> str:
    """Return a time of this place to the second, as RFC 3339 has it: ``2024-01-02T03:04:05Z``."""
    place = time.localtime(time_ns // NS)
    zone = time.strftime("%z", place)
    zone = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    return time.strftime("%Y-%m-%dT%H:%M:%S", place) + zone


def binary_size(size: float) -> str:
    """Return a size with a factor of 1024 and four significant digits: ``900KiB``, ``1.078MiB``."""
    for unit in _BINARY:
        if size < 1024 or unit == _BINARY[-1]:
            break
        size /= 1024
    return f"{size:.4g}{unit}"
