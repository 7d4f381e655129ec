"""``logs``: what a container has written, and with ``follow`` what it goes on to write."""

from __future__ import annotations

import os

from plugrun.engine.places import log_path
from plugrun.engine.taskfile import watch_lock
from plugrun.errors import Corrupt
from plugrun.linux.inotify import FileWatch
from plugrun.model.jsontext import loads
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container

_BLOCK = 1 << 20


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

    With ``follow``, go on until the container has ended and its monitor has written all of it.
    """
    path = log_path(engine, container)
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if tail is not None:
            os.lseek(file, _tail_offset(file, tail), os.SEEK_SET)
        if follow:
            yield from _lines(_followed(engine, container.id, file, path))
        else:
            yield from _lines(_blocks(file))
    finally:
        os.close(file)


def _tail_offset(file: int, tail: int) -> int:
    """Find where the last ``tail`` lines begin, reading from the end."""
    position = size = os.fstat(file).st_size
    if tail <= 0:
        return size
    seen = 0
    while position > 0:
        start = max(0, position - _BLOCK)
        block = os.pread(file, position - start, start)
        # The newline that ends the file ends the last line; it begins none.
        end = len(block) - 1 if position == size else len(block)
        while (end := block.rfind(b"\n", 0, end)) >= 0:
            seen += 1
            if seen == tail:
                return start + end + 1
        position = start
    return 0


def _blocks(file: int) -> Iterator[bytes]:
    while data := os.read(file, _BLOCK):
        yield data


def _followed(engine: Engine, id: str, file: int, path: str) -> Iterator[bytes]:
    with FileWatch(path) as watch:
        while _is_written(engine, id) and not watch.closed:
            yield from _blocks(file)
            watch.wait()
        yield from _blocks(file)


def _is_written(engine: Engine, id: str) -> bool:
    """Whether a monitor has the log open: it holds this lock from before to after."""
    lock = engine.locks.try_exclusive(watch_lock(id))
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
