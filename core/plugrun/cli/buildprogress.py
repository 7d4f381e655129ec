"""What a build is at, as BuildKit shows it: line by line, live on a terminal, or as JSON."""

from __future__ import annotations

import time

from plugrun.cli.progress import AUTO, JSON, PLAIN, TTY
from plugrun.cli.terminal import width
from plugrun.engine.build.progress import BuildObserver
from plugrun.model.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

_NEWEST = 6  # lines of output that a running step shows on a terminal
_INTERVAL = 0.1
_MOST_KEPT = 1000  # lines of output that are shown of a step which fails quietly


class PlainBuild(BuildObserver):
    """``#5 [2/4] RUN make``, then its output with the seconds since it began, then ``DONE``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun: dict[int, float] = {}
        self._rest: dict[int, bytes] = {}

    def begin(self, number: int, name: str) -> None:
        """Name the step."""
        self._begun[number] = time.monotonic()
        self._line(f"#{number} {name}")

    def cached(self, number: int) -> None:
        """Say that it had been done before."""
        self._line(f"#{number} CACHED\n")

    def output(self, number: int, data: bytes) -> None:
        """Show whole lines."""
        *lines, rest = (self._rest.pop(number, b"") + data).split(b"\n")
        if rest:
            self._rest[number] = rest
        for line in lines:
            self._said(number, line)

    def done(self, number: int, seconds: float) -> None:
        """Say how long it took."""
        self._flush(number)
        self._line(f"#{number} DONE {seconds:.1f}s\n")

    def failed(self, number: int, seconds: float, message: str) -> None:
        """Say what is wrong."""
        self._flush(number)
        self._line(f"#{number} ERROR: {message}\n")

    def cancelled(self, number: int) -> None:
        """Say that it was given up."""
        self._flush(number)
        self._line(f"#{number} CANCELED\n")

    def warning(self, text: str) -> None:
        """Show it."""
        self._line(_warning(text))

    def _flush(self, number: int) -> None:
        rest = self._rest.pop(number, b"")
        if rest:
            self._said(number, rest)

    def _said(self, number: int, line: bytes) -> None:
        seconds = time.monotonic() - self._begun.get(number, time.monotonic())
        self._line(f"#{number} {seconds:.3f} {shown(line)}")

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def shown(line: bytes) -> str:
    """Return a line as it looks when it is whole: what a carriage return overwrote is left out."""
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")


class QuietBuild(PlainBuild):
    """Nothing, but of a step that fails: its name, the newest of what it wrote, and why."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._kept: dict[int, list[str]] = {}

    def begin(self, number: int, name: str) -> None:
        """Remember what it is called."""
        self._begun[number] = time.monotonic()
        self._kept[number] = [f"#{number} {name}"]

    def cached(self, number: int) -> None:
        """Forget it."""
        del self._kept[number]

    def done(self, number: int, seconds: float) -> None:
        """Forget it."""
        del self._kept[number]

    def failed(self, number: int, seconds: float, message: str) -> None:
        """Show what there is of it."""
        self._flush(number)
        for line in self._kept.pop(number):
            self._line(line)
        super().failed(number, seconds, message)

    def cancelled(self, number: int) -> None:
        """Forget it."""
        self._kept.pop(number, None)

    def warning(self, text: str) -> None:
        """Say nothing."""

    def _said(self, number: int, line: bytes) -> None:
        seconds = time.monotonic() - self._begun[number]
        first, *newest = self._kept[number]
        newest.append(f"#{number} {seconds:.3f} {shown(line)}")
        self._kept[number] = [first, *newest[-_MOST_KEPT:]]


