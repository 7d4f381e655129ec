"""Names that go: by deletion from the upper layer, a whiteout over what is beneath, or both.

A file in use keeps its inode through a descriptor; a folder keeps those it is open by.
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun_storage_fuse.server.copyup import copy_up_folder, work_of
from plugrun_storage_fuse.server.nodes import Folder, Node
from plugrun_storage_fuse.server.union import Union


def unlink(union: Union, folder: Folder, name: bytes) -> None:
    """Remove a name that is not a folder's."""
    node = union.need(folder, name)
    if isinstance(node, Folder):
        raise IsADirectoryError(errno.EISDIR, "a folder")
    work = work_of(union)
    copy_up_folder(union, folder)
    union.layers.open(folder)
    covered = bool(folder.low) and union.layers.covered(folder, name)
    hold(union, node, folder, name)
    if not node.up:
        os.mknod(name, stat.S_IFCHR, 0, dir_fd=folder.top)
    elif covered:
        work.put_whiteout(folder.top, name, is_folder=False)
    else:
        os.unlink(name, dir_fd=folder.top)
    folder.stale = True
    lose(union, node, folder, name)


def hold(union: Union, node: Node, folder: Folder, name: bytes) -> None:
    """Keep an inode reachable whose name is about to go."""
    if node.parent is folder and node.name == name:
        union.hold(node)


def lose(union: Union, node: Node, folder: Folder, name: bytes) -> None:
    """Note that a name has gone."""
    if not node.up:
        node.hidden += 1
        union.lost[node.real] = union.lost.get(node.real, 0) + 1
    elif node.fd >= 0 and not os.stat(node.fd).st_nlink:
        union.table.forget_real(node)
    union.table.unname(node, folder, name)
    union.table.release(node)


def remove_folder(union: Union, folder: Folder, name: bytes) -> None:
    """Remove an empty folder; whiteouts in it go with it."""
    node = union.need(folder, name)
    if not isinstance(node, Folder):
        raise NotADirectoryError(errno.ENOTDIR, "no folder")
    work = work_of(union)
    check_empty(union, node)
    copy_up_folder(union, folder)
    union.layers.open(folder)
    union.layers.open(node)
    state = union.state(node)
    if not node.up:
        os.mknod(name, stat.S_IFCHR, 0, dir_fd=folder.top)
    elif union.layers.covered(folder, name):
        work.put_whiteout(folder.top, name, is_folder=True)
    else:
        _delete_folder(union, folder, name)
    folder.stale = True
    lose_folder(union, node, folder, name, state)


def _delete_folder(union: Union, folder: Folder, name: bytes) -> None:
    try:
        os.rmdir(name, dir_fd=folder.top)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        work_of(union).take_away(folder.top, name)


def check_empty(union: Union, folder: Folder) -> None:
    """Fail with ENOTEMPTY if a folder shows any name."""
    if union.layers.names(folder):
        raise OSError(errno.ENOTEMPTY, "not empty")


def lose_folder(
    union: Union, node: Folder, folder: Folder, name: bytes, state: os.stat_result
) -> None:
    """Note that a folder has gone; who stands in it still may ask for its state.

    That whiteouts in it went as well nobody has to see.
    """
    if node.top >= 0:
        os.utime(node.top, ns=(state.st_atime_ns, state.st_mtime_ns))
    node.removed = True
    node.stale = True
    node.listing = []
    union.table.forget_real(node)
    union.table.unname(node, folder, name)
    union.table.release(node)
