"""The start file: that a container has come to its command, and in which life of the machine.

The task file is gone after a reboot. With this one beside the bundle, a container that was running
then is told from one that never ran.

It is written just before the command is executed, since afterwards the command may leave no room
for it; where that fails, and the container never ran before, it is taken away again. Who is killed
between the two leaves a container that is taken for one that ran.
"""

from __future__ import annotations

from plugrun.linux.filesystem import write_whole
from plugrun.model.jsontext import dumps, loads
from plugrun.model.record import as_json, record


@record
class StartFile:
    """``started_ns`` is when the command was about to be executed, since the epoch.

    ``boot`` is the kernel's boot ID (proc_sys_kernel(5), random/boot_id).
    """

    started_ns: int
    boot: str

    @property
    def is_of_this_boot(self) -> bool:
        """Whether the machine has not been started anew since."""
        return self.boot == boot_id()


def write_start_file(folder: str, started_ns: int) -> None:
    """Write it whole into a container's folder."""
    data = dumps(as_json(StartFile(started_ns, boot_id()))).encode()
    write_whole(f"{folder}/started", data)


def read_start_file(folder: str) -> StartFile | None:
    """Return what is written, or None if the container never came to its command."""
    try:
        with open(f"{folder}/started", "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    # Empty after a power failure: it was written, in an earlier life of the machine.
    return StartFile(**loads(data)) if data else StartFile(0, "")


def boot_id() -> str:
    """Return what names this life of the machine."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
