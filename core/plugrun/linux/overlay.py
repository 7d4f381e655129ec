"""Overlays of any number of layers at paths of any length and with any characters.

mount(2) reads a page of options, in which a comma ends an option and a colon a layer; a backslash
before them takes that away. Here every folder is handed over by descriptor instead, one at a time
(Linux 6.13). An older kernel gets the descriptors' numbers for paths, from the folder in which it
has them as links: 500 layers fit into a page so.
"""

from __future__ import annotations

import errno
import os

from plugrun.linux import mountfd, mounting
from plugrun.linux.fscontext import FsContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Opener = Callable[[str], int]  # of a folder's path, to a descriptor that the caller closes

FOLDER_OPTIONS = ("lowerdir", "upperdir", "workdir")
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_FDS = "/proc/self/fd"
# The second before Linux 6.5, where overlayfs has no parser of its own (legacy_fs_context_ops).
_NO_DESCRIPTORS = (errno.EINVAL, errno.EOPNOTSUPP)


def folder_option(name: str, paths: Sequence[str]) -> str:
    """Return an option of folders (``lowerdir=/a:/b``) as mount(2) reads it."""
    return f"{name}=" + ":".join(map(_escaped, paths))


def _escaped(path: str) -> str:
    for char in "\\:,":  # the backslash first: the others bring new ones
        if char in path:
            path = path.replace(char, f"\\{char}")
    return path


def folders_of(value: str) -> list[str]:
    """Return the folders in an option's value."""
    if "\\" not in value:
        return value.split(":")
    found, path, chars = [], "", iter(value)
    for char in chars:
        if char == ":":
            found.append(path)
            path = ""
        else:
            path += next(chars, "") if char == "\\" else char
    return [*found, path]


def mount_overlay(
    options: Sequence[str],
    target: int,
    subject: str,
    opened: Opener | None = None,
    images: str = "",
) -> None:
    """Mount an overlay onto the folder that the descriptor ``target`` is.

    ``options`` are as in ``Mount``; ``subject`` is what errors call the target. Its folders are
    opened by ``opened``, if they are not just what lies at their paths; with ``images`` some paths
    are of files. Raise CannotMount, Corrupt or NoSpace, which tell what is wrong with which folder.
    """
    opened = opened or open_folder
    try:
        _mount(options, target, subject, opened)
    except OSError as error:
        from plugrun.linux.overlayfault import explained, put_right

        if not put_right(options):
            raise explained(options, error, opened, images) from error
        try:
            _mount(options, target, subject, opened)
        except OSError as again:
            raise explained(options, again, opened, images) from again


def open_folder(path: str) -> int:
    """Open what lies at a path, if it is a folder."""
    return os.open(path, _FOLDER)


def _mount(options: Sequence[str], target: int, subject: str, opened: Opener) -> None:
    tree = _made(options, opened)
    if tree < 0:
        _by_numbers(options, target, opened)
        return
    try:
        mountfd.attach(tree, target, subject)
    finally:
        os.close(tree)


def _made(options: Sequence[str], opened: Opener) -> int:
    """Return an overlay attached nowhere, or -1 if this kernel does not take descriptors."""
    flags, _, _, _ = mounting.parse_options(tuple(options))
    try:
        context = FsContext("overlay")
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return -1
        raise
    with context:
        if not configure(context, options, opened):
            return -1
        tree = context.mount(mountfd.attributes(flags))
    if _is_spoiled(options, os.fstatvfs(tree)):
        os.close(tree)
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    return tree


def configure(context: FsContext, options: Sequence[str], opened: Opener = open_folder) -> bool:
    """Give a context its options; False if this kernel does not take folders by descriptor."""
    context.string("source", "overlay")
    if "ro" in options:
        context.flag("ro")
    is_first = True
    for name, path, value in settings(options):
        if not path:
            context.string(name, value) if value else context.flag(name)
            continue
        fd = opened(path)
        try:
            context.descriptor("lowerdir+" if name == "lowerdir" else name, fd)
        except OSError as error:
            if is_first and error.errno in _NO_DESCRIPTORS:
                return False
            raise
        finally:
            os.close(fd)
        is_first = False
    return True


def settings(options: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield name, path and value of overlayfs's own options: one of path and value is empty."""
    for option in mounting.own_options(tuple(options)):
        name, _, value = option.partition("=")
        if name not in FOLDER_OPTIONS:
            yield name, "", value
            continue
        for path in folders_of(value):
            yield name, path, ""


def _by_numbers(options: Sequence[str], target: int, opened: Opener) -> None:
    found: dict[str, list[int]] = {}
    data: list[str] = []
    back = os.open(".", _FOLDER)
    try:
        for name, path, value in settings(options):
            if path:
                found.setdefault(name, []).append(opened(path))
            else:
                data.append(f"{name}={value}" if value else name)
        data[:0] = [f"{name}={':'.join(map(str, fds))}" for name, fds in found.items()]
        flags, _, _, _ = mounting.parse_options(tuple(options))
        os.chdir(_FDS)
        place = f"{_FDS}/{target}"
        mounting.mount("overlay", place, "overlay", flags, ",".join(data))
        # The descriptor is of what lies beneath now; its name leads to what was mounted.
        where = os.readlink(place)
        if _is_spoiled(options, os.statvfs(where)):
            mounting.umount(where, mounting.MNT_DETACH)
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    finally:
        os.fchdir(back)
        for fd in (back, *[fd for fds in found.values() for fd in fds]):
            os.close(fd)


def _is_spoiled(options: Sequence[str], found: os.statvfs_result) -> bool:
    """Whether overlayfs made it read-only by itself, as it does when its work folder fails it."""
    if not found.f_flag & os.ST_RDONLY or "ro" in options:
        return False
    return any(option.startswith("upperdir=") for option in options)
