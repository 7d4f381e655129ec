"""What a container's monitor keeps up: restart policy, health check, log. As Docker has them."""

from __future__ import annotations

from plugrun.model.record import record


@record
class RestartPolicy:
    """``name`` is no, on-failure, always or unless-stopped; ``most`` 0 is any number of times."""

    name: str = "no"
    most: int = 0


@record
class HealthCheck:
    """The image spec's Healthcheck. Times in nanoseconds; 0 is Docker's default.

    ``test`` is empty for none, or begins with NONE, CMD or CMD-SHELL.
    """

    test: tuple[str, ...] = ()
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@record
class LogConfig:
    """Where output goes: json-file or none; options as they were given."""

    driver: str = "json-file"
    options: tuple[tuple[str, str], ...] = ()
