"""``plugrun copy``."""

from __future__ import annotations

import os
import sys

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.cli.progress import Plain, board, check_kind
from plugrun.cli.requests import platform
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.images.arrival import PullObserver
from plugrun.engine.images.copy import CopyRequest, copy, is_stored
from plugrun.engine.images.transfer import DOWNLOADING, EXTRACTING
from plugrun.engine.images.uploads import PUSHED, PUSHING
from plugrun.engine.request import GlobalOptions
from plugrun.model.reference import split_address

_COPYING = "Copying"
_WORDS = {PUSHING: _COPYING, PUSHED: "Copied"}
_COUNTED = (_COPYING, DOWNLOADING, EXTRACTING)


class CopyView(PullObserver):
    """Shows a copy's layers on a board."""

    def __init__(self, board: Plain) -> None:
        self._board = board

    def layer(self, digest_short: str, state: str, current: int = 0, total: int = 0) -> None:
        """Show what is done with a layer."""
        word = _WORDS.get(state, state)
        if word in _COUNTED:
            self._board.advance(digest_short, word, current, total)
        else:
            self._board.state(digest_short, word)


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Copy an image and print its digest at the destination."""
    source, target = parsed.args
    values = parsed.values
    to_stdout = _is_stdout(target)
    if to_stdout and os.isatty(1):
        raise SaidError("cowardly refusing to write an image to a terminal: redirect it")
    stream = sys.stderr if to_stdout else sys.stdout
    shown = board(stream, check_kind(values["progress"]))
    request = CopyRequest(source, target, platform(values["platform"]), values["all"])
    engine = open_healed(options, makes=True)
    if is_stored(target):
        heal_storage(engine)
    output.flush()
    quiet = values["quiet"]
    digest = copy(engine, request, PullObserver() if quiet else CopyView(shown))
    if quiet:
        stream.write(f"{digest}\n")
    else:
        shown.line(f"Digest: {digest}")
        text = f"Status: Copied {source} to {target}"
        shown.result(text, {"Source": source, "Target": target, "Digest": digest})
    return 0


def _is_stdout(address: str) -> bool:
    scheme, rest = split_address(address)
    return scheme != "docker" and rest.partition(":")[0] == "-"
