"""``plugrun storage migrate``."""

from __future__ import annotations

import sys

from plugrun.cli import output
from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.cli.progress import board
from plugrun.cli.pulling import UnpackView
from plugrun.cli.units import human_size
from plugrun.engine.arrival import PullObserver
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.migration import Move, move, plan
from plugrun.engine.request import GlobalOptions
from plugrun.errors import UsageError


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Move what is named, or all; print the name of each when it is done."""
    v = parsed.values
    if bool(parsed.args) == v["all"]:
        what = "not both" if parsed.args else "one of the two"
        raise UsageError(f"name containers and images to move, or say --all: {what}")
    engine = open_healed(options, makes=True)
    target = v["to"] or engine.storage_choice().name
    moves = plan(engine, parsed.args, v["from"], target, everything=v["all"])
    if v["dry_run"]:
        for one in moves:
            output.line(f"Would move {_told(one)}")
        return 0
    if moves:
        heal_storage(engine)

    def observer() -> PullObserver:
        return PullObserver() if v["quiet"] else UnpackView(board(sys.stderr))

    def act(number: str) -> str:
        wanted = moves[int(number)]
        if not v["quiet"]:
            sys.stderr.write(f"Moving {_told(wanted)}\n")
        move(engine, wanted, observer, moves)
        return wanted.name

    return each(map(str, range(len(moves))), act)


def _told(one: Move) -> str:
    return f"{one.kind} {one.name} from {one.source} to {one.target} ({human_size(one.size)})"
