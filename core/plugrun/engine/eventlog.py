"""The record of events: there is no daemon to remember them, so each command writes what it does.

A line is one event as JSON, appended with one write(2), so that writers need no lock. When the
file is full, one of them moves it to the place of the one before it; a writer that opened it just
before that still adds to it there, where readers find it. Read by ``engine.events``.
"""

from __future__ import annotations

import os

from plugrun.linux.filesystem import make_private
from plugrun.model.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.event import Event

# Two files of this at most: some ten thousand events each.
LARGEST = 2 << 20
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def event_folder(root: str) -> str:
    """Where a root's events are."""
    return f"{root}/events"


def current_events(root: str) -> str:
    """The file that is written to."""
    return f"{root}/events/log"


def older_events(root: str) -> str:
    """The one before it, full."""
    return f"{root}/events/log.1"


def record_event(root: str, event: Event) -> None:
    """Append an event.

    What is told has been done already: a disk that is full, or can no longer be written, loses the
    line and fails nobody.
    """
    fields = [event.time_ns, event.kind, event.action, event.id, dict(event.attributes)]
    line = dumps(fields).encode() + b"\n"
    try:
        fd = _open(root)
        try:
            if os.fstat(fd).st_size + len(line) > LARGEST and _turn_over(root, fd):
                os.close(fd)
                fd = _open(root)
            os.write(fd, line)
        finally:
            os.close(fd)
    except OSError:
        return


def _open(root: str) -> int:
    try:
        return os.open(current_events(root), _APPEND, 0o600)
    except FileNotFoundError:
        make_private(event_folder(root))
        return os.open(current_events(root), _APPEND, 0o600)


def _turn_over(root: str, fd: int) -> bool:
    """Move the full file out of the way, unless another writer does; whether there is a new one.

    Two that find it full at once must not move it twice: the second would put the new file, almost
    empty, in the place of the full one. The lock belongs to the file, and goes with it.
    """
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if os.path.samestat(os.stat(current_events(root)), os.fstat(fd)):
        os.rename(current_events(root), older_events(root))
    return True
