"""A task's folder: ``<state>/<id>/`` with ``state`` and the bundle that the runtime is given.

``state`` is written before the runtime is called, so that whoever comes after a creator that was
killed knows what to end and to remove. The folder's own lock (flock(2)) is held by whoever
changes the task; the kernel drops it when its holder dies.
"""

from __future__ import annotations

import fcntl
import os

from plugrun.api import (
    AlreadyExists,
    InvalidArgument,
    NoSuchContainer,
    as_json,
    dumps,
    filesystem,
    loads,
    process,
    record,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_REST = _FIRST | frozenset("_.-")
RUNTIME = ".runtime"


@record
class Facts:
    """What is noted of a task; ``maker`` is the runtime's process while it makes it."""

    bundle: str = ""
    cgroup: str = ""
    pid: int = 0
    started: int = 0
    maker: int = 0
    maker_started: int = 0
    command: str = ""

    @property
    def alive(self) -> bool:
        """Whether the task's first process lives."""
        return bool(self.pid) and process.is_alive(self.pid, self.started)


class Folder:
    """One task's folder."""

    def __init__(self, root: str, id: str) -> None:
        if not id or id[0] not in _FIRST or not _REST.issuperset(id) or len(id) > 255:
            raise InvalidArgument(f"{id!r} is no container ID")
        self.id = id
        self.path = os.path.join(root, id)
        self.own = os.path.join(root, RUNTIME, id)  # the runtime's
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

    def write(self, facts: Facts) -> None:
        """Replace what is known of the task, in one piece."""
        filesystem.write_whole(self._file, dumps(as_json(facts)).encode())

    def write_config(self, spec: dict[str, Any]) -> None:
        """Write the runtime's config.json."""
        filesystem.write_whole(os.path.join(self.path, "config.json"), dumps(spec).encode())

    def read_config(self) -> dict[str, Any]:
        """Return what the runtime was given."""
        with open(os.path.join(self.path, "config.json"), "rb") as stream:
            spec: dict[str, Any] = loads(stream.read())
        return spec

    def read(self) -> Facts:
        """Return what is known of the task; little, if its creator died early."""
        try:
            with open(self._file, "rb") as stream:
                return Facts(**loads(stream.read()))
        except FileNotFoundError:
            if not os.path.isdir(self.path):
                raise NoSuchContainer(f"no such container: {self.id}") from None
            return Facts()

    def remove(self) -> None:
        """Remove the folder and what the runtime has left of its own; gone is no error."""
        for folder in (self.own, self.path):
            try:
                for name in os.listdir(folder):
                    os.unlink(os.path.join(folder, name))
                os.rmdir(folder)
            except FileNotFoundError:
                continue


def task_ids(root: str) -> tuple[str, ...]:
    """Return the IDs that have a folder."""
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return ()
    return tuple(sorted(name for name in names if name[0] in _FIRST))
