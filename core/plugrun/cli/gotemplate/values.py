"""What templates handle: Go's idea of truth, of printing, of maps and of errors."""

from __future__ import annotations

from plugrun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    _Fields = dict[str, Any]
else:
    _Fields = dict


class TemplateError(UsageError):
    """The template is wrong, or asks for what is not there; ``parsing`` says which."""

    exit_code = 1

    def __init__(self, message: str, *, parsing: bool = False) -> None:
        super().__init__(message)
        self.parsing = parsing


class Map(_Fields):
    """A Go map, as opposed to a struct: a key may be missing."""


class Absent:
    """Marks a zero value whose field is left out of JSON (Go's ``omitempty``)."""


class NilPointer:
    """A pointer that is nil; ``name`` is the field it stands in."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __bool__(self) -> bool:
        return False


class Shown:
    """A value with a text of its own (Go's fmt.Stringer)."""

    def shown(self) -> str:
        """Return the text."""
        raise NotImplementedError


def is_true(value: Any) -> bool:
    """Whether ``if`` takes a value for true: a struct always is, anything else if not empty."""
    if isinstance(value, dict) and not isinstance(value, Map):
        return True
    return bool(value)


def text_of(value: Any) -> str:
    """Return a value as ``{{.}}`` prints it (fmt.Fprint)."""
    return "<no value>" if value is None else printed(value)


def printed(value: Any) -> str:
    """Return a value as ``%v`` prints it inside another."""
    if value is None or isinstance(value, NilPointer):
        return "<nil>"
    if isinstance(value, Shown):
        return value.shown()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Map):
        return "map[" + " ".join(f"{k}:{printed(value[k])}" for k in sorted(value)) + "]"
    if isinstance(value, dict):
        return "{" + " ".join(printed(v) for v in value.values()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(printed(v) for v in value) + "]"
    return str(value)


def _float(value: float) -> str:
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return repr(value)


def type_name(value: Any) -> str:
    """Return what Go would call a value's type."""
    names = {bool: "bool", int: "int", float: "float64", str: "string", type(None): "<nil>"}
    if isinstance(value, (list, tuple)):
        return "[]interface {}"
    if isinstance(value, dict):
        return "map[string]interface {}"
    return names.get(type(value), type(value).__name__)
