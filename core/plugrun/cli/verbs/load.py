"""``plugrun load``."""

from __future__ import annotations

import os
import sys

from plugrun.cli.archives import input_address
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.cli.progress import Plain, board, check_kind
from plugrun.cli.requests import platform
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.images.arrival import PullObserver
from plugrun.engine.images.load import load
from plugrun.engine.images.transfer import DOWNLOADING
from plugrun.engine.request import GlobalOptions

_LOADING = "Loading layer"


class LoadView(PullObserver):
    """Shows each layer that is read on a terminal."""

    def __init__(self, board: Plain) -> None:
        self._board = board

    def layer(self, digest_short: str, state: str, current: int = 0, total: int = 0) -> None:
        """Show how far a layer is."""
        if state == DOWNLOADING:
            self._board.advance(digest_short, _LOADING, current, total)


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Load all images of an archive, and print what they are called."""
    shown = board(sys.stdout, check_kind(parsed.values["progress"]))
    path, wanted = parsed.values["input"], platform(parsed.values["platform"])
    if not path and os.isatty(0):
        raise SaidError("requested load from stdin, but stdin is empty")
    address = input_address(path)
    engine = open_healed(options, makes=True)
    heal_storage(engine)
    observer = PullObserver() if parsed.values["quiet"] else LoadView(shown)
    for loaded in load(engine, address, wanted, observer):
        for name, old in loaded.taken:
            shown.line(
                f"The image {name} already exists, renaming the old one with ID {old} to empty "
                "string"
            )
        for name in loaded.names:
            shown.result(f"Loaded image: {name}", {"Name": name, "ID": loaded.image})
        if not loaded.names:
            shown.result(f"Loaded image ID: {loaded.image}", {"ID": loaded.image})
    return 0
