"""``created_by`` of an image's history: what each instruction did, as BuildKit writes it."""

from __future__ import annotations

from plugrun.dockerfile.commandline import run_command
from plugrun.dockerfile.instructions import (
    Add,
    Arg,
    CommandLine,
    Env,
    Expose,
    Healthcheck,
    Label,
    Maintainer,
    Run,
    Shell,
    Stopsignal,
    Transfer,
    User,
    Volume,
    Workdir,
)
from plugrun.dockerfile.ports import exposed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from plugrun.dockerfile.instructions import Instruction

_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def created_by(
    instruction: Instruction, config: Mapping[str, Any], arguments: Sequence[str]
) -> str:
    """Return an instruction's line; ``config`` is the image's after it, ``arguments`` its ARGs."""
    keyword = instruction.KEYWORD
    if isinstance(instruction, Run):
        command = run_command(instruction, config.get("Shell") or ())
        return " ".join((keyword, *([f"|{len(arguments)}"] if arguments else ()), *arguments,
                         *command))  # fmt: skip
    if isinstance(instruction, CommandLine):
        words = config.get("Cmd" if keyword == "CMD" else "Entrypoint") or ()
        return f"{keyword} [{' '.join(map(_quoted, words))}]"
    if isinstance(instruction, Transfer):
        return _transfer(instruction)
    return " ".join(part for part in (keyword, _rest(instruction, config)) if part)


def _rest(instruction: Instruction, config: Mapping[str, Any]) -> str:
    if isinstance(instruction, (Env, Label)):
        return " ".join(f"{pair.key}={pair.value}" for pair in instruction.pairs)
    if isinstance(instruction, Arg):
        items = [(one.name, one.value) for one in instruction.items]
        return " ".join(name if value is None else f"{name}={value}" for name, value in items)
    if isinstance(instruction, Workdir):
        return str(config.get("WorkingDir") or "/")
    if isinstance(instruction, User):
        return instruction.user
    if isinstance(instruction, Stopsignal):
        return instruction.signal
    if isinstance(instruction, Maintainer):
        return instruction.name
    if isinstance(instruction, Volume):
        return f"[{' '.join(instruction.paths)}]"
    if isinstance(instruction, Shell):
        return f"[{' '.join(instruction.words)}]"
    if isinstance(instruction, Expose):
        return f"[{' '.join(port for word in instruction.ports for port in exposed(word).ports)}]"
    if isinstance(instruction, Healthcheck):
        return _health(instruction.config)
    return instruction.text.partition(" ")[2]


def _health(config: Mapping[str, Any]) -> str:
    """Return it as BuildKit does, which is how Go quotes the record: the retries are a letter."""
    test = " ".join(_quoted(word) for word in config["Test"])
    names = ("Interval", "Timeout", "StartPeriod", "StartInterval")
    times = " ".join(f'"{_span(config.get(name, 0))}"' for name in names)
    return f"&{{[{test}] {times} '\\x{config.get('Retries', 0):02x}'}}"


def _span(nanoseconds: int) -> str:
    """Return a time as Go's Duration.String does."""
    if 0 < nanoseconds < 10**9:
        return f"{nanoseconds / 10**6:g}ms"
    minutes, seconds = divmod(nanoseconds / 10**9, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return f"{text}{seconds:g}s"


def _transfer(transfer: Transfer) -> str:
    flags = [
        *(["--parents"] if getattr(transfer, "parents", False) else ()),
        *([f"--chown={transfer.chown}"] if transfer.chown else ()),
        *([f"--chmod={transfer.chmod}"] if transfer.chmod else ()),
    ]
    contents = [f"<<{one.name}" for one in transfer.contents]
    keyword = "ADD" if isinstance(transfer, Add) else "COPY"
    return " ".join((keyword, *flags, *transfer.sources, *contents, transfer.destination))


def _quoted(word: str) -> str:
    return '"' + "".join(_ESCAPED.get(char, char) for char in word) + '"'
