"""All commands and groups, as data. ``plugrun --help`` and click's commands are made from this."""

from __future__ import annotations

from plugrun.cli.options import EXEC, FILTER, FLAG, INT, RUN, STRING, Command, Option

COMMON = "Common Commands"
MANAGEMENT = "Management Commands"
OTHER = "Commands"
SECTIONS = (COMMON, MANAGEMENT, OTHER)

_FORMAT_LIST = Option(
    "format", STRING, "Print with a Go template, 'table TEMPLATE' or 'json'", default=""
)
_FORMAT = Option("format", STRING, "Print with a Go template or 'json'", default="")
_FORMAT_F = Option("format", STRING, "Print with a Go template or 'json'", "f", "")
_NO_TRUNC = Option("no-trunc", FLAG, "Print everything in full")

_PULL = Command(
    "pull",
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    "Download an image from a registry",
    (
        Option("platform", STRING, "Take the image for this platform", default=""),
        Option("quiet", FLAG, "Print the image's name only", "q"),
    ),
    least=1,
    most=1,
    verb="pull",
    section=COMMON,
    also=("image pull",),
)

_PS = Command(
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
        _FORMAT_LIST,
        Option("last", INT, "Show this many of the newest, running or not", "n", -1),
        Option("latest", FLAG, "Show the newest, running or not", "l"),
        _NO_TRUNC,
        Option("quiet", FLAG, "Print IDs only", "q"),
    ),
    most=0,
    verb="ps",
    section=COMMON,
    also=("container ls", "container list", "container ps"),
)

_IMAGES = Command(
    "images",
    "[OPTIONS] [REPOSITORY[:TAG]]",
    "List images",
    (
        Option("all", FLAG, "Show all images (none are hidden so far)", "a"),
        Option("digests", FLAG, "Show digests"),
        _FORMAT_LIST,
        _NO_TRUNC,
        Option("quiet", FLAG, "Print IDs only", "q"),
    ),
    most=1,
    verb="images",
    section=COMMON,
    also=("image ls", "image list"),
)

_VERSION = Command(
    "version",
    "[OPTIONS]",
    "Show the versions of plugrun and what it stands on",
    (_FORMAT_F,),
    most=0,
    verb="version",
    section=COMMON,
)

_INFO = Command(
    "info",
    "[OPTIONS]",
    "Show this installation: its root, profile and backends",
    (_FORMAT_F,),
    most=0,
    verb="info",
    section=COMMON,
)

_INSPECT = Command(
    "inspect",
    "[OPTIONS] NAME|ID [NAME|ID...]",
    "Show all that is known of containers and images",
    (_FORMAT_F, Option("type", STRING, "Look for this type only: container or image", default="")),
    least=1,
    verb="inspect",
)

_KILL = Command(
    "kill",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Send a signal to running containers",
    (Option("signal", STRING, "Signal to send (default KILL)", "s", ""),),
    least=1,
    verb="kill",
    also=("container kill",),
)

_LOGS = Command(
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

_RM = Command(
    "rm",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Remove containers",
    (Option("force", FLAG, "Remove it even if it runs: kill it first", "f"),),
    least=1,
    verb="rm",
    also=("container rm", "container remove"),
)

_RMI = Command(
    "rmi",
    "[OPTIONS] IMAGE [IMAGE...]",
    "Remove images",
    (Option("force", FLAG, "Remove it even if a stopped container uses it", "f"),),
    least=1,
    verb="rmi",
    also=("image rm", "image remove"),
)

_STOP = Command(
    "stop",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Ask running containers to stop, then kill them",
    (Option("timeout", INT, "Seconds to wait before killing", "t", aliases=("time",)),),
    least=1,
    verb="stop",
    also=("container stop",),
)

_WAIT = Command(
    "wait",
    "CONTAINER [CONTAINER...]",
    "Wait until containers stop, and print their exit codes",
    (),
    least=1,
    verb="wait",
    also=("container wait",),
)

_PLUGINS = Command(
    "plugins",
    "[OPTIONS]",
    "List backends: what is installed, what works here and why not",
    (_FORMAT, Option("rescan", FLAG, "Look for plugins afresh")),
    most=0,
    verb="plugins",
)

_CONFIG_SHOW = Command(
    "config show",
    "[OPTIONS]",
    "Print the profile in force",
    (Option("origin", FLAG, "Show which file each value comes from"),),
    most=0,
    verb="config_show",
)

_CONTAINER_INSPECT = Command(
    "container inspect",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Show all that is known of containers",
    (_FORMAT_F,),
    least=1,
    verb="container_inspect",
)

_IMAGE_INSPECT = Command(
    "image inspect",
    "[OPTIONS] IMAGE [IMAGE...]",
    "Show all that is known of images",
    (_FORMAT_F,),
    least=1,
    verb="image_inspect",
)

GROUPS = {
    "config": "See the configuration",
    "container": "Work with containers",
    "image": "Work with images",
}

# In the order of the root's help; names with a space stand in a group.
COMMANDS = (
    RUN,
    EXEC,
    _PS,
    _PULL,
    _IMAGES,
    _VERSION,
    _INFO,
    _INSPECT,
    _KILL,
    _LOGS,
    _PLUGINS,
    _RM,
    _RMI,
    _STOP,
    _WAIT,
    _CONFIG_SHOW,
    _CONTAINER_INSPECT,
    _IMAGE_INSPECT,
)

# Names that work and are not listed in their group.
UNLISTED = frozenset(
    ("container list", "container ps", "container remove", "image list", "image remove")
)


def by_path() -> dict[str, Command]:
    """Return every place a command stands at, with the command."""
    return {path: command for command in COMMANDS for path in (command.name, *command.also)}
