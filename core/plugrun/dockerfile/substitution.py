"""Variables put into an instruction: in the words in which Docker does, and in no others."""

from __future__ import annotations

from plugrun.dockerfile.instructions import (
    Add,
    Env,
    Expose,
    Instruction,
    Label,
    Pair,
    Run,
    Stopsignal,
    Transfer,
    User,
    Volume,
    Workdir,
)
from plugrun.dockerfile.mounts import parse_mount
from plugrun.dockerfile.words import Rules, expand
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# A heredoc's text is no word: its quotes are its own.
_INLINE = Rules(no_quotes=True)
_TEXTS = {Workdir: "path", User: "user", Stopsignal: "signal"}


class Substitution:
    """Puts variables in; ``unset`` collects the names that had no value."""

    def __init__(self, variables: Mapping[str, str], escape: str) -> None:
        self._variables = variables
        self._rules = Rules(escape)
        self.unset: set[str] = set()

    def word(self, text: str) -> str:
        """Return a word with variables put in and quotes taken off."""
        found = expand(text, self._variables, self._rules)
        self.unset |= found.unset
        return found.text

    def instruction(self, instruction: Instruction) -> Instruction:
        """Return an instruction with variables put in (not ARG, whose own order counts)."""
        kind = type(instruction)
        found: Any = instruction
        if kind in _TEXTS:
            name = _TEXTS[kind]
            return replace(instruction, **{name: self.word(getattr(found, name))})
        if isinstance(instruction, (Env, Label)):
            return replace(instruction, pairs=tuple(self._pair(one) for one in found.pairs))
        if isinstance(instruction, Volume):
            return replace(instruction, paths=tuple(self.word(path) for path in instruction.paths))
        if isinstance(instruction, Expose):
            return replace(instruction, ports=self._ports(instruction))
        if isinstance(instruction, Run):
            mounts = tuple(parse_mount(flag, self.word) for flag in instruction.flags)
            return replace(instruction, mounts=mounts)
        return self._transfer(instruction) if isinstance(instruction, Transfer) else instruction

    def _pair(self, pair: Pair) -> Pair:
        return Pair(self.word(pair.key), self.word(pair.value), pair.delimited)

    def _ports(self, expose: Expose) -> tuple[str, ...]:
        ports: list[str] = []
        for port in expose.ports:
            found = expand(port, self._variables, self._rules)
            self.unset |= found.unset
            ports += found.words
        return tuple(ports)

    def _transfer(self, transfer: Transfer) -> Instruction:
        changes: dict[str, Any] = {
            "chown": self.word(transfer.chown),
            "chmod": self.word(transfer.chmod),
            "sources": tuple(self.word(source) for source in transfer.sources),
            "destination": self.word(transfer.destination),
            "contents": tuple(
                replace(one, data=self._inline(one.data)) if one.expand else one
                for one in transfer.contents
            ),
        }
        if isinstance(transfer, Add):
            changes["checksum"] = self.word(transfer.checksum)
        return replace(transfer, **changes)

    def _inline(self, data: str) -> str:
        found = expand(data, self._variables, _INLINE)
        self.unset |= found.unset
        return found.text
