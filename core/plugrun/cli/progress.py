"""The progress of a pull, as Docker shows it: live on a terminal, line by line elsewhere.

``--progress`` chooses: ``tty``, ``plain``, or ``json``, which is one object a line in the form
of Docker's API, for programs.
"""

from __future__ import annotations

from time import monotonic

from plugrun.cli.terminal import width
from plugrun.cli.units import human_size
from plugrun.errors import UsageError
from plugrun.model.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TextIO

AUTO = "auto"
PLAIN = "plain"
TTY = "tty"
JSON = "json"
KINDS = (AUTO, PLAIN, TTY, JSON)

_BAR = 50
_ROOMY = 110
_INTERVAL = 0.1
# "a1b2c3d4e5f6: Downloading " before a bar, "[>] " around it, "  12.3MB/123.4MB" after it.
_AROUND = 27 + 4 + 17
_LONGEST = len("Downloading")


def bar(current: int, total: int, columns: int) -> str:
    """Return ``[====>    ]  12.3MB/45MB``; without its bar where there is no room for one."""
    if total <= 0:
        return f"{human_size(current, 4):>8}"
    numbers = f"{human_size(current, 4):>8}/{human_size(total, 4)}"
    length = _BAR if columns > _ROOMY else min(_BAR, columns - _AROUND)
    if length < 10:
        return numbers
    done = min(current, total) * length // total
    return f"[{'=' * done}>{' ' * (length - done)}] {numbers}"


class Plain:
    """One line per change of state; progress within a state is left out."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: dict[str, str] = {}

    def result(self, text: str, facts: Mapping[str, str]) -> None:
        """Say what all came to: a line for people, the facts for programs."""
        self.line(text)

    def line(self, text: str) -> None:
        """Say something about the whole."""
        self._stream.write(text + "\n")
        self._stream.flush()

    def state(self, layer: str, state: str) -> None:
        """Say what is done with a layer now."""
        if self._last.get(layer) != state:
            self._last[layer] = state
            self.line(f"{layer}: {state}")

    def advance(self, layer: str, state: str, current: int, total: int) -> None:
        """Say how far that is: not shown."""


class Live(Plain):
    """One line a layer, rewritten in place."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._rows: dict[str, int] = {}
        self._due: dict[str, float] = {}

    def state(self, layer: str, state: str) -> None:
        """Show it in the layer's own line."""
        if self._last.get(layer) != state:
            self._last[layer] = state
            self._draw(layer, state)

    def advance(self, layer: str, state: str, current: int, total: int) -> None:
        """Show how far it is, ten times a second at most, and always at the end."""
        now = monotonic()
        if self._last.get(layer) == state and now < self._due.get(layer, 0) and current < total:
            return
        self._last[layer] = state
        self._due[layer] = now + _INTERVAL
        columns = width(self._stream.fileno()) - max(0, len(state) - _LONGEST)
        self._draw(layer, f"{state} {bar(current, total, columns)}")

    def line(self, text: str) -> None:
        """What has been drawn so far stays; layers named later get lines below this."""
        self._rows.clear()
        super().line(text)

    def _draw(self, layer: str, text: str) -> None:
        if layer not in self._rows:
            self._rows[layer] = len(self._rows)
            self._stream.write("\n")
        up = len(self._rows) - self._rows[layer]
        shown = f"{layer}: {text}"[: max(width(self._stream.fileno()) - 1, 20)]
        self._stream.write(f"\x1b[{up}A\x1b[2K\r{shown}\r\x1b[{up}B")
        self._stream.flush()


class JsonLines(Plain):
    """One JSON object a line: ``id`` and ``status`` of a layer, ``progressDetail`` in bytes,
    ``status`` alone of the whole, and ``aux`` with the result's facts at the end."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._due: dict[str, float] = {}

    def result(self, text: str, facts: Mapping[str, str]) -> None:
        """Tell the facts."""
        self._object({"aux": dict(facts)})

    def line(self, text: str) -> None:
        """Say something about the whole."""
        self._object({"status": text})

    def state(self, layer: str, state: str) -> None:
        """Say what is done with a layer now."""
        if self._last.get(layer) != state:
            self._last[layer] = state
            self._object({"id": layer, "status": state})

    def advance(self, layer: str, state: str, current: int, total: int) -> None:
        """Say how far that is, ten times a second at most, and always at the end."""
        now = monotonic()
        if self._last.get(layer) == state and now < self._due.get(layer, 0) and current < total:
            return
        self._last[layer] = state
        self._due[layer] = now + _INTERVAL
        detail = {"current": current, "total": total}
        self._object({"id": layer, "status": state, "progressDetail": detail})

    def _object(self, body: dict[str, Any]) -> None:
        super().line(dumps(body))


def board(stream: TextIO, kind: str = AUTO) -> Plain:
    """Return what was asked for with ``--progress``, or else what fits a stream."""
    if kind == AUTO:
        kind = TTY if stream.isatty() else PLAIN
    return {PLAIN: Plain, TTY: Live, JSON: JsonLines}[kind](stream)


def check_kind(kind: str) -> str:
    """Return a value of ``--progress``; raise UsageError if it is none."""
    if kind not in KINDS:
        raise UsageError(f'invalid value "{kind}" for --progress: it is one of {", ".join(KINDS)}')
    return kind
