"""A tar file's table of contents: its headers are read, its contents passed over."""

from __future__ import annotations

import os

from plugrun.api import Corrupt, HostileArchive

from plugrun_archive_tar.header import (
    BLOCK,
    FOLDER,
    GLOBAL_PAX,
    LONG_LINK,
    LONG_NAME,
    OTHER,
    PAX,
    REGULAR,
    Header,
    parse_header,
    parse_pax,
    pax_size,
)
from plugrun_archive_tar.members import Member, plain_name

_MOST_MEMBERS = 100_000
_LARGEST_EXTENSION = 1 << 20
_SPARSE = b"GNU.sparse."


def scan(fd: int) -> dict[str, Member]:
    """Return the members of a tar in a seekable file; raise Corrupt or HostileArchive."""
    return _Scan(fd).run()


def _first(block: bytes) -> Header:
    """Parse the first header: a file that is something else altogether fails here."""
    try:
        return parse_header(block)
    except HostileArchive:
        raise
    except Corrupt:
        raise Corrupt("this is not an image archive: it is no tar archive") from None


class _Scan:
    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._end = os.fstat(fd).st_size
        self._at = 0
        self._members: dict[str, Member] = {}
        self._extensions: dict[bytes, bytes] = {}

    def run(self) -> dict[str, Member]:
        count = 0
        while (block := self._block()) is not None:
            count += 1
            if count > _MOST_MEMBERS:
                raise HostileArchive(f"an archive has over {_MOST_MEMBERS} members")
            self._header(_first(block) if count == 1 else parse_header(block))
        if not count:
            raise Corrupt("this is not an image archive: it is empty, or no tar archive")
        return self._members

    def _block(self) -> bytes | None:
        """Return the next header; None at the end, which some tools do not mark."""
        block = os.pread(self._fd, BLOCK, self._at)
        if not block or not block.strip(b"\0"):
            return None
        if len(block) < BLOCK and not self._at:
            raise Corrupt("this is not an image archive: it is no tar archive")
        if len(block) < BLOCK:
            raise Corrupt("an archive ends in the middle of a header")
        self._at += BLOCK
        return block

    def _header(self, header: Header) -> None:
        if header.kind in (LONG_NAME, LONG_LINK, PAX, GLOBAL_PAX):
            self._extension(header)
            return
        found = self._extensions
        self._extensions = {}
        size = pax_size(found[b"size"]) if b"size" in found else header.size
        kind = OTHER if any(key.startswith(_SPARSE) for key in found) else header.kind
        raw = found.get(b"path", header.name)
        if kind == REGULAR and raw.endswith(b"/"):
            kind = FOLDER  # as old tar programs wrote them
        name = plain_name(os.fsdecode(raw))
        link = os.fsdecode(found.get(b"linkpath", header.link))
        self._add(name, Member(kind, self._at, size, link))
        self._pass(size)

    def _extension(self, header: Header) -> None:
        if header.size > _LARGEST_EXTENSION:
            raise HostileArchive(f"an archive has a header of {header.size} bytes")
        data = os.pread(self._fd, header.size, self._at)
        self._pass(header.size)
        if header.kind == PAX:
            self._extensions.update(parse_pax(data))
        elif header.kind != GLOBAL_PAX:
            key = b"path" if header.kind == LONG_NAME else b"linkpath"
            self._extensions[key] = data.partition(b"\0")[0]

    def _pass(self, size: int) -> None:
        if self._at + size > self._end:
            raise Corrupt("an archive ends in the middle of a member")
        self._at += -(-size // BLOCK) * BLOCK

    def _add(self, name: str, member: Member) -> None:
        if not name:
            return
        known = self._members.get(name)
        if known is not None and (known.kind, member.kind) != (FOLDER, FOLDER):
            # Which of the two counts would depend on who reads it.
            raise HostileArchive(f"an archive has {name!r:.200} twice")
        self._members[name] = member
