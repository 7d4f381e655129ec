"""What happened, told to observers."""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@record
class Event:
    """One thing that happened to one object, in Docker's words.

    ``kind`` is ``container``, ``image``, ``volume`` or ``network``; ``action`` is Docker's (create,
    start, die, destroy, pull, untag, delete …); ``time_ns`` counts from the epoch.
    """

    kind: str
    action: str
    id: str
    time_ns: int
    attributes: Mapping[str, str]
