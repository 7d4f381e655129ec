"""What a failure looks like: Docker's wording and exit codes, one line and a hint."""

from __future__ import annotations

import errno
import os

from plugrun.cli import output
from plugrun.cli.fastparse import ArgumentCount, FlagError
from plugrun.errors import (
    CannotAttach,
    Detached,
    NoSpace,
    NotATerminal,
    OutputLost,
    PlugrunError,
    UsageError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.cli.options import Command

# Errors of system calls that speak of the machine, and what to do about them.
_MACHINE = {
    errno.ENOSPC: "free some space, or use another --root",
    errno.EDQUOT: "raise the quota, or use another --root",
    errno.EROFS: "choose a place that can be written",
    errno.ENOTDIR: "a part of that path is no folder",
    errno.ENOENT: "a folder of that path is not there",
    errno.EACCES: "look at who may use that place (ls -ld)",
    errno.EIO: "the kernel's log (dmesg) says more about the device",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the system's limit of open files (fs.file-max)",
    errno.ENOMEM: "free some memory",
}

# These too where they name a path: what has none is this program's own affair.
_OF_PATHS = {
    errno.EPERM: "choose another place: its file system or its attributes (lsattr -d) forbid it",
    errno.EISDIR: "name a file: that is a folder",
}

_TOO_FEW = "requires at least"  # where Docker has another verb

INTERRUPTED = 130
BROKEN_PIPE = 141
_ENGINE_FAILED = 125
_OWN_CODES = frozenset((126, 127, INTERRUPTED))
# Commands that make a container: whatever fails before its command runs is 125, as in Docker.
_MAKERS = frozenset(("run", "container run"))
# What these refuse before they ask the engine is said in the same way.
_CREATORS = frozenset(("create", "container create"))


class SaidError(PlugrunError):
    """An error that Docker prints bare, with a code of its own."""

    def __init__(self, message: str, *, hint: str = "", code: int = 1) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = code


def usage_failure(error: FlagError | ArgumentCount, command: Command, path: str) -> int:
    """Print that a command line is wrong, and how it is used; return the exit code."""
    full = f"plugrun {path}".rstrip()
    message = error.message
    more = more_help(path)
    if isinstance(error, ArgumentCount):
        message = f"plugrun: '{full}' {message}"
        more = more_help(path, "See") if _TOO_FEW in error.message else more
    usage = f"Usage:  {full} {command.usage}".rstrip()
    output.error(f"{message}\n\n{usage}\n\n{more}")
    return error.exit_code


def more_help(path: str, verb: str = "Run") -> str:
    """The line that says where to read on."""
    full = f"plugrun {path}".rstrip()
    return f"{verb} '{full} --help' for more information"


def command_failure(error: PlugrunError, path: str) -> int:
    """Print that a command failed; return the exit code."""
    if isinstance(error, (CannotAttach, Detached, NotATerminal, OutputLost)):
        error = SaidError(error.message, hint=error.hint)
    if isinstance(error, SaidError):
        output.error(error.message + (f"\nhint: {error.hint}" if error.hint else ""))
        return error.exit_code
    maker = path in _MAKERS or (path in _CREATORS and isinstance(error, UsageError))
    shown = describe(error, "plugrun" if maker else "Error")
    if maker and error.exit_code != INTERRUPTED:
        shown += f"\n\n{more_help(path)}"
    if error.message:
        output.error(shown)
    return exit_code(error.exit_code, path)


def exit_code(code: int, path: str) -> int:
    """Return the code a failed command ends with."""
    return _ENGINE_FAILED if path in _MAKERS and code not in _OWN_CODES else code


def describe(error: PlugrunError, prefix: str = "Error") -> str:
    """Return an error and its hint as lines."""
    hint = f"\nhint: {error.hint}" if error.hint else ""
    return f"{prefix}: {error.message}{hint}"


def machine_error(error: OSError) -> PlugrunError | None:
    """Return what to say of a failure that is the machine's, not this program's; else None."""
    named = isinstance(error.filename, (str, bytes))
    hints = {**_MACHINE, **_OF_PATHS} if named else _MACHINE
    if error.errno not in hints:
        return None
    where = f"{os.fsdecode(error.filename)}: " if named else ""
    kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else PlugrunError
    return kind(f"{where}{os.strerror(error.errno)}", hint=hints[error.errno])


def internal_failure(error: BaseException, path: str) -> int:
    """Print that this program has a fault; return the exit code."""
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    output.error(
        f"plugrun: internal error: {what}\nhint: run it again as plugrun --debug … to see where"
    )
    return exit_code(1, path)


def show_traceback(error: BaseException) -> None:
    """Print where an error came from, for ``--debug``."""
    import traceback

    output.error("".join(traceback.format_exception(error)).rstrip())
