"""What a layer leaves to the layers beneath: the attributes of folders its tar has no entry for.

A layer with ``tmp/x`` and no entry for ``tmp`` must not turn 1777 into 0755; and a whiteout in a
folder that no lower layer has deletes nothing, while overlayfs would list it. Both are put right
here, once the lower trees are complete, and before the layer is committed.
"""

from __future__ import annotations

import os
import stat

from plugrun.layers.attributes import copy_attributes
from plugrun.layers.marks import Marks
from plugrun.linux.images import open_layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.interfaces.storage import LayerTree
    from plugrun.layers.unpack import Unpacked

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def complete(tree: LayerTree, told: Unpacked) -> None:
    """Give implied folders their attributes from the layers beneath; drop idle whiteouts.

    ``told`` is what unpacking into ``tree`` returned. Killed in the middle, it can be done again.
    """
    marks = Marks(tree.whiteouts)
    root = os.open(tree.path, _ROOT)
    lower: list[int] = []
    try:
        for layer in tree.lower:
            lower.append(open_layer(layer, tree.images))
        if told.emptied:
            _white_out_all(root, lower)
        for path in sorted(told.implied, reverse=True):
            _take_attributes(root, path, lower, marks)
        for path in told.whited:
            _drop_idle(root, path, lower, marks)
    finally:
        for fd in (root, *lower):
            os.close(fd)


def _white_out_all(root: int, lower: Sequence[int]) -> None:
    """Delete what lower layers have at the top: overlayfs does not heed an opaque root."""
    state = os.fstat(root)
    for name in {name for layer in lower for name in os.listdir(layer)}:
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=root)
        except FileExistsError:
            continue
    os.utime(root, ns=(state.st_atime_ns, state.st_mtime_ns))


def _take_attributes(root: int, path: bytes, lower: Sequence[int], marks: Marks) -> None:
    source = find_folder(lower, path, marks)
    if source < 0:
        return
    try:
        target = _open(root, path)
        try:
            copy_attributes(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _drop_idle(root: int, path: bytes, lower: Sequence[int], marks: Marks) -> None:
    source = find_folder(lower, path, marks)
    if source >= 0:
        os.close(source)
        return
    folder = _open(root, path)
    try:
        state = os.fstat(folder)
        for name in os.listdir(folder):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if marks.is_whiteout(folder, os.fsencode(name), found):
                os.unlink(name, dir_fd=folder)
        os.utime(folder, ns=(state.st_atime_ns, state.st_mtime_ns))
    finally:
        os.close(folder)


def find_folder(layers: Sequence[int], path: bytes, marks: Marks) -> int:
    """Return a descriptor of the folder that layers, nearest first, show at a path; -1 for none.

    As overlayfs looks things up: a file, a whiteout or an opaque folder ends the search below.
    """
    for layer in layers:
        fd, goes_on = _look(layer, path, marks)
        if fd >= 0 or not goes_on:
            return fd
    return -1


def _look(layer: int, path: bytes, marks: Marks) -> tuple[int, bool]:
    """Look in one layer: the folder's descriptor or -1, and whether the next may have it."""
    fd = os.open(".", _ROOT, dir_fd=layer)
    goes_on = True
    for part in path.split(b"/") if path else ():
        goes_on = goes_on and not marks.is_opaque(fd)
        try:
            below = os.open(part, _FOLDER, dir_fd=fd)
        except FileNotFoundError:
            os.close(fd)
            return -1, goes_on
        except NotADirectoryError:
            os.close(fd)
            return -1, False
        os.close(fd)
        fd = below
    return fd, False


def _open(root: int, path: bytes) -> int:
    fd = os.open(b".", _FOLDER, dir_fd=root)
    for part in path.split(b"/") if path else ():
        try:
            below = os.open(part, _FOLDER, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd
