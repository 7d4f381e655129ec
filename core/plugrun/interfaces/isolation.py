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
  A command that is missing raises CommandNotFound, one that cannot be executed
  CommandNotExecutable, from ``create`` or, where only execve(2) can tell, from ``start``.
- The calling process should be a child subreaper (PR_SET_CHILD_SUBREAPER) with one thread: the
  container's first process becomes its child, and it reaps it. ``wait`` is the caller's.
- The container's process has exactly the descriptors of ``stdio`` as 0, 1 and 2, and no others.
- ``state`` is safe at any time, from any process, also after the creator was killed.
- ``kill`` on a stopped task raises Conflict; ``delete`` of a running one does too, unless
  ``force``. ``delete`` of an unknown ID raises NoSuchContainer; it can be repeated after a crash.
- ``exec`` returns once the command has been executed in the container, as a child (through the
  subreaper) of the caller; its failures are those of ``create``.
- All state lies under the ``state`` folder the hook received.

Capabilities
------------
``limit-memory``, ``limit-cpu``, ``limit-pids``
    The resource limits of the spec that are enforced here. A limit that is not among them is
    refused by ``create`` with BackendUnavailable, never ignored.
``device-fence``
    ``linux.resources.devices`` is enforced.
``exec``
    ``exec`` works.
``host-network``
    A spec without a network namespace shares the host's.
"""

from __future__ import annotations

from plugrun.interfaces.backend import Backend
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from plugrun.model.mount import Mount
    from plugrun.model.spec import Process
else:
    Protocol = object

LIMIT_MEMORY = "limit-memory"
LIMIT_CPU = "limit-cpu"
LIMIT_PIDS = "limit-pids"
DEVICE_FENCE = "device-fence"
EXEC = "exec"
HOST_NETWORK = "host-network"

CREATED = "created"
RUNNING = "running"
PAUSED = "paused"
STOPPED = "stopped"


@record
class Stdio:
    """The descriptors that become 0, 1 and 2. A terminal is its pty's replica end, thrice.

    With ``terminal`` the process gets a session of its own with descriptor 0 as its controlling
    terminal, and /dev/console is that terminal.
    """

    stdin: int
    stdout: int
    stderr: int
    terminal: bool = False


@record
class Task:
    """The live process of a container.

    ``pid`` as this namespace sees it, with ``started`` (clock ticks after boot) naming it for
    good. ``oom_counter`` is a file with a line ``oom_kill N`` (cgroup v1 memory.oom_control, v2
    memory.events), or empty where the kernel does not count.
    """

    id: str
    pid: int
    started: int
    status: str
    bundle: str
    oom_counter: str = ""


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

    def tasks(self) -> Sequence[str]:
        """Return the IDs that state exists for, also of containers that died with their maker."""
