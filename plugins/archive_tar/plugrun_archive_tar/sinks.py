"""Where members are written to: a tar file or stream, or a folder.

An archive has no times, owners or order of its own, so that the same images make the same bytes.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile

from plugrun.api import (
    DigestMismatch,
    InvalidArgument,
    NoSpace,
    NotFound,
    TransportError,
    filesystem,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_BLOCK = 512
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_WRITE = os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY


class ArchiveFile:
    """A tar, written in one go; a file gets its name when it is whole. ``-`` is standard output."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._aside = ""
        self._position = 0
        self._fd = self._open()

    def has(self, name: str) -> bool:
        """Whether the archive had a member before: it is always a new one."""
        return False

    def folder(self, name: str) -> None:
        """Write a folder's entry."""
        self._write(_header(name, 0, tarfile.DIRTYPE))

    def add(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """Write a member; what a failing source has left of it is taken back."""
        before = self._position
        try:
            self._write(_header(name, size, tarfile.REGTYPE))
            for piece in _exactly(name, size, pieces):
                self._write(piece)
            self._write(bytes(-size % _BLOCK))
        except BaseException:
            self._take_back(before)
            raise

    def finish(self) -> None:
        """Write the end, and give the file its name."""
        self._write(bytes(2 * _BLOCK))
        if self._aside:
            aside, self._aside = self._aside, ""
            os.rename(aside, self._path)
        self.close()

    def close(self) -> None:
        """Close the file; one that is not finished goes."""
        fd, self._fd = self._fd, -1
        if fd > 2:
            os.close(fd)
        aside, self._aside = self._aside, ""
        if aside:
            os.unlink(aside)

    def _open(self) -> int:
        if self._path == "-":
            return 1
        folder = os.path.dirname(self._path) or "."
        if not os.path.isdir(folder):
            raise NotFound(f'invalid output path: directory "{folder}" does not exist')
        try:
            mode = os.stat(self._path).st_mode
        except FileNotFoundError:
            mode = stat.S_IFREG
        try:
            if not stat.S_ISREG(mode):
                return os.open(self._path, _WRITE)
            aside = f"{folder}/.{os.path.basename(self._path)[:200]}.{os.getpid()}"
            fd = os.open(aside, _NEW, 0o600)
        except OSError as error:
            raise TransportError(f"open {self._path}: {(error.strerror or '').lower()}") from None
        self._aside = aside
        return fd

    def _take_back(self, position: int) -> None:
        if self._aside and self._fd >= 0:
            os.ftruncate(self._fd, position)
            os.lseek(self._fd, position, os.SEEK_SET)
            self._position = position

    def _write(self, data: bytes) -> None:
        if self._fd < 0:
            raise InvalidArgument(f"{self._path} was closed")
        _write_all(self._fd, data, self._path)
        self._position += len(data)


def _header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def _exactly(name: str, size: int, pieces: Iterable[bytes]) -> Iterable[bytes]:
    """Pass pieces on; raise if they are not ``size`` bytes, which a header has announced."""
    rest = size
    for piece in pieces:
        rest -= len(piece)
        if rest < 0:
            break
        yield piece
    if rest:
        raise DigestMismatch(f"{name} does not have the {size} bytes announced for it")


def _write_all(fd: int, data: bytes, path: str) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _failure(error, path) from error


def _failure(error: OSError, path: str) -> NoSpace | TransportError:
    where = "standard output" if path == "-" else path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"no space left to write {where}", hint="free some space there")
    return TransportError(f"cannot write {where}: {error.strerror}")


class LayoutFolder:
    """A folder with an OCI layout, new or there already; each file is whole or absent."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.folder("")

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return os.path.isfile(f"{self._path}/{name}")

    def folder(self, name: str) -> None:
        """Make a folder if it is missing."""
        try:
            os.makedirs(f"{self._path}/{name}", 0o755, exist_ok=True)
        except OSError as error:
            raise _failure(error, self._path) from error

    def add(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """Write a file aside, and give it its name when it is whole."""
        path = f"{self._path}/{name}"
        aside = f"{path}.tmp-{os.getpid()}"
        try:
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _failure(error, self._path) from error
        try:
            try:
                for piece in _exactly(name, size, pieces):
                    _write_all(fd, piece, self._path)
            finally:
                os.close(fd)
            os.rename(aside, path)
        except BaseException:
            os.unlink(aside)
            raise

    def index(self) -> bytes:
        """Return the index as it stands, nothing if there is none."""
        try:
            with open(f"{self._path}/index.json", "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def replace(self, name: str, data: bytes) -> None:
        """Put a document in its place, whatever stands there."""
        try:
            filesystem.write_whole(f"{self._path}/{name}", data, mode=0o644)
        except OSError as error:
            raise _failure(error, self._path) from error

    def finish(self) -> None:
        """All is in its place already."""

    def close(self) -> None:
        """Nothing is open."""
