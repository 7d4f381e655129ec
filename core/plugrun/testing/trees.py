"""File trees for contract suites: one with everything in it, and what a tree looks like."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from plugrun.interfaces.storage import (
    WHITEOUT_OVERLAYFS,
    WHITEOUT_UNLINK,
    WHITEOUT_USERXATTR,
    LayerTree,
)

# The attribute of an opaque folder, by the style of whiteouts.
OPAQUE = {
    WHITEOUT_OVERLAYFS: "trusted.overlay.opaque",
    WHITEOUT_USERXATTR: "user.overlay.opaque",
}
_LONG = "n" * 255
_NANOSECONDS = 1_234_567_890_123_456_789

Facts = dict[str, tuple[object, ...]]


def write(path: str, text: str = "") -> None:
    """Write a file."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def text_of(path: str) -> str:
    """Read a file."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def fill(root: str) -> None:
    """Make one of everything a layer can hold."""
    for make in (_make_files, _make_odd_names, _make_special, _make_deep):
        make(root)
    for name in sorted(os.listdir(root)):
        path = f"{root}/{name}"
        os.utime(path, ns=(_NANOSECONDS, _NANOSECONDS), follow_symlinks=False)


def _make_files(root: str) -> None:
    for name, mode, owner in (
        ("plain", 0o644, 0),
        ("setuid", 0o4755, 0),
        ("setgid", 0o2755, 7),
        ("private", 0o600, 1000),
        ("nobody", 0o000, 65534),
    ):
        write(f"{root}/{name}", name)
        os.chown(f"{root}/{name}", owner, owner)
        os.chmod(f"{root}/{name}", mode)
    os.link(f"{root}/plain", f"{root}/hard-link")
    os.mkdir(f"{root}/sticky")
    os.chmod(f"{root}/sticky", 0o1777)
    os.link(f"{root}/plain", f"{root}/sticky/hard-link-elsewhere")
    os.setxattr(f"{root}/setuid", "user.binary", bytes(range(256)))
    os.setxattr(f"{root}/sticky", "trusted.empty", b"")
    with open(f"{root}/holes", "wb") as file:
        file.truncate(1 << 24)
        file.seek(1 << 23)
        file.write(b"in the middle")


def _make_odd_names(root: str) -> None:
    for name in (_LONG, "ünï-日本", "new\nline", " ", ".wh.not-a-whiteout-here", "a:b,c\\d"):
        write(f"{root}/{name}", name[:9])
    os.mkdir(os.fsencode(root) + b"/not-utf8-\xff\xfe")


def _make_special(root: str) -> None:
    os.symlink("/etc/passwd", f"{root}/absolute")
    os.symlink("../../..", f"{root}/upwards")
    os.mkfifo(f"{root}/fifo", 0o640)
    os.mknod(f"{root}/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(f"{root}/disk", stat.S_IFBLK | 0o660, os.makedev(7, 200))


def _make_deep(root: str, depth: int = 60) -> None:
    """Make a tree whose path is longer than PATH_MAX."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for level in range(depth):
        name = f"{level:0100}"
        os.mkdir(name, dir_fd=fd)
        deeper = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(os.open("bottom", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd))
    os.close(fd)


def facts(root: str) -> Facts:
    """Return what can be seen of a tree, but for its top and inode numbers."""
    found: Facts = {}
    links: dict[int, str] = {}
    for folder, folders, files, fd in os.fwalk(root):
        folders.sort()  # which of a file's names is met first must not be the file system's choice
        for name in sorted(folders + files):
            path = os.path.join(folder[len(root) :], name)
            found[path] = _facts(f"/proc/self/fd/{fd}/{name}", path, links)
    return found


def _facts(path: str, shown: str, links: dict[int, str]) -> tuple[object, ...]:
    seen = os.lstat(path)
    same_as = links.setdefault(seen.st_ino, shown) if stat.S_ISREG(seen.st_mode) else shown
    names = os.listxattr(path, follow_symlinks=False)
    xattrs = {name: os.getxattr(path, name, follow_symlinks=False) for name in sorted(names)}
    content: object = None
    if stat.S_ISLNK(seen.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(seen.st_mode):
        with open(path, "rb") as file:
            content = hash(file.read())
    sparse = stat.S_ISREG(seen.st_mode) and _has_holes(path, seen)
    size = 0 if stat.S_ISDIR(seen.st_mode) else seen.st_size
    ids = (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_rdev)
    return (*ids, size, seen.st_mtime_ns, same_as, xattrs, content, sparse)


def _has_holes(path: str, state: os.stat_result) -> bool:
    """Whether a file says so: by the blocks it takes, or to lseek(2) (on EROFS)."""
    if not state.st_size or state.st_blocks * 512 < state.st_size:
        return state.st_size > 0
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.lseek(fd, 0, os.SEEK_HOLE) < state.st_size
    finally:
        os.close(fd)


def delete(tree: LayerTree, name: str) -> None:
    """Write the deletion of a parent's file into a layer, in the tree's own way."""
    if tree.whiteouts == WHITEOUT_UNLINK:
        os.unlink(f"{tree.path}/{name}")
    else:
        os.mknod(f"{tree.path}/{name}", stat.S_IFCHR, os.makedev(0, 0))


def replace_folder(tree: LayerTree, name: str, make: Callable[[str], None]) -> None:
    """Write a folder that hides the parent's of that name into a layer."""
    path = f"{tree.path}/{name}"
    if tree.whiteouts == WHITEOUT_UNLINK:
        for inside in os.listdir(path):
            os.unlink(f"{path}/{inside}")
    else:
        os.mkdir(path)
        os.setxattr(path, OPAQUE[tree.whiteouts], b"y")
    make(path)


def count_entries(root: str) -> int:
    """Count the files and folders beneath a folder."""
    return sum(len(folders) + len(files) for _, folders, files in os.walk(root))
