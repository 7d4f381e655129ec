"""``logs``: what a container has written, and with ``follow`` what it goes on to write."""

from __future__ import annotations

import os
import time

from plugrun.engine.logs.config import log_rules
from plugrun.engine.logs.text import LogLine, entries, output, time_of
from plugrun.engine.places import log_path
from plugrun.engine.taskfile import read_task_file
from plugrun.errors import LogNotKept
from plugrun.linux.inotify import FileWatch
from plugrun.model.record import record
from plugrun.monitor.logfile import older, timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container

_TAIL_BLOCK = 1 << 20
# What stays in the processor's cache while it is taken apart.
_BLOCK = 1 << 15
# A process that has closed its files may still be seen for so many moments, in seconds.
_GOING, _MOMENT = 20, 0.05
_READ = os.O_RDONLY | os.O_CLOEXEC


@record
class LogQuery:
    """Which part of a log: the last ``tail`` lines, and of these what was written in a time.

    Times are nanoseconds since the epoch, None for no limit.
    """

    follow: bool = False
    tail: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None


def read_output(
    engine: Engine, container: Container, query: LogQuery, stamped: bool = False
) -> Iterator[tuple[str, bytes]]:
    """Yield a container's output as (stream, bytes), in pieces of any size.

    ``stamped`` puts the time each was written before the lines.

    With ``follow``, go on until the container has ended, for good if it has a restart policy. A
    reader that falls behind all files of a log misses what has been dropped meanwhile.
    """
    for block in _selected(engine, container, query):
        yield from output(block, stamped)


def read_logs(engine: Engine, container: Container, query: LogQuery) -> Iterator[LogLine]:
    """Yield the same line by line."""
    for block in _selected(engine, container, query):
        yield from entries(block)


def _selected(engine: Engine, container: Container, query: LogQuery) -> Iterator[bytes]:
    if container.log.driver == "none":
        raise LogNotKept("configured logging driver does not support reading")
    blocks = _Parts(engine, container, query).blocks()
    if query.since_ns is None and query.until_ns is None:
        return blocks
    return _between(blocks, query.since_ns, query.until_ns)


def _between(
    blocks: Iterator[bytes], since_ns: int | None, until_ns: int | None
) -> Iterator[bytes]:
    """Yield what lies between two times; end with the first line that is later."""
    since = b"" if since_ns is None else timestamp(since_ns).encode()
    until = b"9999" if until_ns is None else timestamp(until_ns).encode()
    for block in blocks:
        first = time_of(block[: block.index(b"\n")])
        last = time_of(block[-_BLOCK:])
        if last < since:
            continue
        if since <= first and last <= until:
            yield block
            continue
        lines = block.splitlines(keepends=True)
        kept = b"".join(line for line in lines if since <= time_of(line) <= until)
        if kept:
            yield kept
        if last > until:
            return


class _Parts:
    """The files of one log, read from the oldest line on, or from near the end."""

    def __init__(self, engine: Engine, container: Container, query: LogQuery) -> None:
        self._engine = engine
        self._id = container.id
        self._query = query
        self._path = log_path(engine, container)
        self._count = log_rules(container).files
        self._files = self._newer_than(None)

    def blocks(self) -> Iterator[bytes]:
        """Yield whole lines, many at once."""
        try:
            if self._query.tail is not None:
                _seek_tail(self._files, self._query.tail)
            while len(self._files) > 1:
                yield from _whole_lines(_pieces(self._files[0]))
                os.close(self._files.pop(0))
            if self._files and self._query.follow:
                yield from self._followed()
            elif self._files:
                yield from _whole_lines(_pieces(self._files[0]))
        finally:
            for file in self._files:
                os.close(file)

    def _newer_than(self, known: int | None) -> list[int]:
        """Open the files that came after one that is open, or all; oldest first.

        From the newest on, as they move while this looks: one may be met again, none is missed.
        """
        found: list[int] = []
        for path in (self._path, *(older(self._path, n) for n in range(1, self._count))):
            try:
                fd = os.open(path, _READ)
            except FileNotFoundError:
                continue
            if known is not None and os.path.sameopenfile(fd, known):
                os.close(fd)
                break
            if any(os.path.sameopenfile(fd, other) for other in found):
                os.close(fd)
                continue
            found.insert(0, fd)
        return found

    def _followed(self) -> Iterator[bytes]:
        """Yield the newest file as it grows, and those that come after it."""
        while True:
            yield from _whole_lines(self._growing(self._files[0]))
            newer = self._newer_than(self._files[0])
            if not newer:
                return
            os.close(self._files.pop())
            self._files[:] = newer
            while len(self._files) > 1:
                yield from _whole_lines(_pieces(self._files[0]))
                os.close(self._files.pop(0))

    def _growing(self, file: int) -> Iterator[bytes]:
        """Yield a file up to where another takes its place or nobody will write to it any more."""
        watch = self._watched()
        if watch is None:
            yield from _pieces(file)
            return
        with watch:
            while True:
                is_newest = self._is_newest(file)
                # Whether a writer is left takes time to tell, and matters to the newest alone.
                ended = not is_newest or self._is_late() or not self._is_served(watch)
                yield from _pieces(file)
                if ended:
                    return
                watch.wait(self._patience())

    def _watched(self) -> FileWatch | None:
        """Watch the log and who serves the container; None if the log was removed meanwhile."""
        for others in ((self._engine.task_folder(self._id),), ()):
            try:
                return FileWatch(self._path, *others)
            except FileNotFoundError:
                continue
        return None

    def _is_newest(self, file: int) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(file))
        except FileNotFoundError:
            return False  # removed with its container

    def _is_served(self, watch: FileWatch) -> bool:
        """Whether a monitor lives that writes to the log, or will after a restart by policy.

        It lets go of the log when the container has ended, and when another program takes its
        place; one that is killed does so just before it is gone.
        """
        for _ in range(_GOING):
            task = read_task_file(self._engine.task_folder(self._id))
            if task is None or not task.attended:
                return False
            if not watch.closed:
                return True
            watch.wait(_MOMENT)
        watch.closed = False
        return True

    def _patience(self) -> float | None:
        until = self._query.until_ns
        return None if until is None else (until - time.time_ns()) / 10**9 + 0.001

    def _is_late(self) -> bool:
        until = self._query.until_ns
        return until is not None and time.time_ns() >= until


def _seek_tail(files: list[int], tail: int) -> None:
    for file in reversed(files):
        offset, seen = _tail_offset(file, tail)
        os.lseek(file, offset, os.SEEK_SET)
        tail -= seen


def _tail_offset(file: int, tail: int) -> tuple[int, int]:
    """Find where the last ``tail`` lines of a file begin, and how many there are."""
    position = size = os.fstat(file).st_size
    seen = 0
    if tail <= 0 or size == 0:
        return size, 0
    while position > 0:
        start = max(0, position - _TAIL_BLOCK)
        block = os.pread(file, position - start, start)
        # The newline that ends the file ends the last line; it begins none.
        end = len(block) - 1 if position == size else len(block)
        while (end := block.rfind(b"\n", 0, end)) >= 0:
            seen += 1
            if seen == tail:
                return start + end + 1, seen
        position = start
    return 0, seen + 1


def _pieces(file: int) -> Iterator[bytes]:
    while data := os.read(file, _BLOCK):
        yield data


def _whole_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces cut at the ends of lines; a last line that has none is left out."""
    rest = b""
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if end:
            yield rest + piece[:end]
            rest = piece[end:]
        else:
            rest += piece
