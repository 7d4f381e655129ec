"""Layers that random acts begin with, written into a layer's tree or into a plain folder.

They use few names, so that acts meet what lies there, and every time is set: what acts did not
touch must keep it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plugrun.interfaces.storage import WHITEOUT_UNLINK, LayerTree
from plugrun.linux.images import open_layer
from plugrun.testing.storage.actions import XATTRS, payload
from plugrun.testing.trees import OPAQUE

_TIME = 1_234_567_890_123_456_789


class LayerWriter:
    """Writes entries as an unpacked tar has them; a missing folder above is as it was beneath."""

    def __init__(self, tree: LayerTree) -> None:
        self._tree = tree

    def file(self, path: str, data: bytes = b"", mode: int = 0o644, owner: int = 0) -> str:
        """Write a file in place of what was there; return where it lies."""
        with self._placed(path) as place:
            with open(place, "xb") as file:
                file.write(data)
            os.chown(place, owner, owner)
            os.chmod(place, mode)
        return place

    def sparse(self, path: str, size: int) -> None:
        """Write a file that is a hole, but for its middle."""
        place = self.file(path)
        with open(place, "r+b") as file:
            file.truncate(size)
            file.seek(size // 2)
            file.write(b"in the middle")
        _touch(place)

    def folder(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        """Make a folder in place of anything but a folder."""
        with self._placed(path, keep_folder=True) as place:
            if not os.path.isdir(place):
                os.mkdir(place)
            os.chown(place, owner, owner)
            os.chmod(place, mode)

    def new_folder(self, path: str) -> None:
        """Make a folder through which nothing of the layers beneath is seen."""
        with self._placed(path) as place:
            os.mkdir(place)
            os.chmod(place, 0o755)
            if self._tree.whiteouts != WHITEOUT_UNLINK:
                os.setxattr(place, OPAQUE[self._tree.whiteouts], b"y")

    def link(self, path: str, other: str) -> None:
        """Give a file of this layer another name."""
        with self._placed(other) as place:
            os.link(f"{self._tree.path}/{path}", place)

    def symlink(self, target: str, path: str) -> None:
        """Make a symbolic link."""
        with self._placed(path) as place:
            os.symlink(target, place)

    def node(self, path: str, mode: int, device: int = 0) -> None:
        """Make a FIFO, a socket or a device."""
        with self._placed(path) as place:
            os.mknod(place, mode, device)

    def delete(self, path: str) -> None:
        """Hide what the layers beneath have there."""
        with self._placed(path, touch=False) as place:
            if self._tree.whiteouts != WHITEOUT_UNLINK:
                os.mknod(place, stat.S_IFCHR)

    def xattr(self, path: str, name: str, value: bytes) -> None:
        """Set an extended attribute of an entry of this layer."""
        os.setxattr(f"{self._tree.path}/{path}", name, value)

    @contextmanager
    def _placed(self, path: str, *, keep_folder: bool = False, touch: bool = True) -> Iterator[str]:
        place = f"{self._tree.path}/{path}"
        above = os.path.dirname(path)
        if above and not os.path.isdir(f"{self._tree.path}/{above}"):
            self._bring_up(above)
        if os.path.lexists(place) and not (keep_folder and os.path.isdir(place)):
            _clear(place)
        yield place
        if touch:
            _touch(place)
        while path:
            path = os.path.dirname(path)
            _touch(f"{self._tree.path}/{path}")

    def _bring_up(self, path: str) -> None:
        """Make a folder of the layers beneath here too, with the attributes it has there."""
        above, place = os.path.dirname(path), f"{self._tree.path}/{path}"
        if above and not os.path.isdir(f"{self._tree.path}/{above}"):
            self._bring_up(above)
        os.mkdir(place)
        for layer in self._tree.lower:
            fd = open_layer(layer, self._tree.images)
            try:
                below = f"/proc/self/fd/{fd}/{path}"
                if os.path.isdir(below):
                    _be_like(below, place)
                    return
            finally:
                os.close(fd)
        raise AssertionError(f"no layer beneath has the folder {path}")


def _be_like(below: str, place: str) -> None:
    """Give a folder the attributes of another, but for what is its layer's own."""
    shutil.copystat(below, place)
    for opaque in set(os.listxattr(place)).intersection(OPAQUE.values()):
        os.removexattr(place, opaque)
    found = os.stat(below)
    os.chown(place, found.st_uid, found.st_gid)
    os.chmod(place, found.st_mode & 0o7777)


