"""The ``--flags`` of one instruction, checked against those it has."""

from __future__ import annotations

from plugrun.errors import InvalidArgument
from plugrun.model.spelling import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BOOL = "bool"
TEXT = "text"
TEXTS = "texts"


class Flags:
    """What was given; raise InvalidArgument, in Docker's words, on what the instruction has not."""

    def __init__(self, given: Sequence[str], known: Mapping[str, str]) -> None:
        self._values: dict[str, list[str]] = {}
        for flag in given:
            name, equals, value = flag[2:].partition("=")
            kind = known.get(name)
            if kind is None:
                raise InvalidArgument(f"unknown flag: --{name}{did_you_mean(name, known)}")
            if name in self._values and kind != TEXTS:
                raise InvalidArgument(f"duplicate flag specified: --{name}")
            if kind == BOOL:
                value = _bool(name, value if equals else "true")
            elif not equals:
                raise InvalidArgument(f"missing a value on flag: --{name}")
            self._values.setdefault(name, []).append(value)

    def text(self, name: str, default: str = "") -> str:
        """Return a text that may be given once."""
        return self._values.get(name, [default])[0]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return what may be given again and again."""
        return tuple(self._values.get(name, ()))

    def maybe(self, name: str) -> bool | None:
        """Return a truth value, or None if nothing was said."""
        return None if name not in self._values else self.text(name) == "true"


def _bool(name: str, value: str) -> str:
    if not value:
        raise InvalidArgument(f"missing a value on flag: --{name}")
    if value.lower() not in ("true", "false"):
        raise InvalidArgument(f"expecting boolean value for flag --{name}, not: {value}")
    return value.lower()
