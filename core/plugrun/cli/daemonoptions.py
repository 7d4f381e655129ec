"""Docker's options before the command that say how its daemon is spoken to; loaded only for those
that are given one of them.

What would change nothing is accepted, so that scripts need no change; what asks for another
machine is refused, as it would be done on this one.
"""

from __future__ import annotations

from plugrun.cli.failure import SaidError
from plugrun.cli.options import FLAG, LIST, STRING, Option
from plugrun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LEVELS = ("debug", "info", "warn", "warning", "error", "fatal", "panic", "trace")
_LOCAL = "default"  # what Docker calls the context of this machine
_ELSEWHERE = (
    "plugrun works on this machine alone: run it on the other (ssh HOST plugrun …); "
    "--root names another place for images and containers here"
)
_UNNEEDED = "leave it out: nothing is asked over a network"

OPTIONS = (
    Option("context", STRING, "Accepted if it is default", "c", _LOCAL, hidden=True),
    Option("host", LIST, "Refused: there is no daemon", "H", hidden=True),
    Option("log-level", STRING, "Accepted; --debug shows tracebacks", "l", "info", hidden=True),
    Option("tls", FLAG, "Refused: there is no daemon", hidden=True),
    Option("tlscacert", STRING, "Refused: there is no daemon", default="", hidden=True),
    Option("tlscert", STRING, "Refused: there is no daemon", default="", hidden=True),
    Option("tlskey", STRING, "Refused: there is no daemon", default="", hidden=True),
    Option("tlsverify", FLAG, "Refused: there is no daemon", hidden=True),
)


def check_daemon_options(values: Mapping[str, Any]) -> None:
    """Raise UsageError for an option that makes no sense without a daemon."""
    if values["log_level"] not in _LEVELS:
        raise SaidError(f"Unable to parse logging level: {values['log_level']}")
    if values["context"] != _LOCAL:
        raise _refused("context", _ELSEWHERE)
    if values["host"]:
        raise _refused("host", _ELSEWHERE)
    for name in ("tls", "tlscacert", "tlscert", "tlskey", "tlsverify"):
        if values[name]:
            raise _refused(name, _UNNEEDED)


def _refused(name: str, hint: str) -> UsageError:
    return UsageError(f"--{name} is not supported: there is no daemon to connect to", hint=hint)
