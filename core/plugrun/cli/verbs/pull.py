"""``plugrun pull``."""

from __future__ import annotations

import sys

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.cli.progress import Plain, board, check_kind
from plugrun.cli.pulling import AllTagsView, PullView, registry_reference
from plugrun.cli.requests import platform
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.images.arrival import PullObserver
from plugrun.engine.images.pull import pull, pull_all
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
    shown = _board(parsed)
    wanted = platform(parsed.values["platform"])
    engine = open_healed(options, makes=True)
    heal_storage(engine)
    if shown and is_bare:
        shown.line(f"Using default tag: {DEFAULT_TAG}")
    pulled = pull(engine, text, wanted, PullView(shown) if shown else PullObserver())
    if shown:
        facts = {"Name": pulled.name, "ID": pulled.image, "Digest": pulled.digest}
        shown.result(pulled.name, facts)
    else:
        output.line(pulled.name)
    return 0


def _board(parsed: Parsed) -> Plain | None:
    """Return what to show progress on; None with ``-q``."""
    kind = check_kind(parsed.values["progress"])
    return None if parsed.values["quiet"] else board(sys.stdout, kind)


def _all(options: GlobalOptions, parsed: Parsed, text: str) -> int:
    """Pull all tags; say once whether any of them was new."""
    shown = _board(parsed)
    wanted = platform(parsed.values["platform"])
    engine = open_healed(options, makes=True)
    heal_storage(engine)
    kind = parsed.values["progress"]
    observer = AllTagsView(lambda: board(sys.stdout, kind)) if shown else PullObserver()
    pulled = list(pull_all(engine, text, wanted, observer))
    named = registry_reference(text, default_tag="")
    name = named.name if named else text
    if not shown:
        output.line(name)
        return 0
    known = all(one.up_to_date for one in pulled)
    what = "Image is up to date" if known else "Downloaded newer image"
    shown.line(f"Status: {what} for {named.familiar_name if named else text}")
    shown.result(name, {"Name": name})
    return 0
