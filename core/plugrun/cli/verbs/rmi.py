"""``plugrun rmi``."""

from __future__ import annotations

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.engine.engine import open_engine
from plugrun.engine.images import remove_image
from plugrun.engine.request import GlobalOptions
from plugrun.errors import NoSuchImage


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Remove images, and print each name and image that is gone.

    With ``--force`` one that does not exist is no failure, as in Docker.
    """
    engine = open_engine(options)
    force = parsed.values["force"]
    forgiven = (NoSuchImage,) if force else ()
    return each(parsed.args, lambda name: "\n".join(remove_image(engine, name, force)), forgiven)
