"""``plugrun save``."""

from __future__ import annotations

import os

from plugrun.cli import output
from plugrun.cli.archives import output_address
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.images.save import save
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Write images to a file or to standard output, but not to a terminal."""
    path = parsed.values["output"]
    if not path and os.isatty(1):
        raise SaidError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    engine = open_healed(options)
    output.flush()
    with output_address(path) as address:
        save(engine, parsed.args, address)
    return 0
