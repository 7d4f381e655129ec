"""``plugrun rmi``."""

from __future__ import annotations

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.engine.containers import is_running
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.images.rmi import remove_image
from plugrun.engine.request import GlobalOptions
from plugrun.errors import NoSuchImage


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Remove images, and print each name and digest that is gone.

    With ``--force`` one that does not exist is no failure, as in Docker.
    """
    engine = open_healed(options)
    heal_storage(engine)
    force = parsed.values["force"]

    def act(name: str) -> str:
        gone = remove_image(engine, name, force, lambda id: is_running(engine, id))
        lines = [f"Untagged: {name}" for name in gone.untagged]
        return "\n".join([*lines, *(f"Deleted: {digest}" for digest in gone.deleted)])

    return each(parsed.args, act, (NoSuchImage,) if force else ())
