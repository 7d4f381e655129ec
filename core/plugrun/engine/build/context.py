"""Where a build reads its files: the context, opened in place, and the Dockerfile."""

from __future__ import annotations

import errno
import os
import stat
import sys

from plugrun.dockerfile.context import PATH, STDIN, TAR, context_kind, stdin_kind
from plugrun.dockerfile.ignore import ignore_names, read_ignore
from plugrun.dockerfile.patterns import Matcher
from plugrun.engine.build.marks import remove_temporary, temporary_folder
from plugrun.engine.build.sources import Tree
from plugrun.errors import InvalidArgument, NotFound
from plugrun.linux.beneath import open_in_root
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.build.request import BuildRequest
    from plugrun.engine.engine import Engine

_LARGEST = 16 << 20
_PIECE = 1 << 20
_START = 512
_DEFAULTS = ("Dockerfile", "dockerfile")


@record
class Opened:
    """A build's files: ``context`` is None if there is nothing but the Dockerfile.

    ``ignored`` is what ``.dockerignore`` keeps out of it.
    """

    context: Tree | None
    dockerfile: bytes
    name: str
    ignored: Matcher | None = None


class OpenContext:
    """What a request names, for the length of a ``with``; what was unpacked for it goes then."""

    def __init__(self, engine: Engine, request: BuildRequest) -> None:
        self._engine = engine
        self._request = request
        self._fd = -1
        self._temporary = ""

    def __enter__(self) -> Opened:
        try:
            return self._open()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._temporary:
            remove_temporary(self._engine, self._temporary)
            self._temporary = ""

    def _open(self) -> Opened:
        wanted = context_kind(self._request.context)
        if wanted.kind == PATH:
            self._fd = _open_folder(wanted.address)
            return self._in_folder(wanted.address)
        if wanted.kind == STDIN:
            if self._request.file == "-":
                raise InvalidArgument(
                    "invalid argument: can't use stdin for both build context and dockerfile"
                )
            return self._stream(_pieces(_stdin()))
        from plugrun.engine.build.remote import fetch_context

        self._temporary = temporary_folder(self._engine)
        fetched = fetch_context(wanted, self._temporary)
        if fetched.stream is not None:
            return self._stream(fetched.stream)
        self._fd = _open_folder(fetched.folder)
        return self._in_folder(self._request.context)

    def _in_folder(self, called: str) -> Opened:
        """Read the Dockerfile and what is ignored."""
        data, path, beside = self._dockerfile()
        patterns: tuple[str, ...] = ()
        own, common = ignore_names(path)
        for name, root in ((own, -1 if beside else self._fd), (common, self._fd)):
            found = _read(root, name)
            if found is not None:
                patterns = read_ignore(found, os.path.basename(name))
                break
        ignored = Matcher(patterns) if patterns else None
        tree = Tree(self._fd, called, ignored)
        return Opened(tree, data, os.path.basename(path) or "Dockerfile", ignored)

    def _dockerfile(self) -> tuple[bytes, str, bool]:
        """Return the Dockerfile, its path, and whether that is this machine's and no context's."""
        given = self._request.file
        if given == "-":
            return _whole(b"", _pieces(_stdin())), "Dockerfile", False
        if given:
            is_remote = bool(self._temporary)
            found = _read(self._fd if is_remote else -1, given)
            if found is None and not is_remote and not os.path.isabs(given):
                found, is_remote = _read(self._fd, given), True
            if found is None:
                raise _no_dockerfile(given)
            return found, given, not is_remote
        for name in _DEFAULTS:
            found = _read(self._fd, name)
            if found is not None:
                return found, name, False
        raise _no_dockerfile(_DEFAULTS[0])

    def _stream(self, pieces: Iterator[bytes]) -> Opened:
        """Take an archive as the context, or what is none as a Dockerfile without one."""
        start = b""
        for piece in pieces:
            start += piece
            if len(start) >= _START:
                break
        if not start:
            raise InvalidArgument("the build context is empty: nothing came on standard input")
        if stdin_kind(start[:_START]) != TAR:
            return Opened(None, _whole(start, pieces), "Dockerfile")
        from plugrun.engine.build.unpacking import unpack_archive
        from plugrun.layers.failures import found_in

        self._temporary = self._temporary or temporary_folder(self._engine)
        folder = f"{self._temporary}/files"
        os.mkdir(folder, 0o700)
        self._fd = _open_folder(folder)
        with found_in("the build context"):
            unpack_archive(self._engine, _joined(start, pieces), self._fd)
        return self._in_folder(self._request.context)


def _joined(start: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from pieces


def _stdin() -> int:
    # What was closed is None to Python, and its number may be another file's by now.
    if sys.stdin is None:
        raise InvalidArgument("nothing can be read: standard input is closed")
    return sys.stdin.fileno()


def _whole(start: bytes, pieces: Iterator[bytes]) -> bytes:
    """Return a Dockerfile that comes from elsewhere, unless it does not end."""
    found = bytearray(start)
    for piece in pieces:
        found += piece
        if len(found) > _LARGEST:
            raise InvalidArgument(f"the Dockerfile has more than {_LARGEST} bytes")
    return bytes(found)


def _pieces(fd: int) -> Iterator[bytes]:
    while piece := os.read(fd, _PIECE):
        yield piece


def _open_folder(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f'unable to prepare context: path "{path}" not found') from None
    except NotADirectoryError:
        raise InvalidArgument(
            f'unable to prepare context: path "{path}" is no folder',
            hint=f"name the folder its files are in: plugrun build -f {path} .",
        ) from None


def _read(root: int, path: str) -> bytes | None:
    """Read a regular file of a context, or with -1 one or a pipe of this machine; None if there is
    none.
    """
    try:
        if root < 0:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        else:
            place = open_in_root(root, path, os.O_PATH)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    try:
        where = f"/proc/self/fd/{place}"
        mode = os.stat(where).st_mode
        # A shell's -f <(command) is a pipe.
        if not (stat.S_ISREG(mode) or (root < 0 and stat.S_ISFIFO(mode))):
            raise InvalidArgument(f"{path} is no regular file")
        with open(where, "rb") as file:
            data = file.read(_LARGEST + 1)
    finally:
        os.close(place)
    if len(data) > _LARGEST:
        raise InvalidArgument(f"{path} has more than {_LARGEST} bytes")
    return data


def _no_dockerfile(path: str) -> NotFound:
    return NotFound(
        f"failed to read dockerfile: open {path}: no such file or directory",
        hint="name it with -f",
    )
