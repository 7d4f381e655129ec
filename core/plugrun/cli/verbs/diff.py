"""``plugrun diff``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.engine.containers import find_container
from plugrun.engine.files.treediff import diff
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print each change and its path."""
    engine = open_healed(options)
    for kind, path in diff(engine, find_container(engine, parsed.args[0])):
        output.write(f"{kind} {path}\n")
    return 0
