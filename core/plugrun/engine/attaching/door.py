"""Where a container's monitor listens for whoever attaches."""

from __future__ import annotations

import os

from plugrun.engine.places import door_path
from plugrun.linux.filesystem import unlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

    from plugrun.engine.engine import Engine

_WAITING = 16


def open_door(engine: Engine, id: str) -> int:
    """Listen for those who attach; return the listening descriptor."""
    from _socket import AF_UNIX, SOCK_SEQPACKET, socket

    unlink(door_path(engine, id))
    door = socket(AF_UNIX, SOCK_SEQPACKET)
    with _Place(engine, id) as place:
        door.bind(place)
    door.listen(_WAITING)
    return door.detach()


def knock(engine: Engine, id: str) -> socket | None:
    """Connect to a container's monitor; None if it does not listen."""
    from _socket import AF_UNIX, SOCK_SEQPACKET, socket

    connection = socket(AF_UNIX, SOCK_SEQPACKET)
    try:
        with _Place(engine, id) as place:
            connection.connect(place)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


class _Place:
    """``with`` this: a name of the socket that fits the 108 bytes of sun_path (unix(7))."""

    def __init__(self, engine: Engine, id: str) -> None:
        folder, self._name = os.path.split(door_path(engine, id))
        self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> str:
        return f"/proc/self/fd/{self._folder}/{self._name}"

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        os.close(self._folder)
