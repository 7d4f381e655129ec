"""``plugrun pull``."""

from __future__ import annotations

import sys

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.cli.progress import board
from plugrun.cli.pulling import AllTagsView, PullView, registry_reference
from plugrun.cli.requests import platform
from plugrun.engine.arrival import PullObserver
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.pull import pull, pull_all
from plugrun.engine.request import GlobalOptions
from plugrun.model.reference import DEFAULT_TAG


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Pull an image, or all of a repository, show how, and print the full name."""
    [text] = parsed.args
    named = registry_reference(text, default_tag="")
    is_bare = named is not None and not named.tag and not named.digest
    if parsed.values["all_tags"]:
        if named is not None and not is_bare:
            raise SaidError("tag can't be used with --all-tags/-a")
        return _all(options, parsed, text)
    quiet = parsed.values["quiet"]
    wanted = platform(parsed.values["platform"])
    engine = open_healed(options)
    heal_storage(engine)
    if not quiet and is_bare:
        output.line(f"Using default tag: {DEFAULT_TAG}")
    observer = PullObserver() if quiet else PullView(board(sys.stdout))
    output.line(pull(engine, text, wanted, observer).name)
    return 0


def _all(options: GlobalOptions, parsed: Parsed, text: str) -> int:
    """Pull all tags; say once whether any of them was new."""
    quiet = parsed.values["quiet"]
    wanted = platform(parsed.values["platform"])
    engine = open_healed(options)
    heal_storage(engine)
    observer = PullObserver() if quiet else AllTagsView(board(sys.stdout))
    pulled = list(pull_all(engine, text, wanted, observer))
    named = registry_reference(text, default_tag="")
    if not quiet:
        what = (
            "Image is up to date"
            if all(p.up_to_date for p in pulled)
            else ("Downloaded newer image")
        )
        output.line(f"Status: {what} for {named.familiar_name if named else text}")
    output.line(named.name if named else text)
    return 0
