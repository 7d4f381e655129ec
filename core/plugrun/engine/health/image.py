"""The health check that an image brings, with what a request says over it.

Source: the Healthcheck of Docker's image config (docs.docker.com/reference/dockerfile); durations
are nanoseconds.
"""

from __future__ import annotations

from plugrun.model.upkeep import HealthCheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def merged_health(raw: Any, given: HealthCheck) -> HealthCheck:
    """Return the image's check with every field that was given in its place."""
    if not isinstance(raw, dict):
        return given
    return HealthCheck(
        test=given.test or _words(raw.get("Test")),
        interval_ns=given.interval_ns or _number(raw, "Interval"),
        timeout_ns=given.timeout_ns or _number(raw, "Timeout"),
        start_period_ns=given.start_period_ns or _number(raw, "StartPeriod"),
        start_interval_ns=given.start_interval_ns or _number(raw, "StartInterval"),
        retries=given.retries or _number(raw, "Retries"),
    )


def _words(value: Any) -> tuple[str, ...]:
    fits = isinstance(value, list) and all(isinstance(word, str) for word in value)
    return tuple(value) if fits else ()


def _number(raw: Mapping[str, Any], key: str) -> int:
    """Return a number that an image says; what is none, or negative, counts as not said."""
    value = raw.get(key)
    return value if isinstance(value, int) and value > 0 else 0
