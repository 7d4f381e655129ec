"""The command line as data: what an option and a command are, and the tables of the hot commands.

The parser (``fastparse``), help and completion are made from these records; ``commands`` has the
other tables. Names, short forms and metavars are Docker's.
"""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Kinds of value. `flag` takes none, or one after `=`; those from `stream` on are of rare options.
FLAG = "flag"
STRING = "string"
INT = "int"
BYTES = "bytes"
DECIMAL = "decimal"
LIST = "list"
ENV = "env"
LABEL = "label"
FILTER = "filter"
ATTACH = "stream"
DEVICE_RULE = "device-rule"
DNS = "ip"
DOMAIN = "domain"
DURATION = "duration"
HOST = "host"
LINK = "link"
NETWORK = "network"
MOUNT = "mount"
SWAP = "swap"
SYSCTL = "sysctl"
UINT16 = "uint16"
ULIMIT = "ulimit"
WEIGHT = "device-weight"
BPS = "device-bps"
IOPS = "device-iops"
REPEATED = frozenset(
    (
        LIST,
        ENV,
        LABEL,
        FILTER,
        ATTACH,
        DEVICE_RULE,
        DNS,
        DOMAIN,
        HOST,
        LINK,
        MOUNT,
        NETWORK,
        SYSCTL,
        ULIMIT,
        WEIGHT,
        BPS,
        IOPS,
    )
)


