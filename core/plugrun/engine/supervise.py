"""The monitor: a process forked for one container, its parent from creation to clean-up."""

from __future__ import annotations

import os
import sys
import time

from plugrun.engine.places import log_path
from plugrun.engine.report import Reporter
from plugrun.engine.startfile import write_start_file
from plugrun.engine.stopwatch import Stopwatch
from plugrun.engine.taskfile import TaskFile, served_by, watch_lock, write_task_file
from plugrun.engine.tidy import forget_task, release, tidy
from plugrun.errors import IsolationError
from plugrun.linux.process import PR_SET_CHILD_SUBREAPER, prctl
from plugrun.linux.signals import raw as signals
from plugrun.model.container import container_from_json
from plugrun.model.jsontext import loads
from plugrun.model.record import replace
from plugrun.monitor.end import watch_to_end
from plugrun.monitor.exitfile import ExitFile, write_exit_file
from plugrun.monitor.plan import WatchPlan
from plugrun.monitor.watch import show_late

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.plumbing import Plumbing
    from plugrun.engine.request import RunRequest
    from plugrun.interfaces.isolation import Task
    from plugrun.model.container import Container


class Supervision:
    """One container's monitor, in the forked child. ``serve`` does not return."""

    def __init__(
        self, engine: Engine, request: RunRequest, plumbing: Plumbing, report: int, orders: int
    ) -> None:
        self._engine = engine
        self._request = request
        self._plumbing = plumbing
        self._reporter = Reporter(report)
        self._orders = orders

    def serve(self) -> None:
        """Start the container, watch it, clean up; end the process."""
        code = 1
        try:
            self._leave_caller()
            self._preload()
            self._container = self._await_order()
            self._clock = Stopwatch()
            plan = self._start()
            if self._container.detached:
                self._detach(plan)
            self._preload_clean_up()
            code, late = watch_to_end(plan, self._reporter.lost)
            self._clock.mark("run")
            tidy(self._engine, self._container)
            self._clock.mark("clean up")
            if late:
                _linger(late, plan.lifeline)
            self._reporter.ended(code, self._clock.stages)
        except Exception as error:  # noqa: BLE001  (reported to the starter, which raises it)
            self._reporter.failed(error)
        finally:
            os._exit(code)

    def _leave_caller(self) -> None:
        """Be nobody's job: own session, default signals, and the container's orphans to reap."""
        signals.set_wakeup_fd(-1)
        for number in (signals.SIGINT, signals.SIGTERM, signals.SIGHUP, signals.SIGQUIT):
            signals.signal(number, signals.SIG_DFL)
        os.setsid()
        os.chdir("/")
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        if self._request.detach:
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.close(null)

    def _preload(self) -> None:
        """Load what the start will need, while the command makes the container."""
        engine = self._engine
        engine.storage_named(engine.storage_choice().name)
        engine.isolation_named(engine.isolation_choice().name).preload()

    def _preload_clean_up(self) -> None:
        """Load what the end will need, while the container runs."""
        import plugrun.engine.discard
        import plugrun.store.metadata  # noqa: F401

    def _await_order(self) -> Container:
        """Read which container to serve; end here if the command ends without saying so."""
        order = b""
        while not order.endswith(b"\n"):
            piece = os.read(self._orders, 65536)
            if not piece:
                os._exit(0)
            order += piece
        return container_from_json(loads(order))

    def _start(self) -> WatchPlan:
        container, engine = self._container, self._engine
        isolation = engine.isolation_named(container.isolation.name)
        folder = engine.container_folder(container.id)
        mounts = engine.storage_named(container.storage.name).mounts(container.id)
        task_file = served_by(os.getpid())
        self._watching = engine.locks.exclusive(watch_lock(container.id))
        try:
            task = isolation.create(container.id, folder, self._plumbing.inner, mounts)
            self._clock.mark("create")
            # Before anything can fail or be killed, so that the process can be found.
            task_file = _serving(task_file, task)
            write_task_file(engine.task_folder(container.id), task_file)
            self._attach_network(task)
            isolation.start(container.id)
        except Exception as error:
            self._give_up(error)
            raise
        self._plumbing.close_inner()
        task_file = replace(task_file, started_ns=time.time_ns())
        write_task_file(engine.task_folder(container.id), task_file)
        write_start_file(folder, task_file.started_ns)
        self._clock.mark("start")
        engine.emit_container("start", container)
        self._reporter.started(task.pid, self._clock.stages)
        return self._plan(task_file, folder)

    def _attach_network(self, task: Task) -> None:
        if self._container.net.name:
            network = self._engine.network_named(self._container.net.name)
            network.attach(self._container.id, f"/proc/{task.pid}/ns/net")
            self._clock.mark("network")

    def _give_up(self, error: Exception) -> None:
        """Leave the container as created, with the reason, as Docker does."""
        engine, container = self._engine, self._container
        release(engine, container)
        code = error.exit_code if isinstance(error, IsolationError) else 128
        folder = engine.container_folder(container.id)
        write_exit_file(folder, ExitFile(max(code, 126), 0, 0, error=str(error)))
        forget_task(engine, container.id)

    def _plan(self, task: TaskFile, folder: str) -> WatchPlan:
        container, plumbing = self._container, self._plumbing
        attached = not container.detached
        watching = self._watching.detach()
        held = (plumbing.input,) if not attached and plumbing.input >= 0 else ()
        if attached and plumbing.input >= 0 and not container.tty:
            # Only the command writes to it: its end must be the container's end of file.
            os.close(plumbing.input)
        return WatchPlan(
            pid=task.pid,
            started_ns=task.started_ns,
            log=log_path(self._engine, container),
            folder=folder,
            oom_counter=task.oom_counter,
            outputs=plumbing.outputs,
            clients=(("stdout", 1), ("stderr", 2)) if attached else (),
            lifeline=self._orders if attached else -1,
            held=held,
            watching=watching,
            durable=not container.auto_remove,
            cleanup=cleanup_command(self._engine, container.id),
        )

    def _detach(self, plan: WatchPlan) -> None:
        from plugrun.monitor.relaunch import become_lean

        self._reporter.close()
        become_lean(plan)


def _linger(late: tuple[tuple[int, bytes], ...], lifeline: int) -> None:
    """Show the rest of the output from a process that nobody but the starter waits for.

    ``stop``, ``kill`` and ``rm`` wait for this one, and must not wait for a reader's pleasure.
    """
    if os.fork():
        os._exit(0)
    show_late(late, lifeline)


def cleanup_command(engine: Engine, id: str) -> tuple[str, ...]:
    """Return what a lean monitor executes in its own place when its container has ended."""
    program = (
        "import sys; sys.path[:] = sys.argv[1].split(':'); "
        "from plugrun.engine.cleanup import main; main()"
    )
    options = engine.options
    path = ":".join(entry for entry in sys.path if entry)
    own = (options.root, options.run_root, options.config, options.profile)
    return (sys.executable, "-I", "-S", "-c", program, path, *own, id)


def _serving(file: TaskFile, task: Task) -> TaskFile:
    return replace(
        file,
        pid=task.pid,
        started=task.started,
        oom_counter=task.oom_counter,
        freezer=task.freezer,
    )
