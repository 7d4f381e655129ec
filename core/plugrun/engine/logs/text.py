"""From a log's objects back to output: what ``monitor.logfile`` writes, read many lines at once.

A block is whole lines. Their shape is fixed: ``{"log":"``, the text as JSON, ``","stream":"``, six
letters, perhaps ``attrs``, and a time of one length at the end. A quote in the text is escaped, so
none of this can be part of it.
"""

from __future__ import annotations

from operator import itemgetter

from plugrun.model.jsontext import loads
from plugrun.model.record import record
from plugrun.monitor.logfile import ESCAPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = b'{"log":"'
_STREAM = b'","stream":"'
_TIME = b'"time":"'
_TIME_LENGTH = 30
# What follows a line's `"time":"`, up to the text of the next line.
_PAD = b" " * (_TIME_LENGTH + len(b'"}\n'))
_next_text = itemgetter(slice(len(_PAD) + len(_HEAD), None))


@record
class LogLine:
    """One entry: a line of output, or the part of one that fits 16 KiB.

    ``time`` is RFC 3339, in UTC with nanoseconds. ``attrs`` is a JSON object, or empty.
    """

    stream: str
    time: str
    text: bytes
    attrs: bytes = b""


def time_of(line: bytes) -> bytes:
    """Return the time at the end of an object, with its newline or without."""
    end = line.rfind(b'"}')
    return line[max(end - _TIME_LENGTH, 0) : end]


def output(block: bytes, stamped: bool = False) -> Iterator[tuple[str, bytes]]:
    """Yield the output that a block holds, as (stream, bytes) in the order it was written.

    ``stamped`` puts the time and a space before each line.
    """
    if stamped:
        yield from _mixed(block, stamped)
        return
    first = block[: block.index(b"\n")]
    end = first.find(b"\\n" + _STREAM)
    if end >= 0:
        text = _uniform(block, first[end : first.rindex(_TIME) + len(_TIME)])
        if text is not None:
            yield _stream(first, end + 2), unescaped(text)
            return
    yield from _mixed(block)


def _uniform(block: bytes, separator: bytes) -> bytes | None:
    """Return the texts of lines that all end with a newline and have this up to their times.

    None if they are not like that: then a quote is left that nothing escapes, or something behind.
    None, too, if it cannot be told: a backslash and an n at the end of a text that has no newline
    look like one.
    """
    texts = block.split(separator)
    texts[0] = _PAD + texts[0]
    text = b"\n".join(map(_next_text, texts))
    if len(texts[-1]) != len(_PAD):
        return None
    if b'"' in text and text.count(b'"') != text.count(b'\\"'):
        return None
    return None if b"\\" in text and b"\\\n" in text else text


def _mixed(block: bytes, stamped: bool = False) -> Iterator[tuple[str, bytes]]:
    """The same of any lines; what is none of ours, as a power failure leaves it, is left out."""
    run: list[bytes] = []
    stream = ""
    for line in block.split(b"\n"):
        end = line.find(_STREAM)
        if end < 0 or not line.startswith(_HEAD):
            continue
        if (found := _stream(line, end)) != stream:
            if run:
                yield stream, unescaped(b"".join(run))
            run, stream = [], found
        text = line[len(_HEAD) : end]
        run.append(time_of(line) + b" " + text if stamped else text)
    if run:
        yield stream, unescaped(b"".join(run))


def entries(block: bytes) -> Iterator[LogLine]:
    """Yield a block's lines one by one."""
    for line in block.split(b"\n"):
        end = line.find(_STREAM)
        if end < 0 or not line.startswith(_HEAD):
            continue
        text = unescaped(line[len(_HEAD) : end])
        attrs = line[end + len(_STREAM) + 8 : line.rindex(_TIME) - 1]
        time = time_of(line).decode("ascii", "replace")
        yield LogLine(_stream(line, end), time, text, attrs.removeprefix(b'"attrs":'))


def _stream(line: bytes, end: int) -> str:
    """Return the stream of a line whose text ends there."""
    begin = end + len(_STREAM)
    return "stderr" if line.startswith(b"stderr", begin) else "stdout"


def unescaped(text: bytes) -> bytes:
    """Return what the inside of JSON strings stands for, as the bytes that were written."""
    if b"\\" not in text:
        return text
    if b"\\\\" not in text:
        # Every backslash begins an escape: the usual ones can be told by themselves.
        plain = text.replace(b"\\n", b"\n")
        for character, escape in ESCAPES:
            plain = plain.replace(escape, character)
        if b"\\" not in plain:
            return plain
    string = b'"' + text.replace(b"\n", b"\\n") + b'"'
    found: str = loads(string)
    return found.encode("utf-8", "surrogateescape")
