"""Isolation: how a process is fenced in.

The verbs are those of an OCI runtime (runtime-spec runtime.md) over an OCI bundle, so that runc
or crun can stand behind this interface, and this project's own backend behind other engines.

Life of a task::

    create(id, bundle, stdio, rootfs)     "created": namespaces, mounts, cgroups are there; the
                                          process is about to execute its command and waits
    (the network is attached to /proc/PID/ns/net here)
    start(id)                             "running"
    kill(id, signal) …                    "stopped" when its first process has ended
    delete(id)                            nothing is left: cgroups, state, processes

Promises
--------
- ``create`` reads ``config.json`` in ``bundle``, performs ``rootfs`` in the container's own mount
  namespace onto the spec's root, and never changes the bundle. When it fails, nothing is left.
  Mounts with a ``helper`` are connected before anything is forked (``plugrun.api.connect``).
  A command that is missing raises CommandNotFound, one that cannot be executed
  CommandNotExecutable, from ``create`` or, where only execve(2) can tell, from ``start``.
- The calling process should be a child subreaper (PR_SET_CHILD_SUBREAPER) with one thread: the
  container's first process becomes its child, and it reaps it. ``wait`` is the caller's.
- The container's process has exactly the descriptors of ``stdio`` as 0, 1 and 2, and no others.
- ``state`` is safe at any time, from any process, also after the creator was killed.
- ``kill`` on a stopped task raises Conflict; ``delete`` of a running one does too, unless
  ``force``. ``delete`` of an unknown ID raises NoSuchContainer; it can be repeated after a crash.
- ``exec`` returns once the command has been executed in the container, as a child (through the
  subreaper) of the caller; its failures are those of ``create``. A paused task is a Conflict.
- ``pause`` returns when every process of the task has stopped where it was, ``resume`` when they
  go on; each is a Conflict where there is nothing to do (paused already, not paused, not running).
  A command killed in ``pause`` leaves the task running or paused, and ``state`` says which.
- A paused task ends of SIGKILL at once, and ``delete`` with ``force`` works; every other signal
  waits until it is resumed.
- ``update`` changes what ``resources`` names and leaves the rest; when it fails, nothing has
  changed. 0 and missing are "leave it", -1 is "no limit".
- ``stats`` and ``processes`` read the kernel's own count at that moment, of paused and created
  tasks too. A stopped task is a Conflict.
- All state lies under the ``state`` folder the hook received.

Capabilities
------------
``limit-memory``, ``limit-cpu``, ``limit-pids``
    The resource limits of the spec that are enforced here. A limit that is not among them is
    refused by ``create`` with BackendUnavailable, never ignored.
``device-fence``
    ``linux.resources.devices`` is enforced.
``limit-cpuset``, ``limit-io``
    ``resources.cpu.cpus`` and ``mems``; ``resources.blockIO``. As above.
``exec``
    ``exec`` works.
``pause``
    ``pause`` and ``resume`` work.
``update``
    ``update`` works, for the limits that are among the capabilities.
``stats``
    ``stats`` and ``processes`` work.
``userns``
    ``linux.uidMappings`` and ``gidMappings`` with a user namespace of the container's own, or one
    by its path; ``Mount.ids`` of the root's mounts and ``uidMappings`` of the spec's bind mounts.
    What needs the host's rights and a user namespace lacks works all the same: bind mounts from
    folders closed to the container's root, devices, cgroups.
``early-pid``
    ``create`` takes an argument more, ``named``: a function that it calls once, with the PID of the
    container's process, when that has entered its namespaces, the loopback of a new one is up, and
    ``create`` has yet to wait for it. The function may take as long as all the rest, and raises
    nothing; ``create`` may still fail after it. So a network is attached while mounts are made.
``host-network``
    A spec without a network namespace shares the host's.
``shared-mounts``
    What is mounted in the container reaches the host through a mount that is ``shared``, and
    ``linux.rootfsPropagation`` may be. As with limits, a spec that asks for it is refused else.
"""

from __future__ import annotations

from plugrun.interfaces.backend import Backend
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from plugrun.model.mount import Mount
    from plugrun.model.spec import Process, Resources
else:
    Protocol = object

