"""What an image of host programs is called: ``host/sh-ls:latest``."""

from __future__ import annotations

import hashlib

from plugrun.api import Reference, parse_reference

_LONGEST = 80
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


def image_reference(programs: tuple[str, ...]) -> Reference:
    """Return a name Docker's grammar accepts; programs it cannot spell add a short hash."""
    words = [_word(program) for program in programs]
    name = "-".join(word for word in words if word) or "programs"
    if tuple(words) != programs or len(name) > _LONGEST:
        whole = ",".join(programs).encode("utf-8", "surrogateescape")
        name = f"{name[:_LONGEST].rstrip('-.')}-{hashlib.sha256(whole).hexdigest()[:8]}"
    return parse_reference(f"host/{name}")


def _word(program: str) -> str:
    """Return the letters, digits and single inner dots of a program's name."""
    last = program.rpartition("/")[2].lower()
    kept = "".join(c if c in _PLAIN else "." if c == "." else " " for c in last)
    return ".".join(part for part in "".join(kept.split()).split(".") if part)
