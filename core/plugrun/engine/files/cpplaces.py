"""Where ``cp`` copies from and to: paths on this machine or in a container, by Docker's rules.

A path in a container is resolved within its root (openat2(2)), however it changes meanwhile; one
on this machine as any program does it.
"""

from __future__ import annotations

import os
import stat

from plugrun.errors import Conflict, InvalidArgument, NotFound
from plugrun.layers.treeread import Node
from plugrun.linux.beneath import open_in_root
from plugrun.linux.filesystem import is_kernels_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

_LOOK = os.O_PATH | os.O_NOFOLLOW
_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_MOST_LINKS = 10


class Side:
    """A file system: this machine's, or a container's by its root; ``name`` is for messages."""

    def __init__(self, root: int = -1, name: str = "") -> None:
        self.root = root
        self.name = name

    def open(self, path: str, flags: int) -> int:
        """Open a path, symlinks on the way followed."""
        if self.root < 0:
            return os.open(path, flags | os.O_CLOEXEC)
        return open_in_root(self.root, path, flags)

    def absolute(self, path: str) -> str:
        """Return a path from the root; what ends in ``/`` or ``/.`` still does so."""
        whole = path if path.startswith("/") else os.path.join(self._here(), path)
        plain = os.path.normpath(whole).replace("//", "/")
        if is_contents(path):
            return f"{plain.rstrip('/')}/."
        return f"{plain.rstrip('/')}/" if path.endswith("/") else plain

    def _here(self) -> str:
        return "/" if self.root >= 0 else os.getcwd()

    def missing(self, path: str) -> NotFound:
        """Return the error for a path that is not there."""
        if self.root >= 0:
            return NotFound(f"Could not find the file {path} in container {self.name}")
        return NotFound(f"lstat {path}: no such file or directory")


def _plain(path: str) -> str:
    return path.removesuffix("/.").rstrip("/")


def is_contents(path: str) -> bool:
    """Whether a path means what is in a folder, and not the folder."""
    return path == "." or path.endswith("/.")


class Held:
    """Has a descriptor, for the length of a ``with``."""

    fd: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


class Found(Held):
    """Something to copy: ``node`` has the name that it is copied by; ``contents`` without itself.

    ``fd`` is the folder it lies in, or itself. ``is_root`` is a whole file system.
    """

    def __init__(self, node: Node, fd: int, *, contents: bool, is_root: bool = False) -> None:
        self.node = node
        self.fd = fd
        self.contents = contents
        self.is_root = is_root


class Target(Held):
    """Where things go: into the folder ``fd``, at ``path``; under ``name``, if there is one."""

    def __init__(self, fd: int, path: str, name: bytes = b"") -> None:
        self.fd = fd
        self.path = path
        self.name = name


def find_source(side: Side, path: str, *, follow: bool) -> Found:
    """Find what is to be copied; ``follow`` copies what a symlink leads to, under its name.

    Raise NotFound, and Conflict if a file is asked for as a folder.
    """
    whole = side.absolute(path)
    name = os.fsencode(os.path.basename(_plain(whole)) or ".")
    if whole.endswith(("/", "/.")):
        return _found_folder(side, path, whole, name)
    for _ in range(_MOST_LINKS * 4):
        try:
            parent = side.open(os.path.dirname(whole), _FOLDER)
        except (FileNotFoundError, NotADirectoryError):
            raise side.missing(whole) from None
        base = os.fsencode(os.path.basename(whole))
        try:
            state = os.stat(base, dir_fd=parent, follow_symlinks=False)
            _refuse_kernels(side, parent, whole)
        except FileNotFoundError:
            os.close(parent)
            raise side.missing(whole) from None
        except BaseException:
            os.close(parent)
            raise
        if not (follow and stat.S_ISLNK(state.st_mode)):
            return Found(Node(name, parent, base, state), parent, contents=False)
        target = os.fsdecode(os.readlink(base, dir_fd=parent))
        os.close(parent)
        whole = side.absolute(os.path.join(os.path.dirname(whole), target))
    raise Conflict(f"too many symbolic links: {path}")


