"""What a container changed in its tree: Docker's A, C and D, and what a layer is made from.

Two ways lead here: from the layer alone, where a storage keeps layers apart as overlayfs has
them (``layerchanges``), and by comparing two whole trees (``treechanges``). Both yield changes by
name, a folder before what is in it.
"""

from __future__ import annotations

import os
import stat

from plugrun.layers.treeread import Node, attributes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ADDED = "A"
CHANGED = "C"
DELETED = "D"


class Change:
    """One path that is not as the image has it; ``node`` is None for a deletion.

    ``quiet`` has nothing of its own to tell: it was touched and is as it was, and a folder counts
    if something in it changed. ``hides`` is a folder that nothing of the image's folder of that
    name shines through; the deletions this comes to follow, and are ``implied`` by it.
    """

    __slots__ = ("hides", "implied", "kind", "node", "path", "quiet")

    def __init__(self, kind: str, path: bytes, node: Node | None = None) -> None:
        self.kind = kind
        self.path = path
        self.node = node
        self.quiet = False
        self.hides = False
        self.implied = False

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder now."""
        return self.node is not None and self.node.is_folder


def is_deletion(state: os.stat_result) -> bool:
    """Whether something is the device that overlayfs deletes files with: no layer can hold it."""
    return stat.S_ISCHR(state.st_mode) and state.st_rdev == 0


def told(changes: Iterable[Change], *, all_files: bool) -> Iterator[Change]:
    """Leave out quiet folders in which nothing changed, and quiet files unless ``all_files``.

    A file may be quiet and yet have other content: who makes a layer wants all of them. A folder
    comes when something in it does: its node's descriptor is valid all the same.
    """
    waiting: list[Change] = []
    for change in changes:
        while waiting and not change.path.startswith(waiting[-1].path + b"/"):
            waiting.pop()
        if change.quiet and change.is_folder:
            waiting.append(change)
        elif all_files or not change.quiet:
            yield from waiting
            waiting.clear()
            yield change


def compare(change: Change, below: os.stat_result, below_parent: int, below_name: bytes) -> None:
    """Make a change quiet if it differs from what lay there in nothing that Docker looks at.

    Of a folder that is mode and owner, of anything else also size and time.
    """
    node = change.node
    assert node is not None
    if facts_of(node.state) != facts_of(below):
        return
    own = attributes_of(node.parent, node.name)
    change.quiet = own == attributes_of(below_parent, below_name)


def facts_of(state: os.stat_result) -> tuple[int, ...]:
    """Return what stat(2) says that makes a difference."""
    facts = (state.st_mode, state.st_uid, state.st_gid)
    if stat.S_ISDIR(state.st_mode):
        return facts
    device = state.st_rdev if stat.S_ISCHR(state.st_mode) or stat.S_ISBLK(state.st_mode) else 0
    return (*facts, state.st_size, state.st_mtime_ns, device)
