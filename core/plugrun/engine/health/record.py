"""A container's health: what its last checks found, kept in a file beside its log.

Written by the probe alone, one after the other, and by the start before the first of them. The
rules are Docker's (docs.docker.com/reference/dockerfile, HEALTHCHECK).
"""

from __future__ import annotations

from plugrun.linux.filesystem import write_whole
from plugrun.model.jsontext import dumps, loads
from plugrun.model.record import as_json, from_json, record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.model.upkeep import HealthCheck

STARTING = "starting"
HEALTHY = "healthy"
UNHEALTHY = "unhealthy"

_NS = 10**9
INTERVAL_NS = 30 * _NS
TIMEOUT_NS = 30 * _NS
START_INTERVAL_NS = 5 * _NS
RETRIES = 3
_KEPT = 5


@record
class Probe:
    """One check; times in nanoseconds since the epoch, exit code -1 if it came to none."""

    start_ns: int
    end_ns: int
    exit_code: int
    output: str


@record
class Health:
    """``streak`` is how often it failed in a row; ``log`` has the last five, oldest first."""

    status: str
    streak: int = 0
    log: tuple[Probe, ...] = ()
    NESTED: ClassVar = {"log": Probe}


def probed_command(check: HealthCheck) -> tuple[str, ...]:
    """Return what a check executes; nothing if there is none."""
    if not check.test:
        return ()
    how, *words = check.test
    if how == "CMD-SHELL":
        return ("/bin/sh", "-c", *words)
    return tuple(words) if how == "CMD" else ()


def milliseconds(check: HealthCheck) -> tuple[int, ...]:
    """Return the time between checks, the same while it starts, and how long it may start."""
    return (
        max((check.interval_ns or INTERVAL_NS) // 10**6, 1),
        max((check.start_interval_ns or START_INTERVAL_NS) // 10**6, 1),
        check.start_period_ns // 10**6,
    )


def begin_health(engine: Engine, container: Container) -> None:
    """Say that a container starts; what was found in a life before stays in the log."""
    before = _read(engine, container.id)
    log = () if before is None else before.log
    _write(engine, container.id, Health(STARTING, log=log))


def read_health(engine: Engine, container: Container, *, running: bool) -> Health | None:
    """Return a container's health, None if it has no check or never ran.

    One that does not run is unhealthy, as Docker has it.
    """
    found = _read(engine, container.id) if probed_command(container.health) else None
    return found if found is None or running else replace(found, status=UNHEALTHY)


def add_probe(
    engine: Engine, container: Container, started_ns: int, probe: Probe
) -> tuple[Health, bool]:
    """Record a check of a container that was started then; return its health, and if it is new."""
    before = _read(engine, container.id) or Health(STARTING)
    health = judged(before, container.health, started_ns, probe)
    _write(engine, container.id, health)
    return health, health.status != before.status


def judged(before: Health, check: HealthCheck, started_ns: int, probe: Probe) -> Health:
    """Return the health after a check; failures while a container may still start do not count."""
    log = (*before.log, probe)[-_KEPT:]
    if probe.exit_code == 0:
        return Health(HEALTHY, 0, log)
    is_early = probe.start_ns - started_ns < check.start_period_ns
    if before.status == STARTING and is_early:
        return replace(before, log=log)
    streak = before.streak + 1
    status = UNHEALTHY if streak >= (check.retries or RETRIES) else before.status
    return Health(status, streak, log)


def _path(engine: Engine, id: str) -> str:
    return f"{engine.container_folder(id)}/health"


def _read(engine: Engine, id: str) -> Health | None:
    try:
        with open(_path(engine, id), "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    # Empty is what a power failure leaves of one.
    return from_json(Health, loads(data)) if data else None


def _write(engine: Engine, id: str, health: Health) -> None:
    write_whole(_path(engine, id), dumps(as_json(health)).encode())