def _refuse_kernels(side: Side, folder: int, path: str) -> None:
    """Refuse what is in /proc or /sys of a container, as Docker does: no size of it is true."""
    if side.root >= 0 and is_kernels_own(folder):
        error = side.missing(path)
        error.hint = f"the kernel's files cannot be copied: plugrun exec {side.name} cat {path}"
        raise error


def _refuse_within(side: Side, fd: int, path: str) -> None:
    """The same of a folder, unless it is the top of such a file system."""
    above = os.open("..", _FOLDER | os.O_CLOEXEC, dir_fd=fd)
    try:
        _refuse_kernels(side, above, _plain(path))
    finally:
        os.close(above)


def _found_folder(side: Side, path: str, whole: str, name: bytes) -> Found:
    try:
        fd = side.open(whole, _FOLDER)
    except FileNotFoundError:
        raise side.missing(_plain(whole) or "/") from None
    except NotADirectoryError:
        raise Conflict(
            f"lstat {whole}: not a directory" if side.root >= 0 else "not a directory"
        ) from None
    contents = is_contents(path) or whole in ("/", "/.")
    try:
        if _plain(whole):
            _refuse_within(side, fd, whole)
    except BaseException:
        os.close(fd)
        raise
    node = Node(b"." if contents else name, fd, b".", os.fstat(fd))
    return Found(node, fd, contents=contents, is_root=not _plain(whole))


def find_target(side: Side, path: str, source: Found | None, shown: str) -> Target:
    """Find where a source goes; None is a tar, which wants a folder that is there.

    Raise what Docker refuses: a folder onto a file, a file to a folder that is not there.
    """
    whole = side.absolute(path)
    resolved, state = _last(side, whole)
    if state is not None and stat.S_IFMT(state.st_mode) not in (stat.S_IFDIR, stat.S_IFREG):
        raise InvalidArgument(
            f'destination "{shown}" must be a directory or a regular file: got {_kind(state)}'
        )
    is_folder = state is not None and stat.S_ISDIR(state.st_mode)
    if source is None:
        if not is_folder:
            raise InvalidArgument(f'destination "{shown}" must be a directory')
        return Target(_open_folder(side, resolved), resolved)
    if is_folder:
        name = b"" if source.contents else source.node.path
        return Target(_open_folder(side, resolved), resolved, name)
    if state is not None and source.node.is_folder:
        raise Conflict("cannot copy directory")
    if state is None and not source.node.is_folder and path.endswith(("/", "/.")):
        raise Conflict("no such directory")
    above, base = os.path.split(_plain(resolved))
    if is_contents(resolved):
        return Target(_open_folder(side, _plain(resolved)), resolved)
    return Target(_open_folder(side, above or "/"), above or "/", os.fsencode(base))


def _last(side: Side, whole: str) -> tuple[str, os.stat_result | None]:
    """Follow a symlink at the end of a destination; return where it leads and what is there."""
    path = whole
    for _ in range(_MOST_LINKS):
        try:
            fd = side.open(path, os.O_PATH if path.endswith(("/", "/.")) else _LOOK)
        except FileNotFoundError:
            return path, None
        except NotADirectoryError:
            if side.root < 0:
                raise Conflict(f"stat {path}: not a directory") from None
            return path, None
        try:
            state = os.fstat(fd)
            if not stat.S_ISLNK(state.st_mode):
                return path, state
            target = os.fsdecode(os.readlink("", dir_fd=fd))
        finally:
            os.close(fd)
        path = side.absolute(os.path.join(os.path.dirname(path), target))
    raise Conflict(f"too many symbolic links: {whole}")


def _open_folder(side: Side, path: str) -> int:
    try:
        return side.open(path, _FOLDER)
    except FileNotFoundError:
        if side.root >= 0:
            raise side.missing(path) from None
        raise NotFound(f'invalid output path: directory "{path}" does not exist') from None
    except NotADirectoryError:
        raise Conflict(f"{path}: not a directory") from None


def _kind(state: os.stat_result) -> str:
    mode = state.st_mode
    return "a device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "an irregular file"
