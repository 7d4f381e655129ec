"""``ADD``: what COPY does from the context, and besides archives unpacked, files of the web, and
repositories.
"""

from __future__ import annotations

import os
import stat

from plugrun.dockerfile.context import GIT, TAR, context_kind, stdin_kind
from plugrun.dockerfile.instructions import Add
from plugrun.engine.build.copying import Attributes, Copier
from plugrun.engine.build.copysteps import CopyStep
from plugrun.engine.build.listing import watched
from plugrun.engine.build.marks import remove_temporary, temporary_folder
from plugrun.engine.build.sources import Tree, open_beneath
from plugrun.engine.build.unpacking import unpack_archive
from plugrun.engine.images.webfile import is_url
from plugrun.errors import Conflict, Corrupt, DigestMismatch, InvalidArgument
from plugrun.layers.decompress import decompress, is_compressed
from plugrun.layers.failures import found_in
from plugrun.linux.writing import write_all
from plugrun.model.descriptor import parse_digest
from plugrun.web.addresses import shown_url, without_logins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from plugrun.engine.build.listing import Listing
    from plugrun.engine.build.site import Site
    from plugrun.engine.build.stage import Pending
    from plugrun.engine.build.state import StageState
    from plugrun.engine.build.steptree import StepTree

_PIECE = 1 << 20
_START = 512
_FETCHED_MODE = 0o600
_LATEST = (1 << 32) - 1


