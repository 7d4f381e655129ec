"""How one layer hides what lower layers have: the two styles of ``LayerTree.whiteouts``.

A whiteout hides lower layers only, never what its own layer put there, before it or after it
(image-spec layer.md, "Whiteouts"); both styles show the same merged tree.
"""

from __future__ import annotations

import os
import stat

from plugrun.layers.removal import prune, remove_tree

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from plugrun.layers.folders import Folder, Folders
    from plugrun.layers.ledger import Ledger
    from plugrun.layers.marks import Marks
else:
    Protocol = object


class Deletions(Protocol):
    """What the two styles do differently."""

    def is_foreign(self, path: bytes, state: os.stat_result) -> bool:
        """Whether what lies at a path is not this layer's own."""

    def passing(self, path: bytes, fd: int) -> None:
        """A folder that is there is gone through."""

    def made_implied(self, path: bytes, fd: int, *, severed: bool) -> None:
        """A folder was made that has no entry; ``severed`` if it stands for a deleted thing."""

    def made(self, path: bytes) -> None:
        """Something with an entry was made, or a folder there took its attributes."""

    def made_folder_over(self, path: bytes, fd: int) -> None:
        """A folder was made where something of this layer, or a whiteout, was before."""

    def hide(self, folders: Folders, folder: Folder, name: bytes) -> None:
        """Delete what lower layers have under a name."""

    def hide_contents(self, folders: Folders, folder: Folder) -> None:
        """Delete what lower layers have in a folder."""

    def finish(self, folders: Folders) -> None:
        """Put in order what only the whole layer tells."""


class OverlayDeletions:
    """Deletions as overlayfs reads them: character devices 0:0, and opaque folders."""

    def __init__(self, ledger: Ledger, marks: Marks) -> None:
        self._ledger = ledger
        self._marks = marks

    def is_foreign(self, path: bytes, state: os.stat_result) -> bool:
        """Only a whiteout is not an entry of this layer."""
        return stat.S_ISCHR(state.st_mode) and state.st_rdev == 0

    def passing(self, path: bytes, fd: int) -> None:
        """All folders here are this layer's."""

    def made_implied(self, path: bytes, fd: int, *, severed: bool) -> None:
        """Its attributes are looked for in lower layers later."""
        self._ledger.implied.add(path)
        if severed:
            self.made_folder_over(path, fd)

    def made(self, path: bytes) -> None:
        """It has its attributes, and any whiteout there is gone."""
        self._ledger.implied.discard(path)
        self._ledger.whiteouts.discard(path)

    def made_folder_over(self, path: bytes, fd: int) -> None:
        """It must not show what the thing it replaces had hidden."""
        self._ledger.whiteouts.discard(path)
        self._ledger.severed.add(path)
        self._set_opaque(path, fd)

    def hide(self, folders: Folders, folder: Folder, name: bytes) -> None:
        """Make a whiteout; a folder of our own becomes opaque, a file hides by being there."""
        path = folder.beneath(name)
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=folder.fd)
        except FileExistsError:
            state = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
            if stat.S_ISDIR(state.st_mode):
                self.made_folder_over(path, folders.of(path.split(b"/")).fd)
            return
        self._ledger.whiteouts.add(path)

    def hide_contents(self, folders: Folders, folder: Folder) -> None:
        """Make a folder opaque."""
        self._set_opaque(folder.path, folder.fd)

    def finish(self, folders: Folders) -> None:
        """Whiteouts within opaque folders delete nothing, and readdir would show them."""
        if b"" in self._ledger.opaque:
            self._sever_top(folders.root)
        stray = [path for path in self._ledger.whiteouts if self._ledger.is_cut_off(path)]
        for path in stray:
            folders.trim()
            *above, name = path.split(b"/")
            os.unlink(name, dir_fd=folders.of(above).fd)
        self._ledger.whiteouts.difference_update(stray)

    def _sever_top(self, root: Folder) -> None:
        """The roots of layers are always merged, opaque or not: cut off what lies in ours.

        What only lower layers have is whited out once they are known (``implied.complete``).
        """
        for name in os.listdir(root.fd):
            try:
                fd = os.open(name, _FOLDER, dir_fd=root.fd)
            except NotADirectoryError:
                continue
            try:
                self._set_opaque(os.fsencode(name), fd)
            finally:
                os.close(fd)

    def _set_opaque(self, path: bytes, fd: int) -> None:
        if path not in self._ledger.opaque:
            if path:
                self._marks.make_opaque(fd)
            self._ledger.opaque.add(path)


class UnlinkDeletions:
    """Deletions done at once, in a tree that holds the lower layers' entries too."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        assert ledger.own is not None
        self._own = ledger.own

    def is_foreign(self, path: bytes, state: os.stat_result) -> bool:
        """What this layer has not made, a lower one has."""
        return path not in self._own

    def passing(self, path: bytes, fd: int) -> None:
        """A lower layer's folder keeps its times, though entries come and go in it."""
        if path not in self._own and path not in self._ledger.passed:
            state = os.fstat(fd)
            self._ledger.passed[path] = (state.st_atime_ns, state.st_mtime_ns)

    def made_implied(self, path: bytes, fd: int, *, severed: bool) -> None:
        """There is nothing below to take attributes from."""
        self._own.add(path)

    def made(self, path: bytes) -> None:
        """It is this layer's now."""
        self._own.add(path)
        self._ledger.passed.pop(path, None)

    def made_folder_over(self, path: bytes, fd: int) -> None:
        """What was there is gone already."""

    def hide(self, folders: Folders, folder: Folder, name: bytes) -> None:
        """Remove what is not ours; a folder stays if something of ours is in it."""
        path = folder.beneath(name)
        if path in self._own or path in self._ledger.passed:
            self._prune(folders, folder, name, itself=True)
            return
        try:
            remove_tree(name, folder.fd)
        except FileNotFoundError:
            return

    def hide_contents(self, folders: Folders, folder: Folder) -> None:
        """Remove what is not ours beneath a folder."""
        above = folders.of(folder.path.split(b"/")[:-1]) if folder.path else folder
        name = folder.path.rpartition(b"/")[2] or b"."
        self._prune(folders, above, name, itself=False)

    def finish(self, folders: Folders) -> None:
        """Give lower layers' folders their times back."""
        for path, times in self._ledger.passed.items():
            folders.trim()
            os.utime(folders.of(path.split(b"/") if path else []).fd, ns=times)

    def _prune(self, folders: Folders, folder: Folder, name: bytes, *, itself: bool) -> None:
        """Remove what is not ours beneath a folder; folders of lower layers become new ones."""
        state = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
        if not stat.S_ISDIR(state.st_mode):
            return
        top = folder.path if name == b"." else folder.beneath(name)
        renewed = [top] if itself and top in self._ledger.passed else []

        def keep(path: bytes, _fd: int, _name: bytes) -> bool:
            whole = top + b"/" + path if top else path
            if whole in self._ledger.passed:
                renewed.append(whole)
                return True
            return whole in self._own

        prune(name, folder.fd, keep)
        for path in renewed:
            self._renew(folders, path)

    def _renew(self, folders: Folders, path: bytes) -> None:
        """A lower layer's folder is deleted and one of the same name implied."""
        from plugrun.layers.folders import reset_attributes

        del self._ledger.passed[path]
        self._own.add(path)
        reset_attributes(folders.of(path.split(b"/")).fd)