LIMIT_MEMORY = "limit-memory"
LIMIT_CPU = "limit-cpu"
LIMIT_PIDS = "limit-pids"
LIMIT_CPUSET = "limit-cpuset"
LIMIT_IO = "limit-io"
DEVICE_FENCE = "device-fence"
EXEC = "exec"
PAUSE = "pause"
UPDATE = "update"
STATS = "stats"
EARLY_PID = "early-pid"
HOST_NETWORK = "host-network"
SHARED_MOUNTS = "shared-mounts"
USER_NAMESPACES = "userns"

CREATED = "created"
RUNNING = "running"
PAUSED = "paused"
STOPPED = "stopped"


@record
class Stdio:
    """The descriptors that become 0, 1 and 2. A terminal is its pty's replica end, thrice.

    With ``terminal`` the process gets a session of its own with descriptor 0 as its controlling
    terminal, and /dev/console is that terminal. ``devpts`` is the detached mount of the file system
    that the terminal was made in (``linux.devpts``), or -1: attached where ``create`` mounts devpts
    it gives the terminal its name inside. A backend that cannot do so leaves it. One whose
    processes get a terminal of another making (an OCI runtime makes its own) connects the two;
    what such a process says last may come after its end, before the end of file.
    """

    stdin: int
    stdout: int
    stderr: int
    terminal: bool = False
    devpts: int = -1


@record
class Task:
    """The live process of a container.

    ``pid`` as this namespace sees it, with ``started`` (clock ticks after boot) naming it for
    good. ``oom_counter`` is a file with a line ``oom_kill N`` (cgroup v1 memory.oom_control, v2
    memory.events), or empty where the kernel does not count. ``freezer`` is a file that holds
    ``THAWED`` or ``0`` unless the task is paused (v1 freezer.state, v2 cgroup.freeze), or empty.
    """

    id: str
    pid: int
    started: int
    status: str
    bundle: str
    oom_counter: str = ""
    freezer: str = ""


@record
class Stats:
    """What a task has used so far, and holds now; 0 where this machine does not count.

    Memory in bytes: ``memory`` is what is charged to the task less ``cache``, the file pages that
    the kernel would drop first (inactive_file), which is how Docker counts; ``memory_limit`` is
    the machine's memory if there is no lower one. ``memory_peak`` is the highest charge so far.
    CPU time in nanoseconds; ``cpus`` are those online. ``pids`` counts threads too; its limit is
    0 if there is none. ``read_bytes`` and ``write_bytes`` are what reached block devices.
    """

    memory: int = 0
    memory_limit: int = 0
    memory_cache: int = 0
    memory_peak: int = 0
    cpu_ns: int = 0
    cpu_user_ns: int = 0
    cpu_system_ns: int = 0
    cpus: int = 1
    pids: int = 0
    pids_limit: int = 0
    read_bytes: int = 0
    write_bytes: int = 0


class Isolation(Backend, Protocol):
    """An OCI runtime's verbs; see the module's text for the promises."""

    def preload(self) -> None:
        """Load what ``create`` and ``start`` will need; changes nothing that can be seen.

        Called while another process still makes the bundle, so that the time is not lost.
        """

    def create(self, id: str, bundle: str, stdio: Stdio, rootfs: Sequence[Mount] = ()) -> Task:
        """Make the container up to the point before its command runs."""

    def start(self, id: str) -> None:
        """Run the command of a created container; return when it has been executed."""

    def state(self, id: str) -> Task:
        """Return the task as it is now."""

    def kill(self, id: str, signal: int, *, everyone: bool = False) -> None:
        """Send a signal to the first process, or to every process of the container."""

    def delete(self, id: str, *, force: bool = False) -> None:
        """Remove all traces; with ``force`` kill what still runs."""

    def exec(self, id: str, process: Process, stdio: Stdio) -> int:
        """Execute one more command in a running container; return its PID."""

    def pause(self, id: str) -> None:
        """Stop every process of a running container where it is; return when they have."""

    def resume(self, id: str) -> None:
        """Let the processes of a paused container go on."""

    def update(self, id: str, resources: Resources) -> None:
        """Change limits of a created, running or paused container: all that are named, or none."""

    def stats(self, id: str) -> Stats:
        """Return what a container uses."""

    def processes(self, id: str) -> tuple[int, ...]:
        """Return the PIDs of a container's processes as this namespace sees them, in order."""

    def tasks(self) -> Sequence[str]:
        """Return the IDs that state exists for, also of containers that died with their maker."""
