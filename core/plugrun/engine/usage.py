"""What containers use, sampled: for ``stats``."""

from __future__ import annotations

import os
import time

from plugrun.engine.containers import status
from plugrun.engine.taskfile import read_task_file
from plugrun.errors import Conflict, NoSuchContainer
from plugrun.interfaces.isolation import Stats
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


@record
class Sample:
    """What a container has used at one moment (CLOCK_MONOTONIC); bytes over its network."""

    moment_ns: int
    stats: Stats
    received: int = 0
    sent: int = 0


def sample(engine: Engine, container: Container) -> Sample | None:
    """Return what a container uses; None if it does not run."""
    if not status(engine, container).running:
        return None
    isolation = engine.isolation_named(container.isolation.name)
    try:
        stats = isolation.stats(container.id)
    except (Conflict, NoSuchContainer):
        return None  # it ended just now
    received, sent = _traffic(engine, container)
    return Sample(time.monotonic_ns(), stats, received, sent)


def cpu_percent(before: Sample, after: Sample) -> float:
    """Return how much of one CPU was used between two samples, in percent."""
    passed = after.moment_ns - before.moment_ns
    used = after.stats.cpu_ns - before.stats.cpu_ns
    return 100 * used / passed if passed > 0 and used > 0 else 0.0


def _traffic(engine: Engine, container: Container) -> tuple[int, int]:
    """Return bytes in and out of a network of the container's own, its loopback apart."""
    task = read_task_file(engine.task_folder(container.id))
    if task is None or not task.running or _is_shared(task.pid):
        return 0, 0
    received = sent = 0
    try:
        with open(f"/proc/{task.pid}/net/dev", "rb") as file:
            lines = file.read().decode().splitlines()[2:]
    except OSError:
        return 0, 0
    for line in lines:
        name, _, numbers = line.partition(":")
        if name.strip() != "lo":
            fields = numbers.split()
            received, sent = received + int(fields[0]), sent + int(fields[8])
    return received, sent


def _is_shared(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net")
    except OSError:
        return True
