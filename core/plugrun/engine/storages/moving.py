"""What a container wrote, from the storage that has it into another one's snapshot.

As for a commit its changes become a layer, and that is unpacked as an image's is. Unlike there
nothing may be left out: folders that were only touched go along, and so do sockets, which no
layer can hold.
"""

from __future__ import annotations

import os
import stat

from plugrun.engine.files.treediff import changes_alone
from plugrun.errors import Conflict
from plugrun.interfaces.storage import INDEPENDENT_LAYERS
from plugrun.layers.attributes import set_xattrs, xattrs_of
from plugrun.layers.changes import ADDED, DELETED, Change, is_deletion
from plugrun.layers.implied import complete
from plugrun.layers.layertar import write_layer
from plugrun.layers.names import WHITEOUT
from plugrun.layers.tarsink import TarSink
from plugrun.layers.unpack import unpack_layer
from plugrun.linux.beneath import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2
from plugrun.linux.filesystem import unlink
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from plugrun.engine.engine import Engine
    from plugrun.interfaces.storage import Storage
    from plugrun.layers.treeread import Node
    from plugrun.model.container import Container

_LONGEST = 4096 - len("/")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@record
class _Socket:
    path: bytes
    mode: int
    owner: tuple[int, int]
    times: tuple[int, int]


def fill(engine: Engine, container: Container, target: Storage) -> None:
    """Write all that a container changed into its new, empty snapshot in ``target``.

    The caller holds ``stand_alone``.
    Raise Conflict if it has names that read as deletions in a layer or is shifted, and NoSpace.
    """
    if container.shifted:
        raise Conflict(
            f"container {container.name} has a user namespace's owners on disk, and stays here",
            hint="commit it, remove it, and run the new image",
        )
    source = engine.storage_of(container)
    fd, path = engine.content.begin()
    try:
        layer = _Layer(container, source)
        write_layer(layer.pass_on(changes_alone(engine, container)), TarSink(fd, exact=True))
        tree = target.layer_tree(container.id)
        result = unpack_layer(path, tree.path, tree.whiteouts)
        if INDEPENDENT_LAYERS in target.capabilities:
            complete(tree, result)
        top = os.open(tree.path, _FOLDER)
        try:
            for socket in layer.sockets:
                _make_socket(top, socket)
            _copy_root(source.layer_tree(container.id).path, top)
        finally:
            os.close(top)
    finally:
        os.close(fd)
        unlink(path)


class _Layer:
    """The changes on their way into a layer; ``sockets`` are those it has met."""

    def __init__(self, container: Container, source: Storage) -> None:
        self.sockets: list[_Socket] = []
        self._container = container
        # Where a snapshot is a copy, most folders are as the image has them.
        is_layer = INDEPENDENT_LAYERS in source.capabilities
        self._since = 0 if is_layer else source.stat(container.id).created_ns

    def pass_on(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Yield changes so that a layer takes them all."""
        for change in changes:
            node = change.node
            if node is None:
                yield change
                continue
            self._check(node, change.path)
            if node.state.st_ctime_ns > self._since:
                change.quiet = False
            if not stat.S_ISSOCK(node.state.st_mode):
                yield change
                continue
            state = node.state
            times = (state.st_atime_ns, state.st_mtime_ns)
            owner = (state.st_uid, state.st_gid)
            self.sockets.append(_Socket(change.path, state.st_mode & 0o7777, owner, times))
            yield self._place(change)

    def _place(self, change: Change) -> Change:
        """Clear the place of a socket, and let the folders above it come along."""
        if change.kind != ADDED:
            return Change(DELETED, change.path)
        change.quiet = False
        return change

    def _check(self, node: Node, path: bytes) -> None:
        """Refuse what no layer can hold, before anything is lost on the way."""
        why = ""
        if node.name.startswith(WHITEOUT):
            why = "in a layer that name would be a deletion"
        elif is_deletion(node.state):
            why = "in a layer that device would be a deletion"
        elif len(path) >= _LONGEST:
            why = f"its path has {len(path)} bytes, and a layer takes {_LONGEST}"
        if why:
            shown = path[:200].decode("utf-8", "replace")
            raise Conflict(
                f"container {self._container.name} cannot be moved because of /{shown}: {why}",
                hint="start it, rename or remove that file, and stop it again",
            )


def _make_socket(top: int, socket: _Socket) -> None:
    above, _, name = socket.path.rpartition(b"/")
    rules = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
    parent = openat2(top, above or b".", _FOLDER, resolve=rules)
    try:
        before = os.fstat(parent)
        try:
            os.unlink(name, dir_fd=parent)  # a whiteout
        except FileNotFoundError:
            pass
        os.mknod(name, stat.S_IFSOCK | 0o600, dir_fd=parent)
        path = b"/proc/self/fd/%d/%s" % (parent, name)
        os.chown(path, *socket.owner, follow_symlinks=False)
        os.chmod(path, socket.mode)
        os.utime(path, ns=socket.times, follow_symlinks=False)
        os.utime(parent, ns=(before.st_atime_ns, before.st_mtime_ns))
    finally:
        os.close(parent)


def _copy_root(source: str, top: int) -> None:
    """Give the root folder what the container's has: no layer tells of it."""
    fd = os.open(source, _FOLDER)
    try:
        state, xattrs = os.fstat(fd), xattrs_of(fd)
    finally:
        os.close(fd)
    os.fchown(top, state.st_uid, state.st_gid)
    os.fchmod(top, stat.S_IMODE(state.st_mode))
    for name in xattrs_of(top).keys() - xattrs.keys():
        os.removexattr(top, name)
    set_xattrs(top, xattrs, b"/")
    os.utime(top, ns=(state.st_atime_ns, state.st_mtime_ns))
