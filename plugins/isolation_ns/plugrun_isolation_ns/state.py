"""A task's folder: ``<state>/<id>/`` with ``state``, and the pipes ``start`` and ``status``.

``state`` is written before the first cgroup is made, so that whoever comes after a creator that
was killed knows what to remove. The folder's own lock (flock(2)) is held by whoever changes the
task; the kernel drops it when its holder dies.

``start`` and ``status`` are FIFOs that the container's init holds open until it has executed the
command. A writer of ``start`` therefore finds a reader exactly as long as the task is *created*;
no file has to be believed.
"""

from __future__ import annotations

import errno
import fcntl
import os

from plugrun.api import (
    CREATED,
    PAUSED,
    RUNNING,
    STOPPED,
    AlreadyExists,
    InvalidArgument,
    NoSuchContainer,
    Task,
    dumps,
    filesystem,
    loads,
    process,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_REST = _FIRST | frozenset("_.-")


class Folder:
    """One task's folder."""

    def __init__(self, root: str, id: str) -> None:
        if not id or id[0] not in _FIRST or not _REST.issuperset(id) or len(id) > 255:
            raise InvalidArgument(f"{id!r} is no container ID")
        self.id = id
        self.path = os.path.join(root, id)
        self.start_fifo = os.path.join(self.path, "start")
        self.status_fifo = os.path.join(self.path, "status")
        self._file = os.path.join(self.path, "state")

    def make(self) -> int:
        """Make the folder with its FIFOs, or raise AlreadyExists; return its lock."""
        os.makedirs(os.path.dirname(self.path), 0o700, exist_ok=True)
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            raise AlreadyExists(
                f"container {self.id} exists already", hint="delete it first"
            ) from None
        lock = self.lock()
        for fifo in (self.start_fifo, self.status_fifo):
            os.mkfifo(fifo, 0o600)
        return lock

    def lock(self) -> int:
        """Wait until nobody else changes the task; closing the descriptor lets go."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NoSuchContainer(f"no such container: {self.id}") from None
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def write(self, facts: dict[str, Any]) -> None:
        """Replace what is known of the task, in one piece."""
        filesystem.write_whole(self._file, dumps(facts).encode())

    def read(self) -> dict[str, Any]:
        """Return what is known of the task; little, if its creator died early."""
        try:
            with open(self._file, "rb") as stream:
                facts = loads(stream.read())
        except FileNotFoundError:
            if not os.path.isdir(self.path):
                raise NoSuchContainer(f"no such container: {self.id}") from None
            facts = {}
        return {"pid": 0, "started": 0, "bundle": "", "cgroup": {}, "namespaces": 0, **facts}

    def remove(self) -> None:
        """Remove the folder; what is missing already is no error."""
        try:
            for name in os.listdir(self.path):
                os.unlink(os.path.join(self.path, name))
            os.rmdir(self.path)
        except FileNotFoundError:
            pass

    def task(self) -> Task:
        """Return the task as it is now."""
        facts = self.read()
        return Task(
            id=self.id,
            pid=facts["pid"],
            started=facts["started"],
            status=self.status(facts),
            bundle=facts["bundle"],
            oom_counter=facts["cgroup"].get("oom_counter", ""),
            freezer=facts["cgroup"].get("freezer", ""),
        )

    def status(self, facts: dict[str, Any]) -> str:
        """Return the status that the kernel tells."""
        if not facts["pid"] or not process.is_alive(facts["pid"], facts["started"]):
            return STOPPED
        if self._is_waiting():
            return CREATED
        return PAUSED if _is_frozen(facts["cgroup"].get("freezer", "")) else RUNNING

    def _is_waiting(self) -> bool:
        fd = self.open_start()
        if fd < 0:
            return False
        os.close(fd)
        return True

    def open_start(self) -> int:
        """Open the FIFO that starts the task, or return -1 if nobody waits on it."""
        try:
            return os.open(self.start_fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                return -1
            raise


def _is_frozen(file: str) -> bool:
    """Whether a group is frozen, or about to be: a ``pause`` that was killed can be undone."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.read(fd, 16).strip() not in (b"THAWED", b"0")
    except OSError:
        return False  # ENODEV: it has been removed meanwhile
    finally:
        os.close(fd)


def task_ids(root: str) -> tuple[str, ...]:
    """Return the IDs that have a folder."""
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return ()
    return tuple(sorted(name for name in names if name[0] in _FIRST))
