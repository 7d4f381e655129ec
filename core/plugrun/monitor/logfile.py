"""A container's log, in Docker's json-file format: one JSON object a line.

``{"log":"text\\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}``. A line of output
longer than 16 KiB is several objects, of which only the last has the newline, as Docker writes
it. Bytes that are not UTF-8 are kept as lone surrogates (``\\udcXX``), so nothing is lost. What is
read at once has one time; times are of one length, which readers count on.
"""

from __future__ import annotations

import posix
from time import gmtime, strftime, time_ns

from plugrun.linux.writing import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plugrun.monitor.plan import WatchPlan

LONGEST = 16384

# A container that writes without end must not fill the disk: Docker's units, and its own advice.
LARGEST = 10_000_000
FILES = 3
_APPEND = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC
# What JSON writes otherwise than it is, apart from the newline; the backslash must come first.
ESCAPES = (
    (b"\\", b"\\\\"),
    (b'"', b'\\"'),
    (b"\t", b"\\t"),
    (b"\r", b"\\r"),
    (b"\x1b", b"\\u001b"),
)
_BEGIN = b'{"log":"'
# Written at once: of more, malloc(3) gives the memory back to the kernel, and takes it anew.
_PORTION = 49152
_EASY = bytes(c for c in range(256) if c >= 0x20 or c in b"\n\t\r\x1b")


def older(path: str, number: int = 1) -> str:
    """Name the file that a part of a long log has been moved to; higher numbers are older."""
    return f"{path}.{number}"


def encoder() -> Callable[[str], str]:
    """Return what writes a JSON string; without ``json`` where CPython's own is present."""
    try:
        from _json import encode_basestring_ascii
    except ImportError:
        from json import dumps

        return dumps
    return encode_basestring_ascii


def timestamp(now_ns: int) -> str:
    """Return a time as RFC 3339 with nanoseconds, in UTC; always of one length."""
    seconds, rest = divmod(now_ns, 1_000_000_000)
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds)) + f".{rest:09d}Z"


def open_log(plan: WatchPlan) -> LogFile | NoLog:
    """Open the log that a plan names."""
    if not plan.log:
        return NoLog()
    return LogFile(plan.log, plan.log_size, plan.log_files, plan.log_attrs)


class NoLog:
    """Takes output and keeps none of it."""

    def write(self, stream: str, data: bytes) -> None:
        """Take some output of a stream."""

    def finish(self, stream: str) -> None:
        """Take note that a stream has ended."""

    def close(self) -> None:
        """Nothing is open."""


