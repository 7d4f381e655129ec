"""All commands and groups, as data: what ``dispatch``, help and completion are made from."""

from __future__ import annotations

from plugrun.cli.options import CREATE, EXEC, RUN, START, Command
from plugrun.cli.tables import (
    builds,
    containers,
    files,
    images,
    matrix,
    networks,
    plugin,
    registries,
    storage,
    system,
    volumes,
)

GROUPS = {
    "builder": "Build images, and see to what builds keep",
    "buildx": "The same, under its name in Docker's plugin",
    "config": "See the configuration",
    "container": "Work with containers",
    "image": "Work with images",
    "network": "Work with networks",
    "plugin": "Write plugins and hold them against their contract",
    "registry": "Work with the images of a registry's repository",
    "storage": "Work with storages: where images and containers keep their files",
    "system": "Work with this installation",
    "volume": "Work with volumes",
}

# Names with a space stand in a group.
COMMANDS = (
    RUN,
    EXEC,
    CREATE,
    START,
    *builds.TABLES,
    *containers.TABLES,
    *images.TABLES,
    *volumes.TABLES,
    *networks.TABLES,
    *storage.TABLES,
    *files.TABLES,
    *registries.TABLES,
    *system.TABLES,
    *matrix.TABLES,
    *plugin.TABLES,
)

# Names that work and are not listed in their group.
UNLISTED = frozenset(
    (
        "container list",
        "container ps",
        "container remove",
        "image list",
        "image remove",
        "network list",
        "network remove",
        "storage list",
        "volume list",
        "volume remove",
    )
)


def by_path() -> dict[str, Command]:
    """Return every place a command stands at, with the command."""
    return {path: command for command in COMMANDS for path in (command.name, *command.also)}
