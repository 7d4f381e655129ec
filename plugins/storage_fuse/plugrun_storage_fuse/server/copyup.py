"""Copy-up: bringing what is only in a layer beneath into the upper one, before it is changed.

A copy is made aside, complete with owner, mode, attributes, times and holes, and appears by one
link or rename; its folders are copied first. All names of a file with hard links follow it. Where
that fails, the caller gets the error and the union shows what it showed before.
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun_storage_fuse.server.layers import TOP
from plugrun_storage_fuse.server.nodes import Folder, Node
from plugrun_storage_fuse.server.union import IMPURE, INO, Union

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun_storage_fuse.server.work import Work

_OVERLAY = "trusted.overlay."
_HELD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
# What may be missing in a file system, and then was not in the original either.
_NO_XATTR = (errno.ENOTSUP, errno.EPERM)


def work_of(union: Union) -> Work:
    """Return the work folder, or fail with EROFS."""
    if union.work is None:
        raise OSError(errno.EROFS, "this union is read-only")
    return union.work


def copy_up(union: Union, node: Node, size: int = -1) -> None:
    """See to it that a node is in the upper layer; of a file's content ``size`` bytes, -1 all."""
    work = work_of(union)
    if node.up:
        return
    if isinstance(node, Folder):
        copy_up_folder(union, node)
    elif node.fd >= 0:
        _copy_nameless(union, work, node, size)
    else:
        _copy_named(union, work, node, size)
    for file in node.handles:
        file.close()


def copy_up_folder(union: Union, folder: Folder) -> None:
    """See to it that a folder is in the upper layer; nothing in it is copied."""
    work = work_of(union)
    if folder.up:
        return
    missing = []
    one = folder
    while not one.up:
        if one.parent is None:
            raise FileNotFoundError(errno.ENOENT, "the folder was removed")
        missing.append(one)
        one = one.parent
    for one in reversed(missing):
        _make_folder(union, work, one)


def _make_folder(union: Union, work: Work, folder: Folder) -> None:
    parent = folder.parent
    assert parent is not None
    union.layers.open(folder)
    union.layers.open(parent)
    state = os.stat(folder.low[0])
    name = work.name()
    os.mkdir(name, 0o700, dir_fd=work.fd)
    try:
        _dress(union, work, name, folder, state)
        mark_impure(parent)
        times = _times(parent)
        os.rename(name, folder.name, src_dir_fd=work.fd, dst_dir_fd=parent.top)
    except OSError:
        os.rmdir(name, dir_fd=work.fd)
        raise
    os.utime(parent.top, ns=times)
    folder.up = True
    folder.top = os.open(folder.name, TOP, dir_fd=parent.top)
    folder.marked = tuple(one for one in folder.marked if one >= 0)
    folder.impure = folder.inherits = None
    folder.alone = False
    union.table.move(folder, union.key(os.stat(folder.top)))


def _copy_named(union: Union, work: Work, node: Node, size: int) -> None:
    assert node.parent is not None
    state = union.state(node)
    own = (node.parent, node.name)
    if state.st_nlink == 1:
        _copy_to(union, work, node, state, size, [own])
        return
    from plugrun_storage_fuse.server.hardlinks import unpin, visible_names

    names = visible_names(union, node, state)
    try:
        _copy_to(union, work, node, state, size, [own, *(one for one in names if one != own)])
    finally:
        unpin(union, names)


def _copy_to(
    union: Union,
    work: Work,
    node: Node,
    state: os.stat_result,
    size: int,
    names: list[tuple[Folder, bytes]],
) -> None:
    """Put a node's copy under all its names."""
    for folder, _ in names:
        copy_up_folder(union, folder)
        union.layers.open(folder)
        mark_impure(folder)
    times = [_times(folder) for folder, _ in names]
    mine = work.name()
    try:
        _copy(union, work, mine, node, state, size)
        _link(work, mine, names)
    except OSError:
        _clear(work, mine)
        raise
    for (folder, _), both in zip(names, times, strict=True):
        os.utime(folder.top, ns=both)
    node.up = True
    node.hidden = 0
    union.table.move(node, union.key(union.state(node)))


