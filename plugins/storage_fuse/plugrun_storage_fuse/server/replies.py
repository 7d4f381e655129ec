"""Replies that tell an inode's attributes."""

from __future__ import annotations

import os

from plugrun_storage_fuse.server import wire
from plugrun_storage_fuse.server.nodes import Folder, Node

_NS = 1_000_000_000
_FOREVER = wire.FOREVER
_pack_entry = wire.ENTRY_OUT.pack
_pack_attr = wire.ATTR_OUT.pack

NEGATIVE = _pack_entry(0, 0, _FOREVER, 0, *[0] * 18)


def links(node: Node, state: os.stat_result) -> int:
    """Return the link count to show; a merged folder has 1, as in overlayfs."""
    if not isinstance(node, Folder):
        return state.st_nlink - node.hidden
    if node.removed:
        return 0
    if node.alone is None and node.opened:
        node.alone = len(node.low) + (node.top >= 0) == 1
    if node.alone is None and node.parent is not None:
        return state.st_nlink if node.parent.alone else 1
    return state.st_nlink if node.alone else 1


def entry(node: Node, state: os.stat_result) -> bytes:
    """Return a node with its attributes, both good for ever: nobody else changes the layers."""
    atime, mtime, ctime = state.st_atime_ns, state.st_mtime_ns, state.st_ctime_ns
    device = state.st_rdev
    return _pack_entry(
        node.id, 0, _FOREVER, _FOREVER, 0, 0,
        node.ino, state.st_size, state.st_blocks,
        atime // _NS, mtime // _NS, ctime // _NS, atime % _NS, mtime % _NS, ctime % _NS,
        state.st_mode, links(node, state), state.st_uid, state.st_gid,
        device and wire.encode_dev(device), state.st_blksize, 0,
    )  # fmt: skip


def attributes(node: Node, state: os.stat_result) -> bytes:
    """Return a node's attributes alone."""
    atime, mtime, ctime = state.st_atime_ns, state.st_mtime_ns, state.st_ctime_ns
    device = state.st_rdev
    return _pack_attr(
        _FOREVER, 0, 0,
        node.ino, state.st_size, state.st_blocks,
        atime // _NS, mtime // _NS, ctime // _NS, atime % _NS, mtime % _NS, ctime % _NS,
        state.st_mode, links(node, state), state.st_uid, state.st_gid,
        device and wire.encode_dev(device), state.st_blksize, 0,
    )  # fmt: skip
