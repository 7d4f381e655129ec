"""A union of layers: what all its operations share."""

from __future__ import annotations

import errno
import os

from plugrun_storage_fuse.server.layers import Found, Layers
from plugrun_storage_fuse.server.nodes import Folder, Node, Table
from plugrun_storage_fuse.server.work import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun_storage_fuse.server.files import Handle

# Ours: the number that a copied-up inode had in its layer, so that it keeps it for good. overlayfs
# remembers the same as a file handle, and marks the folders where to look for it by ``impure``.
INO = "trusted.overlay.plugrun.ino"
IMPURE = "trusted.overlay.impure"


class Union:
    """The layers, the nodes, the open files. ``work`` is None if the union is read-only."""

    __slots__ = (
        "_devices", "_disk", "_nothing_above", "buffer", "device", "files", "last_file", "layers",
        "links", "lost",
        "passthrough", "reflinks", "root", "table", "work",
    )  # fmt: skip

    def __init__(self, lower: list[str], upper: str, work: str, folders: int) -> None:
        self.table = Table()
        self.layers = Layers(folders)
        self.work = Work(work) if upper else None
        self.files: dict[int, Handle] = {}
        self.last_file = 0
        self.passthrough = False
        self.device = 0
        self.buffer = memoryview(b"")  # where READ puts what it read
        self.reflinks = True
        self.links: dict[int, dict[int, list[list[bytes]]]] = {}
        self.lost: dict[int, int] = {}  # names of lower files that were deleted here, by inode
        self._nothing_above = not upper or not os.listdir(upper)
        first = os.stat(upper or lower[0])
        self._disk = first.st_dev
        self._devices: dict[int, int] = {}
        root = self.table.add(first.st_ino, first.st_ino, first.st_mode)
        if not isinstance(root, Folder):
            raise NotADirectoryError(errno.ENOTDIR, "a layer is no folder", upper or lower[0])
        self.root = root
        self.root.lookups = 1
        self.layers.open_root(root, lower, upper)
        self._keep_number(root)

    def _keep_number(self, root: Folder) -> None:
        """Show the lowest layer's number for the root, which is there whatever is on top."""
        if root.low:
            root.ino = self.key(os.stat(root.low[-1]))

    def key(self, state: os.stat_result) -> int:
        """Return an inode's number, made unique if its layer is on another file system."""
        if state.st_dev == self._disk:
            return state.st_ino
        device = self._devices.setdefault(state.st_dev, len(self._devices) + 1)
        return state.st_ino | device << 48

    def node(self, id: int) -> Node:
        """Return the node of a number, or fail with ESTALE."""
        try:
            return self.table.by_id[id]
        except KeyError:
            raise OSError(errno.ESTALE, "no such node") from None

    def folder(self, id: int) -> Folder:
        """Return a folder by its number, open."""
        node = self.table.by_id.get(id)
        if not isinstance(node, Folder):
            raise OSError(errno.ESTALE if node is None else errno.ENOTDIR, "no such folder")
        if not node.opened:
            self.layers.open(node)
        return node

    def look(self, folder: Folder, name: bytes) -> tuple[Node, os.stat_result] | None:
        """Return the node under a name, made if need be, and its state."""
        found = self.layers.find(folder, name)
        if found is None:
            return None
        return self.adopt(folder, name, found), found[0]

    def need(self, folder: Folder, name: bytes) -> Node:
        """Return the node under a name, or fail with ENOENT."""
        found = self.layers.find(folder, name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "no such name")
        return self.adopt(folder, name, found)

    def adopt(self, folder: Folder, name: bytes, found: Found) -> Node:
        """Return the node of something found."""
        state, up, layer = found
        real = self.key(state)
        node = self.table.by_real.get(real)
        if node is None:
            ino = self.number(folder, name, real) if up else real
            node = self.table.add(real, ino, state.st_mode)
            node.up = up
            if not up and state.st_nlink > 1 and not isinstance(node, Folder):
                self.table.name(node, folder, name, layer)
                node.hidden = self._hidden(node, state, folder.layers[layer])
        if node.parent is not folder or node.name != name:
            self.table.name(node, folder, name, layer)
        return node

    def _hidden(self, node: Node, state: os.stat_result, layer: int) -> int:
        """Return how many of a lower file's names are not seen."""
        if self._nothing_above and not layer:
            return self.lost.get(node.real, 0)
        from plugrun_storage_fuse.server.hardlinks import unpin, visible_names

        seen = visible_names(self, node, state)
        unpin(self, seen)
        return state.st_nlink - len(seen)

    def number(self, folder: Folder, name: bytes, real: int) -> int:
        """Return the number to show for what is in the upper layer."""
        if folder.impure is None:
            folder.impure = _has(folder.top, IMPURE)
        return _origin(folder.top, name, real) if folder.impure else real

    def state(self, node: Node) -> os.stat_result:
        """Return an inode's state, wherever it is."""
        if node.fd >= 0:
            return os.stat(node.fd)
        if isinstance(node, Folder):
            if not node.opened:
                self.layers.open(node)
            return os.stat(node.top if node.top >= 0 else node.low[0])
        return os.stat(node.name, dir_fd=self.holder(node), follow_symlinks=False)

    def holder(self, node: Node) -> int:
        """Return the descriptor of the folder that a named node is in."""
        parent = node.parent
        if parent is None:
            raise OSError(errno.ESTALE, "a node without a name")
        if not parent.opened:
            self.layers.open(parent)
        return parent.top if node.up else parent.low[node.layer]

    def path(self, node: Node) -> tuple[bytes, bool]:
        """Return a path to the inode itself, and whether a link at its end is to be followed."""
        if node.fd >= 0:
            return b"/proc/self/fd/%d" % node.fd, True
        if isinstance(node, Folder):
            if not node.opened:
                self.layers.open(node)
            return b"/proc/self/fd/%d" % (node.top if node.top >= 0 else node.low[0]), True
        return b"/proc/self/fd/%d/%b" % (self.holder(node), node.name), False

    def open(self, node: Node, flags: int) -> int:
        """Open a node's inode."""
        if node.fd >= 0:
            return os.open(b"/proc/self/fd/%d" % node.fd, flags | os.O_CLOEXEC)
        fd = self.holder(node)
        if not node.up:
            flags |= os.O_NOATIME
        return os.open(node.name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)

    def hold(self, node: Node) -> None:
        """Keep a node's inode reachable: its last name is about to go."""
        if node.fd < 0 and not node.others and not isinstance(node, Folder):
            flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
            node.fd = os.open(node.name, flags, dir_fd=self.holder(node))


def _has(fd: int, name: str) -> bool:
    try:
        os.getxattr(fd, name)
    except OSError:
        return False
    return True


def _origin(top: int, name: bytes, real: int) -> int:
    try:
        text = os.getxattr(b"/proc/self/fd/%d/%b" % (top, name), INO, follow_symlinks=False)
        return int(text)
    except (OSError, ValueError):
        return real
