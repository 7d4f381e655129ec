"""A backend's declaration of one key in its ``options:``."""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@record
class Option:
    """One key a profile may set.

    ``kind`` is ``string``, ``integer``, ``boolean``, ``strings`` (a list) or ``mapping`` (of
    strings to lists of strings); ``choices``, if any, are the only values. ``help`` is one line.
    """

    name: str
    kind: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
