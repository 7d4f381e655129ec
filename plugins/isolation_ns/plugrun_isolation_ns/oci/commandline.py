"""The command line of an OCI runtime, as runc has it and as shims and conmon call it.

Source: opencontainers/runtime-tools docs/command-line-interface.md, and runc(8) for what engines
use beyond it. Words are read by hand: each container costs an engine five calls or more.
"""

from __future__ import annotations

from plugrun.api import UsageError, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


@record
class Command:
    """What a command takes: options with a value, switches, and how many arguments."""

    summary: str
    arguments: str
    least: int
    most: int
    values: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()


@record
class Line:
    """A command line, read. Options are without their dashes; one given twice keeps both."""

    command: str
    options: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Whether an option was given."""
        return any(given == name for given, _ in self.options)

    def value(self, name: str, default: str = "") -> str:
        """Return the last value an option was given."""
        return next((text for given, text in reversed(self.options) if given == name), default)

    def every(self, name: str) -> list[str]:
        """Return all values an option was given, in order."""
        return [text for given, text in self.options if given == name]


GLOBAL = Command(
    "",
    "COMMAND",
    0,
    0,
    values=("root", "log", "log-format", "criu", "rootless"),
    switches=("debug", "systemd-cgroup", "version", "help"),
)
_MAKING = ("bundle", "console-socket", "pid-file", "preserve-fds")
_MAKING_SWITCHES = ("no-pivot", "no-new-keyring")
_LIMITS = (
    "resources",
    "blkio-weight",
    "cpu-period",
    "cpu-quota",
    "cpu-share",
    "cpuset-cpus",
    "cpuset-mems",
    "memory",
    "memory-reservation",
    "memory-swap",
    "pids-limit",
)
_EXEC_VALUES = (
    "process",
    "console-socket",
    "pid-file",
    "preserve-fds",
    "cwd",
    "env",
    "user",
    "additional-gids",
    "cap",
    "apparmor",
    "process-label",
)
COMMANDS = {
    "create": Command("make a container", "ID", 1, 1, _MAKING, _MAKING_SWITCHES),
    "start": Command("run the command of a created container", "ID", 1, 1),
    "run": Command(
        "create and start, and wait for its end",
        "ID",
        1,
        1,
        _MAKING,
        (*_MAKING_SWITCHES, "detach", "keep"),
    ),
    "state": Command("print a container's state as JSON", "ID", 1, 1),
    "kill": Command("send a signal to the first process", "ID [SIGNAL]", 1, 2, (), ("all",)),
    "delete": Command("remove what a stopped container left", "ID", 1, 1, (), ("force",)),
    "exec": Command(
        "execute one more command in a container",
        "ID [COMMAND [ARG...]]",
        1,
        -1,
        _EXEC_VALUES,
        ("detach", "tty", "no-new-privs", "ignore-paused"),
    ),
    "pause": Command("stop every process where it is", "ID", 1, 1),
    "resume": Command("let the processes of a paused container go on", "ID", 1, 1),
    "update": Command("change a container's limits", "ID", 1, 1, _LIMITS),
    "events": Command("print what a container uses", "ID", 1, 1, ("interval",), ("stats",)),
    "ps": Command("list a container's processes", "ID [PS OPTION...]", 1, -1, ("format",)),
    "list": Command("list the containers of this root", "", 0, 0, ("format",), ("quiet",)),
    "features": Command("print what this runtime can do as JSON", "", 0, 0),
}
_SHORT = {
    "b": "bundle",
    "d": "detach",
    "t": "tty",
    "e": "env",
    "u": "user",
    "g": "additional-gids",
    "c": "cap",
    "p": "process",
    "a": "all",
    "f": "force",
    "q": "quiet",
    "r": "resources",
    "v": "version",
    "h": "help",
}
# One letter means another word where there is a format.
_SHORT_OF = {"ps": {"f": "format"}, "list": {"f": "format"}}


def parse(words: Sequence[str]) -> tuple[Line, Line]:
    """Return the global part of a command line and the command's own; UsageError if it is wrong."""
    known = {"global": GLOBAL, **COMMANDS}
    options, rest = _options("global", known["global"], words, mixed=False)
    own = Line("", tuple(options), ())
    if not rest or own.has("help") or own.has("version"):
        return own, Line(rest[0] if rest else "", (), ())
    name = rest[0]
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r}", hint="plugrun-oci --help lists them")
    command = COMMANDS[name]
    options, arguments = _options(name, command, rest[1:], mixed=command.most >= 0)
    line = Line(name, tuple(options), tuple(arguments))
    if not line.has("help"):
        _check_count(name, command, arguments)
    return own, line


def _check_count(name: str, command: Command, arguments: Sequence[str]) -> None:
    if len(arguments) < command.least:
        raise UsageError(f"{name} needs an argument: plugrun-oci {name} {command.arguments}")
    if 0 <= command.most < len(arguments):
        raise UsageError(f"{name}: there is an argument too many: {arguments[command.most]!r}")


def _options(
    name: str, command: Command, words: Sequence[str], *, mixed: bool
) -> tuple[list[tuple[str, str]], list[str]]:
    """Split words; ``mixed`` lets options come behind arguments, as they do in kill ID KILL -a."""
    options: list[tuple[str, str]] = []
    arguments: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return options, arguments + rest
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            if not mixed:
                return options, arguments + rest
            continue
        options.append(_option(name, command, word, rest))
    return options, arguments


def _option(name: str, command: Command, word: str, rest: list[str]) -> tuple[str, str]:
    given, equals, value = word.lstrip("-").partition("=")
    option = given
    if len(given) == 1:
        option = {**_SHORT, **_SHORT_OF.get(name, {})}.get(given, given)
    if option in command.switches or option == "help":
        if equals and value not in ("true", "false"):
            raise UsageError(f"{word}: --{option} is a switch")
        return (option, "") if value != "false" else (f"no {option}", "")
    if option not in command.values:
        raise UsageError(f"{name}: there is no option {word}".removeprefix("global: "))
    if equals:
        return option, value
    if not rest:
        raise UsageError(f"{word} needs a value")
    return option, rest.pop(0)


def help_text(command: str = "") -> str:
    """Return the help of one command, or of all."""
    if command:
        found = COMMANDS[command]
        lines = [f"plugrun-oci {command} [OPTIONS] {found.arguments}".rstrip(), "", found.summary]
        lines += ["", *(f"  --{name} VALUE" for name in found.values)]
        lines += [f"  --{name}" for name in found.switches]
        return "\n".join(lines)
    lines = ["plugrun-oci [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]", ""]
    lines += [f"  {name:<10}{found.summary}" for name, found in COMMANDS.items()]
    lines += ["", *(f"  --{name} VALUE" for name in GLOBAL.values)]
    lines += [f"  --{name}" for name in GLOBAL.switches]
    return "\n".join(lines)
