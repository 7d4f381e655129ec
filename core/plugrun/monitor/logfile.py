"""A container's log, in Docker's json-file format: one JSON object a line.

``{"log":"text\\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}``. A line of output
longer than 16 KiB is several objects, of which only the last has the newline, as Docker writes
it. Bytes that are not UTF-8 are kept as lone surrogates (``\\udcXX``), so nothing is lost.
"""

from __future__ import annotations

import posix
from time import gmtime, strftime, time_ns

from plugrun.linux.writing import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 16384

# A container that writes without end must not fill the disk: the log is at most two files of this.
LARGEST = 64 << 20
_APPEND = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC


def older(path: str) -> str:
    """Name the file that the first part of a long log has been moved to."""
    return f"{path}.1"


def encoder() -> Callable[[str], str]:
    """Return what writes a JSON string; without ``json`` where CPython's own is present."""
    try:
        from _json import encode_basestring_ascii
    except ImportError:
        from json import dumps

        return dumps
    return encode_basestring_ascii


def timestamp(now_ns: int) -> str:
    """Return a time as RFC 3339 with nanoseconds, in UTC."""
    seconds, rest = divmod(now_ns, 1_000_000_000)
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds)) + f".{rest:09d}Z"


class LogFile:
    """Appends output to one file, a line an object; holds back a line that is not whole yet.

    When the file is full, it takes the place of the one before it, and a new one is begun.
    """

    def __init__(self, path: str, largest: int = LARGEST) -> None:
        self._path = path
        self._largest = largest
        self._encode = encoder()
        self._rest = {"stdout": b"", "stderr": b""}
        self._open()

    def _open(self) -> None:
        self._fd = posix.open(self._path, _APPEND, 0o600)
        self._size = posix.fstat(self._fd).st_size

    def _turn_over(self) -> None:
        """Begin a new file; at every moment there is one under the log's own name."""
        full, aside, kept = self._fd, f"{self._path}.new", f"{self._path}.old"
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
        tail = f',"stream":"{stream}","time":"{timestamp(time_ns())}"}}\n'
        encode = self._encode
        out = []
        lines = whole.split(b"\n")
        for number, line in enumerate(lines, 1):
            ending = b"" if number == len(lines) and not newline else b"\n"
            for piece in _pieces(line + ending):
                out.append('{"log":')
                out.append(encode(piece.decode("utf-8", "surrogateescape")))
                out.append(tail)
        self._write("".join(out).encode("ascii"))

    def _write(self, data: bytes) -> None:
        try:
            if self._size and self._size + len(data) > self._largest:
                self._turn_over()
            write_all(self._fd, data)
            self._size += len(data)
        except OSError:
            # A full disk must not end the container, nor its output to whoever is attached: what
            # does not fit is lost, and later lines are tried again.
            return


def _remove(path: str) -> None:
    try:
        posix.unlink(path)
    except FileNotFoundError:
        return


def _pieces(line: bytes) -> list[bytes]:
    if len(line) <= LONGEST:
        return [line]
    return [line[at : at + LONGEST] for at in range(0, len(line), LONGEST)]
