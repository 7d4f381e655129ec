"""``plugrun export``."""

from __future__ import annotations

import os

from plugrun.cli.failure import SaidError
from plugrun.cli.filetarget import written_whole
from plugrun.cli.options import Parsed
from plugrun.engine.containers import find_container
from plugrun.engine.files.export import export
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Write the archive to a file, or to standard output unless that is a terminal."""
    path = parsed.values["output"]
    if not path and os.isatty(1):
        raise SaidError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    engine = open_healed(options)
    container = find_container(engine, parsed.args[0])
    if not path:
        export(engine, container, 1)
        return 0
    try:
        written_whole(path, lambda fd: export(engine, container, fd))
    except SaidError as error:
        raise SaidError(f"failed to export container: {error.message}") from error
    return 0
