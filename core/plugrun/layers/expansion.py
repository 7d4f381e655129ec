"""What compressed bytes may come to: a few kilobytes of gzip can be terabytes of zeros.

Memory is bounded anyway, as all comes in pieces; this bounds the disk. Without a word from the
user a hundred times the input is allowed, and some gigabytes besides: real layers come to ten
times at most, but files of zeros are no crime.
"""

from __future__ import annotations

import os

from plugrun.errors import ConfigError, HostileArchive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = "PLUGRUN_MAX_LAYER_SIZE"
TIMES = 100
BESIDES = 4 << 30
_UNITS = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def largest(read: int, environment: Mapping[str, str] = os.environ) -> int:
    """Return how many bytes ``read`` compressed ones may come to; raise ConfigError.

    ``PLUGRUN_MAX_LAYER_SIZE`` is that number, with k, m, g or t for powers of 1024.
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return TIMES * read + BESIDES
    plain = text.strip().lower().removesuffix("ib")
    unit = plain.lstrip("0123456789")
    digits = plain.removesuffix(unit)
    if not digits or len(digits) > 18 or not digits.isascii() or unit not in _UNITS:
        raise ConfigError(f"{VARIABLE} is {text[:100]!r}, not a size as 500m or 20g")
    return int(digits) << _UNITS[unit]


def bounded(pieces: Iterator[bytes], fd: int) -> Iterator[bytes]:
    """Pass on what a compressed file comes to; raise HostileArchive if that is too much."""
    limit, made = largest(os.fstat(fd).st_size), 0
    for piece in pieces:
        made += len(piece)
        check(made, limit)
        yield piece


def check(made: int, limit: int) -> None:
    """Raise HostileArchive if more was made than the limit allows."""
    if made > limit:
        raise HostileArchive(
            f"a compressed archive comes to more than {limit} bytes",
            hint=f"if it is meant to, set {VARIABLE} to a larger size, as 100g",
        )
