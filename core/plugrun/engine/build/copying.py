"""Files put into a step's tree, as COPY and ADD do."""

from __future__ import annotations

import errno
import os
import stat

from plugrun.engine.build.listing import watched
from plugrun.engine.build.sources import open_beneath
from plugrun.errors import Conflict, InvalidArgument
from plugrun.layers import entry as tar
from plugrun.layers.filecopy import copy_data
from plugrun.layers.tarheader import new_entry
from plugrun.layers.treeplace import Placer
from plugrun.layers.treeread import Node, Reader
from plugrun.linux.beneath import open_in_root
from plugrun.linux.writing import write_all
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plugrun.engine.build.listing import Listing
    from plugrun.engine.build.sources import Tree
    from plugrun.layers.entry import Entry

    Mode = Callable[[int, bool], int]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_MOST_LINKS = 40


@record
class Attributes:
    """``owner`` is whose all copied files become, None for their own; ``mode`` makes of a mode,
    and whether it is a folder's, the one it is to have.
    """

    owner: tuple[int, int] | None
    mode: Mode | None = None

    def apply(self, entry: Entry) -> None:
        """Give an entry these attributes."""
        if self.owner is not None:
            entry.uid, entry.gid = self.owner
        if self.mode is not None and entry.type != tar.SYMLINK:
            entry.mode = self.mode(entry.mode, entry.type == tar.FOLDER)


@record
class Place:
    """A folder of the tree, open, at ``path``; with a ``name`` it is a file in it."""

    fd: int
    path: str
    name: str = ""


class Destination:
    """Where one COPY goes in the tree ``root``; ``path`` is absolute and plain.

    ``is_folder`` says that it was written as one, or that several files go there.
    """

    def __init__(self, root: int, path: str, attributes: Attributes, *, is_folder: bool) -> None:
        self._root = root
        self._path = path
        self._attributes = attributes
        self._is_folder = is_folder or self._is_there(path)

    def _is_there(self, path: str) -> bool:
        try:
            os.close(open_in_root(self._root, path, os.O_PATH | os.O_DIRECTORY))
        except OSError:
            return False  # whoever makes it says why that cannot be
        return True

    def for_file(self, name: str) -> Place:
        """Return where a file of this name goes; the caller closes the folder."""
        if self._is_folder:
            return Place(self.folder(self._path), self._path, name)
        above, _, name = self._path.rpartition("/")
        return Place(self.folder(above or "/"), above or "/", name)

    def for_contents(self, like: os.stat_result | None) -> Place:
        """Return where what is in a folder goes; one that is made becomes ``like`` that folder."""
        if self._is_there(self._path):
            return Place(self.folder(self._path), self._path)
        fd = self.folder(self._path)
        if like is not None:
            entry = new_entry(b".", tar.FOLDER)
            entry.mode, entry.uid, entry.gid = like.st_mode & 0o7777, like.st_uid, like.st_gid
            self._attributes.apply(entry)
            os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode)
        return Place(fd, self._path)

    def folder(self, path: str) -> int:
        """Open a folder; those that are missing are made, 0755 and of the files' owner."""
        owner = self._attributes.owner or (0, 0)
        return make_folders(self._root, path, owner)


def make_folders(root: int, path: str, owner: tuple[int, int]) -> int:
    """Open a folder of a tree as a process in it would see it, made if it is missing.

    Raise InvalidArgument if something that is no folder lies on the way.
    """
    todo = path.split("/")[::-1]
    way: list[str] = []
    links = 0
    try:
        while todo:
            part = todo.pop()
            if part == "..":
                del way[-1:]
            if part in ("", ".", ".."):
                continue
            link = _make_in(root, "/".join(way), part, owner)
            links += bool(link)
            if links > _MOST_LINKS:
                raise InvalidArgument(f"{path} goes through too many symlinks")
            if not link:
                way.append(part)
                continue
            if link.startswith("/"):
                way = []
            todo.extend(link.split("/")[::-1])
        return open_beneath(root, "/".join(way), _FOLDER)
    except (NotADirectoryError, FileNotFoundError):
        raise InvalidArgument(f"cannot copy to non-directory: {path}") from None


