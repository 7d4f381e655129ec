"""Restart policies that Docker refuses, and why."""

from __future__ import annotations

from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.upkeep import RestartPolicy

_NAMES = ("no", "always", "unless-stopped", "on-failure")


def check_restart(policy: RestartPolicy) -> None:
    """Raise InvalidArgument, in Docker's words, for a policy that is none."""
    if policy.name not in _NAMES:
        raise InvalidArgument(
            f"invalid restart policy '{policy.name}'", hint=f"choose one of {', '.join(_NAMES)}"
        )
    if policy.name != "on-failure" and policy.most:
        raise InvalidArgument(
            f"maximum retry count cannot be used with restart policy '{policy.name}'"
        )
    if policy.most < 0:
        raise InvalidArgument("maximum retry count cannot be negative")
