"""Which processes serve a container: a small file under the run root.

It is written before anything of the container exists, so that whatever a killed command leaves
can be found, and it names its processes by PID and start time, so that a PID that came round
again is not taken for one of them.
"""

from __future__ import annotations

from plugrun.linux.alive import is_alive, start_time
from plugrun.linux.filesystem import make_private, write_whole
from plugrun.model.jsontext import dumps, loads
from plugrun.model.record import as_json, record


@record
class TaskFile:
    """``monitor`` is the process that looks after the container, from its making to its removal.

    ``pid`` is the container's first process, 0 until it exists. ``oom_counter`` and ``freezer``
    are the task's files (``interfaces.isolation.Task``). ``restarts`` is how often the restart
    policy has started it, ``delay_ms`` what the policy waited the last time, and ``restarting``
    whether it is waiting now.
    """

    monitor: int
    monitor_started: int
    pid: int = 0
    started: int = 0
    started_ns: int = 0
    oom_counter: str = ""
    freezer: str = ""
    restarts: int = 0
    delay_ms: int = 0
    restarting: bool = False

    @property
    def attended(self) -> bool:
        """Whether the monitor is alive."""
        return is_alive(self.monitor, self.monitor_started)

    @property
    def running(self) -> bool:
        """Whether the container's first process is alive."""
        return self.pid != 0 and is_alive(self.pid, self.started)

    @property
    def paused(self) -> bool:
        """Whether it is frozen, or about to be: read from the kernel, so never out of date."""
        try:
            with open(self.freezer, "rb", 0) as file:
                return file.read(16).strip() not in (b"THAWED", b"0")
        except OSError:
            # No freezer here, or (ENODEV) the group has just been removed.
            return False


def served_by(pid: int) -> TaskFile:
    """Return the task file of a container that is being made, with its monitor."""
    return TaskFile(pid, start_time(pid))


def write_task_file(folder: str, task: TaskFile) -> None:
    """Write it whole; the folder is made if it is not there.

    A folder without a task file may be cleaned up by anybody, so it may go again meanwhile.
    """
    data = dumps(as_json(task)).encode()
    while True:
        try:
            write_whole(f"{folder}/task", data)
        except FileNotFoundError:
            make_private(folder)
        else:
            return


def read_task_file(folder: str) -> TaskFile | None:
    """Return what is written, or None if no process serves the container.

    An empty file is what a power failure leaves of one: no process outlived that.
    """
    try:
        with open(f"{folder}/task", "rb") as file:
            data = file.read()
        return TaskFile(**loads(data)) if data else None
    except FileNotFoundError:
        return None


def serve_lock(id: str) -> str:
    """Name the lock that is held while a container's process is made, and to keep it from that."""
    return f"serve-{id}"


def watch_lock(id: str) -> str:
    """Name the lock that a monitor holds until it has written the exit file."""
    return f"watch-{id}"
