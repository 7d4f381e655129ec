"""``plugrun cp``."""

from __future__ import annotations

import os

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.cli.units import human_size
from plugrun.engine.files.cp import copy_in, copy_in_tar, copy_out, copy_out_tar
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Copy one way or the other, and say on a terminal how much that was."""
    values = parsed.values
    source, target = (_split(text) for text in parsed.args)
    if source[0] and target[0]:
        raise SaidError("copying between containers is not supported")
    if not source[0] and not target[0]:
        raise SaidError("must specify at least one container source")
    engine = open_healed(options, makes=True)
    follow, keep_owner = values["follow_link"], values["archive"]
    if source[0]:
        if target[1] == "-":
            copy_out_tar(engine, *source, 1, follow=follow)
            return 0
        count = copy_out(engine, *source, target[1], follow=follow, keep_owner=keep_owner)
        place = os.path.abspath(target[1])
    else:
        if source[1] == "-":
            copy_in_tar(engine, *target, 0, keep_owner=keep_owner)
            return 0
        count = copy_in(engine, source[1], *target, follow=follow, keep_owner=keep_owner)
        place = f"{target[0]}:{target[1]}"
    if not values["quiet"] and os.isatty(2):
        output.error(f"Successfully copied {human_size(count)} to {place}")
    return 0


def _split(text: str) -> tuple[str, str]:
    """Return container and path; no container for a path on this machine.

    A path that has a colon is told from a container by its beginning, as in Docker.
    """
    name, colon, path = text.partition(":")
    if text.startswith("/") or not colon or name.startswith("."):
        return "", text
    return name, path
