"""From a container that has just begun to what its monitor needs to know of it."""

from __future__ import annotations

import os
import sys

from plugrun.engine.logs.config import log_rules
from plugrun.engine.places import log_path
from plugrun.monitor.plan import WatchPlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.begin import Begun
    from plugrun.engine.engine import Engine
    from plugrun.engine.plumbing import Plumbing
    from plugrun.model.container import Container

_OWN = (("stdout", 1), ("stderr", 2))


def watch_plan(
    engine: Engine,
    container: Container,
    plumbing: Plumbing,
    begun: Begun,
    *,
    door: int,
    guests: tuple[int, ...] = (),
    lifeline: int = -1,
) -> WatchPlan:
    """Return the plan; with a ``lifeline`` the starter is shown the output on 1 and 2."""
    attached = lifeline >= 0
    rules = log_rules(container)
    times = probe_times(engine, container)
    input = plumbing.input
    if attached and input >= 0 and not container.tty and "stdin" in container.attached:
        # Only the command writes to it: its end must be the container's end of file.
        os.close(input)
        input = -1
    return WatchPlan(
        pid=begun.task.pid,
        started_ns=begun.task.started_ns,
        log=log_path(engine, container),
        folder=engine.container_folder(container.id),
        oom_counter=begun.task.oom_counter,
        outputs=plumbing.outputs,
        clients=tuple(c for c in _OWN if attached and c[0] in container.attached),
        lifeline=lifeline,
        input=input,
        once=container.stdin_once and not container.tty,
        door=door,
        guests=guests,
        watching=begun.watching,
        held=begun.held,
        durable=not container.auto_remove,
        restarts=begun.task.restarts,
        cleanup=later(engine, "cleanup", container.id),
        log_size=rules.size,
        log_files=rules.files,
        log_attrs=rules.attrs,
        probe=later(engine, "health.probe", container.id) if times else (),
        probe_ms=times[0] if times else 0,
        probe_early_ms=times[1] if times else 0,
        probe_period_ms=times[2] if times else 0,
        freezer=begun.task.freezer,
        oom=later(engine, "oomevent", container.id),
        orphans=container.namespaces.pid != "",
        shares_pids=bool(container.namespaces.pid),
    )


def probe_times(engine: Engine, container: Container) -> tuple[int, ...]:
    """Return when to check a container that starts, as the plan has it; nothing without a check."""
    if not container.health.test:
        return ()
    from plugrun.engine.health.record import begin_health, milliseconds, probed_command

    if not probed_command(container.health):
        return ()
    begin_health(engine, container)
    return milliseconds(container.health)


def later(engine: Engine, module: str, *args: str) -> tuple[str, ...]:
    """Return the command that runs a module's ``main`` on this root, in a fresh interpreter."""
    program = (
        "import sys; sys.path[:] = sys.argv[1].split(':'); "
        f"from plugrun.engine.{module} import main; main()"
    )
    options = engine.options
    path = ":".join(entry for entry in sys.path if entry)
    own = (options.root, options.run_root, options.config, options.profile)
    return (sys.executable, "-I", "-S", "-c", program, path, *own, *args)
