"""What one layer has done to its tree so far: what later entries and whiteouts depend on."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Ledger:
    """Paths below the root, ``b""`` being the root itself; no leading slash.

    ``own``        what this layer made; None where the tree holds nothing else
    ``passed``     folders of lower layers that something was put or deleted in: their times
    ``folders``    folders with an entry: the mtime to set at the end
    ``acls``       their default ACLs, set at the end, since whatever is made beneath inherits them
    ``implied``    folders without an entry, made because something lies in them
    ``opaque``     folders whose lower contents are hidden
    ``severed``    opaque ones that are new: not even their attributes come from below
    ``whiteouts``  marks of deletion in the tree
    """

    def __init__(self, *, alone: bool) -> None:
        self.own: set[bytes] | None = None if alone else set()
        self.passed: dict[bytes, tuple[int, int]] = {}
        self.folders: dict[bytes, int] = {}
        self.acls: dict[bytes, bytes] = {}
        self.implied: set[bytes] = {b""} if alone else set()
        self.opaque: set[bytes] = set()
        self.severed: set[bytes] = set()
        self.whiteouts: set[bytes] = set()

    def forget(self, path: bytes) -> None:
        """A folder is gone with all beneath it."""
        beneath = path + b"/"
        for names in (self.own, self.implied, self.opaque, self.severed, self.whiteouts):
            if names:
                names.difference_update([p for p in names if p == path or p.startswith(beneath)])
        known: tuple[dict[bytes, Any], ...] = (self.passed, self.folders, self.acls)
        for attributes in known:
            for key in [p for p in attributes if p == path or p.startswith(beneath)]:
                del attributes[key]

    def is_cut_off(self, path: bytes) -> bool:
        """Whether lower layers do not show through at ``path`` since a folder above hides them."""
        if not self.opaque:
            return False
        return any(above in self.opaque for above in _above(path))

    def implied_from_below(self) -> list[bytes]:
        """Return the implied folders whose attributes lower layers may know, outermost first."""
        return sorted(p for p in self.implied if p not in self.severed and not self.is_cut_off(p))


def _above(path: bytes) -> Iterator[bytes]:
    while path:
        path = path.rpartition(b"/")[0]
        yield path
