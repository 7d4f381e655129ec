"""Click's completion for each shell, with words that hold ``:`` and ``=`` taken as a whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
)

from plugrun.cli import output
from plugrun.cli.completion.tree import NAME, Asked, build

if TYPE_CHECKING:
    from plugrun.cli.completion.tree import Reader

VARIABLE = "_PLUGRUN_COMPLETE"
_BREAKS = re.compile("[:=]+")


class _Whole(ShellComplete):
    """Offers words from their beginning: ``--pull=never`` where click has ``never``."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        asked: Asked = self.ctx_args["obj"]
        self.ctx_args["obj"] = Asked(word=incomplete, options=asked.options)
        name, equals, _ = incomplete.partition("=")
        start = name + equals if equals and name.startswith("--") else ""
        items = super().get_completions(args, incomplete)
        for item in items:
            if item.type == "plain":
                item.value = start + item.value
        return items


class _Bash(_Whole, BashComplete):
    """Bash breaks words at ``:`` and ``=`` and takes only what follows the last of them."""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        whole: list[str] = []
        for word in (*args, incomplete):
            joined = whole and (_BREAKS.fullmatch(word) or (word and whole[-1][-1:] in ":="))
            if joined and whole[-1]:
                whole[-1] += word
            else:
                whole.append(word)
        return whole[:-1], whole[-1]

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        items = super().get_completions(args, incomplete)
        broken = max(incomplete.rfind(":"), incomplete.rfind("=")) + 1
        for item in items:
            if item.type == "plain":
                item.value = item.value[broken:]
        return items


class _Zsh(_Whole, ZshComplete):
    pass


class _Fish(_Whole, FishComplete):
    pass


SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def script(shell: str) -> str:
    """Return what a shell of ``SHELLS`` reads to complete lines of ``plugrun``."""
    return SHELLS[shell](build(), {}, NAME, VARIABLE).source()


def answer(instruction: str, options: Reader) -> int:
    """Print what a script asks for (``bash_complete``) with its words in the environment.

    ``options`` makes the options that hold from those said before the command.
    """
    shell, _, wanted = instruction.partition("_")
    if shell not in SHELLS or wanted != "complete":
        return 1
    asked = Asked(word="", options=options)
    try:
        found = SHELLS[shell](build(), {"obj": asked}, NAME, VARIABLE).complete()
    except (LookupError, ValueError):
        return 1  # not called by a script of click's: COMP_WORDS or COMP_CWORD is not as it sets it
    output.line(found)
    return 0