def _make_in(root: int, above: str, name: str, owner: tuple[int, int]) -> str:
    """Make a folder in another unless something is there; return where that leads as a symlink.

    What a symlink leads to may be missing: then it is made there, as with Docker.
    """
    parent = open_beneath(root, above, os.O_PATH | os.O_DIRECTORY)
    try:
        _make(parent, name, owner)
        return os.readlink(name, dir_fd=parent)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return ""  # no symlink
    finally:
        os.close(parent)


def _make(parent: int, name: str, owner: tuple[int, int]) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        return
    os.chmod(name, 0o755, dir_fd=parent)
    os.chown(name, *owner, dir_fd=parent, follow_symlinks=False)


class Copier:
    """Copies what was listed into one tree; what is no longer as it was listed is refused."""

    def __init__(self, root: int, attributes: Attributes) -> None:
        self._root = root
        self._attributes = attributes

    def copy(self, tree: Tree, listing: Listing, destination: Destination) -> None:
        """Copy one source; raise Conflict if it changed, or if files and folders collide."""
        source = listing.source
        if source.is_folder:
            like = state_of(tree, source.path)
            self._put(tree, listing, destination.for_contents(like))
        else:
            self._put(tree, listing, destination.for_file(source.name))

    def _put(self, tree: Tree, listing: Listing, place: Place) -> None:
        try:
            with Placer(place.fd, os.fsencode(place.path), self._root) as placer:
                for entry, data in self._entries(tree, listing, place.name):
                    if not tree.keeps_owners:
                        entry.xattrs = None
                    self._attributes.apply(entry)
                    placer.put(entry, _data(data, entry))
        finally:
            os.close(place.fd)

    def _entries(self, tree: Tree, listing: Listing, name: str) -> Iterator[tuple[Entry, int]]:
        base = listing.source.path
        reader = Reader()  # hard links lead within one source only
        with _Parents(tree.fd) as parents:
            for inner, facts in listing.facts.items():
                if listing.source.is_folder and not inner:
                    continue
                path = "/".join(part for part in (base, inner) if part)
                above, _, own = path.rpartition("/")
                target = os.fsencode(inner or name)
                place = (parents.of(above), own, target)
                yield from self._entry(reader, place, facts, path, tree.keeps_owners)

    def _entry(
        self,
        reader: Reader,
        place: tuple[int, str, bytes],
        facts: str,
        path: str,
        is_fixed: bool,
    ) -> Iterator[tuple[Entry, int]]:
        parent, name, target = place
        raw = os.fsencode(name)
        try:
            state = os.stat(raw, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            raise _changed(path) from None
        if watched(state, is_fixed=is_fixed) != facts:
            raise _changed(path)
        found = reader.read(Node(target, parent, raw, state), target)
        if found is None:
            raise _changed(path)
        entry, data = found
        try:
            yield entry, data
            if data >= 0 and watched(os.fstat(data), is_fixed=is_fixed) != facts:
                raise _changed(path)
        finally:
            if data >= 0:
                os.close(data)


class _Parents:
    """The folder that the last file was in; the next one is often there, too."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._path: str | None = None
        self._fd = -1

    def __enter__(self) -> _Parents:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def of(self, path: str) -> int:
        if path != self._path:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
            self._fd = open_beneath(self._root, path, _FOLDER)
            self._path = path
        return self._fd


def put_data(root: int, place: Place, data: bytes, attributes: Attributes, mode: int) -> None:
    """Put a file that is at hand; its time is now."""
    import time

    entry = new_entry(os.fsencode(place.name))
    entry.mode, entry.mtime_ns = mode, time.time_ns()
    entry.size = entry.stored = len(data)
    attributes.apply(entry)
    try:
        with Placer(place.fd, os.fsencode(place.path), root) as placer:
            placer.put(entry, lambda fd: write_all(fd, data))
    finally:
        os.close(place.fd)


def state_of(tree: Tree, path: str) -> os.stat_result:
    """Return the state of a folder of a tree."""
    fd = open_beneath(tree.fd, path, os.O_PATH | os.O_DIRECTORY)
    try:
        state = os.fstat(fd)
    finally:
        os.close(fd)
    assert stat.S_ISDIR(state.st_mode)
    return state


def _data(data: int, entry: Entry) -> Callable[[int], None]:
    return lambda target: copy_data(data, target, entry)


def _changed(path: str) -> Conflict:
    return Conflict(
        f"{path} changed while it was copied", hint="build again when nothing writes there"
    )
