"""``plugrun stats``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from plugrun.cli import output
from plugrun.cli.listing import render
from plugrun.cli.options import Parsed
from plugrun.cli.units import binary_size, human_size
from plugrun.engine.containers import find_container, list_containers
from plugrun.engine.engine import Engine
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.usage import Sample, cpu_percent, sample
from plugrun.errors import NoSuchContainer
from plugrun.interfaces.isolation import Stats
from plugrun.model.container import Container

_TABLE = (
    "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}"
    "\t{{.PIDs}}"
)
_HEADERS: Mapping[str, Any] = {
    "BlockIO": "BLOCK I/O",
    "CPUPerc": "CPU %",
    "Container": "CONTAINER",
    "ID": "CONTAINER ID",
    "MemPerc": "MEM %",
    "MemUsage": "MEM USAGE / LIMIT",
    "Name": "NAME",
    "NetIO": "NET I/O",
    "PIDs": "PIDS",
}
_SECOND = 1.0
# ECMA-48: to the upper left; erase the rest of the line; erase the rest of the screen.
_HOME, _LINE_END, _SCREEN_END = "\033[H", "\033[K", "\033[J"


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print what containers use, every second, or once over one second."""
    engine = open_healed(options)
    watch = _Watch(engine, parsed)
    if parsed.values["no_stream"]:
        watch.look()
        if watch.any_running:
            time.sleep(_SECOND)
        output.write(watch.table())
        return 0
    while True:
        text = watch.table()
        lines = text.replace("\n", f"{_LINE_END}\n")
        output.write(f"{_HOME}{lines}{_SCREEN_END}")
        output.flush()
        time.sleep(_SECOND)


class _Watch:
    """The containers that are shown, and what each had used when it was looked at last."""

    def __init__(self, engine: Engine, parsed: Parsed) -> None:
        self._engine = engine
        self._names = parsed.args
        self._all = parsed.values["all"]
        self._full = parsed.values["no_trunc"]
        self._form = parsed.values["format"]
        self._before: dict[str, Sample] = {}
        for name in parsed.args:
            find_container(engine, name)

    @property
    def any_running(self) -> bool:
        """Whether a second sample would say more than the first."""
        return bool(self._before)

    def look(self) -> None:
        """Take samples to compare the next ones with."""
        for _, container in self._chosen():
            if container is not None:
                self._compare(container)

    def table(self) -> str:
        """Sample all, and return how it is printed."""
        rows = []
        for name, container in self._chosen():
            if container is None:
                rows.append(_lost_row(name))
            else:
                before, after = self._compare(container)
                rows.append(_row(name, container, before, after, full=self._full))
        return render(self._form, _TABLE, _HEADERS, rows)

    def _chosen(self) -> list[tuple[str, Container | None]]:
        if not self._names:
            found = list_containers(self._engine, self._all)
            return [(c.id if self._full else c.short_id, c) for c, _ in found]
        return [(name, self._find(name)) for name in self._names]

    def _find(self, name: str) -> Container | None:
        try:
            return find_container(self._engine, name)
        except NoSuchContainer:
            return None  # removed while it was watched

    def _compare(self, container: Container) -> tuple[Sample | None, Sample | None]:
        before = self._before.pop(container.id, None)
        after = sample(self._engine, container)
        if after is not None:
            self._before[container.id] = after
        return before, after


def _row(
    name: str, container: Container, before: Sample | None, after: Sample | None, *, full: bool
) -> dict[str, Any]:
    now = after or Sample(0, Stats(memory_limit=0))
    stats = now.stats
    percent = cpu_percent(before, after) if before and after else 0.0
    share = 100 * stats.memory / stats.memory_limit if stats.memory_limit else 0.0
    return {
        "BlockIO": f"{human_size(stats.read_bytes)} / {human_size(stats.write_bytes)}",
        "CPUPerc": f"{percent:.2f}%",
        "Container": name,
        "ID": container.id if full else container.short_id,
        "MemPerc": f"{share:.2f}%",
        "MemUsage": f"{binary_size(stats.memory)} / {binary_size(stats.memory_limit)}",
        "Name": container.name,
        "NetIO": f"{human_size(now.received)} / {human_size(now.sent)}",
        "PIDs": str(stats.pids),
    }


def _lost_row(name: str) -> dict[str, Any]:
    columns = dict.fromkeys(_HEADERS, "--")
    pairs = dict.fromkeys(("BlockIO", "MemUsage", "NetIO"), "-- / --")
    return {**columns, **pairs, "Container": name, "ID": ""}
