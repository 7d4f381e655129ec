"""A task's folder: ``<state>/<id>/`` with ``state``, and what the isolation keeps there besides.

The folder's own lock (flock(2)) is held by whoever changes the task; the kernel drops it when its
holder dies. ``state`` is written before the first thing that would outlast a creator that was
killed, so that whoever comes after it knows what to end and to remove.
"""

from __future__ import annotations

import fcntl
import os

from plugrun.errors import AlreadyExists, InvalidArgument, NoSuchContainer
from plugrun.linux import filesystem
from plugrun.model.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_REST = _FIRST | frozenset("_.-")


class TaskFolder:
    """One task's folder, below ``root``; InvalidArgument for an ID that is none."""

    def __init__(self, root: str, id: str) -> None:
        if not id or id[0] not in _FIRST or not _REST.issuperset(id) or len(id) > 255:
            raise InvalidArgument(f"{id!r} is no container ID")
        self.id = id
        self.path = os.path.join(root, id)
        self._file = os.path.join(self.path, "state")

    def make(self) -> int:
        """Make the folder, or raise AlreadyExists; return its lock."""
        os.makedirs(os.path.dirname(self.path), 0o700, exist_ok=True)
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            raise AlreadyExists(
                f"container {self.id} exists already", hint="delete it first"
            ) from None
        return self.lock()

    def lock(self) -> int:
        """Wait until nobody else changes the task; closing the descriptor lets go."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NoSuchContainer(f"no such container: {self.id}") from None
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def write_facts(self, facts: dict[str, Any]) -> None:
        """Replace what is known of the task, in one piece."""
        filesystem.write_whole(self._file, dumps(facts).encode())

    def read_facts(self) -> dict[str, Any]:
        """Return what is known of the task: nothing, if its creator died early.

        Raise NoSuchContainer.
        """
        try:
            with open(self._file, "rb") as stream:
                facts: dict[str, Any] = loads(stream.read())
        except FileNotFoundError:
            if not os.path.isdir(self.path):
                raise NoSuchContainer(f"no such container: {self.id}") from None
            return {}
        return facts

    def remove(self) -> None:
        """Remove the folder; what is missing already is no error."""
        remove_flat(self.path)


def remove_flat(folder: str) -> None:
    """Remove a folder of files alone; what is missing already is no error."""
    try:
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
    except FileNotFoundError:
        return


def task_ids(root: str) -> tuple[str, ...]:
    """Return the IDs that have a folder."""
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return ()
    return tuple(sorted(name for name in names if name[0] in _FIRST))
