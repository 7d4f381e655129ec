"""Click's commands, made from the tables: dispatch, help and shell completion.

Click's own parser reads a line only for completion, where a half-written one must pass; otherwise
``fastparse`` does, so that there is one reading of every line.
"""

from __future__ import annotations

import importlib
from typing import Any

import click
from click.shell_completion import shell_complete

from plugrun.cli import failure, output
from plugrun.cli.commands import GROUPS, UNLISTED, by_path
from plugrun.cli.fastparse import ArgumentCount, FlagError, parse
from plugrun.cli.help import command_help, group_help, root_help
from plugrun.cli.options import FLAG, INT, REPEATED, ROOT, Command, Option
from plugrun.engine.request import GlobalOptions

_NAME = "plugrun"


def invoke(options: GlobalOptions, words: tuple[str, ...]) -> int:
    """Run the command that these words name; return its exit code. Errors of the verb pass."""
    if words[0] == "help":
        words = (*words[1:], "--help")
    try:
        code = build().main(list(words), _NAME, standalone_mode=False, obj=options)
    except click.Abort:
        return failure.INTERRUPTED
    return code if isinstance(code, int) else 0


def complete() -> int:
    """Answer a shell's question for completions."""
    return shell_complete(build(), {}, _NAME, "_PLUGRUN_COMPLETE", _instruction())


def _instruction() -> str:
    import os

    return os.environ["_PLUGRUN_COMPLETE"]


def build() -> click.Group:
    """Return the root with everything in it."""
    root = _Group("", ROOT.help, [_parameter(option) for option in ROOT.options])
    groups = {name: _Group(name, text, []) for name, text in GROUPS.items()}
    for path, table in by_path().items():
        first, _, rest = path.partition(" ")
        group = groups[first] if rest else root
        group.add_command(_TableCommand(path, table, path in UNLISTED), rest or first)
    for name, group in groups.items():
        root.add_command(group, name)
    return root


class _TableCommand(click.Command):
    """One place of one command of the table."""

    def __init__(self, path: str, table: Command, unlisted: bool) -> None:
        params: list[click.Parameter] = [_parameter(option) for option in table.options]
        params.append(click.Argument(["words"], nargs=-1))
        super().__init__(path, params=params, short_help=table.help, hidden=unlisted)
        self._path, self._table = path, table

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:
            ctx.allow_interspersed_args = self._table.mixed
            return super().parse_args(ctx, args)
        ctx.params = {"words": args}
        return []

    def invoke(self, ctx: click.Context) -> int:
        try:
            parsed = parse(self._table, ctx.params["words"])
        except (FlagError, ArgumentCount) as error:
            return failure.usage_failure(error, self._table, self._path)
        if parsed.help:
            output.write(command_help(self._table, self._path))
            return 0
        verb = importlib.import_module(f"plugrun.cli.verbs.{self._table.verb}")
        code: int = verb.main(ctx.obj, parsed)
        return code


class _Group(click.Group):
    """The root, or one of the groups that hold the same commands once more."""

    def __init__(self, path: str, text: str, params: list[click.Parameter]) -> None:
        super().__init__(path or _NAME, params=params, short_help=text, add_help_option=False)
        self._path, self._text = path, text

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing and (not args or args[0].startswith("-")):
            raise click.exceptions.Exit(self._without_command(args))
        return super().parse_args(ctx, args)

    def _without_command(self, args: list[str]) -> int:
        table = Command(self._path, "COMMAND" if self._path else ROOT.usage, "", ())
        try:
            parse(table, args)
        except FlagError as error:
            return failure.usage_failure(error, table, self._path)
        output.write(group_help(self._path, self._text) if self._path else root_help())
        return 0

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            full = " ".join(part for part in (_NAME, self._path, args[0]) if part)
            usage = f"\n\nUsage:  {_NAME} {self._path} COMMAND" if self._path else ""
            output.error(
                f"{_NAME}: unknown command: {full}{usage}\n\n{failure.more_help(self._path)}"
            )
            raise click.exceptions.Exit(1)
        return super().resolve_command(ctx, args)


def _parameter(option: Option) -> click.Parameter:
    names = [f"--{name}" for name in (option.name, *option.aliases)]
    if option.short:
        names.append(f"-{option.short}")
    extra: dict[str, Any] = {"help": option.help, "hidden": option.hidden}
    if option.kind == FLAG:
        extra["is_flag"] = True
    elif option.kind == INT:
        extra["type"] = click.INT
    return click.Option([option.dest, *names], multiple=option.kind in REPEATED, **extra)
