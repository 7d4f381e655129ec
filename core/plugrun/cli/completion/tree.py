"""Click's commands, made from the tables. They complete lines; none of them runs anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from plugrun.cli.commands import GROUPS, UNLISTED, by_path
from plugrun.cli.completion.candidates import arguments, values
from plugrun.cli.options import FLAG, REPEATED, ROOT, Command, Option
from plugrun.errors import PlugrunError
from plugrun.model.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from plugrun.engine.request import GlobalOptions

    Reader = Callable[[Mapping[str, Any]], GlobalOptions]
    Find = Callable[[click.Context], Iterable[str]]

NAME = "plugrun"
_ARGS = "args"


@record
class Asked:
    """What a context's ``obj`` is: the ``word`` under the cursor, from its beginning, and what
    makes the options that hold (``options``) from those said before the command."""

    word: str
    options: Reader


def build() -> click.Group:
    """Return the root with everything in it."""
    root = _Group(NAME, ROOT, ROOT.help)
    for name, text in GROUPS.items():
        root.add_command(_Group(name, Command(name, "", text, ()), text))
    for path, table in by_path().items():
        first, _, rest = path.partition(" ")
        group = root.commands[first] if rest else root
        assert isinstance(group, click.Group)
        group.add_command(_Command(rest or first, table, path in UNLISTED))
    described = _Group("help", Command("help", "", "", ()), "")
    described.hidden = True
    described.commands = dict(root.commands)
    root.add_command(described)
    return root


class _Group(click.Group):
    """The root, or one of the groups that hold the same commands once more."""

    def __init__(self, name: str, table: Command, text: str) -> None:
        super().__init__(name, params=_parameters(table), short_help=text)
        self._table = table

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _without_flag_values(self._table, args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None:
            # Nothing follows what is no command; click would offer the group's commands again.
            return args[0], click.Command(args[0], add_help_option=False), args[1:]
        return super().resolve_command(ctx, args)


class _Command(click.Command):
    """One place of one command of the table."""

    def __init__(self, name: str, table: Command, hidden: bool) -> None:
        args = click.Argument([_ARGS], nargs=-1, shell_complete=_offer(self._arguments))
        params = [*_parameters(table), args]
        super().__init__(name, params=params, short_help=table.help, hidden=hidden)
        self.allow_interspersed_args = table.mixed
        self._table = table

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _without_flag_values(self._table, args))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [_file(incomplete)] if _ended(ctx) else super().shell_complete(ctx, incomplete)

    def _arguments(self, ctx: click.Context) -> Iterable[str]:
        name, equals, _ = ctx.obj.word.partition("=")
        if equals and name.startswith("--") and not _ended(ctx):
            # Click gives what follows a flag's = to the argument after it.
            return [
                value
                for option in self._table.every
                if name[2:] in (option.name, *option.aliases)
                for value in values(option, lambda: _here(ctx))
            ]
        return arguments(self._table, ctx.params.get(_ARGS) or (), lambda: _here(ctx))


def _parameters(table: Command) -> list[click.Parameter]:
    return [_parameter(option) for option in table.every]


def _parameter(option: Option) -> click.Parameter:
    names = [f"--{name}" for name in (option.name, *option.aliases)]
    if option.short:
        names.append(f"-{option.short}")

    def find(ctx: click.Context) -> Iterable[str]:
        return () if _ended(ctx) else values(option, lambda: _here(ctx))

    return click.Option(
        [option.dest, *names],
        multiple=option.kind in REPEATED,
        is_flag=option.kind == FLAG,
        type=None if option.kind == FLAG else str,
        help=option.help,
        hidden=option.hidden,
        shell_complete=_offer(find),
    )


def _offer(
    find: Find,
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return click's callback for names; where there are none, the shell offers files.

    Whatever fails (no root, a locked database) is no name: a shell has no place for errors.
    """

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            found = sorted({name for name in find(ctx) if name.startswith(incomplete)})
        except (PlugrunError, OSError):
            found = []
        return [CompletionItem(name) for name in found] or [_file(incomplete)]

    return complete


def _file(incomplete: str) -> CompletionItem:
    return CompletionItem(incomplete, type="file")


def _here(ctx: click.Context) -> GlobalOptions:
    found: GlobalOptions = ctx.obj.options(ctx.find_root().params)
    return found


def _ended(ctx: click.Context) -> bool:
    """Whether options are over: what follows the image of ``run`` is not ours."""
    return not ctx.allow_interspersed_args and bool(ctx.params.get(_ARGS))


def _without_flag_values(table: Command, words: list[str]) -> list[str]:
    """Leave out ``=true`` and ``=false`` of flags, at which click would stop reading."""
    flags = {f"--{option.name}" for option in table.every if option.kind == FLAG}
    heads = [word.partition("=")[0] for word in words]
    return [head if head in flags else word for head, word in zip(heads, words, strict=True)]
