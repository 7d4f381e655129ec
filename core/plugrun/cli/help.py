"""Help texts in Docker's layout."""

from __future__ import annotations

import textwrap

from plugrun.cli.commands import COMMANDS, GROUPS, UNLISTED, by_path
from plugrun.cli.failure import more_help
from plugrun.cli.options import FLAG, REPEATED, ROOT, Command, Option
from plugrun.cli.tables.shared import COMMON_ORDER, MANAGEMENT, SECTIONS
from plugrun.cli.terminal import width

_GAP = 3


def command_help(command: Command, path: str) -> str:
    """Return the help of a command, for the place it was called at."""
    parts = [f"Usage:  plugrun {path} {command.usage}", command.help]
    if command.also:
        names = sorted((command.name, *command.also))
        aliases = ", ".join(f"plugrun {name}" for name in names)
        parts.append(f"Aliases:\n  {aliases}")
    if command.options:
        parts.append(f"Options:\n{_options(command.every)}")
    return "\n\n".join(parts) + "\n"


def group_help(name: str, text: str) -> str:
    """Return the help of a group."""
    rows = [
        (path.removeprefix(f"{name} "), command.help)
        for path, command in sorted(by_path().items())
        if path.startswith(f"{name} ") and path not in UNLISTED
    ]
    return (
        f"Usage:  plugrun {name} COMMAND\n\n{text}\n\nCommands:\n{_rows(rows)}\n\n"
        f"Run 'plugrun {name} COMMAND --help' for more information on a command.\n"
    )


def root_help() -> str:
    """Return the help of plugrun itself."""
    parts = ["Usage:  plugrun [OPTIONS] COMMAND", ROOT.help]
    for section in SECTIONS:
        parts.append(f"{section}:\n{_rows(_section(section))}")
    parts.append(f"Global Options:\n{_options(ROOT.options)}")
    parts.append(more_help("COMMAND") + " on a command.")
    return "\n\n".join(parts) + "\n"


def _section(section: str) -> list[tuple[str, str]]:
    if section == MANAGEMENT:
        return sorted(GROUPS.items())
    rows = [(c.name, c.help) for c in COMMANDS if c.section == section and " " not in c.name]
    return sorted(rows, key=lambda row: (_place(row[0]), row[0]))


def _place(name: str) -> int:
    """Return where Docker's help has a common command; all others come after those, in order."""
    return COMMON_ORDER.index(name) if name in COMMON_ORDER else len(COMMON_ORDER)


def _rows(rows: list[tuple[str, str]]) -> str:
    wide = max(11, *(len(name) for name, _ in rows))
    return "\n".join(f"  {name:<{wide}} {text}" for name, text in rows)


def _options(options: tuple[Option, ...]) -> str:
    shown = [(_label(o), _text(o)) for o in sorted(options, key=_order) if not o.hidden]
    column = max(len(label) for label, _ in shown) + _GAP
    room = max(24, width() - 1 - column)
    lines = []
    for label, text in shown:
        head, *rest = textwrap.wrap(text, room) or [""]
        lines.append(label.ljust(column) + head)
        lines.extend(" " * column + more for more in rest)
    return "\n".join(lines)


def _order(option: Option) -> str:
    return option.name


def _label(option: Option) -> str:
    short = f"-{option.short}, " if option.short else "    "
    kind = option.metavar or ("list" if option.kind in REPEATED else option.kind)
    return f"  {short}--{option.name}" + ("" if option.kind == FLAG else f" {kind}")


def _text(option: Option) -> str:
    if not option.default:
        return option.help
    if isinstance(option.default, str):
        shown = f'"{option.default}"'
    else:
        shown = str(option.default).lower()
    return f"{option.help} (default {shown})"
