"""``pause`` and ``unpause``: a container's processes stopped where they are, and woken."""

from __future__ import annotations

from plugrun.engine.containers import find_container, find_running, status
from plugrun.errors import BackendUnavailable, Conflict
from plugrun.interfaces.isolation import PAUSE
from plugrun.model.container import PAUSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.interfaces.isolation import Isolation
    from plugrun.model.container import Container


def pause(engine: Engine, text: str) -> None:
    """Freeze a running container; return when each of its processes has stopped."""
    container, now = find_running(engine, text)
    if now.state == PAUSED:
        raise Conflict(f"Container {container.id} is already paused")
    _isolation(engine, container).pause(container.id)
    engine.emit_container("pause", container)


def unpause(engine: Engine, text: str) -> None:
    """Let a paused container go on."""
    container = find_container(engine, text)
    if status(engine, container).state != PAUSED:
        raise Conflict(f"Container {container.id} is not paused")
    _isolation(engine, container).resume(container.id)
    engine.emit_container("unpause", container)


def _isolation(engine: Engine, container: Container) -> Isolation:
    isolation = engine.isolation_named(container.isolation.name)
    if PAUSE not in isolation.capabilities:
        raise BackendUnavailable(
            f"isolation {container.isolation.name} cannot pause a container here",
            hint="give the machine the cgroup controller freezer, or cgroup v2",
        )
    return isolation
