"""Signals by name or number, as Docker takes them."""

from __future__ import annotations

from plugrun.errors import InvalidArgument
from plugrun.linux.signals import raw as signals


def signal_number(text: str) -> int:
    """Return the number of ``KILL``, ``SIGKILL``, ``sigkill``, ``9`` or ``RTMIN+3``."""
    if text.isascii() and text.isdigit():
        if 0 < int(text) <= 64:
            return int(text)
        raise InvalidArgument(f"Invalid signal: {text}")
    name = text.upper().removeprefix("SIG")
    base, sign, offset = name.partition("+")
    if not sign:
        base, sign, offset = name.partition("-")
    number = getattr(signals, f"SIG{base}", None) if base.isalnum() else None
    if number is None or (sign and not _real_time(base, sign, offset)):
        raise InvalidArgument(f"Invalid signal: {text}", hint="use a name such as TERM or KILL")
    moved = int(number) + (int(sign + offset) if sign else 0)
    if not 0 < moved <= 64:
        raise InvalidArgument(f"Invalid signal: {text}")
    return moved


def _real_time(base: str, sign: str, offset: str) -> bool:
    return offset.isdigit() and (base, sign) in (("RTMIN", "+"), ("RTMAX", "-"))