def _clear(place: str) -> None:
    if os.path.isdir(place) and not os.path.islink(place):
        shutil.rmtree(place)
    else:
        os.unlink(place)


def _touch(place: str) -> None:
    os.utime(place, ns=(_TIME, _TIME), follow_symlinks=False)


def _first(layer: LayerWriter) -> None:
    """Write one of everything."""
    layer.file("f", b"first")
    layer.file("g", payload("g", 5000), 0o4755, 7)
    layer.xattr("g", "user.one", b"\0\1\xff")
    layer.xattr("g", "security.capability", XATTRS["security.capability"][0])
    layer.file("big", payload("b", 300_000), 0o666)
    layer.sparse("holes", 1 << 20)
    layer.symlink("f", "s")
    layer.symlink("/d/e", "t")
    layer.symlink("nowhere/there", "x")
    layer.node("p", stat.S_IFIFO | 0o640)
    layer.node("n", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    layer.folder("d")
    layer.folder("d/e", 0o2775, 7)
    layer.file("d/f", b"first", 0o600, 1000)
    layer.file("d/e/f", b"first")
    layer.file("d/e/g", b"other")
    layer.folder("e", 0o1777)
    layer.file("e/f", b"", 0o660, 1000)
    layer.xattr("e", "system.posix_acl_default", XATTRS["system.posix_acl_default"][0])


def _linked(layer: LayerWriter) -> None:
    """Write files with several names, none of which the other layers hide.

    To count the names that are left of a file, a union had to read all of the layer.
    """
    _first(layer)
    layer.file("h", b"linked")
    layer.link("h", "i")
    layer.link("h", "d/h")
    layer.file("d/j", payload("h", 9000), 0o6755)
    layer.link("d/j", "j")
    layer.symlink("h", "d/s")
    layer.link("d/s", "d/t")


def _hiding(layer: LayerWriter) -> None:
    """Hide much of the first layer."""
    layer.delete("f")
    layer.delete("d/f")
    layer.delete("e")
    layer.new_folder("d/e")
    layer.file("d/e/f", b"second")
    layer.folder("g")
    layer.file("g/f", b"in place of a file")
    layer.file("s", b"in place of a link")


def _changing(layer: LayerWriter) -> None:
    """Lie upon the first layer."""
    layer.file("f", b"second", 0o640, 1000)
    layer.file("d/e/i", b"second")
    layer.file("e", b"in place of a folder")
    layer.folder("d", 0o700)
    layer.delete("d/e/g")


def _again(layer: LayerWriter) -> None:
    """Bring back what was hidden, and hide what came after it."""
    layer.file("f", b"third")
    layer.folder("e")
    layer.file("e/g", b"third")
    layer.file("d/f", b"third")
    layer.file("d/e/h", b"third")
    layer.delete("s")


def _again_linked(layer: LayerWriter) -> None:
    """Bring back what was hidden under several names."""
    _again(layer)
    layer.link("d/e/h", "d/e/i")
    layer.link("f", "e/f")


BEGINNINGS: dict[str, tuple[Callable[[LayerWriter], None], ...]] = {
    "nothing": (),
    "one layer": (_first,),
    "a hiding layer": (_first, _hiding),
    "a changing layer": (_first, _changing),
    "hidden and back": (_first, _hiding, _again),
    "changed and back": (_first, _changing, _again),
}
# Files of a committed layer that have several names: to write one of them writes them all.
LINKED: dict[str, tuple[Callable[[LayerWriter], None], ...]] = {
    "links": (_linked,),
    "links and a hiding layer": (_linked, _hiding),
    "links, changed and back": (_linked, _changing, _again_linked),
}