class _Row:
    """A step on a terminal."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun = time.monotonic()
        self.seconds: float | None = None
        self.mark = ""
        self.newest: list[str] = []
        self.kept: list[str] = []

    def lines(self, columns: int) -> list[str]:
        seconds = time.monotonic() - self.begun if self.seconds is None else self.seconds
        time_text = f"{seconds:.1f}s"
        room = columns - len(time_text) - 6
        text = f"{self.mark}{self.name}".replace("\n", " ")
        text = text if len(text) <= room else text[: room - 3] + "..."
        first = f" => {text:<{room}} {time_text}"
        newest = self.newest if self.seconds is None else []
        return [first, *(f" => => # {line}"[: columns - 1] for line in newest[-_NEWEST:])]


class LiveBuild(PlainBuild):
    """All steps, each in its line, rewritten in place; the newest lines of those at work."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._rows: dict[int, _Row] = {}
        self._drawn = 0
        self._due = 0.0
        self._since = time.monotonic()

    def begin(self, number: int, name: str) -> None:
        """Give it a line."""
        self._rows[number] = _Row(name)
        self._draw()

    def cached(self, number: int) -> None:
        """Mark it."""
        self._rows[number].mark = "CACHED "
        self._end(number, 0.0)

    def done(self, number: int, seconds: float) -> None:
        """Let its time stand."""
        self._flush(number)
        self._end(number, seconds)

    def failed(self, number: int, seconds: float, message: str) -> None:
        """Mark it, and leave what it wrote below the steps."""
        self._flush(number)
        row = self._rows[number]
        row.mark = "ERROR "
        self._end(number, seconds)
        self._drawn = 0
        rule = "------"
        lines = [rule, f" > {row.name}:", *row.kept, rule] if row.kept else []
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()

    def cancelled(self, number: int) -> None:
        """Mark it."""
        self._rows[number].mark = "CANCELED "
        self._end(number, time.monotonic() - self._rows[number].begun)

    def warning(self, text: str) -> None:
        """Leave it above the steps."""
        self._erase()
        self._stream.write(f"{_warning(text)}\n")
        self._draw()

    def _said(self, number: int, line: bytes) -> None:
        row = self._rows[number]
        row.kept = [*row.kept[-99:], shown(line)]
        row.newest = row.kept[-_NEWEST:]
        if time.monotonic() >= self._due:
            self._draw()

    def _end(self, number: int, seconds: float) -> None:
        self._rows[number].seconds = seconds
        self._draw()

    def _draw(self) -> None:
        self._due = time.monotonic() + _INTERVAL
        columns = width(self._stream.fileno())
        done = sum(row.seconds is not None for row in self._rows.values())
        seconds = time.monotonic() - self._since
        lines = [f"[+] Building {seconds:.1f}s ({done}/{len(self._rows)})"]
        for row in self._rows.values():
            lines += row.lines(columns)
        # What has scrolled out of sight cannot be rewritten.
        lines = lines[-max(_rows(self._stream.fileno()) - 2, 4) :]
        self._erase()
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0


def _rows(fd: int) -> int:
    import os

    try:
        return os.get_terminal_size(fd).lines or 24
    except OSError:
        return 24


class JsonBuild(BuildObserver):
    """One object a line: ``step`` is its number, ``event`` what happened to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, number: int, name: str) -> None:
        """Name the step."""
        self._tell(number, "begin", name=name)

    def cached(self, number: int) -> None:
        """Say that it had been done before."""
        self._tell(number, "cached")

    def output(self, number: int, data: bytes) -> None:
        """Pass on what it wrote."""
        self._tell(number, "output", text=data.decode("utf-8", "replace"))

    def done(self, number: int, seconds: float) -> None:
        """Say how long it took."""
        self._tell(number, "done", seconds=round(seconds, 3))

    def failed(self, number: int, seconds: float, message: str) -> None:
        """Say what is wrong."""
        self._tell(number, "failed", seconds=round(seconds, 3), message=message)

    def cancelled(self, number: int) -> None:
        """Say that it was given up."""
        self._tell(number, "cancelled")

    def warning(self, text: str) -> None:
        """Pass it on."""
        self._tell(0, "warning", message=text)

    def _tell(self, number: int, event: str, **more: Any) -> None:
        self._stream.write(dumps({"step": number, "event": event, **more}) + "\n")
        self._stream.flush()


def build_view(stream: TextIO, kind: str = AUTO) -> BuildObserver:
    """Return what was asked for with ``--progress``, or else what fits a stream."""
    if kind == AUTO:
        kind = TTY if stream.isatty() else PLAIN
    views: dict[str, Callable[[TextIO], BuildObserver]] = {
        PLAIN: PlainBuild,
        TTY: LiveBuild,
        JSON: JsonBuild,
    }
    return views[kind](stream)


def _warning(text: str) -> str:
    return text if text.startswith("[Warning]") else f"WARN: {text}"