def _link(work: Work, mine: bytes, names: list[tuple[Folder, bytes]]) -> None:
    """Put what was made aside under all names, or under none."""
    done: list[tuple[Folder, bytes]] = []
    try:
        for folder, name in names[1:]:
            os.link(mine, name, src_dir_fd=work.fd, dst_dir_fd=folder.top, follow_symlinks=False)
            done.append((folder, name))
        folder, name = names[0]
        os.rename(mine, name, src_dir_fd=work.fd, dst_dir_fd=folder.top)
    except OSError:
        for folder, name in done:
            os.unlink(name, dir_fd=folder.top)
        raise


def _clear(work: Work, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=work.fd)
    except FileNotFoundError:
        pass


def _copy_nameless(union: Union, work: Work, node: Node, size: int) -> None:
    """Copy a file that was deleted and is still in use."""
    mine = work.name()
    try:
        _copy(union, work, mine, node, os.stat(node.fd), size)
        fd = os.open(mine, _HELD, dir_fd=work.fd)
    finally:
        _clear(work, mine)
    os.close(node.fd)
    node.fd = fd
    node.up = True
    node.hidden = 0
    union.table.move(node, union.key(os.stat(fd)))
    union.table.forget_real(node)


def _copy(
    union: Union, work: Work, name: bytes, node: Node, state: os.stat_result, size: int
) -> None:
    """Make a node's copy in the work folder."""
    if stat.S_ISREG(state.st_mode):
        _copy_file(union, work, name, node, state if size < 0 else None, max(size, 0))
    elif stat.S_ISLNK(state.st_mode):
        os.symlink(read_link(union, node), name, dir_fd=work.fd)
    else:
        os.mknod(name, state.st_mode & ~0o7777 | 0o600, state.st_rdev, dir_fd=work.fd)
    _dress(union, work, name, node, state)


def _copy_file(
    union: Union, work: Work, name: bytes, node: Node, whole: os.stat_result | None, size: int
) -> None:
    target = os.open(name, _NEW, 0o600, dir_fd=work.fd)
    try:
        if whole is None and not size:
            return
        from plugrun_storage_fuse.server.content import clone, copy_content

        source = union.open(node, os.O_RDONLY)
        try:
            if union.reflinks and whole is not None:
                union.reflinks = clone(target, source)
                if union.reflinks:
                    return
            state = os.stat(source)
            length = state.st_size if whole is not None else min(size, state.st_size)
            copy_content(target, source, state, length)
        finally:
            os.close(source)
    finally:
        os.close(target)


def read_link(union: Union, node: Node) -> bytes:
    """Return what a symbolic link says."""
    if node.fd >= 0:
        return os.readlink(b"", dir_fd=node.fd)
    return os.readlink(node.name, dir_fd=union.holder(node))


def _dress(
    union: Union, work: Work, name: bytes, node: Node, state: os.stat_result
) -> None:  # fmt: skip
    """Give a copy what the original has; each step undoes some of what comes before it."""
    target = b"/proc/self/fd/%d/%b" % (work.fd, name)
    if state.st_uid or state.st_gid:
        os.chown(target, state.st_uid, state.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(state.st_mode):
        os.chmod(target, state.st_mode & 0o7777)
    source, follow = union.path(node)
    for key in _attributes(source, follow):
        if not key.startswith(_OVERLAY):
            value = os.getxattr(source, key, follow_symlinks=follow)
            os.setxattr(target, key, value, follow_symlinks=False)
    _set_own(target, INO, b"%d" % node.ino)
    times = (state.st_atime_ns, state.st_mtime_ns)
    os.utime(target, ns=times, follow_symlinks=False)


def _attributes(source: bytes, follow: bool) -> list[str]:
    try:
        return os.listxattr(source, follow_symlinks=follow)
    except OSError as error:
        if error.errno not in _NO_XATTR:
            raise
        return []


def _set_own(target: bytes, key: str, value: bytes) -> None:
    """Set an attribute of the union's own, which only makes it better: tmpfs may have none."""
    try:
        os.setxattr(target, key, value, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_XATTR:
            raise


def mark_impure(folder: Folder) -> None:
    """Note that a folder of the upper layer has entries whose numbers come from elsewhere."""
    if not folder.impure:
        _set_own(b"/proc/self/fd/%d/." % folder.top, IMPURE, b"y")
        folder.impure = True


def _times(folder: Folder) -> tuple[int, int]:
    """Return what a folder's times were: nothing in it changes that a user could see."""
    state = os.stat(folder.top)
    return state.st_atime_ns, state.st_mtime_ns
