"""Commands about storages: where the files of images and containers lie."""

from __future__ import annotations

from plugrun.cli.options import FLAG, STRING, Command, Option
from plugrun.cli.tables.shared import FORMAT_LIST

LS = Command(
    "storage ls",
    "[OPTIONS]",
    "List the storages that keep something here",
    (FORMAT_LIST, Option("quiet", FLAG, "Print names only", "q")),
    most=0,
    verb="storage_ls",
    also=("storage list",),
)

MIGRATE = Command(
    "storage migrate",
    "[OPTIONS] [CONTAINER|IMAGE...]",
    "Move stopped containers and images to another storage",
    (
        Option("all", FLAG, "Move all containers and images", "a"),
        Option("dry-run", FLAG, "Only print what would be moved"),
        Option("from", STRING, "Move only what lies in this storage", default=""),
        Option("quiet", FLAG, "Print the names of what was moved only", "q"),
        Option("to", STRING, "Move it there (default: the profile's storage)", default=""),
    ),
    verb="storage_migrate",
)

TABLES = (LS, MIGRATE)
