"""Unpacking one layer into a tree (image-spec layer.md, "Applying Changesets").

A folder over a folder keeps what is in it and takes the new attributes; anything else replaces
what was there. Nothing is written outside the tree, whatever the layer says: see ``folders``.
"""

from __future__ import annotations

import os
import stat

from plugrun.errors import HostileArchive
from plugrun.layers import entry as tar
from plugrun.layers.attributes import (
    DEFAULT_ACL,
    check_xattrs,
    clear_xattrs,
    drop_inherited_acl,
    set_xattrs,
)
from plugrun.layers.deletions import OverlayDeletions, UnlinkDeletions
from plugrun.layers.entry import shown
from plugrun.layers.failures import explained
from plugrun.layers.folders import FOLDER, Folders
from plugrun.layers.hardlinks import link_source
from plugrun.layers.ledger import Ledger
from plugrun.layers.marks import Marks, are_kept_apart
from plugrun.layers.names import OPAQUE, WHITEOUT, check_whiteout, is_ignored, split_name
from plugrun.layers.removal import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.layers.deletions import Deletions
    from plugrun.layers.entry import Entry
    from plugrun.layers.folders import Folder
    from plugrun.layers.tarstream import TarStream

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SPECIAL_BITS = 0o7000
_NO_NAMES = (b"", b".", b"..")
_LONGEST_TARGET = 4095