class LogFile:
    """Appends output to one file, a line an object; holds back a line that is not whole yet.

    No file is larger than ``largest`` bytes, but for one that holds a single longer line. When it
    is full it takes the place of the one before it, up to ``files`` of them, and a new one is
    begun. ``attrs`` is a JSON object that each line carries, or empty.
    """

    def __init__(
        self, path: str, largest: int = LARGEST, files: int = FILES, attrs: str = ""
    ) -> None:
        self._path = path
        self._largest = largest
        self._files = files
        self._attrs = f'"attrs":{attrs},' if attrs else ""
        self._encode = encoder()
        self._rest = {"stdout": b"", "stderr": b""}
        self._open()

    def _open(self) -> None:
        self._fd = posix.open(self._path, _APPEND, 0o600)
        self._size = posix.fstat(self._fd).st_size

    def _turn_over(self) -> None:
        """Begin a new file; at every moment there is one under the log's own name."""
        full, aside, kept = self._fd, f"{self._path}.new", f"{self._path}.old"
        for number in range(self._files - 2, 0, -1):
            _rename(older(self._path, number), older(self._path, number + 1))
        if self._files > 1:
            _remove(kept)
            posix.link(self._path, kept)
            posix.rename(kept, older(self._path))
        posix.close(posix.open(aside, _APPEND, 0o600))
        posix.rename(aside, self._path)
        self._open()
        # Last: a follower learns from the close that there is more elsewhere.
        posix.close(full)

    def write(self, stream: str, data: bytes) -> None:
        """Take some output of a stream."""
        data = self._rest[stream] + data
        whole, newline, rest = data.rpartition(b"\n")
        while len(rest) >= LONGEST:
            # No newline in sight: a part is better than waiting for ever.
            whole, newline, rest = whole + newline + rest[:LONGEST], b"", rest[LONGEST:]
        self._rest[stream] = rest
        if whole or newline:
            self._append(stream, whole, newline)

    def finish(self, stream: str) -> None:
        """Write what is left of a stream that has ended."""
        rest, self._rest[stream] = self._rest[stream], b""
        if rest:
            self._append(stream, rest, b"")

    def close(self) -> None:
        """Close the file."""
        posix.close(self._fd)

    def _append(self, stream: str, whole: bytes, newline: bytes) -> None:
        tail = f'","stream":"{stream}",{self._attrs}"time":"{timestamp(time_ns())}"}}\n'
        if newline and _is_easy(whole):
            end = tail.encode("ascii")
            for portion in _portions(whole, len(end) + len(_BEGIN)):
                self._write(self._lines(portion, end))
        else:
            self._write(self._pieces(whole, newline, tail))

    def _lines(self, body: bytes, tail: bytes) -> bytes:
        """Return easy lines as objects: all at once, at the speed of C."""
        for character, escape in ESCAPES:
            if character in body:
                body = body.replace(character, escape)
        end = b"\\n" + tail
        return _BEGIN + body.replace(b"\n", end + _BEGIN) + end

    def _pieces(self, whole: bytes, newline: bytes, tail: str) -> bytes:
        encode = self._encode
        out = []
        lines = whole.split(b"\n")
        for number, line in enumerate(lines, 1):
            ending = b"" if number == len(lines) and not newline else b"\n"
            for piece in _split(line + ending):
                out.append('{"log":')
                out.append(encode(piece.decode("utf-8", "surrogateescape"))[:-1])
                out.append(tail)
        return "".join(out).encode("ascii")

    def _write(self, data: bytes) -> None:
        try:
            while self._size + len(data) > self._largest:
                fits = data.rfind(b"\n", 0, max(self._largest - self._size, 0)) + 1
                if not fits and not self._size:
                    fits = data.find(b"\n") + 1  # one line that is longer than a whole file
                self._put(data[:fits])
                data = data[fits:]
                if not data:
                    return
                self._turn_over()
            self._put(data)
        except OSError:
            # A full disk must not end the container, nor its output to whoever is attached: what
            # does not fit is lost, and later lines are tried again.
            return

    def _put(self, data: bytes) -> None:
        try:
            write_all(self._fd, data)
        except OSError:
            # What follows must not be taken for the rest of half a line.
            posix.ftruncate(self._fd, self._size)
            raise
        self._size += len(data)


def _remove(path: str) -> None:
    try:
        posix.unlink(path)
    except FileNotFoundError:
        return


def _rename(path: str, to: str) -> None:
    try:
        posix.rename(path, to)
    except FileNotFoundError:
        return


def _portions(lines: bytes, added: int) -> Iterator[bytes]:
    """Cut lines where a portion has been reached, once so much is added to each."""
    size = len(lines) + lines.count(b"\n") * added
    step = max(len(lines) * _PORTION // max(size, 1), 256)
    start = 0
    while start + step < len(lines):
        end = lines.find(b"\n", start + step)
        if end < 0:
            break
        yield lines[start:end]
        start = end + 1
    yield lines[start:]


def _is_easy(lines: bytes) -> bool:
    """Whether lines are UTF-8 of few escapes, and none is too long for one object."""
    if lines.translate(None, _EASY) or _has_long_line(lines):
        return False
    try:
        return lines.isascii() or bool(lines.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _has_long_line(whole: bytes) -> bool:
    """Whether a line, with its newline, is longer than an object may be."""
    position = 0
    while len(whole) - position >= LONGEST:
        newline = whole.rfind(b"\n", position, position + LONGEST)
        if newline < 0:
            return True
        position = newline + 1
    return False


def _split(line: bytes) -> list[bytes]:
    if len(line) <= LONGEST:
        return [line]
    return [line[at : at + LONGEST] for at in range(0, len(line), LONGEST)]
