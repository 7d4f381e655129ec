"""Have a running container's monitor keep what its networks reserve (``Attachment.held``).

A monitor that was killed keeps nothing: what it had is known by the backend alone, then.
"""

from __future__ import annotations

import os

from plugrun.engine.attaching.door import knock
from plugrun.monitor.guests import MOST_DESCRIPTORS, receive, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine

_PATIENCE = 10.0  # seconds; a monitor that shows output may be busy for a moment


def hand_over(engine: Engine, id: str, held: tuple[int, ...]) -> None:
    """Give the monitor descriptors to keep open; ours are closed, whatever comes of it."""
    try:
        for first in range(0, len(held), MOST_DESCRIPTORS):
            _say(engine, id, "hold", *held[first : first + MOST_DESCRIPTORS])
    finally:
        for fd in held:
            os.close(fd)


def release(engine: Engine, id: str) -> None:
    """Have the monitor close all that it keeps for the container's networks."""
    _say(engine, id, "release")


def _say(engine: Engine, id: str, word: str, *fds: int) -> None:
    connection = knock(engine, id)
    if connection is None:
        return
    connection.settimeout(_PATIENCE)
    try:
        send(connection, word, *fds)
        receive(connection)
    except OSError:
        return  # it ended this moment, with all that it kept
    finally:
        connection.close()
