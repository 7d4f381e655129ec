"""What the process that holds a detached command becomes at its end; run by its command line."""

from __future__ import annotations

import sys

from plugrun.engine.engine import open_engine
from plugrun.engine.execs.events import ExecEvents
from plugrun.engine.request import GlobalOptions


def main() -> None:
    """Tell that the command has ended, with the exit code that comes last in argv."""
    _, _, root, run_root, config, profile, container, id, code = sys.argv
    engine = open_engine(GlobalOptions(root, run_root, config, profile))
    found = engine.metadata.container(container)
    if found is not None:
        ExecEvents(engine, found, ("",), id).ended(int(code))
