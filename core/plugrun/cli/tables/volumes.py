"""Commands about volumes."""

from __future__ import annotations

from plugrun.cli.options import FILTER, FLAG, LABEL, LIST, STRING, Command, Option
from plugrun.cli.tables.shared import FORCE_RM, FORMAT_F, FORMAT_LIST

CREATE = Command(
    "volume create",
    "[OPTIONS] [VOLUME]",
    "Make a volume",
    (
        Option("driver", STRING, "Who keeps the volume: local", "d", "local"),
        Option("label", LABEL, "Attach a label to the volume"),
        Option("name", STRING, "The volume's name", default="", hidden=True),
        Option("opt", LIST, "Option of the driver: type, device or o, as KEY=VALUE", "o"),
    ),
    most=1,
    verb="volume_create",
)

INSPECT = Command(
    "volume inspect",
    "[OPTIONS] VOLUME [VOLUME...]",
    "Show all that is known of volumes",
    (FORMAT_F,),
    least=1,
    verb="volume_inspect",
)

LS = Command(
    "volume ls",
    "[OPTIONS]",
    "List volumes",
    (
        Option(
            "filter",
            FILTER,
            "Show only what fits KEY=VALUE (dangling, driver, label, name)",
            "f",
            metavar="filter",
        ),
        FORMAT_LIST,
        Option("quiet", FLAG, "Print names only", "q"),
    ),
    most=0,
    verb="volume_ls",
    also=("volume list",),
)

PRUNE = Command(
    "volume prune",
    "[OPTIONS]",
    "Remove volumes that no container uses",
    (
        Option("all", FLAG, "Remove those with a name too, not only anonymous ones", "a"),
        Option(
            "filter", FILTER, "Remove only what fits KEY=VALUE (label, label!)", metavar="filter"
        ),
        Option("force", FLAG, "Do not ask", "f"),
    ),
    most=0,
    verb="volume_prune",
)

RM = Command(
    "volume rm",
    "[OPTIONS] VOLUME [VOLUME...]",
    "Remove volumes that no container uses",
    (FORCE_RM,),
    least=1,
    verb="volume_rm",
    also=("volume remove",),
)

TABLES = (CREATE, INSPECT, LS, PRUNE, RM)
