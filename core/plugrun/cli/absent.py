"""Docker's commands that are not here, and what is done instead; loaded for unknown words only."""

from __future__ import annotations

_SWARM = "plugrun works on one machine: there is no swarm"
_BUILDERS = "there are no builders to choose from: plugrun build does it all"
_PLUGINS = "plugins are Python packages: plugrun plugins lists them, pip installs and removes them"

BY_PATH = {
    "builder du": "plugrun system df -v shows what builds keep",
    "buildx bake": "plugrun build --target makes one target at a time",
    "buildx du": "plugrun system df -v shows what builds keep",
    "checkpoint": "nothing here freezes a container to disk; plugrun pause keeps it in memory",
    "compose": "plugrun run starts one service at a time; on a network of their own (plugrun "
    "network create) containers find each other by name",
    "context": "there is no daemon to choose: --root names another place for images and "
    "containers, and ssh HOST plugrun … works on another machine",
    "manifest": "plugrun copy --all copies an image of many platforms with all that it names",
    "trust": "signatures are not looked at; IMAGE@sha256:… names an exact content",
    **dict.fromkeys(("node", "secret", "service", "stack", "swarm"), _SWARM),
    **dict.fromkeys([f"config {verb}" for verb in ("create", "inspect", "ls", "rm")], _SWARM),
    **dict.fromkeys([f"buildx {verb}" for verb in ("create", "inspect", "ls", "rm")], _BUILDERS),
    **dict.fromkeys([f"buildx {verb}" for verb in ("stop", "use")], _BUILDERS),
    **dict.fromkeys([f"plugin {verb}" for verb in ("create", "disable", "enable")], _PLUGINS),
    **dict.fromkeys([f"plugin {verb}" for verb in ("inspect", "install", "ls", "push")], _PLUGINS),
    **dict.fromkeys([f"plugin {verb}" for verb in ("rm", "set", "upgrade")], _PLUGINS),
}


def instead_of(path: str) -> str:
    """Return why Docker's command of this path is not here; nothing if it is none of Docker's."""
    return BY_PATH.get(path, "")
