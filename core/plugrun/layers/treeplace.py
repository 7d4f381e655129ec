"""Entries put into a folder that is in use, as ``cp`` does: nothing in it is a whiteout.

Everything goes through directory descriptors. A folder on the way is opened without following
symlinks; only where a tar from outside leaves its folders out are they followed, and then within
the tree's root. So whoever swaps names meanwhile moves what is written within that tree at most
(CVE-2018-15664).
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun.errors import Conflict, Corrupt, HostileArchive
from plugrun.layers import entry as tar
from plugrun.layers.attributes import set_xattrs
from plugrun.layers.entry import shown
from plugrun.layers.names import split_name
from plugrun.layers.removal import remove_tree
from plugrun.layers.treeread import allow_depth
from plugrun.linux.beneath import RESOLVE_NO_XDEV, open_in_root, openat2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.layers.entry import Entry
    from plugrun.model.idmap import IdMap

    Write = Callable[[int], None]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NODES = {tar.CHAR: stat.S_IFCHR, tar.BLOCK_DEVICE: stat.S_IFBLK, tar.FIFO: stat.S_IFIFO}
_MOST_OPEN = 300
# What entries bring about by themselves: a link to what is not there, a ring, a file as a folder.
_ENTRIES_FAULT = frozenset(
    (
        errno.EEXIST,
        errno.EFBIG,
        errno.EINVAL,
        errno.EISDIR,
        errno.ELOOP,
        errno.EMLINK,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EXDEV,
    )
)


class Placer:
    """Puts entries into the folder ``base``, which lies at ``path`` beneath ``root``.

    ``owner`` takes the place of every entry's own; None keeps them. ``path`` is for messages, and
    to follow symlinks from; without a ``root`` none are followed. With ``ids`` the tree belongs to
    a user namespace, and owners are as they are inside of it; what it has no place for is refused.
    With ``replaces`` a folder and what is none replace each other.
    """

    def __init__(
        self,
        base: int,
        path: bytes,
        root: int = -1,
        owner: tuple[int, int] | None = None,
        ids: IdMap | None = None,
        *,
        replaces: bool = False,
    ) -> None:
        self._replaces = replaces
        self._base = base
        self._path = path.rstrip(b"/")
        self._root = root
        self._owner = owner
        self._ids = ids
        self._open: dict[bytes, int] = {}
        self._times: dict[bytes, int] = {}
        allow_depth()

    def __enter__(self) -> Placer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._set_times()
        finally:
            self._close()

    def put(self, entry: Entry, write: Write) -> None:
        """Put one entry; ``write`` writes a file's data to a descriptor.

        Raise Conflict if a folder were to replace something else, or the other way round, and that
        is not asked for; Corrupt if what came before leaves no place for it.
        """
        try:
            self._put(entry, write)
        except OSError as error:
            raise _explained(error, entry.name) or error from error

    def _put(self, entry: Entry, write: Write) -> None:
        parts = split_name(entry.name)
        if not parts:
            return
        above, name = b"/".join(parts[:-1]), parts[-1]
        self._close_many(above)
        parent = self._folder(above)
        if self._owner is not None:
            entry.uid, entry.gid = self._owner
        if self._ids is not None:
            self._put_outside(entry, self._ids)
        is_there = self._make_way(parent, name, parts, entry)
        if entry.type == tar.FOLDER:
            self._put_folder(parent, name, b"/".join(parts), entry, is_there)
        elif entry.type == tar.REGULAR:
            self._put_file(parent, name, entry, write)
        elif entry.type == tar.LINK:
            self._put_link(parent, name, entry)
        else:
            self._put_named(parent, name, entry)

    def _put_outside(self, entry: Entry, ids: IdMap) -> None:
        from plugrun.layers.owners import put_outside

        if not put_outside(entry, ids):
            raise Conflict(
                f"{shown(entry.name)} belongs to {entry.uid}:{entry.gid}, who has no place in the "
                "container's user namespace"
            )

    def _make_way(self, parent: int, name: bytes, parts: list[bytes], entry: Entry) -> bool:
        """Remove what an entry replaces; return whether it is a folder that is there already."""
        try:
            state = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        place = os.fsdecode(b"/".join((self._path, *parts)))
        if self._replaces and stat.S_ISDIR(state.st_mode) != (entry.type == tar.FOLDER):
            self._forget(b"/".join(parts))
            remove_tree(name, parent)
            return False
        if entry.type == tar.FOLDER:
            if not stat.S_ISDIR(state.st_mode):
                raise Conflict(
                    f'cannot overwrite non-directory "{place}" with directory "{self._shown()}"'
                )
            return True
        if stat.S_ISDIR(state.st_mode):
            raise Conflict(
                f'cannot overwrite directory "{place}" with non-directory "{self._shown()}"'
            )
        if _is_mounted(parent, name):
            raise Conflict(f"unlinkat {place}: device or resource busy")
        os.unlink(name, dir_fd=parent)
        return False

    def _forget(self, path: bytes) -> None:
        """Close what is open of a folder that goes, and set no times in it."""
        inside = path + b"/"
        for known in [one for one in self._open if one == path or one.startswith(inside)]:
            os.close(self._open.pop(known))
        for known in [one for one in self._times if one == path or one.startswith(inside)]:
            del self._times[known]

    def _shown(self) -> str:
        return os.fsdecode(self._path) or "/"

    # -- one way a type -------------------------------------------------------------------

    def _put_folder(
        self, parent: int, name: bytes, path: bytes, entry: Entry, is_there: bool
    ) -> None:
        if not is_there:
            os.mkdir(name, 0o700, dir_fd=parent)
        fd = os.open(name, _FOLDER, dir_fd=parent)
        try:
            os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode)
            set_xattrs(fd, _kept(entry), entry.name)
        finally:
            os.close(fd)
        self._times[path] = entry.mtime_ns

    def _put_file(self, parent: int, name: bytes, entry: Entry, write: Write) -> None:
        fd = os.open(name, _NEW, 0o600, dir_fd=parent)
        try:
            write(fd)
            os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode)
            set_xattrs(fd, _kept(entry), entry.name)
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(fd)

    def _put_link(self, parent: int, name: bytes, entry: Entry) -> None:
        parts = split_name(entry.linkname)
        if not parts:
            raise HostileArchive(f"{shown(entry.name)} is a hard link to the root")
        source = self._folder(b"/".join(parts[:-1]))
        if stat.S_ISDIR(os.stat(parts[-1], dir_fd=source, follow_symlinks=False).st_mode):
            raise HostileArchive(f"{shown(entry.name)} is a hard link to a folder")
        os.link(parts[-1], name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)

    def _put_named(self, parent: int, name: bytes, entry: Entry) -> None:
        if entry.type == tar.SYMLINK:
            os.symlink(entry.linkname, name, dir_fd=parent)
        else:
            device = os.makedev(entry.major, entry.minor)
            os.mknod(name, 0o600 | _NODES[entry.type], device, dir_fd=parent)
        os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        if entry.type != tar.SYMLINK:
            # By a descriptor: a name could have become a symlink since.
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                if not stat.S_ISLNK(os.fstat(fd).st_mode):
                    os.chmod(f"/proc/self/fd/{fd}", entry.mode)
            finally:
                os.close(fd)
        times = (entry.mtime_ns, entry.mtime_ns)
        os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)

    # -- folders --------------------------------------------------------------------------

    def _folder(self, path: bytes) -> int:
        """Return a descriptor of a folder beneath the base, made if it is missing.

        It stays open at least as long as the entry that is being put.
        """
        known = path
        while known and known not in self._open:
            known = known.rpartition(b"/")[0]
        fd = self._open[known] if known else self._base
        for name in filter(None, path[len(known) :].split(b"/")):
            known = known + b"/" + name if known else name
            fd = self._open[known] = self._enter(fd, name, known)
        return fd

    def _enter(self, parent: int, name: bytes, path: bytes) -> int:
        try:
            return os.open(name, _FOLDER, dir_fd=parent)
        except FileNotFoundError:
            os.mkdir(name, 0o755, dir_fd=parent)
            return os.open(name, _FOLDER, dir_fd=parent)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR) or self._root < 0:
                raise
            return open_in_root(self._root, self._path + b"/" + path, os.O_RDONLY | os.O_DIRECTORY)

    def _close_many(self, path: bytes) -> None:
        """Close all folders if there are many beside those above a path."""
        if len(self._open) > _MOST_OPEN + path.count(b"/"):
            self._close()

    def _close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def _set_times(self) -> None:
        # A folder comes after all that is in it, and is not wanted again.
        for path in sorted(self._times, reverse=True):
            self._close_many(path)
            times = (self._times[path], self._times[path])
            try:
                os.utime(self._folder(path), ns=times)
            except OSError as error:
                raise _explained(error, path) or error from error
            os.close(self._open.pop(path))


def _explained(error: OSError, name: bytes) -> Corrupt | None:
    """Return what to say of what the entries themselves have done; None if it was the machine."""
    if error.errno not in _ENTRIES_FAULT:
        return None
    return Corrupt(f"cannot put {shown(name)}: {os.strerror(error.errno)}")


def _is_mounted(parent: int, name: bytes) -> bool:
    """Whether something is mounted on a name.

    In another mount namespace unlink(2) would not refuse it: the mount would go with the name.
    """
    flags = os.O_PATH | os.O_NOFOLLOW
    try:
        os.close(openat2(parent, name, flags, resolve=RESOLVE_NO_XDEV))
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return True
    return False


def _kept(entry: Entry) -> dict[str, bytes]:
    """Capabilities and what users wrote; other attributes belong to the system they are from."""
    names = entry.xattrs or {}
    kept = ("security.capability", "user.")
    return {name: value for name, value in names.items() if name.startswith(kept)}
