"""Takes a command line apart by the rules of Docker's flags (pflag).

Options end at ``--``, and in commands that are not ``mixed`` at the first argument. Short flags
combine (``-it``), the last may carry a value (``-eX``, ``-e=X``), flags take ``=false``, and
there are no abbreviations.
"""

from __future__ import annotations

from plugrun.cli.options import FLAG, LIST, REPEATED, STRING, Parsed
from plugrun.cli.values import CONVERTERS
from plugrun.errors import InvalidArgument, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from plugrun.cli.options import Command, Option


# Kinds that are taken as they are written.
_PLAIN = frozenset((STRING, LIST))


class FlagError(UsageError):
    """An option is unknown, lacks its value, or has a bad one. Docker's code is always 125."""


class ArgumentCount(UsageError):
    """Too few or too many arguments. Docker's code is 1, in ``run`` too."""

    exit_code = 1


def parse(command: Command, argv: Sequence[str]) -> Parsed:
    """Take a command line apart; raise FlagError or ArgumentCount, in Docker's words."""
    walk = _Walk(command, argv)
    if walk.help:
        return Parsed(walk.values, tuple(walk.args), help=True)
    _check_count(command, len(walk.args))
    for option in command.every if walk.rare else command.options:
        walk.values.setdefault(option.dest, option.missing)
        if option.kind in REPEATED:
            walk.values[option.dest] = tuple(walk.values[option.dest])
    return Parsed(walk.values, tuple(walk.args), rare=walk.rare)


def _check_count(command: Command, count: int) -> None:
    least, most = command.least, command.most
    if count >= least and (most < 0 or count <= most):
        return
    if most == 0:
        wanted = "accepts no arguments"
    else:
        bound = "" if least == most else "at least " if count < least else "at most "
        number = least if count < least else most
        wanted = f"requires {bound}{number} argument{'s' if number != 1 else ''}"
    raise ArgumentCount(wanted)


class _Walk:
    """One pass over the words; what was found so far."""

    def __init__(self, command: Command, argv: Sequence[str]) -> None:
        self.values: dict[str, Any] = {}
        self.args: list[str] = []
        self.help = False
        self.rare = False
        self._command = command
        self._converters = CONVERTERS
        self._learn(command.options)
        self._rest = list(reversed(argv))
        while self._rest and not self.help:
            word = self._rest.pop()
            if word == "--":
                break
            if word.startswith("--"):
                self._take_long(word)
            elif word.startswith("-") and word != "-":
                self._take_short(word[1:])
            else:
                self.args.append(word)
                if not command.mixed:
                    break
        self.args.extend(reversed(self._rest))

    def _learn(self, options: tuple[Option, ...]) -> None:
        self._long = {name: o for o in options for name in (o.name, *o.aliases)}
        self._short = {o.short: o for o in options if o.short}

    def _learn_rare(self) -> bool:
        """Load the rare options; False if there are none, or no others."""
        if self.rare or not self._command.rare:
            return False
        from plugrun.cli.rarevalues import CONVERTERS as RARE

        self.rare = True
        self._converters = {**CONVERTERS, **RARE}
        self._learn(self._command.every)
        return True

    def _take_long(self, word: str) -> None:
        name, equals, value = word[2:].partition("=")
        option = self._long.get(name)
        if option is None and name not in ("", "help") and self._learn_rare():
            option = self._long.get(name)
        if not name or name.startswith("-"):
            raise FlagError(f"bad flag syntax: {word}")
        if option is not None:
            self._store(option, self._value(option, equals, value, f"--{name}"))
        elif name == "help":
            self.help = True
        else:
            raise FlagError(f"unknown flag: --{name}")

    def _take_short(self, letters: str) -> None:
        while letters and not self.help:
            option = self._short.get(letters[0])
            if option is None and self._learn_rare():
                option = self._short.get(letters[0])
            if option is None:
                self._help_or_unknown(letters)
                return
            rest = letters[1:]
            equals = "=" if len(rest) > 1 and rest[0] == "=" else ""
            if equals:
                self._store(option, rest[1:])
                return
            if option.kind != FLAG:
                where = f"{letters[0]!r} in -{letters}"
                self._store(option, rest or self._value(option, "", "", where))
                return
            self._store(option, "true")
            letters = rest

    def _help_or_unknown(self, letters: str) -> None:
        if letters[0] != "h":
            raise FlagError(f"unknown shorthand flag: {letters[0]!r} in -{letters}")
        self.help = True

    def _value(self, option: Option, equals: str, value: str, where: str) -> str:
        if equals:
            return value
        if option.kind == FLAG:
            return "true"
        if not self._rest:
            raise FlagError(f"flag needs an argument: {where}")
        return self._rest.pop()

    def _store(self, option: Option, text: str) -> None:
        convert = self._converters.get(option.kind)
        if convert is None and option.kind not in _PLAIN:
            from plugrun.cli.rarevalues import CONVERTERS as RARE

            convert = RARE.get(option.kind)
        try:
            value = text if convert is None else convert(text)
        except InvalidArgument as bad:
            raise FlagError(
                f'invalid argument "{text}" for "{option.shown}" flag: {bad.message}'
            ) from None
        if option.kind in REPEATED:
            self.values.setdefault(option.dest, []).append(value)
        else:
            self.values[option.dest] = value
