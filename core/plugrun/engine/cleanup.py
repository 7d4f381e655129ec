"""What a lean monitor becomes when its container has ended; run by its command line only."""

from __future__ import annotations

import sys

from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.engine.tidy import tidy


def main() -> None:
    """Clean up after the container that argv names, or start it again by its policy."""
    _, _, root, run_root, config, profile, id = sys.argv
    engine = open_engine(GlobalOptions(root, run_root, config, profile))
    container = engine.metadata.container(id)
    if container is None:
        return
    if container.restart.name == "no":
        tidy(engine, container)
        return
    from plugrun.engine.restarting.again import follow_policy

    follow_policy(engine, container)
