"""What the kernel knows by number: one node for each inode, however many names that has.

A node lives while the kernel holds references to it (``lookups``), while nodes that are found
through it do (``kids``), and no longer.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun_storage_fuse.server.files import Handle

ROOT = 1


class Node:
    """An inode. ``ino`` is what stat(2) shows, ``real`` what it has on disk now.

    It is found as ``name`` in ``parent``: in the upper layer if ``up``, else in the parent's
    ``layer``-th folder beneath. ``others`` are further names that were seen. A node without any
    name is held by ``fd``, an O_PATH descriptor.
    """

    __slots__ = (
        "backing", "cached", "direct", "fd", "fresh", "handles", "hidden", "id", "ino", "kids",
        "kind", "layer", "lookups", "name", "others", "parent", "real", "up",
    )  # fmt: skip

    def __init__(self, id: int, real: int, ino: int, kind: int) -> None:
        self.id = id
        self.real = real
        self.ino = ino
        self.kind = kind
        self.lookups = 0
        self.kids = 0
        self.parent: Folder | None = None
        self.name = b""
        self.layer = 0
        self.up = False
        self.others: list[tuple[Folder, bytes, int]] = []
        self.fd = -1
        self.hidden = 0  # names in a lower layer that were deleted here: they count no more
        self.handles: list[Handle] = []
        self.cached = 0  # files open through the kernel's page cache
        self.direct = 0  # files that the kernel reads and writes by itself, through ``backing``
        self.backing = 0
        self.fresh = True  # whether the kernel's cached pages, if any, are right


class Folder(Node):
    """A folder, merged of the upper layer's (``top``, or -1) and those beneath (``low``).

    The descriptors are there while ``opened``. ``layers`` tells which layer each of ``low`` is in,
    ``marked`` which of them may hold whiteouts that are xattrs; -1 stands for ``top``.
    """

    __slots__ = (
        "alone", "below", "impure", "inherits", "layers", "listing", "low", "marked", "opened",
        "removed", "stale", "top", "used",
    )  # fmt: skip

    def __init__(self, id: int, real: int, ino: int) -> None:
        super().__init__(id, real, ino, stat.S_IFDIR)
        self.opened = False
        self.alone: bool | None = None  # whether it is merged of one folder only, if known
        self.top = -1
        self.low: list[int] = []
        self.layers: list[int] = []
        self.marked: tuple[int, ...] = ()
        self.below: dict[bytes, int] | None = None
        self.listing: list[bytes | None] = []
        self.stale = True  # whether ``listing`` has to be read again
        self.impure: bool | None = None
        self.inherits: tuple[bool, bool] | None = None
        self.removed = False
        self.used = 0

    def close(self) -> int:
        """Give up the descriptors; return how many there were."""
        fds = [fd for fd in (self.top, *self.low) if fd >= 0]
        for fd in fds:
            os.close(fd)
        self.opened = False
        self.top = -1
        self.low = []
        return len(fds)


class Table:
    """All nodes, by the kernel's number and by inode."""

    __slots__ = ("_next", "by_id", "by_real")

    def __init__(self) -> None:
        self.by_id: dict[int, Node] = {}
        self.by_real: dict[int, Node] = {}
        self._next = ROOT

    def add(self, real: int, ino: int, mode: int) -> Node:
        """Make a node; numbers are never used twice, so its generation is always 0."""
        id = self._next
        self._next += 1
        kind = mode & 0o170000
        node = Folder(id, real, ino) if kind == stat.S_IFDIR else Node(id, real, ino, kind)
        self.by_id[id] = self.by_real[real] = node
        return node

    def name(self, node: Node, parent: Folder, name: bytes, layer: int) -> None:
        """Note that a node was found under a name."""
        if node.parent is None:
            node.parent, node.name, node.layer = parent, name, layer
            if node.fd >= 0:
                os.close(node.fd)
                node.fd = -1
        elif (node.name == name and node.parent is parent) or (parent, name, layer) in node.others:
            return
        else:
            node.others.append((parent, name, layer))
        parent.kids += 1

    def unname(self, node: Node, parent: Folder, name: bytes) -> None:
        """Note that a name has gone."""
        if node.parent is parent and node.name == name:
            node.parent, node.name = None, b""
            if node.others:
                node.parent, node.name, node.layer = node.others.pop()
        else:
            rest = [one for one in node.others if one[0] is not parent or one[1] != name]
            if len(rest) == len(node.others):
                return
            node.others = rest
        parent.kids -= 1
        self.release(parent)

    def move(self, node: Node, real: int) -> None:
        """Note that a node has another inode now: it was copied up."""
        self.forget_real(node)
        node.real = real
        self.by_real[real] = node

    def forget_real(self, node: Node) -> None:
        """Note that an inode is not to be found by its number any more."""
        if self.by_real.get(node.real) is node:
            del self.by_real[node.real]

    def release(self, node: Node) -> None:
        """Drop a node that neither the kernel nor another node needs, and those it alone kept."""
        while not (node.lookups or node.kids or node.handles) and node.id != ROOT:
            if self.by_id.pop(node.id, None) is None:
                return
            self.forget_real(node)
            self._close(node)
            for parent, _, _ in node.others:
                parent.kids -= 1
                self.release(parent)
            node.others = []
            if node.parent is None:
                return
            node.parent.kids -= 1
            node = node.parent

    def _close(self, node: Node) -> None:
        if node.fd >= 0:
            os.close(node.fd)
            node.fd = -1
        if isinstance(node, Folder):
            node.close()
