"""The keys that leave a container without ending it, in Docker's notation."""

from __future__ import annotations

from plugrun.errors import InvalidArgument

# Ctrl-P Ctrl-Q.
DEFAULT = b"\x10\x11"
_CONTROLLED = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


def detach_keys(text: str) -> bytes:
    """Return the bytes of ``ctrl-p,ctrl-q``, ``a,b`` or the like; empty means the default."""
    return b"".join(_key(word, text) for word in text.split(",")) if text else DEFAULT


def _key(word: str, text: str) -> bytes:
    control = word.removeprefix("ctrl-")
    if word != control and len(control) == 1 and control in _CONTROLLED:
        return bytes((_CONTROLLED.index(control),))
    if len(word) == 1 and word.isascii():
        return word.encode()
    raise InvalidArgument(
        f"Invalid escape keys ({text}) provided", hint="such as ctrl-p,ctrl-q: ctrl- and a letter"
    )
