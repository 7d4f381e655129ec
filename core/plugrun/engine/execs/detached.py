"""``exec -d``: a command that goes on without anybody, but for a small process that reaps it."""

from __future__ import annotations

import os

from plugrun.engine.execs.events import ExecEvents
from plugrun.engine.execs.exec import begin_execution
from plugrun.engine.report import Reporter, Reports, error_of
from plugrun.engine.watching import later
from plugrun.errors import PlugrunError
from plugrun.linux.process import PR_SET_CHILD_SUBREAPER, prctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.execs.exec import Execution
    from plugrun.engine.request import ExecRequest


def exec_detached(engine: Engine, request: ExecRequest, execution: Execution) -> int:
    """Return 0 once the command has been executed, in a session of its own."""
    engine.close_metadata()
    report_read, report_write = os.pipe2(os.O_CLOEXEC)
    if os.fork() == 0:
        os.close(report_read)
        _hold(engine, request, execution, Reporter(report_write))
    os.close(report_write)
    for message in Reports(report_read).read() or [{"error": "", "message": "", "hint": ""}]:
        if "error" in message:
            error = error_of(message)
            # Docker's code for it is 1: what is attached has 126 and 127.
            raise PlugrunError(error.message or "the command was killed", hint=error.hint)
    return 0


def _hold(engine: Engine, request: ExecRequest, execution: Execution, reporter: Reporter) -> None:
    try:
        os.setsid()
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        events = ExecEvents(engine, execution.container, request.args)
        plumbing, pid = begin_execution(engine, request, execution, events)
        reporter.started(pid, [])
        reporter.close()
        after = later(engine, "execs.end", execution.container.id, events.id)
        from plugrun.monitor.relaunch import hold

        outputs = tuple(fd for _, fd in plumbing.outputs)
        hold(pid, outputs, plumbing.input, after)
    except Exception as error:  # noqa: BLE001  (reported to the command, which raises it)
        reporter.failed(error)
    finally:
        os._exit(1)
