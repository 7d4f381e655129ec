"""Who hears what a build is at."""

from __future__ import annotations


class BuildObserver:
    """Hears of a build's steps in the process that builds; here it does nothing.

    A step is named by ``number``, from 1 in the order in which they are told of.
    """

    def begin(self, number: int, name: str) -> None:
        """A step has begun; ``name`` is ``[builder 2/4] RUN make``."""

    def cached(self, number: int) -> None:
        """It had been done before."""

    def output(self, number: int, data: bytes) -> None:
        """It has written something."""

    def done(self, number: int, seconds: float) -> None:
        """It is done."""

    def failed(self, number: int, seconds: float, message: str) -> None:
        """It has failed."""

    def cancelled(self, number: int) -> None:
        """It was given up, as another had failed."""

    def warning(self, text: str) -> None:
        """The Dockerfile has something that its author may want to change."""
