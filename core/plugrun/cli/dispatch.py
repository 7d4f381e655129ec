"""From the words of a command line to the verb that does it.

The hot commands are looked up first, so that a start loads no other command's table.
"""

from __future__ import annotations

from plugrun.cli import failure, output
from plugrun.cli.fastparse import ArgumentCount, FlagError, parse
from plugrun.cli.options import HOT, Command
from plugrun.config import check_explicit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.request import GlobalOptions

    Refuse = Callable[[FlagError | ArgumentCount, Command, str], int]

_HELP = ("-h", "--help")


def dispatch(
    options: GlobalOptions, words: tuple[str, ...], refuse: Refuse = failure.usage_failure
) -> int:
    """Run the command that these words name; return its exit code. Errors of the verb pass,
    and a ConfigError if the configuration file that was asked for is not there.

    ``refuse`` is told of a command line that is wrong, and returns the exit code.
    """
    for length in (1, 2):
        table = HOT.get(words[:length])
        if table is not None:
            return _call(options, table, " ".join(words[:length]), words[length:], refuse)
    if words[0] == "help":
        return _help(words[1:])
    from plugrun.cli.commands import GROUPS, by_path

    places = by_path()
    if words[0] not in GROUPS:
        table = places.get(words[0])
        if table is None:
            return _unknown(words[0])
        return _call(options, table, words[0], words[1:], refuse)
    if len(words) == 1 or words[1].startswith("-"):
        return _group(words[0], words[1:])
    path = f"{words[0]} {words[1]}"
    table = places.get(path)
    return _unknown(path) if table is None else _call(options, table, path, words[2:], refuse)


def _call(
    options: GlobalOptions, table: Command, path: str, rest: tuple[str, ...], refuse: Refuse
) -> int:
    try:
        parsed = parse(table, rest)
    except (FlagError, ArgumentCount) as error:
        return refuse(error, table, path)
    if parsed.help:
        from plugrun.cli.help import command_help

        output.write(command_help(table, path))
        return 0
    check_explicit(options.config)
    verb = __import__(f"plugrun.cli.verbs.{table.verb}", fromlist=["main"])
    code: int = verb.main(options, parsed)
    return code


def _group(name: str, rest: tuple[str, ...]) -> int:
    """Print what a group has, when it is called without a command."""
    from plugrun.cli.commands import GROUPS
    from plugrun.cli.help import group_help

    table = Command(name, "COMMAND", "", ())
    try:
        parse(table, rest)
    except FlagError as error:
        return failure.usage_failure(error, table, name)
    output.write(group_help(name, GROUPS[name]))
    return 0


def _help(words: tuple[str, ...]) -> int:
    """``plugrun help X``: as ``plugrun X --help``; of nothing, the root's."""
    from plugrun.cli.commands import GROUPS, by_path
    from plugrun.cli.help import command_help, group_help, root_help

    words = tuple(word for word in words if word not in _HELP)
    places, path = by_path(), " ".join(words[:2])
    if not words:
        text = root_help()
    elif path in places or words[0] in places:
        path = path if path in places else words[0]
        text = command_help(places[path], path)
    elif words[0] in GROUPS and len(words) == 1:
        text = group_help(words[0], GROUPS[words[0]])
    else:
        from plugrun.cli.absent import instead_of

        why = instead_of(path) or instead_of(words[0])
        topic = f"unknown help topic: {' '.join(words)}"
        output.error(f"{topic}\nhint: {why}" if why else topic)
        return 1
    output.write(text)
    return 0


def _unknown(path: str) -> int:
    """Say that there is no such command, and why not, or which are spelled nearly like it."""
    from plugrun.cli.absent import instead_of
    from plugrun.cli.commands import GROUPS, UNLISTED, by_path
    from plugrun.cli.suggest import nearest

    group, _, word = path.rpartition(" ")
    known = {*by_path(), *GROUPS} - UNLISTED
    beside = [one.rpartition(" ")[2] for one in known if one.rpartition(" ")[0] == group]
    text = f"plugrun: '{path}' is not a plugrun command. See 'plugrun {group}".rstrip()
    text += " --help'"
    why = instead_of(path)
    if why:
        output.error(f"{text}\nhint: {why}")
        return 1
    near = [f"\t{' '.join(part for part in (group, one) if part)}" for one in nearest(word, beside)]
    if near:
        text += "\n\nDid you mean this?\n" + "\n".join(near)
    output.error(text)
    return 1
