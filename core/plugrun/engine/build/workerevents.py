"""What a worker tells the builder of its steps."""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.build.state import Outcome
    from plugrun.errors import PlugrunError


@record
class Begun:
    """A step has begun; ``shown`` is what progress calls it."""

    shown: str


@record
class Made:
    """The step that had begun has come to this."""

    outcome: Outcome


@record
class Broken:
    """It has failed; ``kept`` are its files, if they were to be kept."""

    error: PlugrunError
    kept: Outcome | None
