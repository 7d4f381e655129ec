"""New names: files, folders, links, devices.

Each is made in its place, or, where a whiteout is, aside and renamed over that, so that what the
whiteout hides is never seen. A folder in the place of a whiteout is opaque.
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun_storage_fuse.server.copyup import copy_up, copy_up_folder, work_of
from plugrun_storage_fuse.server.layers import OPAQUE, is_whiteout
from plugrun_storage_fuse.server.nodes import Folder, Node
from plugrun_storage_fuse.server.union import Union

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Maker = Callable[[int, bytes], None]

DEFAULT_ACL = "system.posix_acl_default"


class Owner:
    """Who makes something: what the new inode belongs to, and the umask unless an ACL rules."""

    __slots__ = ("gid", "uid", "umask")

    def __init__(self, uid: int, gid: int, umask: int = 0) -> None:
        self.uid = uid
        self.gid = gid
        self.umask = umask


def make_file(
    union: Union, folder: Folder, name: bytes, mode: int, flags: int, owner: Owner
) -> int:
    """Make a regular file and open it; return the descriptor. AlreadyExists is EEXIST."""
    inherits = _prepare(union, folder)
    mode = _mode(mode, owner, inherits)
    flags = flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    opened = -1

    def maker(fd: int, as_name: bytes) -> None:
        nonlocal opened
        opened = os.open(as_name, flags, mode, dir_fd=fd)
        if owner.uid or (owner.gid and not inherits[0]):
            was = os.stat(opened).st_mode if mode & 0o6000 else 0
            os.chown(opened, owner.uid, -1 if inherits[0] else owner.gid)
            if was:
                os.chmod(opened, was & 0o7777)

    try:
        _make(union, folder, name, maker)
    except OSError:
        if opened >= 0:
            os.close(opened)
        raise
    return opened


def make_folder(union: Union, folder: Folder, name: bytes, mode: int, owner: Owner) -> None:
    """Make a folder."""
    inherits = _prepare(union, folder)
    mode = _mode(mode, owner, inherits)

    def maker(fd: int, as_name: bytes) -> None:
        os.mkdir(as_name, mode & 0o1777, dir_fd=fd)
        _give(fd, as_name, owner, inherits)

    _make(union, folder, name, maker, is_folder=True)


def make_node(
    union: Union, folder: Folder, name: bytes, mode: int, device: int, owner: Owner
) -> None:
    """Make a device, FIFO, socket or empty file; EPERM for a whiteout, as overlayfs has it."""
    if stat.S_ISCHR(mode) and not device:
        raise PermissionError(errno.EPERM, "that would be a whiteout")
    inherits = _prepare(union, folder)
    mode = _mode(mode, owner, inherits)

    def maker(fd: int, as_name: bytes) -> None:
        os.mknod(as_name, mode, device, dir_fd=fd)
        was = os.stat(as_name, dir_fd=fd, follow_symlinks=False).st_mode if mode & 0o6000 else 0
        _give(fd, as_name, owner, inherits)
        if was:
            os.chmod(as_name, was & 0o7777, dir_fd=fd)

    _make(union, folder, name, maker)


def make_symlink(union: Union, folder: Folder, name: bytes, target: bytes, owner: Owner) -> None:
    """Make a symbolic link."""
    inherits = _prepare(union, folder)

    def maker(fd: int, as_name: bytes) -> None:
        os.symlink(target, as_name, dir_fd=fd)
        _give(fd, as_name, owner, inherits)

    _make(union, folder, name, maker)


def make_link(union: Union, folder: Folder, name: bytes, node: Node) -> None:
    """Give an inode one more name."""
    _prepare(union, folder)
    copy_up(union, node)
    if node.fd >= 0:

        def maker(fd: int, as_name: bytes) -> None:
            os.link(b"/proc/self/fd/%d" % node.fd, as_name, dst_dir_fd=fd)
    else:
        at = union.holder(node)

        def maker(fd: int, as_name: bytes) -> None:
            os.link(node.name, as_name, src_dir_fd=at, dst_dir_fd=fd, follow_symlinks=False)

    _make(union, folder, name, maker)
    if node.ino != node.real:
        from plugrun_storage_fuse.server.copyup import mark_impure

        mark_impure(folder)


def make_nameless(union: Union, folder: Folder, mode: int, flags: int, owner: Owner) -> int:
    """Make a file without a name (O_TMPFILE) and open it."""
    inherits = _prepare(union, folder)
    flags = flags | os.O_TMPFILE | os.O_CLOEXEC
    fd = os.open(b"/proc/self/fd/%d" % folder.top, flags, _mode(mode, owner, inherits))
    os.chown(fd, owner.uid, -1 if inherits[0] else owner.gid)
    return fd


def _prepare(union: Union, folder: Folder) -> tuple[bool, bool]:
    """Make a folder ready for a new name; tell whether it hands on its group, and an ACL."""
    work_of(union)
    if folder.removed:
        raise FileNotFoundError(errno.ENOENT, "the folder was removed")
    if not folder.up:
        copy_up_folder(union, folder)
    if not folder.opened:
        union.layers.open(folder)
    if folder.inherits is None:
        sgid = bool(os.stat(folder.top).st_mode & stat.S_ISGID)
        folder.inherits = (sgid, _has_acl(folder.top))
    return folder.inherits


def _has_acl(fd: int) -> bool:
    try:
        os.getxattr(fd, DEFAULT_ACL)
    except OSError:
        return False
    return True


def _mode(mode: int, owner: Owner, inherits: tuple[bool, bool]) -> int:
    return mode if inherits[1] else mode & ~owner.umask


def _give(fd: int, name: bytes, owner: Owner, inherits: tuple[bool, bool]) -> None:
    gid = -1 if inherits[0] else owner.gid
    if owner.uid or gid > 0:
        os.chown(name, owner.uid, gid, dir_fd=fd, follow_symlinks=False)


def _make(union: Union, folder: Folder, name: bytes, maker: Maker, is_folder: bool = False) -> None:
    """Make something in its place."""
    folder.stale = True
    try:
        maker(folder.top, name)
    except FileExistsError:
        state = os.stat(name, dir_fd=folder.top, follow_symlinks=False)
        if state.st_rdev or not is_whiteout(folder, -1, name, state):
            raise
        _make_over_whiteout(union, folder, name, maker, is_folder)


def _make_over_whiteout(
    union: Union, folder: Folder, name: bytes, maker: Maker, is_folder: bool
) -> None:
    work = work_of(union)
    stage = work.stage(folder.top)
    try:
        maker(stage, name)
        if is_folder:
            from plugrun_storage_fuse.server.system import RENAME_EXCHANGE, rename2

            os.setxattr(b"/proc/self/fd/%d/%b" % (stage, name), OPAQUE, b"y")
            rename2(stage, name, folder.top, name, RENAME_EXCHANGE)
        else:
            os.rename(name, name, src_dir_fd=stage, dst_dir_fd=folder.top)
    finally:
        work.unstage(stage)
