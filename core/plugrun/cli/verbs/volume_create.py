"""``plugrun volume create``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.volumes.volumes import create_volume


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Make a volume and print its name."""
    v = parsed.values
    if v["name"] and parsed.args:
        raise SaidError(
            "conflicting options: cannot specify a volume-name through both --name and as a "
            "positional arg"
        )
    name = parsed.args[0] if parsed.args else v["name"]
    engine = open_healed(options, makes=True)
    pairs = tuple(_pair(text) for text in v["label"]), tuple(_pair(text) for text in v["opt"])
    output.line(create_volume(engine, name, v["driver"], *pairs).name)
    return 0


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value
