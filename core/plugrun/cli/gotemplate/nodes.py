"""What a template is made of, once parsed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Text:
    """Text between actions."""

    text: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A string, number, boolean or nil."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Fields:
    """``.A.B``, ``$x.A`` or ``(…).A``: fields of a value, ``of`` None being the dot.

    ``at`` is the place Go reports: the second field's, if there is one.
    """

    of: Variable | Pipeline | None
    names: tuple[str, ...]
    at: str
    source: str


@dataclass(frozen=True, slots=True)
class Variable:
    """``$x``; ``$`` alone is the data the template began with."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function by name, as an operand."""

    name: str


@dataclass(frozen=True, slots=True)
class Command:
    """An operand and its arguments."""

    operands: tuple[Any, ...]
    source: str
    at: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each the last argument of the next; ``variables`` take the result."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    declares: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """``if``, ``with`` or ``range``."""

    kind: str
    pipeline: Pipeline
    body: tuple[Any, ...]
    otherwise: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Jump:
    """``break`` or ``continue``."""

    kind: str
