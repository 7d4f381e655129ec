"""Renames, across layers too.

What is only beneath is copied up first: a file, or a folder with all that it shows, which is
opaque from then on. Then one renameat2(2) moves it and leaves a whiteout where one is needed.
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun_storage_fuse.server.copyup import copy_up, copy_up_folder, mark_impure, work_of
from plugrun_storage_fuse.server.layers import OPAQUE
from plugrun_storage_fuse.server.nodes import Folder, Node
from plugrun_storage_fuse.server.removing import check_empty, hold, lose, lose_folder
from plugrun_storage_fuse.server.union import Union

NOREPLACE = 1
EXCHANGE = 2
_WHITEOUT = 4

Place = tuple[Folder, bytes]


def rename(union: Union, old: Place, new: Place, flags: int) -> None:
    """renameat2(2), but for RENAME_WHITEOUT."""
    if flags & ~(NOREPLACE | EXCHANGE):
        raise OSError(errno.EINVAL, "no such rename")
    work_of(union)
    node = union.need(*old)
    target = _target(union, new, flags)
    if node is target:
        return
    if target is not None and not flags & EXCHANGE:
        _check_replaceable(union, node, target)
    _lift(union, node)
    if target is not None and flags & EXCHANGE:
        _lift(union, target)
    for folder in (old[0], new[0]):
        copy_up_folder(union, folder)
        union.layers.open(folder)
    if target is not None and flags & EXCHANGE:
        _exchange(union, node, old, target, new)
    else:
        _move(union, node, old, target, new)


def _target(union: Union, new: Place, flags: int) -> Node | None:
    found = union.layers.find(*new)
    if found is None:
        if flags & EXCHANGE:
            raise FileNotFoundError(errno.ENOENT, "nothing to exchange")
        return None
    if flags & NOREPLACE:
        raise FileExistsError(errno.EEXIST, "the new name is taken")
    return union.adopt(*new, found)


def _check_replaceable(union: Union, node: Node, target: Node) -> None:
    if not isinstance(target, Folder):
        if isinstance(node, Folder):
            raise NotADirectoryError(errno.ENOTDIR, "a folder over a file")
        return
    if not isinstance(node, Folder):
        raise IsADirectoryError(errno.EISDIR, "a file over a folder")
    check_empty(union, target)


def _lift(union: Union, node: Node) -> None:
    """Bring a node into the upper layer whole, so that it needs nothing of what is beneath."""
    if not isinstance(node, Folder):
        copy_up(union, node)
        return
    union.layers.open(node)
    if not node.up or node.low:
        lifted: list[Folder] = []
        try:
            _lift_all(union, node, lifted)
            _detach(union, lifted)
        finally:
            for folder in reversed(lifted):
                folder.kids -= 1
                union.table.release(folder)


def _lift_all(union: Union, top: Folder, lifted: list[Folder]) -> None:
    """Copy up a folder and all it shows; ``lifted`` are the folders, kept in the table."""
    todo = [top]
    top.kids += 1
    lifted.append(top)
    while todo:
        folder = todo.pop()
        copy_up_folder(union, folder)
        for name in union.layers.names(folder):
            inner = union.need(folder, name)
            if not isinstance(inner, Folder):
                copy_up(union, inner)
                union.table.release(inner)
                continue
            union.layers.open(inner)
            if inner.low or not inner.up:
                inner.kids += 1
                lifted.append(inner)
                todo.append(inner)


def _detach(union: Union, folders: list[Folder]) -> None:
    """Make lifted folders opaque, deepest first: from now on each is the upper layer's alone."""
    for folder in reversed(folders):
        union.layers.open(folder)
        os.setxattr(folder.top, OPAQUE, b"y")
        for fd in folder.low:
            os.close(fd)
        folder.low, folder.layers, folder.below = [], [], None
        folder.alone = True


def _move(union: Union, node: Node, old: Place, target: Node | None, new: Place) -> None:
    flags = _WHITEOUT if union.layers.covered(*old) else 0
    if isinstance(node, Folder) and union.layers.covered(*new):
        os.setxattr(node.top, OPAQUE, b"y")
    state = union.state(target) if target is not None else None
    if target is not None and not isinstance(target, Folder):
        hold(union, target, *new)
    if isinstance(node, Folder) and _stands_in_the_way(new):
        _rename_over_folder(union, old, new, flags)
    else:
        _rename(old, new, flags)
    if isinstance(target, Folder) and state is not None:
        lose_folder(union, target, *new, state)
    elif target is not None:
        lose(union, target, *new)
    _renamed(union, node, old, new)


def _stands_in_the_way(new: Place) -> bool:
    """Whether the upper layer has a whiteout there, or a folder with whiteouts in it."""
    folder, name = new
    try:
        state = os.stat(name, dir_fd=folder.top, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(state.st_mode):
        return True
    with os.scandir(b"/proc/self/fd/%d/%b" % (folder.top, name)) as entries:
        return any(True for _ in entries)


def _rename_over_folder(union: Union, old: Place, new: Place, flags: int) -> None:
    """Swap with what rename(2) cannot replace by a folder, and put that away."""
    _rename(old, new, EXCHANGE)
    folder, name = old
    state = os.stat(name, dir_fd=folder.top, follow_symlinks=False)
    work = work_of(union)
    if stat.S_ISDIR(state.st_mode):
        if flags:
            work.put_whiteout(folder.top, name, is_folder=True)
        else:
            work.take_away(folder.top, name)
    elif not flags:
        os.unlink(name, dir_fd=folder.top)


def _rename(old: Place, new: Place, flags: int) -> None:
    if not flags:
        os.rename(old[1], new[1], src_dir_fd=old[0].top, dst_dir_fd=new[0].top)
        return
    from plugrun_storage_fuse.server.system import rename2

    try:
        rename2(old[0].top, old[1], new[0].top, new[1], flags)
    except OSError as error:
        if error.errno != errno.EINVAL or flags != _WHITEOUT:
            raise
        os.rename(old[1], new[1], src_dir_fd=old[0].top, dst_dir_fd=new[0].top)
        os.mknod(old[1], stat.S_IFCHR, 0, dir_fd=old[0].top)


def _renamed(union: Union, node: Node, old: Place, new: Place) -> None:
    """Note a node's new name. That comes first, so that it is never without one."""
    union.table.name(node, *new, 0)
    union.table.unname(node, *old)
    for folder in (old[0], new[0]):
        folder.stale = True
    if node.ino != node.real and not new[0].impure:
        mark_impure(new[0])


def _exchange(union: Union, node: Node, old: Place, target: Node, new: Place) -> None:
    for one, place in ((node, new), (target, old)):
        if isinstance(one, Folder) and union.layers.covered(*place):
            os.setxattr(one.top, OPAQUE, b"y")
    _rename(old, new, EXCHANGE)
    _renamed(union, node, old, new)
    _renamed(union, target, new, old)
