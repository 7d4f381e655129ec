"""``WWW-Authenticate``: what a server wants before it answers (RFC 9110, section 11)."""

from __future__ import annotations

import re

from plugrun.api import record

_LONGEST = 16384
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PIECE = re.compile(rf'[\s,]*({_WORD})(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*))?')


@record
class Challenge:
    """One scheme a server accepts; names are lower case."""

    scheme: str
    parameters: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        """Return a parameter, empty if it is missing."""
        return dict(self.parameters).get(name, "")


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Return the challenges of a header, or of several joined by commas; skip what is none."""
    found: list[tuple[str, list[tuple[str, str]]]] = []
    position, text = 0, header[:_LONGEST]
    while match := _PIECE.match(text, position):
        position = match.end()
        name, value = match.group(1).lower(), match.group(2)
        if value is None:
            found.append((name, []))
        elif found:
            found[-1][1].append((name, _plain(value)))
    return tuple(Challenge(scheme, tuple(parameters)) for scheme, parameters in found)


def bearer(header: str) -> Challenge | None:
    """Return the first Bearer challenge that names a token server."""
    wanted = (c for c in parse_challenges(header) if c.scheme == "bearer" and c.get("realm"))
    return next(wanted, None)


def answerable(header: str) -> Challenge | None:
    """Return the challenge to answer: Bearer if it can be, else Basic."""
    basic = (c for c in parse_challenges(header) if c.scheme == "basic")
    return bearer(header) or next(basic, None)


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
