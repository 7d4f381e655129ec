"""The C module behind ``signal``: the package makes enums of its numbers, 4 ms of a start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as raw
else:
    import _signal as raw

__all__ = ["raw"]
