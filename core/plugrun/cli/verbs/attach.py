"""``plugrun attach``."""

from __future__ import annotations

from plugrun.cli.options import Parsed
from plugrun.engine.attaching.attach import attach
from plugrun.engine.attaching.client import Wishes
from plugrun.engine.attaching.detachkeys import detach_keys
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.errors import Detached


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Be attached to a running container; return its exit code."""
    v = parsed.values
    streams = ("stdin", "stdout", "stderr")[1 if v["no_stdin"] else 0 :]
    wishes = Wishes(streams, detach_keys(v["detach_keys"]), v["sig_proxy"])
    parting = attach(open_healed(options), parsed.args[0], wishes)
    if parting.detached:
        raise Detached("read escape sequence")
    return parting.exit_code
