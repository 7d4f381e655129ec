"""``logs``: what a container has written, and with ``follow`` what it goes on to write."""

from __future__ import annotations

import os

from plugrun.engine.places import log_path
from plugrun.engine.taskfile import watch_lock
from plugrun.errors import Corrupt
from plugrun.linux.inotify import FileWatch
from plugrun.model.jsontext import loads
from plugrun.model.record import record
from plugrun.monitor.logfile import older

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container

_BLOCK = 1 << 20
_READ = os.O_RDONLY | os.O_CLOEXEC


@record
class LogLine:
    """One entry: a line of output, or the part of one that fits 16 KiB."""

    stream: str
    time: str
    text: bytes


def read_logs(
    engine: Engine, container: Container, follow: bool, tail: int | None
) -> Iterator[LogLine]:
    """Yield a container's output, the last ``tail`` lines of it if a number is given.

    With ``follow``, go on until the container has ended and its monitor has written all of it. A
    reader that falls behind a whole file of output misses what has been dropped meanwhile.
    """
    path = log_path(engine, container)
    files = _open(path)
    try:
        if tail is not None:
            _seek_tail(files, tail)
        for file in files[:-1]:
            yield from _lines(_blocks(file))
        if follow and files:
            yield from _lines(_followed(engine, container.id, files, path))
        elif files:
            yield from _lines(_blocks(files[-1]))
    finally:
        for file in files:
            os.close(file)


def _open(path: str) -> list[int]:
    """Open the parts of a log, oldest first."""
    try:
        current = os.open(path, _READ)
    except FileNotFoundError:
        return []
    try:
        old = os.open(older(path), _READ)
    except FileNotFoundError:
        return [current]
    if os.path.sameopenfile(old, current):
        # It was moved between the two: what is open as the newest part is the older one.
        os.close(old)
        return [current]
    return [old, current]


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
        start = max(0, position - _BLOCK)
        block = os.pread(file, position - start, start)
        # The newline that ends the file ends the last line; it begins none.
        end = len(block) - 1 if position == size else len(block)
        while (end := block.rfind(b"\n", 0, end)) >= 0:
            seen += 1
            if seen == tail:
                return start + end + 1, seen
        position = start
    return 0, seen + 1


def _blocks(file: int) -> Iterator[bytes]:
    while data := os.read(file, _BLOCK):
        yield data


def _followed(engine: Engine, id: str, files: list[int], path: str) -> Iterator[bytes]:
    """Yield a log's newest part as it grows, and the parts that come after it."""
    while True:
        with FileWatch(path) as watch:
            while True:
                is_newest = os.stat(path).st_ino == os.fstat(files[-1]).st_ino
                ended = watch.closed or not _is_written(engine, id)
                yield from _blocks(files[-1])
                if ended or not is_newest:
                    break
                watch.wait()
        if is_newest:
            return
        os.close(files.pop())
        files.append(os.open(path, _READ))


def _is_written(engine: Engine, id: str) -> bool:
    """Whether a monitor has the log open: it holds this lock from before to after."""
    lock = engine.locks.try_shared(watch_lock(id))
    if lock is None:
        return True
    lock.release()
    return False


def _lines(blocks: Iterator[bytes]) -> Iterator[LogLine]:
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield _line(line)


def _line(line: bytes) -> LogLine:
    try:
        entry = loads(line)
        return LogLine(
            entry["stream"], entry["time"], entry["log"].encode("utf-8", "surrogateescape")
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"the log has a line that is none of its own: {line[:80]!r}") from error
