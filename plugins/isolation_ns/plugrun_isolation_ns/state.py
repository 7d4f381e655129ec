"""A task's folder, with the pipes ``start`` and ``status`` beside ``state``.

They are FIFOs that the container's init holds open until it has executed the command. A writer of
``start`` therefore finds a reader exactly as long as the task is *created*; no file has to be
believed.
"""

from __future__ import annotations

import errno
import os

from plugrun.api import CREATED, PAUSED, RUNNING, STOPPED, Task, TaskFolder, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Folder(TaskFolder):
    """One task's folder."""

    def __init__(self, root: str, id: str) -> None:
        super().__init__(root, id)
        self.start_fifo = os.path.join(self.path, "start")
        self.status_fifo = os.path.join(self.path, "status")

    def make(self) -> int:
        """Make the folder with its FIFOs, or raise AlreadyExists; return its lock."""
        lock = super().make()
        for fifo in (self.start_fifo, self.status_fifo):
            os.mkfifo(fifo, 0o600)
        return lock

    def read(self) -> dict[str, Any]:
        """Return what is known of the task; little, if its creator died early."""
        nothing = {"pid": 0, "started": 0, "bundle": "", "cgroup": {}, "namespaces": 0}
        return {**nothing, **self.read_facts()}

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
