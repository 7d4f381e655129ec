"""``plugrun start``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.failure import describe
from plugrun.errors import PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.cli.options import Parsed
    from plugrun.engine.engine import Engine
    from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Start containers, one after another, and print the names they were called by."""
    from plugrun.engine.engine import open_engine

    return _start_each(open_engine(options), parsed.args)


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
