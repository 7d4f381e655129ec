"""Commands about containers."""

from __future__ import annotations

from plugrun.cli.options import (
    BYTES,
    DECIMAL,
    FILTER,
    FLAG,
    INT,
    STRING,
    SWAP,
    UINT16,
    Command,
    Option,
)
from plugrun.cli.tables.shared import (
    COMMON,
    FILTER_PRUNE,
    FORCE_PRUNE,
    FORMAT_F,
    FORMAT_LIST,
    NO_TRUNC,
    SIZE,
)

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
        Option("size", FLAG, "Show how much each takes", "s"),
    ),
    most=0,
    verb="ps",
    section=COMMON,
    also=("container ls", "container list", "container ps"),
)

ATTACH = Command(
    "attach",
    "[OPTIONS] CONTAINER",
    "Join the first process of a running container",
    (
        Option("detach-keys", STRING, "Keys that leave the container running", default=""),
        Option("no-stdin", FLAG, "Do not pass standard input on"),
        Option("sig-proxy", FLAG, "Pass signals on to the process", default=True),
    ),
    least=1,
    most=1,
    verb="attach",
    also=("container attach",),
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
        Option("details", FLAG, "Print what --log-opt labels, env and tag add to each line"),
        Option("follow", FLAG, "Go on as it writes more", "f"),
        Option("since", STRING, "Begin at this time, or this long ago (10m)", default=""),
        Option("tail", STRING, "Start this many lines before the end", "n", "all"),
        Option("timestamps", FLAG, "Print when each line was written", "t"),
        Option("until", STRING, "End at this time, or this long ago", default=""),
    ),
    least=1,
    most=1,
    verb="logs",
    also=("container logs",),
)

PAUSE = Command(
    "pause",
    "CONTAINER [CONTAINER...]",
    "Freeze all processes of containers",
    (),
    least=1,
    verb="pause",
    also=("container pause",),
)

PORT = Command(
    "port",
    "CONTAINER [PRIVATE_PORT[/PROTO]]",
    "Show where a container's ports are published",
    (),
    least=1,
    most=2,
    verb="port",
    also=("container port",),
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
    (
        Option("force", FLAG, "Remove it even if it runs: kill it first", "f"),
        Option("volumes", FLAG, "Remove its anonymous volumes too", "v"),
    ),
    least=1,
    verb="rm",
    also=("container rm", "container remove"),
)

STATS = Command(
    "stats",
    "[OPTIONS] [CONTAINER...]",
    "Show what containers use, every second",
    (
        Option("all", FLAG, "Show those that do not run, too", "a"),
        FORMAT_LIST,
        Option("no-stream", FLAG, "Show it once, and end"),
        NO_TRUNC,
    ),
    verb="stats",
    also=("container stats",),
)

_SIGNAL = Option("signal", STRING, "Signal that asks the container to stop", "s", "")
_TIMEOUT = Option("timeout", INT, "Seconds to wait before killing", "t", aliases=("time",))

RESTART = Command(
    "restart",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Stop containers that run, and start them",
    (_SIGNAL, _TIMEOUT),
    least=1,
    verb="restart",
    also=("container restart",),
)

STOP = Command(
    "stop",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Ask running containers to stop, then kill them",
    (_SIGNAL, _TIMEOUT),
    least=1,
    verb="stop",
    also=("container stop",),
)

TOP = Command(
    "top",
    "CONTAINER [ps OPTIONS]",
    "Show the processes of a container",
    (),
    least=1,
    mixed=False,
    verb="top",
    also=("container top",),
)

UNPAUSE = Command(
    "unpause",
    "CONTAINER [CONTAINER...]",
    "Let frozen containers go on",
    (),
    least=1,
    verb="unpause",
    also=("container unpause",),
)

UPDATE = Command(
    "update",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Change limits and restart policy of containers",
    (
        Option("blkio-weight", UINT16, "Share of block I/O, 10 to 1000"),
        Option("cpu-period", INT, "Length of a CPU quota's period in microseconds"),
        Option("cpu-quota", INT, "CPU time in each period in microseconds (-1 for no limit)"),
        Option("cpu-shares", INT, "Share of CPU time, relative to others", "c"),
        Option("cpus", DECIMAL, "Limit the number of CPUs"),
        Option("cpuset-cpus", STRING, "CPUs to run on (0-3, 0,1)"),
        Option("cpuset-mems", STRING, "Memory nodes to use (0-3, 0,1)"),
        Option("memory", BYTES, "Limit memory", "m"),
        Option("memory-reservation", BYTES, "Memory to be kept to when it is scarce"),
        Option(
            "memory-swap",
            SWAP,
            "Limit memory and swap together (-1 for no limit)",
            metavar="bytes",
        ),
        Option("pids-limit", INT, "Limit the number of processes (-1 for no limit)"),
        Option("restart", STRING, "When to start it again after its end"),
    ),
    least=1,
    verb="update",
    also=("container update",),
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

CONTAINER_PRUNE = Command(
    "container prune",
    "[OPTIONS]",
    "Remove all stopped containers",
    (FILTER_PRUNE, FORCE_PRUNE),
    most=0,
    verb="container_prune",
)

CONTAINER_INSPECT = Command(
    "container inspect",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Show all that is known of containers",
    (FORMAT_F, SIZE),
    least=1,
    verb="container_inspect",
)

TABLES = (
    ATTACH,
    PS,
    KILL,
    LOGS,
    PAUSE,
    PORT,
    RENAME,
    RESTART,
    RM,
    STATS,
    STOP,
    TOP,
    UNPAUSE,
    UPDATE,
    WAIT,
    CONTAINER_INSPECT,
    CONTAINER_PRUNE,
)
