"""``plugrun commit``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.engine.commit import CommitRequest, commit
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Make an image of a container and print its ID."""
    container, name = (*parsed.args, "")[:2]
    values = parsed.values
    engine = open_healed(options, makes=True)
    heal_storage(engine)
    request = CommitRequest(
        container,
        name,
        values["author"],
        values["message"],
        tuple(values["change"]),
        values["pause"],
    )
    output.line(commit(engine, request))
    return 0
