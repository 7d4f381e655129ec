"""What ``system check`` finds, and what can be done about each."""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Act = Callable[[], None]


@record
class Finding:
    """One thing that is wrong: what and where, why it matters, and what to do.

    ``remedy`` is what ``--repair`` does if ``repairable``, otherwise what the user can do.
    """

    what: str
    where: str
    why: str
    remedy: str
    repairable: bool


@record
class Found:
    """A finding, and the act that repairs it, if there is one. The act raises what stops it."""

    finding: Finding
    act: Act | None = None


def found(what: str, where: str, why: str, remedy: str, act: Act | None = None) -> Found:
    """Return a finding; one with an act can be repaired."""
    return Found(Finding(what, where, why, remedy, act is not None), act)
