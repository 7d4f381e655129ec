"""What a template is made of, once parsed."""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@record
class Text:
    """Text between actions."""

    text: str


@record
class Constant:
    """A string, number, boolean or nil."""

    value: Any
    source: str


@record
class Fields:
    """``.A.B``, ``$x.A`` or ``(…).A``: fields of a value, ``of`` None being the dot.

    ``at`` is the place Go reports: the second field's, if there is one.
    """

    of: Variable | Pipeline | None
    names: tuple[str, ...]
    at: str
    source: str


@record
class Variable:
    """``$x``; ``$`` alone is the data the template began with."""

    name: str


@record
class Call:
    """A function by name, as an operand."""

    name: str


@record
class Command:
    """An operand and its arguments."""

    operands: tuple[Any, ...]
    source: str
    at: str


@record
class Pipeline:
    """Commands, each the last argument of the next; ``variables`` take the result."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    declares: bool = False


@record
class Branch:
    """``if``, ``with`` or ``range``."""

    kind: str
    pipeline: Pipeline
    body: tuple[Any, ...]
    otherwise: tuple[Any, ...]


@record
class Jump:
    """``break`` or ``continue``."""

    kind: str
