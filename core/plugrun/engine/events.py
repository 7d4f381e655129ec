"""``events``: what was recorded, and what goes on to be."""

from __future__ import annotations

import os
import time

from plugrun.engine.eventlog import current_events, event_folder, older_events
from plugrun.linux.filesystem import make_private
from plugrun.linux.inotify import FileWatch
from plugrun.model.event import Event
from plugrun.model.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.engine import Engine

_BLOCK = 1 << 16
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


def read_events(engine: Engine, since_ns: int | None, until_ns: int | None) -> Iterator[Event]:
    """Yield what happened from ``since_ns`` on, None for now, to ``until_ns``, None for ever.

    Times are nanoseconds since the epoch. A follower that sleeps through two whole files of events
    misses what has been dropped meanwhile.
    """
    begin = time.time_ns() if since_ns is None else since_ns
    folder = event_folder(engine.root)
    make_private(folder)
    with FileWatch(folder) as watch:
        record = _Record(engine.root)
        try:
            while True:
                now = time.time_ns()
                for event in record.read():
                    if begin <= event.time_ns and (until_ns is None or event.time_ns <= until_ns):
                        yield event
                if until_ns is not None and now >= until_ns:
                    return
                watch.wait(None if until_ns is None else (until_ns - now) / 10**9 + 0.001)
        finally:
            record.close()


class _Record:
    """The files of the record, from the oldest line on, however often they turn over."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._files: list[_Part] = []
        for path in (older_events(root), current_events(root)):
            self._add(path)

    def read(self) -> Iterator[Event]:
        """Yield the events that are new since the last time."""
        while True:
            for file in self._files:
                yield from file.read()
            if not self._has_turned():
                return

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files:
            file.close()

    def _has_turned(self) -> bool:
        """Open a file that has come since. The one before it is kept: it may have late writers."""
        if not self._add(current_events(self._root)):
            return False
        for file in self._files[:-2]:
            file.close()
        del self._files[:-2]
        return True

    def _add(self, path: str) -> bool:
        try:
            fd = os.open(path, _READ)
        except FileNotFoundError:
            return False
        if any(os.path.sameopenfile(fd, file.fd) for file in self._files):
            os.close(fd)
            return False
        self._files.append(_Part(fd))
        return True


class _Part:
    """One file; remembers how far it was read."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._rest = b""

    def read(self) -> Iterator[Event]:
        while data := os.read(self.fd, _BLOCK):
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                event = _event(line)
                if event is not None:
                    yield event

    def close(self) -> None:
        os.close(self.fd)


def _event(line: bytes) -> Event | None:
    """Return the event of a line; None of one that a full disk cut short."""
    try:
        time_ns, kind, action, id, attributes = loads(line)
        return Event(str(kind), str(action), str(id), int(time_ns), dict(attributes))
    except (ValueError, TypeError):
        return None
