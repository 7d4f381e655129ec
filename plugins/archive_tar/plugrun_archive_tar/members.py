"""An archive's or folder's members by name: nothing is ever unpacked, so no name is a path.

Names with ``..`` or a leading ``/`` are refused all the same: no honest tool writes them here, and
whoever reads the archive after us may be less careful.
"""

from __future__ import annotations

import os

from plugrun.api import Corrupt, HostileArchive, beneath, record

from plugrun_archive_tar.header import HARDLINK, REGULAR, SYMLINK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 20
_HOPS = 8
_LONGEST_NAME = 4096


@record
class Member:
    """One member: where its bytes lie in the archive, or where its link points."""

    kind: str
    offset: int = 0
    size: int = 0
    link: str = ""


def plain_name(name: str) -> str:
    """Return a member's name without ``./`` and doubled slashes; raise if it points outside."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name or len(name) > _LONGEST_NAME:
        raise HostileArchive(f"an archive has a member {name!r:.200}, which points outside of it")
    return "/".join(parts)


class TarMembers:
    """Members of an uncompressed tar in a seekable file, which this closes; threads may share."""

    def __init__(self, fd: int, members: dict[str, Member]) -> None:
        self._fd = fd
        self._members = members

    def has(self, name: str) -> bool:
        """Whether there is a member of this name, of whatever kind."""
        return name in self._members

    def size(self, name: str) -> int:
        """Return a file's size in bytes; raise Corrupt if it is missing or no file."""
        return self._file(name).size

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from an offset."""
        member = self._file(name)
        return _pieces(self._fd, member.offset + offset, member.size - offset)

    def close(self) -> None:
        """Close the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _file(self, name: str) -> Member:
        found = name
        for _ in range(_HOPS):
            member = self._members.get(found)
            if member is None:
                raise Corrupt(f"{name} is not in the archive")
            if member.kind == REGULAR:
                return member
            if member.kind not in (SYMLINK, HARDLINK):
                raise HostileArchive(f"{name} is not a file in the archive")
            found = _followed(found, member)
        raise HostileArchive(f"{name} is a link to a link, more than {_HOPS} deep")


def _followed(name: str, member: Member) -> str:
    """Return the member a link means, as if the archive were unpacked into an empty root."""
    if member.kind == HARDLINK:
        return plain_name(member.link)
    parts = name.split("/")[:-1]
    if member.link.startswith("/"):
        raise HostileArchive(f"{name} is a link to {member.link!r:.200}, outside of the archive")
    for part in member.link.split("/"):
        if part == ".." and not parts:
            raise HostileArchive(
                f"{name} is a link to {member.link!r:.200}, outside of the archive"
            )
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


class FolderMembers:
    """Files beneath a folder; symlinks stay beneath it too. Threads may share it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        try:
            os.close(self._open(name))
        except Corrupt:
            return False
        return True

    def size(self, name: str) -> int:
        """Return a file's size in bytes; raise Corrupt if it is missing or no file."""
        fd = self._open(name)
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def read(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from an offset."""
        fd = self._open(name)
        try:
            yield from _pieces(fd, offset, os.fstat(fd).st_size - offset)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Close the folder."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _open(self, name: str) -> int:
        # O_NONBLOCK: a FIFO in the place of a file would wait for its writer.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
        try:
            fd = beneath.open_in_root(self._fd, plain_name(name), flags)
        except OSError as error:
            raise Corrupt(f"{name} is not in the layout: {error.strerror}") from None
        if os.path.isfile(f"/proc/self/fd/{fd}"):
            return fd
        os.close(fd)
        raise HostileArchive(f"{name} is not a file in the layout")


Members = TarMembers | FolderMembers


def _pieces(fd: int, offset: int, rest: int) -> Iterator[bytes]:
    while rest > 0:
        piece = os.pread(fd, min(CHUNK, rest), offset)
        if not piece:
            raise Corrupt("an archive was cut short while it was read")
        offset += len(piece)
        rest -= len(piece)
        yield piece


def whole(members: Members, name: str, limit: int) -> bytes:
    """Return a document; raise Corrupt if it is over ``limit`` bytes."""
    size = members.size(name)
    if size > limit:
        raise Corrupt(f"{name} has {size} bytes, over the limit of {limit}")
    return b"".join(members.read(name))
