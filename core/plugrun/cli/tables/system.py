"""Commands about this installation, and those about any kind of object."""

from __future__ import annotations

from plugrun.cli.options import FILTER, FLAG, LIST, STRING, Command, Option
from plugrun.cli.tables.shared import (
    COMMON,
    FILTER_PRUNE,
    FORCE_PRUNE,
    FORMAT,
    FORMAT_F,
    FORMAT_LIST,
    SIZE,
)

VERSION = Command(
    "version",
    "[OPTIONS]",
    "Show the versions of plugrun and what it stands on",
    (FORMAT_F,),
    most=0,
    verb="version",
    section=COMMON,
)

INFO = Command(
    "info",
    "[OPTIONS]",
    "Show this installation: its root, profile and backends",
    (FORMAT_F,),
    most=0,
    verb="info",
    section=COMMON,
    also=("system info",),
)

INSPECT = Command(
    "inspect",
    "[OPTIONS] NAME|ID [NAME|ID...]",
    "Show all that is known of containers, images, networks and volumes",
    (
        FORMAT_F,
        SIZE,
        Option("type", STRING, "Look for this type only: container, image, network or volume"),
    ),
    least=1,
    verb="inspect",
)

SYSTEM_DF = Command(
    "system df",
    "[OPTIONS]",
    "Show how much images, containers and volumes take",
    (FORMAT_LIST, Option("verbose", FLAG, "Show each of them", "v")),
    most=0,
    verb="system_df",
)

SYSTEM_CHECK = Command(
    "system check",
    "[OPTIONS]",
    "Look for damage and leftovers; the exit code is 1 if there are any",
    (
        FORMAT_LIST,
        Option("quick", FLAG, "Do not read blobs to verify their digests"),
        Option("repair", FLAG, "Repair what can be; the exit code is 1 if anything is left"),
    ),
    most=0,
    verb="system_check",
)

SYSTEM_PRUNE = Command(
    "system prune",
    "[OPTIONS]",
    "Remove all that nobody uses",
    (
        Option("all", FLAG, "Remove images with names, too, if no container has them", "a"),
        FILTER_PRUNE,
        FORCE_PRUNE,
        Option("volumes", FLAG, "Remove anonymous volumes, too"),
    ),
    most=0,
    verb="system_prune",
)

COMPLETION = Command(
    "completion",
    "SHELL",
    "Print the script that bash, zsh or fish completes command lines with",
    (),
    least=1,
    most=1,
    verb="completion",
)

PLUGINS = Command(
    "plugins",
    "[OPTIONS]",
    "List backends: what is installed, what works here and why not",
    (FORMAT, Option("rescan", FLAG, "Look for plugins afresh")),
    most=0,
    verb="plugins",
)

DOCTOR = Command(
    "doctor",
    "[OPTIONS]",
    "Say what this machine can do, and what to do about what it cannot",
    (
        Option("json", FLAG, "Print one JSON document"),
        Option("offline", FLAG, "Ask no registry"),
        Option("registry", LIST, "Ask this registry (default: docker.io)", metavar="host"),
    ),
    most=0,
    verb="doctor",
)

CONFIG_SHOW = Command(
    "config show",
    "[OPTIONS]",
    "Print the profile in force",
    (Option("origin", FLAG, "Show which file each value comes from"),),
    most=0,
    verb="config_show",
)

EVENTS = Command(
    "events",
    "[OPTIONS]",
    "Show what happens, as it happens",
    (
        Option("filter", FILTER, "Show only what fits KEY=VALUE", "f", metavar="filter"),
        FORMAT,
        Option("since", STRING, "Begin at this time, or this long ago (10m)", default=""),
        Option("until", STRING, "End at this time", default=""),
    ),
    most=0,
    verb="events",
    also=("system events",),
)

TABLES = (
    EVENTS,
    VERSION,
    INFO,
    INSPECT,
    PLUGINS,
    DOCTOR,
    COMPLETION,
    SYSTEM_CHECK,
    SYSTEM_DF,
    SYSTEM_PRUNE,
    CONFIG_SHOW,
)