@record
class Option:
    """One option. ``default`` None is "not said"; ``aliases`` are more long names, not shown."""

    name: str
    kind: str
    help: str
    short: str = ""
    default: Any = None
    metavar: str = ""
    aliases: tuple[str, ...] = ()
    hidden: bool = False

    @property
    def dest(self) -> str:
        """The key of the option's value."""
        return self.name.replace("-", "_")

    @property
    def missing(self) -> Any:
        """The value if the option is not given."""
        if self.kind in REPEATED:
            return ()
        return False if self.kind == FLAG and self.default is None else self.default

    @property
    def shown(self) -> str:
        """How messages name the option: ``-m, --memory``."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


@record
class Command:
    """One command.

    ``verb`` is the module in ``plugrun.cli.verbs`` that does it. ``most`` -1 is any number of
    arguments. ``mixed`` is whether options may follow arguments. ``also`` are the other places it
    stands at, as ``container ls``; ``section`` is its heading in the root's help. ``rare`` names
    the module that has more options than ``options``, which a command line without any of them
    does not load.
    """

    name: str
    usage: str
    help: str
    options: tuple[Option, ...]
    least: int = 0
    most: int = -1
    mixed: bool = True
    verb: str = ""
    section: str = "Commands"
    also: tuple[str, ...] = ()
    rare: str = ""

    @property
    def every(self) -> tuple[Option, ...]:
        """All options, the rare ones too."""
        if not self.rare:
            return self.options
        module = __import__(f"plugrun.cli.{self.rare}", fromlist=["OPTIONS"])
        return (*self.options, *module.OPTIONS)


@record
class Parsed:
    """A command line taken apart; ``help`` is that ``--help`` was met, and nothing was checked.

    ``rare`` says that a rare option was met; without it ``values`` has no key for any of them.
    """

    values: Mapping[str, Any]
    args: tuple[str, ...]
    help: bool = False
    rare: bool = False


_INTERACTIVE = Option("interactive", FLAG, "Keep standard input open", "i")
_TTY = Option("tty", FLAG, "Give the process a terminal", "t")
_ENV = Option("env", ENV, "Set an environment variable, or pass on the caller's", "e")
_ENV_FILE = Option("env-file", LIST, "Read environment variables from a file")
_USER = Option("user", STRING, "Run as this user or UID, with an optional group", "u", "")
_WORKDIR = Option("workdir", STRING, "Directory to start in, inside the container", "w", "")

_DETACH_KEYS = Option(
    "detach-keys", STRING, "Keys that leave the container without ending it", default=""
)

# What `run` and `create` share and is often given; `rareoptions` has the rest.
CREATE_OPTIONS = (
    Option("cidfile", STRING, "Write the container's ID to this file", default=""),
    Option("cpus", DECIMAL, "Limit to this many CPUs", default=0),
    Option("entrypoint", STRING, "Execute this instead of the image's entrypoint"),
    _ENV,
    _ENV_FILE,
    Option("hostname", STRING, "The container's host name", "h", ""),
    Option("init", FLAG, "Start a small init that passes signals on and reaps processes"),
    _INTERACTIVE,
    Option("label", LABEL, "Attach a label to the container", "l"),
    Option("memory", BYTES, "Limit memory", "m", 0),
    Option("name", STRING, "Give the container a name", default=""),
    Option(
        "network",
        NETWORK,
        "Network to join: none, host, container:NAME, or a network's name",
        metavar="network",
        aliases=("net",),
    ),
    Option("pids-limit", INT, "Limit the number of processes (-1 for no limit)", default=0),
    Option("platform", STRING, "Choose the image for this platform", default=""),
    Option("publish", LIST, "Let a port be reached on this machine: [IP:][PORT:]PORT", "p"),
    Option("publish-all", FLAG, "Do so for all exposed ports, each at any that is free", "P"),
    Option("pull", STRING, 'When to pull: "always", "missing" or "never"', default="missing"),
    Option("quiet", FLAG, "Print nothing while pulling", "q"),
    Option("read-only", FLAG, "Mount the root filesystem read-only"),
    Option("rm", FLAG, "Remove the container when it exits"),
    Option("stop-signal", STRING, "Signal that asks the container to stop", default=""),
    Option("stop-timeout", INT, "Seconds from the stop signal to SIGKILL (-1: no end)"),
    _TTY,
    _USER,
    Option("volume", LIST, "Mount a path of this machine, or a volume", "v"),
    _WORKDIR,
)

RUN = Command(
    "run",
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Make a new container of an image and run a command in it",
    (
        *CREATE_OPTIONS,
        Option(
            "cid-fd", INT, "Write the container's ID to this descriptor", default=-1, hidden=True
        ),
        Option("detach", FLAG, "Run in the background and print the container's ID", "d"),
        _DETACH_KEYS,
        Option("explain", FLAG, "Print what would be done, and why, and do nothing"),
        Option("sig-proxy", FLAG, "Pass signals on to the process", default=True),
        Option("timings", FLAG, "Print to standard error how long each stage took"),
    ),
    least=1,
    mixed=False,
    verb="run",
    section="Common Commands",
    also=("container run",),
    rare="rareoptions",
)

CREATE = Command(
    "create",
    RUN.usage,
    "Make a new container of an image, and start nothing",
    CREATE_OPTIONS,
    least=1,
    mixed=False,
    verb="create",
    also=("container create",),
    rare="rareoptions",
)

EXEC = Command(
    "exec",
    "[OPTIONS] CONTAINER COMMAND [ARG...]",
    "Execute a command in a running container",
    (
        Option("detach", FLAG, "Run it in the background", "d"),
        _DETACH_KEYS,
        _ENV,
        _ENV_FILE,
        _INTERACTIVE,
        Option("privileged", FLAG, "Let the command do what root may on this machine"),
        _TTY,
        _USER,
        _WORKDIR,
    ),
    least=2,
    mixed=False,
    verb="exec",
    section="Common Commands",
    also=("container exec",),
)

START = Command(
    "start",
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Start containers that are stopped",
    (
        Option("attach", FLAG, "Show its output, and pass signals on", "a"),
        Option("detach-keys", STRING, "Keys that leave the container running", default=""),
        Option("interactive", FLAG, "Pass standard input on", "i"),
    ),
    least=1,
    verb="start",
    also=("container start",),
)

ROOT = Command(
    "",
    "[OPTIONS] COMMAND [ARG...]",
    "A container engine with Docker's habits whose backends are parts you choose",
    (
        Option("config", STRING, "Configuration file (PLUGRUN_CONFIG)", default=""),
        Option("debug", FLAG, "Show tracebacks", "D"),
        Option("profile", STRING, "Profile that picks the backends (PLUGRUN_PROFILE)", default=""),
        Option("root", STRING, "Where images and containers are kept (PLUGRUN_ROOT)", default=""),
        Option("run-root", STRING, "Where running state is kept (PLUGRUN_RUN_ROOT)", default=""),
        Option("version", FLAG, "Print the version and quit", "v"),
    ),
    mixed=False,
    rare="daemonoptions",
)

_TABLES = (RUN, EXEC, CREATE, START)
HOT = {(*group, table.name): table for table in _TABLES for group in ((), ("container",))}
