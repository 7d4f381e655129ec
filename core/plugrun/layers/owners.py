"""Owners in a tree that shows them as a user namespace has them outside, and in one that does not.

A file's owner is in its inode, in the entries of an ACL (acl(5)), and in a file capability of a
user namespace (capabilities(7), "File capability extended attribute versioning").
"""

from __future__ import annotations

import os
import stat
from struct import Struct

from plugrun.layers.attributes import ACL, DEFAULT_ACL
from plugrun.layers.treeread import Walk, attributes_of
from plugrun.model.idmap import inside, outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.layers.entry import Entry
    from plugrun.layers.treeread import Node
    from plugrun.model.idmap import IdMap, IdRange

    Convert = Callable[[tuple[IdRange, ...], int], int]

_CAPABILITY = "security.capability"
# include/uapi/linux/capability.h: revision and flag, permitted and inheritable twice, root's ID.
_REVISION = Struct("<I")
_REVISION_MASK, _FLAG_MASK = 0xFF000000, 0x00FFFFFF
_REVISION_2, _REVISION_3 = 0x02000000, 0x03000000
_ROOT_ID = 20
# include/uapi/linux/posix_acl_xattr.h: tag, permissions, ID; a version comes before the first.
_ACL_ENTRY = Struct("<HHI")
_ACL_HEADER = 4
_ACL_USER, _ACL_GROUP = 0x02, 0x08


def show_inside(entry: Entry, ids: IdMap) -> None:
    """Give an entry the owners that the namespace has for those it was read with."""
    entry.uid, entry.gid = ids.owner_inside(entry.uid, entry.gid)
    if entry.xattrs:
        entry.xattrs = {name: _value(name, raw, ids) for name, raw in entry.xattrs.items()}


def put_outside(entry: Entry, ids: IdMap) -> bool:
    """Give an entry the owners outside for those inside; False if one has no place there.

    A capability becomes one of the namespace's root, whichever namespace it was of: no other can
    be written to a tree that shows other owners than those on disk (cap_convert_nscap()).
    """
    uid, gid = ids.owner_outside(entry.uid, entry.gid)
    if uid < 0 or gid < 0:
        return False
    entry.uid, entry.gid = uid, gid
    if entry.xattrs and _CAPABILITY in entry.xattrs:
        raw = of_namespace(entry.xattrs[_CAPABILITY], ids)
        entry.xattrs = {**entry.xattrs, _CAPABILITY: raw}
    return True


def of_namespace(raw: bytes, ids: IdMap) -> bytes:
    """Return a file capability of no namespace as one of the mapping's root."""
    if len(raw) < _ROOT_ID or _REVISION.unpack_from(raw)[0] & _REVISION_MASK != _REVISION_2:
        return raw
    flags = _REVISION.unpack_from(raw)[0] & _FLAG_MASK
    root = _REVISION.pack(ids.owner_outside(0, 0)[0])
    return _REVISION.pack(_REVISION_3 | flags) + raw[4:_ROOT_ID] + root


def _value(name: str, raw: bytes, ids: IdMap) -> bytes:
    if name == _CAPABILITY:
        return _capability(raw, ids)
    return _acl(raw, ids, inside) if name in (ACL, DEFAULT_ACL) else raw


def _capability(raw: bytes, ids: IdMap) -> bytes:
    """Return a capability as its namespace's root would have it in no namespace."""
    if len(raw) < _ROOT_ID + 4 or _REVISION.unpack_from(raw)[0] & _REVISION_MASK != _REVISION_3:
        return raw
    root = inside(ids.uids, _REVISION.unpack_from(raw, _ROOT_ID)[0])
    if root:
        return raw[:_ROOT_ID] + _REVISION.pack(root)
    flags = _REVISION.unpack_from(raw)[0] & _FLAG_MASK
    return _REVISION.pack(_REVISION_2 | flags) + raw[4:_ROOT_ID]


def _acl(raw: bytes, ids: IdMap, convert: Convert) -> bytes:
    if (len(raw) - _ACL_HEADER) % _ACL_ENTRY.size:
        return raw
    found = [raw[:_ACL_HEADER]]
    for tag, rights, id in _ACL_ENTRY.iter_unpack(raw[_ACL_HEADER:]):
        ranges = {_ACL_USER: ids.uids, _ACL_GROUP: ids.gids}.get(tag)
        found.append(_ACL_ENTRY.pack(tag, rights, id if ranges is None else convert(ranges, id)))
    return b"".join(found)


def state_outside(state: os.stat_result, ids: IdMap) -> os.stat_result:
    """Return what stat(2) says with the owners that ``give_outside`` gives."""
    fields = list(state)
    fields[4] = _outside_or_kept(ids.uids, state.st_uid)
    fields[5] = _outside_or_kept(ids.gids, state.st_gid)
    kept = ("st_atime_ns", "st_mtime_ns", "st_ctime_ns", "st_rdev", "st_blocks", "st_blksize")
    return os.stat_result(fields, {name: getattr(state, name) for name in kept})


def give_outside(root: int, ids: IdMap) -> None:
    """Give all files of a tree the owners outside for those inside; nobody else is at it.

    What has no place in the namespace keeps its owner, who is nobody there.
    """
    given: dict[tuple[int, int], tuple[int, int]] = {}
    state = os.fstat(root)
    os.fchown(root, *_owner(state, ids))
    os.fchmod(root, stat.S_IMODE(state.st_mode))
    for node in Walk(root):
        state = node.state
        owner = _owner(state, ids)
        if state.st_nlink > 1 and not node.is_folder:
            # Another name of a file that has been given, unless a union parted the two by that.
            if given.get((state.st_dev, state.st_ino)) == (state.st_uid, state.st_gid):
                continue
            given[state.st_dev, state.st_ino] = owner
        _give(node, owner, ids)


def _owner(state: os.stat_result, ids: IdMap) -> tuple[int, int]:
    return _outside_or_kept(ids.uids, state.st_uid), _outside_or_kept(ids.gids, state.st_gid)


def _outside_or_kept(ranges: tuple[IdRange, ...], id: int) -> int:
    found = outside(ranges, id)
    return id if found < 0 else found


def _give(node: Node, owner: tuple[int, int], ids: IdMap) -> None:
    """Change an owner; chown(2) clears setuid and capabilities, which come back."""
    kept = attributes_of(node.parent, node.name) or {}
    os.chown(node.name, *owner, dir_fd=node.parent, follow_symlinks=False)
    if stat.S_ISLNK(node.state.st_mode):
        return
    os.chmod(node.name, stat.S_IMODE(node.state.st_mode), dir_fd=node.parent)
    path = b"/proc/self/fd/%d/%b" % (node.parent, node.name)
    for name, raw in kept.items():
        if name == _CAPABILITY:
            os.setxattr(path, name, of_namespace(raw, ids), follow_symlinks=False)
        elif name in (ACL, DEFAULT_ACL):
            value = _acl(raw, ids, _outside_or_kept)
            os.setxattr(path, name, value, follow_symlinks=False)
