"""``plugrun update``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plugrun.cli.each import each
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.cli.rarerequest import restart_policy
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.update import Change, update
from plugrun.model.fence import Limits


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Change containers and print the names they were called by."""
    if all(value is None for value in parsed.values.values()):
        raise SaidError("you must provide one or more flags when using this command")
    change = _change(parsed.values)
    engine = open_healed(options)

    def act(name: str) -> str:
        update(engine, name, change)
        return name

    return each(parsed.args, act)


def _change(v: Mapping[str, Any]) -> Change:
    limits = Limits(
        memory=v["memory"] or 0,
        memory_swap=v["memory_swap"] or 0,
        nano_cpus=v["cpus"] or 0,
        pids=v["pids_limit"] or 0,
        memory_reservation=v["memory_reservation"] or 0,
        cpu_shares=v["cpu_shares"] or 0,
        cpu_period=v["cpu_period"] or 0,
        cpu_quota=v["cpu_quota"] or 0,
        cpuset_cpus=v["cpuset_cpus"] or "",
        cpuset_mems=v["cpuset_mems"] or "",
        blkio_weight=v["blkio_weight"] or 0,
    )
    return Change(limits, restart_policy(v["restart"]) if v["restart"] else None)
