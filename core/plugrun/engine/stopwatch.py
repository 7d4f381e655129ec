"""Milliseconds per stage, for ``--timings``."""

from __future__ import annotations

from time import perf_counter_ns


class Stopwatch:
    """Marks the end of each stage; a stage's time is what passed since the mark before."""

    def __init__(self) -> None:
        self._last = perf_counter_ns()
        self.stages: list[tuple[str, float]] = []

    def mark(self, stage: str) -> None:
        """Say that a stage has just ended."""
        now = perf_counter_ns()
        self.stages.append((stage, (now - self._last) / 1e6))
        self._last = now
