"""One health check of a container, executed by its monitor when it is due.

The exit code tells the monitor whether the container is still starting, for the time of the next.
"""

from __future__ import annotations

import os
import select
import sys
import time

from plugrun.engine.ending import wait_ended
from plugrun.engine.engine import open_engine
from plugrun.engine.execs.events import ExecEvents
from plugrun.engine.execs.process import exec_process, execute
from plugrun.engine.health.record import STARTING, TIMEOUT_NS, Probe, add_probe, probed_command
from plugrun.engine.request import ExecRequest, GlobalOptions
from plugrun.engine.taskfile import read_task_file
from plugrun.errors import PlugrunError
from plugrun.interfaces.isolation import Stdio
from plugrun.linux.process import PR_SET_CHILD_SUBREAPER, prctl
from plugrun.linux.signals import raw as signals
from plugrun.monitor.probing import LONGEST_POLL_MS, STILL_STARTING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.taskfile import TaskFile
    from plugrun.model.container import Container

_LONGEST = 4096
_CHUNK = 65536
_NS = 10**9
# Seconds that the kernel may take between the last process of a PID namespace and its first.
_DYING = 1


def main() -> None:
    """Check the container that argv names, and record what was found."""
    _, _, root, run_root, config, profile, id = sys.argv
    engine = open_engine(GlobalOptions(root, run_root, config, profile))
    container = engine.metadata.container(id)
    task = read_task_file(engine.task_folder(id))
    if container is None or task is None or not task.running or task.paused:
        return
    engine.close_metadata()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    probe = _probe(engine, container, task)
    if probe is None or _has_ended(engine, container, task, probe):
        return  # paused or ended meanwhile: that says nothing of its health
    health, is_new = add_probe(engine, container, task.started_ns, probe)
    if is_new:
        engine.emit_container(f"health_status: {health.status}", container)
    if health.status == STARTING:
        sys.exit(STILL_STARTING)


def _has_ended(engine: Engine, container: Container, task: TaskFile, probe: Probe) -> bool:
    """Whether the container has ended, or is about to: its first process goes after all others."""
    if read_task_file(engine.task_folder(container.id)) != task:
        return True
    return wait_ended(task, _DYING if probe.exit_code == 128 + signals.SIGKILL else 0)


def _probe(engine: Engine, container: Container, task: TaskFile) -> Probe | None:
    """Execute the check; one that cannot be executed has failed, one that was frozen has not."""
    began = time.time_ns()
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.set_blocking(writer, True)
    args = probed_command(container.health)
    events = ExecEvents(engine, container, args)
    try:
        process = exec_process(engine, container, ExecRequest(container.id, args), task.pid)
        isolation = engine.isolation_named(container.isolation.name)
        events.created()
        pid = execute(isolation, container.id, process, Stdio(null, writer, writer))
    except PlugrunError as error:
        return Probe(began, time.time_ns(), -1, error.message)
    events.started()
    os.close(writer)
    limit = container.health.timeout_ns or TIMEOUT_NS
    check = _Check(pid, reader, time.monotonic_ns() + limit, task)
    code = check.wait()
    if check.frozen:
        return None
    if code is None:
        text = f"Health check exceeded timeout ({duration(limit)})"
        return Probe(began, time.time_ns(), -1, f"{text}: {check.output}" if check.output else text)
    events.ended(code)
    return Probe(began, time.time_ns(), code, check.output)


class _Check:
    """A command that runs; its output is kept up to a limit, and read to the end."""

    def __init__(self, pid: int, reader: int, deadline_ns: int, task: TaskFile) -> None:
        self._pid = pid
        self._reader = reader
        self._deadline = deadline_ns
        self._task = task
        self.frozen = False
        self._kept = b""
        self._more = False

    @property
    def output(self) -> str:
        """What it wrote to both streams, as text."""
        return self._kept.decode("utf-8", "replace") + ("..." if self._more else "")

    def wait(self) -> int | None:
        """Wait until it has ended; return its exit code, None if it was killed for its time."""
        pidfd = os.pidfd_open(self._pid)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(self._reader, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll(self._left_ms())]
            if self._reader in ready and not self._read():
                poll.unregister(self._reader)
            if pidfd in ready:
                return self._ended()
            if not self._left_ms():
                self.frozen = self._task.paused
                self._kill()
                return None

    def _left_ms(self) -> int:
        # Rounded up: what is left of a millisecond is not spun away.
        left = max(-(-(self._deadline - time.monotonic_ns()) // 10**6), 0)
        return min(left, LONGEST_POLL_MS)

    def _read(self) -> bool:
        """Take what is there now; False at the end."""
        try:
            data = os.read(self._reader, _CHUNK)
        except BlockingIOError:
            return True
        room = _LONGEST - len(self._kept)
        self._kept += data[:room]
        self._more = self._more or len(data) > room
        return bool(data)

    def _ended(self) -> int:
        # Children it left behind may hold the pipe open, so the end of file is not waited for.
        waiting = select.poll()
        waiting.register(self._reader, select.POLLIN)
        while any(event & select.POLLIN for _, event in waiting.poll(0)) and self._read():
            continue
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return 128 - code if code < 0 else code

    def _kill(self) -> None:
        """End it, with the session it has of its own."""
        try:
            if os.getsid(self._pid) == self._pid:
                os.killpg(self._pid, signals.SIGKILL)
            else:
                os.kill(self._pid, signals.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self._pid, 0)


def duration(ns: int) -> str:
    """Return a duration as Go prints it: ``1m30s``, ``1.5s``, ``250ms``."""
    if ns < _NS:
        return f"{ns / 10**6:.6f}".rstrip("0").rstrip(".") + "ms"
    minutes, rest = divmod(ns, 60 * _NS)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // _NS}.{rest % _NS:09d}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds
