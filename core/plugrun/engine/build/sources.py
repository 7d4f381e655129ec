"""Where COPY and ADD find what they copy: a folder, and nothing above or outside of it.

Symlinks on the way to a source are followed as a process would whose root that folder is; what
lies in a folder that is copied is never followed. Each step goes by directory descriptors, so that
who changes names meanwhile gets an error, and never a file of somebody else's into the image.
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun.dockerfile.globs import has_meta, match
from plugrun.errors import InvalidArgument, NotFound
from plugrun.linux.beneath import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Excluding(Protocol):
        """What keeps files out."""

        def excluded(self, path: str) -> bool:
            """Whether a path is left out."""

        def skippable(self, folder: str) -> bool:
            """Whether nothing in a folder is let in."""


_MOST_LINKS = 40
_PLACE = os.O_PATH | os.O_NOFOLLOW


@record
class Tree:
    """A folder to copy from: ``called`` is for messages; ``ignored`` is what is kept out of it.

    ``keeps_owners`` says that owners and attributes are the tree's own, as those of a stage are.
    """

    fd: int
    called: str
    ignored: Excluding | None = None
    keeps_owners: bool = False

    def hides(self, path: str) -> bool:
        """Whether a path is kept out."""
        return self.ignored is not None and self.ignored.excluded(path)


@record
class Source:
    """One file or folder that a pattern stands for.

    ``path`` is relative to the tree, without symlinks on the way, empty for the tree itself;
    ``called`` is the same as it was asked for.
    """

    path: str
    called: str
    is_folder: bool

    @property
    def name(self) -> str:
        """What it is called in its folder."""
        return self.called.rpartition("/")[2]


def find_sources(tree: Tree, pattern: str) -> list[Source]:
    """Return what a source of COPY stands for, by name; a lone name may be a symlink.

    Raise NotFound, in Docker's words, if there is nothing; InvalidArgument on a bad pattern.
    """
    parts = _plain(pattern)
    names = [""]
    for part in parts:
        names = [found for name in names for found in _beneath(tree, name, part)]
    found = [source for name in names if (source := _source(tree, name)) is not None]
    if not found:
        if has_meta(pattern):
            raise NotFound(f'no source files were specified: nothing matches "{pattern}"')
        raise NotFound(
            f'failed to compute cache key: "/{"/".join(parts)}": not found',
            hint=f"look into {tree.called}, and what its .dockerignore keeps out",
        )
    return found


def _plain(pattern: str) -> list[str]:
    """Return the parts of a path as Docker cleans it: nothing is above the root."""
    parts: list[str] = []
    for part in pattern.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return parts


def _beneath(tree: Tree, above: str, part: str) -> list[str]:
    """Return the names in a folder that a part of a pattern stands for."""
    if not has_meta(part):
        return [f"{above}/{part}" if above else part]
    way = resolve(tree, above)
    if way is None:
        return []
    try:
        fd = open_beneath(tree.fd, way, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    try:
        names = sorted(os.listdir(fd))
    finally:
        os.close(fd)
    found = [name for name in names if match(part, name)]
    return [f"{above}/{name}" if above else name for name in found]


def _source(tree: Tree, name: str) -> Source | None:
    path = resolve(tree, name)
    if path is None:
        return None
    try:
        fd = open_beneath(tree.fd, path, _PLACE)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    try:
        is_folder = stat.S_ISDIR(os.fstat(fd).st_mode)
    finally:
        os.close(fd)
    if path and tree.hides(path) and not (is_folder and not _is_skippable(tree, path)):
        return None
    return Source(path, name, is_folder)


def _is_skippable(tree: Tree, path: str) -> bool:
    return tree.ignored is not None and tree.ignored.skippable(path)


def resolve(tree: Tree, name: str) -> str | None:
    """Return a path without symlinks, as a process in the tree would come to it; None if none."""
    todo = [part for part in name.split("/") if part][::-1]
    way: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del way[-1:]
            continue
        link = _link(tree.fd, "/".join((*way, part)))
        if link is None:
            return None
        if not link:
            way.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise InvalidArgument(f'"{name}" goes through too many symlinks')
        if link.startswith("/"):
            way = []
        todo.extend(link.split("/")[::-1])
    return "/".join(way)


def _link(root: int, path: str) -> str | None:
    """Return a symlink's target, nothing for what is none, None for what is not there."""
    try:
        fd = open_beneath(root, path, _PLACE)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    try:
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            return os.readlink("", dir_fd=fd)
        return ""
    finally:
        os.close(fd)


def open_beneath(root: int, path: str, flags: int) -> int:
    """Open a path without symlinks beneath a folder; ELOOP if it has become one."""
    resolve_flags = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
    return openat2(root, os.fsencode(path) or b".", flags, resolve=resolve_flags)
