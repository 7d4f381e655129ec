"""Extended attributes. Those of overlayfs, and so the union's own, are not there for users."""

from __future__ import annotations

import errno
import os

from plugrun_storage_fuse.server.copyup import copy_up
from plugrun_storage_fuse.server.nodes import Folder, Node
from plugrun_storage_fuse.server.union import Union

_OVERLAY = b"trusted.overlay."


def get(union: Union, node: Node, name: bytes) -> bytes:
    """Return an attribute's value."""
    _check(name)
    path, follow = union.path(node)
    return os.getxattr(path, name, follow_symlinks=follow)


def names(union: Union, node: Node) -> bytes:
    """Return the names of all attributes, each ending in a zero byte."""
    path, follow = union.path(node)
    found = [os.fsencode(name) for name in os.listxattr(path, follow_symlinks=follow)]
    return b"".join([name + b"\0" for name in found if not name.startswith(_OVERLAY)])


def put(union: Union, node: Node, name: bytes, value: bytes, flags: int, drop_sgid: bool) -> None:
    """Set an attribute; ``flags`` are XATTR_CREATE and XATTR_REPLACE."""
    _check(name)
    copy_up(union, node)
    path, follow = union.path(node)
    os.setxattr(path, name, value, flags, follow_symlinks=follow)
    if drop_sgid:
        os.chmod(path, union.state(node).st_mode & 0o5777)
    if isinstance(node, Folder):
        node.inherits = None


def remove(union: Union, node: Node, name: bytes) -> None:
    """Remove an attribute."""
    _check(name)
    get(union, node, name)
    copy_up(union, node)
    path, follow = union.path(node)
    os.removexattr(path, name, follow_symlinks=follow)
    if isinstance(node, Folder):
        node.inherits = None


def _check(name: bytes) -> None:
    if name.startswith(_OVERLAY):
        raise OSError(errno.EOPNOTSUPP, "an attribute of the union's own")
