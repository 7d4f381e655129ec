"""Delete and measure trees that a container may have filled with anything.

Only folder descriptors are used, symlinks are never followed and mounts never entered. A tree may
be deeper than there are descriptors, or than PATH_MAX allows.
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun.errors import Conflict
from plugrun.interfaces.storage import Usage
from plugrun.linux import beneath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_RULES = beneath.RESOLVE_BENEATH | beneath.RESOLVE_NO_XDEV | beneath.RESOLVE_NO_SYMLINKS
# A folder that has gone meanwhile, or where something else is now.
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_PIECE = 3000  # bytes of a path opened at once; PATH_MAX is 4096


def delete_tree(path: str) -> None:
    """Delete a folder and all beneath; Conflict names what the kernel refuses to delete."""
    parent = os.open(os.path.dirname(path), _OPEN | os.O_CLOEXEC)
    try:
        deletion = _Deletion(path)
        top = deletion.enter(parent, os.path.basename(path))
        try:
            deletion.run(top)
        finally:
            os.close(top)
        deletion.drop(os.rmdir, os.path.basename(path), parent)
    finally:
        os.close(parent)


class _Deletion:
    """Empties one folder; what lies deeper is moved up to it first, so that depth costs nothing."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._names: list[str] = []
        self._taken: frozenset[str] = frozenset()
        self._moved = 0

    def run(self, top: int) -> None:
        files, folders = _entries(top)
        self._taken = frozenset(folders)
        self._names = folders
        for name in files:
            self.drop(os.unlink, name, top)
        while self._names:
            name = self._names.pop()
            fd = self.enter(top, name)
            try:
                self._empty(fd, top)
            finally:
                os.close(fd)
            self.drop(os.rmdir, name, top)

    def _empty(self, folder: int, top: int) -> None:
        files, folders = _entries(folder)
        for name in files:
            self.drop(os.unlink, name, folder)
        for name in folders:
            self._moved += 1
            while (new := f".{self._moved}") in self._taken:
                self._moved += 1
            try:
                os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
            except OSError as error:
                raise self._refused(error, name) from error
            self._names.append(new)

    def enter(self, parent: int, name: str) -> int:
        """Open a folder, unless something is mounted there."""
        try:
            return beneath.openat2(parent, name, _OPEN, resolve=_RULES)
        except OSError as error:
            raise self._refused(error, name) from error

    def drop(self, call: Callable[..., None], name: str, parent: int) -> None:
        """Unlink or rmdir one name."""
        try:
            call(name, dir_fd=parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._refused(error, name) from error

    def _refused(self, error: OSError, name: str) -> Conflict:
        reason, hint = _WHY.get(error.errno or 0, (error.strerror, "plugrun system prune goes on"))
        return Conflict(f"cannot delete {name!r} beneath {self._path}: {reason}", hint=hint)


_WHY = {
    errno.EPERM: ("it is immutable or append-only", "chattr -R -ia on that folder, then again"),
    errno.EBUSY: ("something is mounted there", "umount it, then again"),
    errno.EXDEV: ("something is mounted there", "umount it, then again"),
}


def _entries(folder: int) -> tuple[list[str], list[str]]:
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    return files, folders


def measure_tree(path: str, *, after: int = -1) -> Usage:
    """Return the disk space and inodes a tree takes; a hard-linked file counts once.

    Only what has a ctime after ``after``, in nanoseconds, counts. The empty path is no tree, and
    takes nothing. What goes, or becomes something else, while it is measured does not count.
    """
    if not path:
        return Usage(0, 0, 0)
    top = os.open(path, _OPEN | os.O_CLOEXEC)
    try:
        return _measure(top, after)
    finally:
        os.close(top)


def _measure(top: int, after: int) -> Usage:
    size = os.fstat(top).st_blocks * 512
    inodes, content = 1, 0
    linked: set[int] = set()
    pending: list[str] = [""]
    while pending:
        inside = pending.pop()
        try:
            fd = open_deep(top, inside)
        except OSError as error:
            if inside and error.errno in _GONE:
                continue
            raise
        try:
            for name in os.listdir(fd):
                try:
                    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                is_folder = stat.S_ISDIR(found.st_mode)
                if is_folder:
                    pending.append(f"{inside}/{name}" if inside else name)
                if found.st_ctime_ns <= after:
                    continue
                if found.st_nlink > 1 and not is_folder:
                    if found.st_ino in linked:
                        continue
                    linked.add(found.st_ino)
                size += found.st_blocks * 512
                inodes += 1
                if not is_folder:
                    content += found.st_size
        finally:
            os.close(fd)
    return Usage(size, inodes, content)


def open_deep(top: int, inside: str) -> int:
    """Open a folder by its path beneath ``top``, however long; the caller closes it.

    No symlink is followed and no mount entered; the empty path is ``top`` itself.
    """
    fd = os.dup(top)
    while inside:
        piece, inside = inside, ""
        if len(piece) > _PIECE // 4:  # a character takes up to four bytes
            cut = piece.rfind("/", 0, _PIECE // 4)
            cut = cut if cut > 0 else piece.find("/")
            if cut > 0:
                piece, inside = piece[:cut], piece[cut + 1 :]
        try:
            deeper = beneath.openat2(fd, piece, _OPEN, resolve=_RULES)
        finally:
            os.close(fd)
        fd = deeper
    return fd
