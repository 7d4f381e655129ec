"""``plugrun push``."""

from __future__ import annotations

import sys

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.cli.progress import Plain, board, check_kind
from plugrun.cli.pulling import registry_reference
from plugrun.engine.heal import open_healed
from plugrun.engine.images.push import PushObserver, push
from plugrun.engine.images.uploads import PUSHING
from plugrun.engine.request import GlobalOptions
from plugrun.errors import NoSuchImage
from plugrun.model.reference import DEFAULT_TAG


class PushView(PushObserver):
    """Shows a push on a board."""

    def __init__(self, board: Plain) -> None:
        self._board = board

    def begins(self, repository: str) -> None:
        """Say where it goes."""
        self._board.line(f"The push refers to repository [{repository}]")

    def layer(self, id: str, state: str, current: int = 0, total: int = 0) -> None:
        """Show what is done with a layer."""
        if state == PUSHING:
            self._board.advance(id, state, current, total)
        else:
            self._board.state(id, state)

    def done(self, tag: str, digest: str, size: int) -> None:
        """Say what it came to."""
        facts = {"Tag": tag, "Digest": digest, "Size": str(size)}
        self._board.result(f"{tag}: digest: {digest} size: {size}", facts)


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Push an image, or all of a repository, and show how."""
    [text] = parsed.args
    quiet, all_tags = parsed.values["quiet"], parsed.values["all_tags"]
    named = registry_reference(text, default_tag="")
    if named is not None and all_tags and (named.tag or named.digest):
        raise SaidError("tag can't be used with --all-tags/-a")
    shown = board(sys.stdout, check_kind(parsed.values["progress"]))
    if not quiet and not all_tags and named is not None and not named.tag and not named.digest:
        shown.line(f"Using default tag: {DEFAULT_TAG}")
    observer = PushObserver() if quiet else PushView(shown)
    try:
        name = push(open_healed(options), text, all_tags, observer)
    except NoSuchImage as error:
        raise SaidError(error.message) from None
    if quiet:
        output.line(name)
    return 0
