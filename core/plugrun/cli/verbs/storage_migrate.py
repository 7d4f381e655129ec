"""``plugrun storage migrate``."""

from __future__ import annotations

import sys

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.cli.progress import board
from plugrun.cli.pulling import UnpackView
from plugrun.cli.units import human_size
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.images.arrival import PullObserver
from plugrun.engine.request import GlobalOptions
from plugrun.engine.storages.migration import Move, move, plan, refuse_live, stays_for
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

    def would(number: str) -> str:
        wanted = moves[int(number)]
        refuse_live(engine, wanted)
        stays = stays_for(engine, wanted, moves)
        return f"Would move {_told(wanted)}" + (f"; {stays}" if stays else "")

    numbers = [str(number) for number in range(len(moves))]
    if v["dry_run"]:
        return each(numbers, would)
    if moves:
        heal_storage(engine)

    def observer() -> PullObserver:
        return PullObserver() if v["quiet"] else UnpackView(board(sys.stderr))

    def act(number: str) -> str:
        wanted = moves[int(number)]
        refuse_live(engine, wanted)
        if not v["quiet"]:
            sys.stderr.write(f"Moving {_told(wanted)}\n")
        move(engine, wanted, observer, moves)
        stays = stays_for(engine, wanted, moves)
        if stays and not v["quiet"]:
            sys.stderr.write(f"{stays[0].upper()}{stays[1:]}\n")
        return wanted.name

    return each(numbers, act)


def _told(one: Move) -> str:
    return f"{one.kind} {one.name} from {one.source} to {one.target} ({human_size(one.size)})"
