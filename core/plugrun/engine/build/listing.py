"""What COPY would copy, with the digests of contents: what its cache entry depends on."""

from __future__ import annotations

import os
import stat

from plugrun.engine.build.digests import facts_of
from plugrun.engine.build.sources import open_beneath
from plugrun.errors import Conflict, InvalidArgument
from plugrun.layers.treeread import allow_depth, attributes_of
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash

    from plugrun.engine.build.digests import Digests
    from plugrun.engine.build.sources import Excluding, Source, Tree

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@record
class Listing:
    """What lies at a source: ``facts`` by path within it (empty for itself), and their digest.

    ``facts`` are what is looked at again when it is copied: what has other facts has changed.
    ``left_out`` are the paths within it that are there and no part of it.
    """

    source: Source
    facts: dict[str, str]
    digest: str
    left_out: tuple[str, ...]


def list_source(
    tree: Tree, source: Source, excludes: Excluding | None, digests: Digests
) -> Listing:
    """Look at all that a source stands for; raise Conflict if it changes meanwhile.

    The digest is of names, types, modes, targets of symlinks, hard links and contents, and where
    the tree keeps them of owners and extended attributes (a program's capabilities are one); not of
    times. Sockets are left out, and devices of a context are refused.
    """
    from hashlib import sha256

    allow_depth()
    walk = _Walk(tree, source.path, excludes, digests, sha256())
    if source.is_folder:
        fd = open_beneath(tree.fd, source.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            walk.folder_itself(fd)
            walk.folder(fd, "")
        finally:
            os.close(fd)
    else:
        above, _, name = source.path.rpartition("/")
        fd = open_beneath(tree.fd, above, os.O_RDONLY | os.O_DIRECTORY)
        try:
            walk.one(fd, name, "", os.stat(name, dir_fd=fd, follow_symlinks=False))
        finally:
            os.close(fd)
    return Listing(source, walk.facts, walk.hash.hexdigest(), tuple(walk.left_out))


def watched(state: os.stat_result, *, is_fixed: bool = False) -> str:
    """Return the facts of anything: of a folder only that it is one, others come and go in it.

    A tree that ``is_fixed`` changes never, but it may be mounted another time.
    """
    if stat.S_ISDIR(state.st_mode):
        return f"d {state.st_mode} {state.st_uid} {state.st_gid}"
    if is_fixed:
        return f"{state.st_mode} {state.st_size} {state.st_mtime_ns}"
    return f"{state.st_dev} {state.st_ino} {state.st_mode} {facts_of(state)}"


class _Walk:
    def __init__(
        self, tree: Tree, base: str, excludes: Excluding | None, digests: Digests, hash: _Hash
    ) -> None:
        self._tree = tree
        self._base = base
        self._excludes = excludes
        self._digests = digests
        self.hash = hash
        self.facts: dict[str, str] = {}
        self.left_out: list[str] = []
        self._first: dict[tuple[int, int], str] = {}

    def folder_itself(self, fd: int) -> None:
        self._note("", os.fstat(fd), b"", (fd, "."))

    def folder(self, fd: int, path: str) -> None:
        with os.scandir(fd) as found:
            entries = sorted(found, key=lambda one: one.name)
        for entry in entries:
            inner = f"{path}/{entry.name}" if path else entry.name
            try:
                state = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                raise self.changed(inner) from None
            if self._is_out(inner, stat.S_ISDIR(state.st_mode)):
                self.left_out.append(inner)
                continue
            self.one(fd, entry.name, inner, state)

    def _is_out(self, inner: str, is_folder: bool) -> bool:
        whole = f"{self._base}/{inner}" if self._base else inner
        for excluding, path in ((self._tree.ignored, whole), (self._excludes, inner)):
            if excluding is None or not excluding.excluded(path):
                continue
            if not is_folder or excluding.skippable(path):
                return True
        return False

    def one(self, parent: int, name: str, path: str, state: os.stat_result) -> None:
        mode, place = state.st_mode, (parent, name)
        if stat.S_ISREG(mode):
            self._note(path, state, self._content(parent, name, path, state), place)
        elif stat.S_ISDIR(mode):
            self._note(path, state, b"", place)
            try:
                fd = os.open(name, _FOLDER, dir_fd=parent)
            except OSError:
                raise self.changed(path) from None
            try:
                self.folder(fd, path)
            finally:
                os.close(fd)
        elif stat.S_ISLNK(mode):
            self._note(path, state, os.fsencode(os.readlink(name, dir_fd=parent)), place)
        elif stat.S_ISFIFO(mode):
            self._note(path, state, b"", place)
        elif stat.S_ISSOCK(mode):
            self.left_out.append(path)
        else:
            self._device(path, state, place)

    def _device(self, path: str, state: os.stat_result, place: tuple[int, str]) -> None:
        if not self._tree.keeps_owners:
            raise InvalidArgument(f"{self._shown(path)} is a device, which no context may bring")
        self._note(path, state, str(state.st_rdev).encode(), place)

    def _content(self, parent: int, name: str, path: str, state: os.stat_result) -> bytes:
        known = None if self._tree.keeps_owners else self._digests.known(state)
        if known is not None:
            return known
        try:
            fd = os.open(name, _READ, dir_fd=parent)
        except OSError as error:
            if isinstance(error, PermissionError):
                raise
            raise self.changed(path) from None
        try:
            if watched(os.fstat(fd)) != watched(state):
                raise self.changed(path)
            digest = self._digests.of(fd, state, keep=not self._tree.keeps_owners)
            if watched(os.fstat(fd)) != watched(state):
                raise self.changed(path)
            return digest
        finally:
            os.close(fd)

    def _note(
        self, path: str, state: os.stat_result, content: bytes, place: tuple[int, str]
    ) -> None:
        kept = self._tree.keeps_owners
        self.facts[path] = watched(state, is_fixed=kept)
        owner = f"{state.st_uid} {state.st_gid}" if kept else ""
        raw = os.fsencode(path)
        if state.st_nlink > 1 and not stat.S_ISDIR(state.st_mode):
            first = self._first.setdefault((state.st_dev, state.st_ino), path)
            if first != path:
                linked = os.fsencode(first)
                self.hash.update(f"link {len(linked)} ".encode() + linked)
        head = f"{len(raw)} {state.st_mode} {owner} {len(content)} ".encode()
        self.hash.update(head + raw + content)
        if kept:
            for key, value in sorted(
                (attributes_of(place[0], os.fsencode(place[1])) or {}).items()
            ):
                self.hash.update(f"{key} {len(value)} ".encode("utf-8", "surrogateescape") + value)

    def changed(self, path: str) -> Conflict:
        return Conflict(
            f"{self._shown(path)} changed while it was read",
            hint="build again when nothing writes there",
        )

    def _shown(self, path: str) -> str:
        inner = "/".join(part for part in (self._base, path) if part)
        return f"{self._tree.called}: {inner or '.'}"
