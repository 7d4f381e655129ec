"""``update``: other limits and another restart policy, for the record and the live container."""

from __future__ import annotations

from plugrun.engine.containers import find_container
from plugrun.engine.fence.limitchecks import check_limits
from plugrun.engine.fence.resources import CPU_PERIOD_US, limited
from plugrun.engine.restarting.checks import check_restart
from plugrun.errors import Conflict, NoSuchContainer
from plugrun.linux.filesystem import write_whole
from plugrun.model.fence import Limits
from plugrun.model.jsontext import dumps, loads
from plugrun.model.record import record, replace
from plugrun.model.upkeep import RestartPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.model.spec import Resources, RuntimeSpec

_LEAST_QUOTA_US = 1000
_BILLION = 10**9
# Docker's words where two ways of limiting the CPU meet: what is asked, what is set already.
_CONFLICTS = (
    ("nano_cpus", "cpu_period", "Nano CPUs", "CPU Period has"),
    ("nano_cpus", "cpu_quota", "Nano CPUs", "CPU Quota has"),
    ("cpu_period", "nano_cpus", "CPU Period", "NanoCPUs has"),
    ("cpu_quota", "nano_cpus", "CPU Quota", "NanoCPUs has"),
)


@record
class Change:
    """What to change. A limit of 0 or empty stays; ``pids`` -1 is no limit any more."""

    limits: Limits
    restart: RestartPolicy | None = None
    NESTED: ClassVar = {"limits": Limits, "restart": RestartPolicy}


def update(engine: Engine, text: str, change: Change) -> None:
    """Change a container's record and, if it runs, its limits: all of it, or nothing."""
    container = find_container(engine, text)
    check_change(change)

    def decide(present: Container) -> Container:
        # The database is locked meanwhile; if the live change fails, nothing is written.
        found = changed(present, change)
        resources = resources_of(change.limits, found.limits)
        if resources:
            _apply(engine, present, resources)
            _write_bundle(engine.container_folder(present.id), found.limits)
        return found

    try:
        engine.metadata.change_container(container.id, decide)
    except _Refused as error:
        raise Conflict(f"Cannot update container {container.id}: {error.message}") from None
    engine.emit_container("update", container)


class _Refused(Conflict):
    """What is asked does not go with what is set."""


def check_change(change: Change) -> None:
    """Raise InvalidArgument for limits that no container can have."""
    given = change.limits
    if not given.memory:
        # The memory limit may be set already.
        given = replace(given, memory_swap=0)
    check_limits(given)
    if change.restart is not None:
        check_restart(change.restart)


def changed(container: Container, change: Change) -> Container:
    """Return the container as it will be."""
    given, present = change.limits, container.limits
    for wanted, held, what, other in _CONFLICTS:
        if getattr(given, wanted) > 0 and getattr(present, held) > 0:
            raise _Refused(
                f"Conflicting options: {what} cannot be updated as {other} already been set"
            )
    swap = present.memory_swap or present.memory * 2
    if given.memory and not given.memory_swap and given.memory > swap:
        raise _Refused(
            "Memory limit should be smaller than already set memoryswap limit, update the "
            "memoryswap at the same time"
        )
    said = {name: getattr(given, name) for name in _NAMES if getattr(given, name)}
    if given.memory:
        said.setdefault("memory_swap", swap)
    if given.pids:
        said["pids"] = max(given.pids, 0)
    found = replace(container, limits=replace(present, **said))
    return found if change.restart is None else _with_restart(found, change.restart)


_NAMES = (
    *("memory", "memory_swap", "memory_reservation", "nano_cpus", "cpu_shares", "cpu_period"),
    *("cpu_quota", "cpuset_cpus", "cpuset_mems", "blkio_weight"),
)


def _with_restart(container: Container, policy: RestartPolicy) -> Container:
    if container.auto_remove and policy.name != "no":
        raise _Refused(
            "Restart policy cannot be updated because AutoRemove is enabled for the container"
        )
    return replace(container, restart=policy)


def resources_of(given: Limits, merged: Limits) -> Resources:
    """Return the part of the runtime spec that a change comes down to."""
    memory = {
        "limit": given.memory,
        "swap": merged.memory_swap if given.memory or given.memory_swap else 0,
        "reservation": given.memory_reservation,
    }
    quota, period = given.cpu_quota, given.cpu_period
    if given.nano_cpus:
        period = CPU_PERIOD_US
        quota = max(_LEAST_QUOTA_US, given.nano_cpus * period // _BILLION)
    cpu = {
        "shares": given.cpu_shares,
        "quota": quota,
        "period": period,
        "cpus": given.cpuset_cpus,
        "mems": given.cpuset_mems,
    }
    groups: dict[str, Any] = {
        "memory": memory,
        "cpu": cpu,
        "pids": {"limit": given.pids},
        "blockIO": {"weight": given.blkio_weight},
    }
    found: Any = {}
    for name, values in groups.items():
        said = {key: value for key, value in values.items() if value}
        if said:
            found[name] = said
    resources: Resources = found
    return resources


def _write_bundle(folder: str, limits: Limits) -> None:
    """Give the next start the new limits; what hooks made of the rest of the bundle stays."""
    path = f"{folder}/config.json"
    with open(path, "rb") as file:
        spec: RuntimeSpec = loads(file.read())
    resources = spec["linux"].get("resources") or {}
    for name in ("memory", "cpu", "pids", "blockIO"):
        resources.pop(name, None)  # type: ignore[misc]
    spec["linux"]["resources"] = {**resources, **limited(limits)}
    write_whole(path, dumps(spec).encode())


def _apply(engine: Engine, container: Container, resources: Resources) -> None:
    try:
        engine.isolation_named(container.isolation.name).update(container.id, resources)
    except (NoSuchContainer, Conflict):
        return  # it does not run: the record is all there is
