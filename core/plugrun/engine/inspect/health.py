"""What ``inspect`` tells of a container's health, in the shape of Docker's API."""

from __future__ import annotations

from plugrun.engine.health.record import read_health

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container, Status


def health_state(engine: Engine, container: Container, status: Status) -> dict[str, Any]:
    """Return ``Health`` of ``State``; nothing for a container that is not checked."""
    from plugrun.engine.inspect.document import rfc3339

    found = read_health(engine, container, running=status.running)
    if found is None:
        return {}
    log = [
        {
            "Start": rfc3339(probe.start_ns),
            "End": rfc3339(probe.end_ns),
            "ExitCode": probe.exit_code,
            "Output": probe.output,
        }
        for probe in found.log
    ]
    return {"Health": {"Status": found.status, "FailingStreak": found.streak, "Log": log}}
