"""The folders of a tree being unpacked, by descriptors: the one way to anything in it.

Each component is opened from its parent's descriptor with O_NOFOLLOW. Symlinks that the layer
itself made are followed as a process inside would, by hand: ``/`` is the tree's root and ``..``
stops there. So nothing leads outside, whatever the layer holds. What a lower layer left in the
way and is no folder is replaced by one: that is how overlayfs shows it, and all storages agree.
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun.errors import Corrupt, HostileArchive
from plugrun.layers.attributes import DEFAULT_ACL
from plugrun.layers.entry import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.layers.deletions import Deletions

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
IMPLIED_MODE = 0o755
_MOST_OPEN = 400
_MOST_LINKS = 40
DEEPEST = 512  # folders within folders; each is a descriptor on the way


class Folder:
    """An open folder; ``plain`` if what is made in it is 0:0 and has the mode that was asked."""

    __slots__ = ("fd", "path", "plain")

    def __init__(self, fd: int, path: bytes) -> None:
        self.fd = fd
        self.path = path
        self.plain = False
        self.look()

    def look(self) -> None:
        """Learn its attributes."""
        state = os.fstat(self.fd)
        inherits = state.st_mode & stat.S_ISGID or _has_acl(self.fd)
        as_root = os.getegid() == os.geteuid() == state.st_gid == 0
        self.plain = as_root and not inherits

    def beneath(self, name: bytes) -> bytes:
        """Return the path of something in it."""
        return self.path + b"/" + name if self.path else name


class Folders:
    """Open folders by their path; ``aliases`` by what entries call them."""

    def __init__(self, root: str, deletions: Deletions) -> None:
        self._deletions = deletions
        self.root = Folder(os.open(root, FOLDER & ~os.O_NOFOLLOW), b"")
        self._open: dict[bytes, Folder] = {b"": self.root}
        self.aliases: dict[bytes, Folder] = {b"": self.root}

    def close(self) -> None:
        """Close all descriptors."""
        for folder in self._open.values():
            os.close(folder.fd)
        self._open.clear()
        self.aliases.clear()

    def trim(self) -> None:
        """Close folders if many are open; no Folder may be in use."""
        if len(self._open) > _MOST_OPEN:
            del self._open[b""]
            self.close()
            self._open[b""] = self.aliases[b""] = self.root

    def forget(self, path: bytes) -> None:
        """A folder is gone, or has other attributes: close it and all beneath it."""
        beneath = path + b"/"
        for key in [p for p in self._open if p == path or p.startswith(beneath)]:
            os.close(self._open.pop(key).fd)
        self.forget_aliases()

    def close_one(self, path: bytes) -> None:
        """A folder has other attributes: open it anew when it is needed."""
        folder = self._open.pop(path, None)
        if folder is not None:
            os.close(folder.fd)
            self.forget_aliases()

    def refresh_root(self) -> None:
        """The root has other attributes."""
        self.root.look()

    def forget_aliases(self) -> None:
        """A symlink is gone: names may lead elsewhere."""
        self.aliases.clear()
        self.aliases[b""] = self.root

    def of(self, parts: list[bytes], *, make: bool = True) -> Folder:
        """Return the folder that these parts lead to; ``make`` the ones that are missing.

        Raise HostileArchive if a file of this layer is in the way or symlinks go in circles,
        Corrupt if it is missing and shall not be made.
        """
        way = [self.root]
        todo = parts[::-1]
        links = 0
        while todo:
            part = todo.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                del way[max(1, len(way) - 1) :]
                continue
            found = self._child(way[-1], part, make)
            if isinstance(found, Folder):
                way.append(found)
                if len(way) > DEEPEST:
                    raise HostileArchive(f"{shown(b'/'.join(parts))} is too deep")
                continue
            links += 1
            if links > _MOST_LINKS:
                raise HostileArchive(f"{shown(b'/'.join(parts))} goes through too many symlinks")
            if found.startswith(b"/"):
                del way[1:]
            todo.extend(found.split(b"/")[::-1])
        return way[-1]

    def _child(self, folder: Folder, name: bytes, make: bool) -> Folder | bytes:
        """Return a folder in a folder, or the target of a symlink there."""
        path = folder.beneath(name)
        found = self._open.get(path)
        if found is not None:
            return found
        try:
            fd = os.open(name, FOLDER, dir_fd=folder.fd)
        except FileNotFoundError:
            if not make:
                raise _missing(path) from None
            return self._make(folder, name, path, severed=False)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            return self._in_the_way(folder, name, path, make)
        return self._keep(fd, path, passing=True)

    def _in_the_way(self, folder: Folder, name: bytes, path: bytes, make: bool) -> Folder | bytes:
        state = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
        if self._deletions.is_foreign(path, state):
            if not make:
                raise _missing(path)
            os.unlink(name, dir_fd=folder.fd)
            return self._make(folder, name, path, severed=True)
        if stat.S_ISLNK(state.st_mode):
            return os.readlink(name, dir_fd=folder.fd)
        raise HostileArchive(f"{shown(path)} has something beneath it and is no folder")

    def _make(self, folder: Folder, name: bytes, path: bytes, *, severed: bool) -> Folder:
        os.mkdir(name, IMPLIED_MODE, dir_fd=folder.fd)
        fd = os.open(name, FOLDER, dir_fd=folder.fd)
        if not folder.plain:
            reset_attributes(fd)
        self._deletions.made_implied(path, fd, severed=severed)
        return self._keep(fd, path, passing=False)

    def _keep(self, fd: int, path: bytes, *, passing: bool) -> Folder:
        folder = Folder(fd, path)
        self._open[path] = folder
        if passing:
            self._deletions.passing(path, fd)
        return folder


def _missing(path: bytes) -> Corrupt:
    return Corrupt(f"{shown(path)} is linked to and not in the layer")


def reset_attributes(fd: int) -> None:
    """Give a folder what an implied one has before lower layers are asked."""
    from plugrun.layers.attributes import clear_xattrs

    os.fchown(fd, 0, 0)
    clear_xattrs(fd)
    os.fchmod(fd, IMPLIED_MODE)


def _has_acl(fd: int) -> bool:
    try:
        return DEFAULT_ACL in os.listxattr(fd)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return False
        raise
