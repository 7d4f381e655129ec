"""How often, and after how long, a passing failure is tried again."""

from __future__ import annotations

import random

from plugrun.api import Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST = 1.0
_LONGEST = 30.0
# A source may ask for more patience than a back-off has, but not for a user's whole day.
_LONGEST_ASKED = 120.0


class Patience:
    """Exponential back-off with jitter; ``pause`` returns true if it was interrupted."""

    def __init__(
        self,
        retries: int,
        pause: Callable[[float], bool],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.retries = retries
        self._pause = pause
        self._jitter = jitter

    def wait(self, failures: int, error: Unreachable) -> None:
        """Pause before try number ``failures`` + 1, or raise the error if that is one too many."""
        asked: float = getattr(error, "after", 0.0)
        if failures > self.retries or asked > _LONGEST_ASKED:
            raise error
        longest = min(_LONGEST, _FIRST * 2.0 ** (failures - 1))
        if self._pause(max(asked, longest * (0.5 + self._jitter() / 2))):
            raise Unreachable("the transport was closed") from error
