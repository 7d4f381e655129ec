"""Mount points that a RUN needed and its image lacks: taken out of the layer again.

Isolation makes an empty file or folder where something is to be mounted. What was missing before
and is still empty afterwards is nobody's work, and no part of the layer.
"""

from __future__ import annotations

import os
import stat

from plugrun.linux.beneath import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2
from plugrun.linux.images import open_layer
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from plugrun.interfaces.storage import LayerTree

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_MOST_LINKS = 40

# What is mounted in every container.
ALWAYS = (
    *("/dev", "/proc", "/sys", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"),
    *("/dev/console", "/dev/mqueue", "/dev/pts", "/dev/shm", "/sys/fs/cgroup"),
)


@record
class Stub:
    """A path that is missing, and where it would be made: ``times_ns`` of the folder above it.

    ``times_ns`` is None if that folder is missing as well.
    """

    path: str
    times_ns: tuple[int, int] | None


def missing_places(tree: LayerTree, targets: Iterable[str]) -> tuple[Stub, ...]:
    """Return what is missing of mount targets, and of the folders above them, in a tree."""
    folders: list[int] = []
    try:
        for path in (tree.path, *tree.lower):
            folders.append(open_layer(path, tree.images))
        found: dict[str, Stub] = {}
        for target in targets:
            for stub in _missing(folders, target):
                found.setdefault(stub.path, stub)
        return tuple(found.values())
    finally:
        for fd in folders:
            os.close(fd)


def remove_stubs(tree: LayerTree, stubs: Sequence[Stub]) -> None:
    """Remove those that are there now and empty; the times of the folder above stay."""
    root = os.open(tree.path, os.O_PATH | os.O_DIRECTORY)
    try:
        for stub in sorted(stubs, key=lambda one: one.path.count("/"), reverse=True):
            _remove(root, stub)
    finally:
        os.close(root)


def _missing(folders: Sequence[int], target: str) -> list[Stub]:
    todo = [part for part in target.split("/") if part][::-1]
    way: list[str] = []
    above = _look(folders, way)
    found: list[Stub] = []
    links = 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del way[-1:]
            above = _look(folders, way)
            continue
        state = _look(folders, [*way, part]) if above is not None else None
        if state is not None and stat.S_ISLNK(state.st_mode):
            links += 1
            if links > _MOST_LINKS:
                return []
            link = _readlink(folders, [*way, part])
            if link.startswith("/"):
                way = []
            above = _look(folders, way)
            todo.extend(link.split("/")[::-1])
            continue
        if state is None:
            times = None if above is None else (above.st_atime_ns, above.st_mtime_ns)
            found.append(Stub("/".join((*way, part)), times))
        way.append(part)
        above = state
    return found


def _look(folders: Sequence[int], way: list[str]) -> os.stat_result | None:
    """Return what the topmost folder that has a path says of it; no symlink is followed."""
    for fd in folders:
        place = _open(fd, way)
        if place < 0:
            continue
        try:
            state = os.fstat(place)
        finally:
            os.close(place)
        is_whiteout = stat.S_ISCHR(state.st_mode) and state.st_rdev == 0
        return None if is_whiteout else state
    return None


def _readlink(folders: Sequence[int], way: list[str]) -> str:
    for fd in folders:
        place = _open(fd, way)
        if place >= 0:
            try:
                return os.readlink("", dir_fd=place)
            finally:
                os.close(place)
    return ""


def _open(root: int, way: list[str]) -> int:
    try:
        resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
        return openat2(root, "/".join(way) or ".", os.O_PATH | os.O_NOFOLLOW, resolve=resolve)
    except OSError:
        return -1


def _remove(root: int, stub: Stub) -> None:
    above, _, name = stub.path.rpartition("/")
    parent = _open(root, [above] if above else [])
    if parent < 0:
        return
    try:
        state = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(state.st_mode):
            os.rmdir(name, dir_fd=parent)
        elif stat.S_ISREG(state.st_mode) and not state.st_size:
            os.unlink(name, dir_fd=parent)
        else:
            return
        if stub.times_ns is not None:
            os.utime(f"/proc/self/fd/{parent}", ns=stub.times_ns)
    except OSError:
        return  # not made, or used for something since
    finally:
        os.close(parent)
