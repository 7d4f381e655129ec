"""When a restart policy starts a container again. The rules are Docker's."""

from __future__ import annotations

import os

from plugrun.engine.places import halt_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.upkeep import RestartPolicy
    from plugrun.monitor.exitfile import ExitFile


def is_due(policy: RestartPolicy, ended: ExitFile, restarts: int) -> bool:
    """Whether a container that ended by itself is to be started again."""
    if policy.name == "on-failure":
        return ended.exit_code != 0 and (policy.most == 0 or restarts < policy.most)
    return policy.name in ("always", "unless-stopped")


def is_halted(engine: Engine, id: str) -> bool:
    """Whether a user has ended the container, so that it must not be started again."""
    return os.path.exists(halt_path(engine, id))
