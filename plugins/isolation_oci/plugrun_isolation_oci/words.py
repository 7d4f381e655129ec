"""What a runtime says when it fails, as errors of this project with Docker's words and codes."""

from __future__ import annotations

from plugrun.api import CommandNotExecutable, CommandNotFound, IsolationError, loads

# What runtimes put before the reason, each of them naming itself.
_LEADS = (
    "exec failed: ",
    "unable to start container process: ",
    "error executing setns process: ",
)
_OPENED = "open executable: "  # crun's
_MISSING = ("executable file not found", "executable file `", "no such file or directory")
_REFUSED = ("permission denied", "is a directory", "exec format error", "not a directory")


def failure(reason: str, name: str, command: str) -> IsolationError:
    """Return the error for a runtime's ``reason`` not to run ``command``, or for something else."""
    text = _plain(reason)
    if not _is_of_command(text, command):
        return IsolationError(f"{name}: {text}", hint=_hint(text))
    low = text.lower()
    if "not found in $path" in low and "/" in command:
        return CommandNotFound(f'exec: "{command}": stat {command}: no such file or directory')
    if "not found in $path" in low:
        return CommandNotFound(f'exec: "{command}": executable file not found in $PATH')
    if text.startswith(_OPENED):
        reason = low[len(_OPENED) :].replace("operation not permitted", "permission denied")
        text = low = f'exec: "{command}": {reason}'
    if any(words in low for words in _MISSING):
        return CommandNotFound(text)
    if any(words in low for words in _REFUSED):
        return CommandNotExecutable(text)
    return CommandNotExecutable(f"exec {command}: {text}")


def not_executed(said: str, command: str) -> str:
    """Return ``exec COMMAND: reason`` of what a runtime's init wrote when execve(2) failed."""
    lead = f"exec {command}: "
    text = said.removeprefix(lead)
    if text.startswith("{"):
        try:
            text = str(loads(text)["msg"])
        except (ValueError, KeyError, TypeError):
            return lead + text
    _, process, reason = text.partition(f"`{command}`: ")
    return lead + (reason.lower() if process else text)


def _is_of_command(text: str, command: str) -> bool:
    """Whether it is the command that cannot be executed, and not, say, a mount that is missing."""
    leads = ("exec: ", f"exec {command}:", f"executable file `{command}`", _OPENED)
    return bool(command) and text.startswith(leads)


def _plain(reason: str) -> str:
    """Take away what says only who failed at which verb: the caller's message names that."""
    text = reason.strip()
    lead, failed, rest = text.partition(" failed: ")
    if failed and len(lead.split()) <= 2:  # "runc create failed: "
        text = rest
    for words in _LEADS:
        text = text.removeprefix(words)
    return text


def _hint(text: str) -> str:
    if "cgroup" in text:
        return "see whether the runtime knows this machine's kind of cgroups (`mount -t cgroup`)"
    return ""
