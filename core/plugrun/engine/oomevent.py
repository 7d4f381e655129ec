"""Say that the kernel killed in a container for want of memory; executed by its monitor."""

from __future__ import annotations

import sys

from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions


def main() -> None:
    """Say it of the container that argv names."""
    _, _, root, run_root, config, profile, id = sys.argv
    engine = open_engine(GlobalOptions(root, run_root, config, profile))
    container = engine.metadata.container(id)
    if container is not None:
        engine.emit_container("oom", container)
