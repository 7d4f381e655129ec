"""Names in a layer: what they may be, and which of them mean a deletion (image-spec layer.md)."""

from __future__ import annotations

from plugrun.errors import HostileArchive
from plugrun.layers.entry import shown

WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
_META = b".wh..wh."

_LONGEST = 4096  # PATH_MAX


def split_name(name: bytes) -> list[bytes]:
    """Return the parts of an entry's name below the root; none for the root itself.

    Leading slashes, ``.`` and doubled slashes say nothing, as for Docker. Raise HostileArchive on
    ``..``, NUL, and names no file can have.
    """
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts or b"\0" in name or len(name) > _LONGEST or not name:
        raise HostileArchive(f"{shown(name)} has a name that no honest archive has")
    return parts


def is_ignored(parts: list[bytes]) -> bool:
    """Whether a name is aufs's own (``.wh..wh.plnk`` and its like), which Docker leaves out too."""
    return any(part.startswith(_META) and part != OPAQUE for part in parts)


def check_whiteout(parts: list[bytes]) -> None:
    """Refuse whiteouts of nothing, and whiteouts with something beneath them."""
    base = parts[-1]
    if base in (WHITEOUT, b".wh..", b".wh..."):
        raise HostileArchive(f"{shown(b'/'.join(parts))} is a whiteout of no name")
    if any(part.startswith(WHITEOUT) for part in parts[:-1]):
        raise HostileArchive(f"{shown(b'/'.join(parts))} lies beneath a whiteout")
