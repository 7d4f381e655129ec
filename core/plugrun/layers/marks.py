"""How overlayfs marks in a layer what layers beneath it no longer show.

A deleted name is a character device 0:0, or an empty file with the attribute ``whiteout``; a folder
whose attribute ``opaque`` is ``y`` hides the folders of its name beneath. ``x`` there does not: it
tells the kernel that whiteouts of the second kind are inside
(Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories").
"""

from __future__ import annotations

import os
import stat

from plugrun.interfaces.storage import WHITEOUT_OVERLAYFS, WHITEOUT_USERXATTR
from plugrun.layers.attributes import OVERLAY, USER_OVERLAY

_PREFIXES = {WHITEOUT_OVERLAYFS: OVERLAY, WHITEOUT_USERXATTR: USER_OVERLAY}
_OPAQUE = "opaque"
_WHITEOUT = "whiteout"


def are_kept_apart(whiteouts: str) -> bool:
    """Whether a LayerTree of this style holds one layer's own entries, with marks."""
    return whiteouts in _PREFIXES


class Marks:
    """Reads and makes the marks of one style of ``LayerTree.whiteouts``."""

    def __init__(self, whiteouts: str) -> None:
        self._opaque = _PREFIXES[whiteouts] + _OPAQUE
        self._whiteout = _PREFIXES[whiteouts] + _WHITEOUT

    def is_opaque(self, folder: int) -> bool:
        """Whether a folder hides those of its name beneath."""
        try:
            return os.getxattr(folder, self._opaque) == b"y"
        except OSError:
            return False

    def make_opaque(self, folder: int) -> None:
        """Hide all folders of its name beneath."""
        os.setxattr(folder, self._opaque, b"y")

    def is_whiteout(self, folder: int, name: bytes, state: os.stat_result) -> bool:
        """Whether a name in a folder, whose state this is, stands for its deletion."""
        if stat.S_ISCHR(state.st_mode):
            return state.st_rdev == 0
        if state.st_size or not stat.S_ISREG(state.st_mode):
            return False
        path = b"/proc/self/fd/%d/%b" % (folder, name)
        try:
            os.getxattr(path, self._whiteout, follow_symlinks=False)
        except OSError:
            return False
        return True
