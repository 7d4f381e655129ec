"""Commands about containers."""

from __future__ import annotations

from plugrun.cli.options import FILTER, FLAG, INT, STRING, Command, Option
from plugrun.cli.tables.shared import COMMON, FORMAT_F, FORMAT_LIST, NO_TRUNC

PS = Command(
    "ps",
    "[OPTIONS]",
    "List containers",
    (
        Option("all", FLAG, "Show those that do not run, too", "a"),
        Option(
            "filter",
            FILTER,
            "Show only what fits KEY=VALUE (name, status, label …)",
            "f",
            metavar="filter",
        ),
        FORMAT_LIST,
        Option("last", INT, "Show this many of the newest, running or not", "n", -1),
        Option("latest", FLAG, "Show the newest, running or not", "l"),
        NO_TRUNC,
        Option("quiet", FLAG, "Print IDs only", "q"),
    ),
    most=0,
    verb="ps",
    section=COMMON,
    also=("container ls", "container list", "container ps"),
)

KILL = Command(
    "kill",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Send a signal to running containers",
    (Option("signal", STRING, "Signal to send (default KILL)", "s", ""),),
    least=1,
    verb="kill",
    also=("container kill",),
)

LOGS = Command(
    "logs",
    "[OPTIONS] CONTAINER",
    "Print what a container wrote",
    (
        Option("follow", FLAG, "Go on as it writes more", "f"),
        Option("tail", STRING, "Start this many lines before the end", "n", "all"),
        Option("timestamps", FLAG, "Print when each line was written", "t"),
    ),
    least=1,
    most=1,
    verb="logs",
    also=("container logs",),
)

RENAME = Command(
    "rename",
    "CONTAINER NEW_NAME",
    "Give a container another name",
    (),
    least=2,
    most=2,
    verb="rename",
    also=("container rename",),
)

RM = Command(
    "rm",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Remove containers",
    (Option("force", FLAG, "Remove it even if it runs: kill it first", "f"),),
    least=1,
    verb="rm",
    also=("container rm", "container remove"),
)

STOP = Command(
    "stop",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Ask running containers to stop, then kill them",
    (Option("timeout", INT, "Seconds to wait before killing", "t", aliases=("time",)),),
    least=1,
    verb="stop",
    also=("container stop",),
)

WAIT = Command(
    "wait",
    "CONTAINER [CONTAINER...]",
    "Wait until containers stop, and print their exit codes",
    (),
    least=1,
    verb="wait",
    also=("container wait",),
)

CONTAINER_INSPECT = Command(
    "container inspect",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Show all that is known of containers",
    (FORMAT_F,),
    least=1,
    verb="container_inspect",
)

TABLES = (
    PS,
    KILL,
    LOGS,
    RENAME,
    RM,
    STOP,
    WAIT,
    CONTAINER_INSPECT,
)
