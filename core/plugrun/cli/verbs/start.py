"""``plugrun start``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.failure import SaidError, describe
from plugrun.errors import IsolationError, PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.cli.options import Parsed
    from plugrun.engine.engine import Engine
    from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Start containers, one after another, and print the names they were called by.

    One alone may be attached to; the exit code is its own then.
    """
    from plugrun.engine.engine import open_configured

    if not parsed.values["attach"] and not parsed.values["interactive"]:
        return _start_each(open_configured(options), parsed.args)
    if len(parsed.args) > 1:
        raise SaidError("you cannot start and attach multiple containers at once")
    return _start_attached(open_configured(options), parsed)


def _start_each(engine: Engine, names: Sequence[str]) -> int:
    from plugrun.engine.start import start

    failed = []
    for name in names:
        try:
            start(engine, name)
        except PlugrunError as error:
            output.error(describe(error))
            failed.append(name)
        else:
            output.line(name)
    if failed:
        output.error(f"Error: failed to start containers: {', '.join(failed)}")
    return 1 if failed else 0


def _start_attached(engine: Engine, parsed: Parsed) -> int:
    from plugrun.engine.attaching.client import Wishes
    from plugrun.engine.attaching.detachkeys import detach_keys
    from plugrun.engine.start import start_attached

    streams = ("stdin", "stdout", "stderr")[0 if parsed.values["interactive"] else 1 :]
    keys = detach_keys(parsed.values["detach_keys"])
    try:
        return start_attached(engine, parsed.args[0], Wishes(streams, keys)).exit_code
    except IsolationError as error:
        # Docker's code for it is 1: `run` alone has 126 and 127.
        raise PlugrunError(error.message, hint=error.hint) from None
