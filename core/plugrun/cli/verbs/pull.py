"""``plugrun pull``."""

from __future__ import annotations

import sys

from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.cli.progress import board
from plugrun.cli.pulling import PullView, registry_reference
from plugrun.cli.requests import platform
from plugrun.engine.arrival import PullObserver
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.pull import pull
from plugrun.engine.request import GlobalOptions
from plugrun.model.reference import DEFAULT_TAG


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Pull an image, show how, and print its full name."""
    [text] = parsed.args
    quiet = parsed.values["quiet"]
    wanted = platform(parsed.values["platform"])
    engine = open_healed(options)
    heal_storage(engine)
    named = registry_reference(text, default_tag="")
    if not quiet and named is not None and not named.tag and not named.digest:
        output.line(f"Using default tag: {DEFAULT_TAG}")
    observer = PullObserver() if quiet else PullView(board(sys.stdout))
    output.line(pull(engine, text, wanted, observer).name)
    return 0