class Application:
    """One layer going into one tree; use it once, and ``close`` it.

    The process's umask must be 0: files get their mode when they are made.
    """

    def __init__(self, path: str, whiteouts: str) -> None:
        alone = are_kept_apart(whiteouts)
        self.ledger = Ledger(alone=alone)
        self._deletions: Deletions = (
            OverlayDeletions(self.ledger, Marks(whiteouts))
            if alone
            else UnlinkDeletions(self.ledger)
        )
        self._folders = Folders(path, self._deletions)
        self._aliases = self._folders.aliases
        if not alone:
            self._deletions.passing(b"", self._folders.root.fd)
        self.bytes = 0
        self._stream: TarStream

    def close(self) -> None:
        """Close all descriptors."""
        self._folders.close()

    def run(self, stream: TarStream) -> None:
        """Apply every entry; raise Corrupt, HostileArchive, NoSpace."""
        self._stream = stream
        while (entry := stream.next()) is not None:
            try:
                self.apply(entry)
            except OSError as error:
                raise explained(error, shown(entry.name)) from error
        try:
            self._finish()
        except OSError as error:
            raise explained(error, "the folders' attributes") from error

    def apply(self, entry: Entry) -> None:
        """Apply one entry."""
        head, _, base = entry.name.rpartition(b"/")
        folder = self._aliases.get(head)
        if folder is None or base in _NO_NAMES or base.startswith(WHITEOUT):
            parts = split_name(entry.name)
            if not parts:
                self._root(entry)
                return
            if is_ignored(parts):
                return
            folder, base = self._place(entry.name, parts)
            if base.startswith(WHITEOUT):
                self._whiteout(folder, base)
                return
        if entry.xattrs:
            check_xattrs(entry)
        _MAKERS[entry.type](self, folder, base, entry)
        if self.ledger.own is not None:
            self.ledger.own.add(folder.beneath(base))

    def _place(self, name: bytes, parts: list[bytes]) -> tuple[Folder, bytes]:
        """Return the folder an entry goes into, made if need be, and its name there."""
        if any(part.startswith(WHITEOUT) for part in parts):
            check_whiteout(parts)
        self._folders.trim()
        folder = self._folders.of(parts[:-1])
        head, _, base = name.rstrip(b"/").rpartition(b"/")
        if base == parts[-1]:  # and not `x/.`, whose head is itself
            self._aliases[head] = folder
        return folder, parts[-1]

    def _whiteout(self, folder: Folder, base: bytes) -> None:
        if base == OPAQUE:
            self._deletions.hide_contents(self._folders, folder)
        else:
            self._deletions.hide(self._folders, folder, base[len(WHITEOUT) :])

    # -- one maker a type -----------------------------------------------------------------

    def _file(self, folder: Folder, name: bytes, entry: Entry) -> None:
        mode = entry.mode
        try:
            fd = os.open(name, _NEW_FILE, mode & 0o777, dir_fd=folder.fd)
        except FileExistsError:
            self._clear(folder, name)
            fd = os.open(name, _NEW_FILE, mode & 0o777, dir_fd=folder.fd)
        try:
            if entry.holes is not None:
                self._sparse_data(fd, entry)
            elif entry.stored:
                self._data(fd, entry.stored)
            if entry.uid or entry.gid or not folder.plain:
                os.fchown(fd, entry.uid, entry.gid)
            if mode & _SPECIAL_BITS or not folder.plain:
                self._unplain_mode(fd, folder, mode)
            if entry.xattrs:
                set_xattrs(fd, entry.xattrs, entry.name)
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(fd)
        self.bytes += entry.size

    def _unplain_mode(self, fd: int, folder: Folder, mode: int) -> None:
        if not folder.plain:
            clear_xattrs(fd)
        os.fchmod(fd, mode)

    def _data(self, fd: int, count: int) -> None:
        stream = self._stream
        while count:
            piece = stream.piece(count)
            count -= len(piece)
            done = os.write(fd, piece)
            while done < len(piece):
                done += os.write(fd, piece[done:])

    def _sparse_data(self, fd: int, entry: Entry) -> None:
        os.ftruncate(fd, entry.size)
        for offset, length in entry.holes or ():
            os.lseek(fd, offset, os.SEEK_SET)
            self._data(fd, length)

    def _folder(self, folder: Folder, name: bytes, entry: Entry) -> None:
        path = folder.beneath(name)
        replaced = False
        try:
            os.mkdir(name, entry.mode & 0o777, dir_fd=folder.fd)
            fresh = folder.plain
        except FileExistsError:
            fresh = False
            if not self._is_folder(folder, name):
                self._clear(folder, name)
                os.mkdir(name, entry.mode & 0o777, dir_fd=folder.fd)
                replaced = True
        fd = os.open(name, FOLDER, dir_fd=folder.fd)
        try:
            self._folder_attributes(fd, path, entry, fresh)
            if replaced:
                self._deletions.made_folder_over(path, fd)
        finally:
            os.close(fd)
        self._deletions.made(path)

    def _folder_attributes(self, fd: int, path: bytes, entry: Entry, fresh: bool) -> None:
        """Set a folder's attributes; what its children would spoil or inherit waits."""
        if not fresh:
            clear_xattrs(fd)
            self._folders.close_one(path)
        if entry.uid or entry.gid or not fresh:
            os.fchown(fd, entry.uid, entry.gid)
        if entry.mode & _SPECIAL_BITS or not fresh:
            os.fchmod(fd, entry.mode)
        self.ledger.acls.pop(path, None)
        if entry.xattrs:
            acl = entry.xattrs.pop(DEFAULT_ACL, None)
            if acl is not None:
                self.ledger.acls[path] = acl
            set_xattrs(fd, entry.xattrs, entry.name)
        self.ledger.folders[path] = entry.mtime_ns

    def _root(self, entry: Entry) -> None:
        """An entry for the layer's root itself."""
        if entry.type != tar.FOLDER:
            raise HostileArchive(f"{shown(entry.name)} would replace the root by a file")
        check_xattrs(entry)
        root = self._folders.root
        clear_xattrs(root.fd)
        os.fchown(root.fd, entry.uid, entry.gid)
        self._folder_attributes(root.fd, b"", entry, True)
        os.fchmod(root.fd, entry.mode)
        self._folders.refresh_root()
        self._deletions.made(b"")

    def _symlink(self, folder: Folder, name: bytes, entry: Entry) -> None:
        target = entry.linkname
        if not 0 < len(target) <= _LONGEST_TARGET or b"\0" in target:
            raise HostileArchive(f"{shown(entry.name)} is a symlink to nothing")
        try:
            os.symlink(target, name, dir_fd=folder.fd)
        except FileExistsError:
            self._clear(folder, name)
            os.symlink(target, name, dir_fd=folder.fd)
        self._named_attributes(folder, name, entry)

    def _node(self, folder: Folder, name: bytes, entry: Entry) -> None:
        if entry.type == tar.CHAR and entry.major == entry.minor == 0:
            raise HostileArchive(f"{shown(entry.name)} is the device overlayfs deletes files with")
        device = os.makedev(entry.major, entry.minor)
        mode = (entry.mode & 0o777) | _NODES[entry.type]
        try:
            os.mknod(name, mode, device, dir_fd=folder.fd)
        except FileExistsError:
            self._clear(folder, name)
            os.mknod(name, mode, device, dir_fd=folder.fd)
        self._named_attributes(folder, name, entry)

    def _named_attributes(self, folder: Folder, name: bytes, entry: Entry) -> None:
        """Set attributes of what should not or cannot be opened."""
        fd = folder.fd
        if entry.uid or entry.gid or not folder.plain:
            os.chown(name, entry.uid, entry.gid, dir_fd=fd, follow_symlinks=False)
        path = b"/proc/self/fd/%d/%b" % (fd, name)
        if entry.type != tar.SYMLINK and (entry.mode & _SPECIAL_BITS or not folder.plain):
            if not folder.plain:
                drop_inherited_acl(path)
            os.chmod(name, entry.mode, dir_fd=fd)
        if entry.xattrs:
            set_xattrs(path, entry.xattrs, entry.name)
        times = (entry.mtime_ns, entry.mtime_ns)
        os.utime(name, ns=times, dir_fd=fd, follow_symlinks=False)

    def _hard_link(self, folder: Folder, name: bytes, entry: Entry) -> None:
        """Link to an earlier entry of this layer; its attributes are the entry's already."""
        parts = split_name(entry.linkname)
        if not parts:
            raise HostileArchive(f"{shown(entry.name)} is a hard link to the root")
        target = self._folders.of(parts[:-1], make=False).beneath(parts[-1])
        if target == folder.beneath(name):
            link_source(self._folders, self._deletions, target, entry)
            return
        self._clear(folder, name)
        source = link_source(self._folders, self._deletions, target, entry)
        base = target.rpartition(b"/")[2]
        os.link(base, name, src_dir_fd=source.fd, dst_dir_fd=folder.fd, follow_symlinks=False)

    # -- what was there before ------------------------------------------------------------

    def _is_folder(self, folder: Folder, name: bytes) -> bool:
        state = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
        return stat.S_ISDIR(state.st_mode)

    def _clear(self, folder: Folder, name: bytes) -> None:
        """Remove what lies under a name, if anything."""
        try:
            state = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
        except FileNotFoundError:
            return
        path = folder.beneath(name)
        if stat.S_ISDIR(state.st_mode):
            self._folders.forget(path)
            if not self._deletions.is_foreign(path, state) or path in self.ledger.passed:
                self.ledger.forget(path)
        elif stat.S_ISLNK(state.st_mode):
            self._folders.forget_aliases()
        self.ledger.whiteouts.discard(path)
        remove_tree(name, folder.fd)

    def _finish(self) -> None:
        """Set what must wait until all entries are there."""
        self._deletions.finish(self._folders)
        for path, acl in self.ledger.acls.items():
            os.setxattr(self._reopen(path).fd, DEFAULT_ACL, acl)
        for path, mtime in sorted(self.ledger.folders.items()):
            os.utime(self._reopen(path).fd, ns=(mtime, mtime))

    def _reopen(self, path: bytes) -> Folder:
        self._folders.trim()
        return self._folders.of(path.split(b"/") if path else [], make=False)


_NODES = {tar.CHAR: stat.S_IFCHR, tar.BLOCK_DEVICE: stat.S_IFBLK, tar.FIFO: stat.S_IFIFO}
_MAKERS = {
    tar.REGULAR: Application._file,
    tar.FOLDER: Application._folder,
    tar.SYMLINK: Application._symlink,
    tar.LINK: Application._hard_link,
    tar.CHAR: Application._node,
    tar.BLOCK_DEVICE: Application._node,
    tar.FIFO: Application._node,
}
