"""``exec``: one more command in a running container."""

from __future__ import annotations

import os

from plugrun.engine.attaching.detachkeys import detach_keys
from plugrun.engine.containers import find_container, restarting, status
from plugrun.engine.execs.events import ExecEvents
from plugrun.engine.execs.process import exec_process, execute
from plugrun.engine.execs.session import Session
from plugrun.engine.plumbing import Plumbing, lay, over_pty
from plugrun.engine.taskfile import read_task_file
from plugrun.errors import Conflict, NotATerminal
from plugrun.linux.process import PR_SET_CHILD_SUBREAPER, prctl
from plugrun.model.container import RESTARTING
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.engine.request import ExecRequest
    from plugrun.model.container import Container
    from plugrun.model.spec import Process


@record
class Execution:
    """A command that is about to be executed in a container whose first process is ``pid``."""

    container: Container
    process: Process
    pid: int


def exec_in(
    engine: Engine, request: ExecRequest, before: Callable[[Container], None] | None = None
) -> int:
    """Run a command in a container, attached; return its exit code.

    With ``detach`` return 0 once it has been executed. ``before`` is called when the container is
    found, and nothing else has been done.
    """
    container = find_container(engine, request.container)
    if before:
        before(container)
    task = read_task_file(engine.task_folder(container.id))
    if task is None or not task.running:
        raise _not_running(engine, container)
    if task.paused:
        raise Conflict(
            f"Container {request.container} is paused, unpause the container before exec"
        )
    if not request.detach and request.tty and request.interactive and not os.isatty(0):
        raise NotATerminal(
            "the input device is not a TTY", hint="leave -t out, or run it in a terminal"
        )
    keys = detach_keys(request.detach_keys)
    process = exec_process(engine, container, request, task.pid)
    execution = Execution(container, process, task.pid)
    if request.detach:
        from plugrun.engine.execs.detached import exec_detached

        return exec_detached(engine, request, execution)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    events = ExecEvents(engine, container, request.args)
    plumbing, pid = begin_execution(engine, request, execution, events)
    code = Session(plumbing, pid, terminal=request.tty, keys=keys).run()
    events.ended(code)
    return code


def _not_running(engine: Engine, container: Container) -> Conflict:
    if status(engine, container).state == RESTARTING:
        return restarting(container)
    return Conflict(f"container {container.id} is not running")


def begin_execution(
    engine: Engine, request: ExecRequest, execution: Execution, events: ExecEvents
) -> tuple[Plumbing, int]:
    """Execute the command; return its streams and its PID, as a child of this process."""
    plumbing = _lay(request, execution.pid)
    isolation = engine.isolation_named(execution.container.isolation.name)
    events.created()
    pid = execute(isolation, execution.container.id, execution.process, plumbing.inner)
    events.started()
    plumbing.close_inner()
    return plumbing, pid


def _lay(request: ExecRequest, pid: int) -> Plumbing:
    if not request.tty:
        return lay(terminal=False, interactive=request.interactive)
    from plugrun.linux.innerpty import open_inner_pty

    return over_pty(*open_inner_pty(pid))