class AddStep(CopyStep):
    """One ADD. What is fetched lies in a temporary folder until it is done."""

    def __init__(self, site: Site, state: StageState, pending: Pending) -> None:
        super().__init__(site, state, pending)
        assert isinstance(self.wanted, Add)
        self._add = self.wanted
        self._temporary = ""
        self._fds: list[int] = []
        self._commits: dict[int, str] = {}
        self._found: list[tuple[Tree, Listing]] | None = None
        self._checksum = parse_digest(self._add.checksum) if self._add.checksum else ""
        remote = [one for one in self._add.sources if _is_remote(one)]
        is_file = len(self._add.sources) == 1 and is_url(self._add.sources[0])
        if self._checksum and (not is_file or _is_git(self._add.sources[0])):
            raise InvalidArgument("checksum is only supported for a single HTTP source")
        self._is_local = not remote

    def __exit__(self, *_: object) -> None:
        while self._fds:
            os.close(self._fds.pop())
        if self._temporary:
            remove_temporary(self.site.engine, self._temporary)
            self._temporary = ""

    def keys(self) -> tuple[str, ...]:
        """Return the keys that need nothing but what is at hand."""
        if self._is_local:
            return (self._found_key(),)
        if self._checksum:
            return (self.key("checksum", self._add.unpack, self._add.sources[0], self._checksum),)
        return ()

    def late_keys(self) -> tuple[str, ...]:
        """Return the key of what is fetched: that may be another file each time."""
        return () if self._is_local else (self._found_key(),)

    def _found_key(self) -> str:
        # The same archive is unpacked if it is the context's, and not if it was fetched.
        told = [
            [one.source.name, one.source.is_folder, self._content(tree, one), tree.fd in self._fds]
            for tree, one in self._all()
        ]
        return self.key("added", self._add.unpack, *told)

    def _content(self, tree: Tree, listing: Listing) -> str:
        """Return what a source is: of a repository its commit, as files of Git's have times."""
        return self._commits.get(tree.fd, listing.digest)

    def _all(self) -> list[tuple[Tree, Listing]]:
        if self._found is None:
            self._found = [
                (tree, listing)
                for text in self._add.sources
                for tree, pattern in (self._tree_of(text),)
                for _, listing in self.listed(tree, pattern)
            ]
        return self._found

    def do(self, tree: StepTree) -> None:
        """Change the tree."""
        attributes = self.attributes()
        with tree.mounted() as root:
            copier = Copier(root, attributes)
            for source, listing in self._all():
                place = self.place(root, attributes)
                if self._is_archive(source, listing):
                    folder = place.for_contents(None)
                    try:
                        self._unpack(source, listing, folder.fd, folder.path, root)
                    finally:
                        os.close(folder.fd)
                else:
                    copier.copy(source, listing, place)
            self.put_contents(root, attributes)

    # -- archives -------------------------------------------------------------------------

    def _is_archive(self, tree: Tree, listing: Listing) -> bool:
        """Whether to unpack it: an archive of the context, or one fetched if that was said."""
        is_fetched = tree.fd in self._fds
        wanted = self._add.unpack if self._add.unpack is not None else not is_fetched
        if not wanted or listing.source.is_folder:
            return False
        fd = open_beneath(tree.fd, listing.source.path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return False
            return _is_tar(fd)
        finally:
            os.close(fd)

    def _unpack(self, tree: Tree, listing: Listing, folder: int, path: str, root: int) -> None:
        wanted = self.attributes()
        own = Attributes(wanted.owner if self._add.chown else None, wanted.mode)
        fd = open_beneath(tree.fd, listing.source.path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            engine = self.site.engine
            self._refuse_another(fd, listing)
            with found_in(listing.source.path):
                unpack_archive(engine, _pieces(fd), folder, path=path, root=root, change=own.apply)
            self._refuse_another(fd, listing)
        finally:
            os.close(fd)

    def _refuse_another(self, fd: int, listing: Listing) -> None:
        """Refuse an archive that is not the one whose digest the step is kept under."""
        if watched(os.fstat(fd)) != listing.facts[""]:
            raise Conflict(
                f"{listing.source.called} changed while it was unpacked",
                hint="build again when nothing writes there",
            )

    # -- what is fetched ------------------------------------------------------------------

    def _tree_of(self, text: str) -> tuple[Tree, str]:
        """Return a tree and what to take of it."""
        if not _is_remote(text):
            return self.site.context_tree(), text
        self._temporary = self._temporary or temporary_folder(self.site.engine)
        place = f"{self._temporary}/{len(self._fds)}"
        wanted = context_kind(text)
        if wanted.kind == GIT:
            from plugrun.engine.build.remote import clone

            cloned = clone(wanted, place, keep_git=bool(self._add.keep_git_dir))
            folder, pattern, commit = cloned.folder, ".", cloned.commit
        else:
            os.mkdir(place, 0o700)
            folder, pattern, commit = place, self._download(text, place), ""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._fds.append(fd)
        if commit:
            self._commits[fd] = f"{commit}:{wanted.folder} {bool(self._add.keep_git_dir)}"
        return Tree(fd, without_logins(text)), pattern

    def _download(self, url: str, folder: str) -> str:
        """Fetch a file, with the server's time; return its name."""
        from hashlib import sha256

        from plugrun.engine.images.webfile import web_pieces

        name = _file_name(url)
        if not name:
            if self.wanted.destination.endswith("/"):
                raise InvalidArgument(f"cannot determine filename for source {shown_url(url)}")
            name = "download"
        headers: dict[str, str] = {}
        digest = sha256()
        fd = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FETCHED_MODE)
        try:
            for piece in web_pieces(url, lambda found: _keep(found, headers)):
                digest.update(piece)
                write_all(fd, piece)
            changed = _seconds(headers.get("last-modified", ""))
            if changed >= 0:
                os.utime(fd, (changed, changed))
        finally:
            os.close(fd)
        found = f"sha256:{digest.hexdigest()}"
        if self._checksum and found != self._checksum:
            raise DigestMismatch(
                f"digest mismatch {found}: {self._checksum} was expected of {shown_url(url)}"
            )
        return name


def _is_remote(text: str) -> bool:
    return is_url(text) or _is_git(text)


def _is_git(text: str) -> bool:
    return context_kind(text).kind == GIT


def _file_name(url: str) -> str:
    from urllib.parse import unquote, urlsplit

    try:
        name = unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError:
        raise InvalidArgument(f"{shown_url(url)} is no address on the web") from None
    return "" if name in (".", "..") or "/" in name or "\0" in name else name


def _keep(found: Mapping[str, str], headers: dict[str, str]) -> None:
    headers.update({key.lower(): value for key, value in found.items()})


def _seconds(text: str) -> int:
    """Return an HTTP date in seconds since the epoch, -1 if it is none that a file can have."""
    from calendar import timegm
    from email.utils import parsedate

    try:
        found = parsedate(text) if text else None
        seconds = timegm(found) if found is not None else -1
    except (ValueError, OverflowError):
        return -1
    return seconds if 0 <= seconds <= _LATEST else -1


def _is_tar(fd: int) -> bool:
    start = os.read(fd, _START)
    os.lseek(fd, 0, os.SEEK_SET)
    if is_compressed(start):
        try:
            start = next(iter(decompress(fd)), b"")[:_START]
        except Corrupt:
            return False
        return len(start) >= _START and stdin_kind(start) == TAR and not is_compressed(start)
    return len(start) >= _START and stdin_kind(start) == TAR


def _pieces(fd: int) -> Iterator[bytes]:
    while piece := os.read(fd, _PIECE):
        yield piece
