"""DNS messages, as far as they must be understood (RFC 1035, RFC 3596).

What comes from a container is hostile. Only the header and the one question are read; a question
has no reason to be compressed, so that nothing here follows a pointer.
"""

from __future__ import annotations

from struct import Struct

from plugrun.api import record

A, PTR, AAAA, ANY = 1, 12, 28, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP = 0, 1, 2, 3, 4
MOST_UDP = 512  # bytes that a client who has not said otherwise takes

_HEADER = Struct(">HHHHHH")
_PAIR = Struct(">HH")
_RECORD = Struct(">HHHIH")
_RESPONSE, _TRUNCATED, _RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x8000, 0x200, 0x100, 0x80
_OPCODE, _RCODE = 0x7800, 0xF
_INTERNET, _LONGEST_NAME, _LONGEST_LABEL = 1, 255, 63
_TO_QUESTION = 0xC00C  # a pointer to where the question's name is
_TTL = 5  # seconds; containers come and go, and some programs keep what they hear


class Malformed(Exception):
    """A message that no resolver sends; ``code`` is what to answer."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@record
class Question:
    """``name`` in lower case, without the last dot. ``end`` is where the question ends."""

    name: str
    kind: int
    internet: bool
    end: int


def parse_question(message: bytes) -> Question | None:
    """Return the question of a query; None for what must not be answered at all."""
    if len(message) < _HEADER.size:
        return None
    _, flags, questions, _, _, _ = _HEADER.unpack_from(message)
    if flags & _RESPONSE:
        return None
    if flags & _OPCODE:
        raise Malformed(NOTIMP)
    if questions != 1:
        raise Malformed(FORMERR)
    labels, offset = _labels(message, _HEADER.size)
    if offset + 4 > len(message):
        raise Malformed(FORMERR)
    kind, family = _PAIR.unpack_from(message, offset)
    name = b".".join(labels).decode("latin-1").lower()
    return Question(name, kind, family == _INTERNET, offset + 4)


def _labels(message: bytes, offset: int) -> tuple[list[bytes], int]:
    labels: list[bytes] = []
    start = offset
    while offset < len(message):
        length = message[offset]
        if length > _LONGEST_LABEL or offset + length - start >= _LONGEST_NAME:
            break
        if not length:
            return labels, offset + 1
        labels.append(message[offset + 1 : offset + 1 + length])
        offset += 1 + length
    raise Malformed(FORMERR)


def answer(
    query: bytes, question: Question, code: int, data: tuple[bytes, ...], most: int
) -> bytes:
    """Return an answer of ``most`` bytes at most; it says so if that is not all of it.

    ``data`` are addresses, or encoded names for PTR.
    """
    start = query[_HEADER.size : question.end]
    records, size = [], _HEADER.size + len(start)
    for one in data:
        size += 12 + len(one)
        if size > most:
            break
        kind = question.kind if question.kind == PTR else A if len(one) == 4 else AAAA
        records.append(_RECORD.pack(_TO_QUESTION, kind, _INTERNET, _TTL, len(one)) + one)
    flags = _TRUNCATED if len(records) < len(data) else 0
    return _header(query, code, flags, 1, len(records)) + start + b"".join(records)


def refusal(query: bytes, code: int) -> bytes:
    """Return an answer to what may not even have a question."""
    return _header(query, code, 0, 0, 0)


def failure(query: bytes, question: Question, code: int) -> bytes:
    """Return an answer without data."""
    return answer(query, question, code, (), MOST_UDP)


def _header(query: bytes, code: int, flags: int, questions: int, answers: int) -> bytes:
    number, asked = _PAIR.unpack_from(query)
    kept = asked & (_OPCODE | _RECURSION_DESIRED)
    given = kept | _RESPONSE | _RECURSION_AVAILABLE | flags | code
    return _HEADER.pack(number, given, questions, answers, 0, 0)


def encoded(name: str) -> bytes:
    """Return a name in the form it has in a message."""
    labels = [label.encode("latin-1", "replace")[:_LONGEST_LABEL] for label in name.split(".")]
    return b"".join([bytes((len(label),)) + label for label in labels if label]) + b"\0"


def with_number(message: bytes, number: bytes) -> bytes:
    """Return a message with another number in its first two bytes."""
    return number + message[2:]


def is_answer(message: bytes, query: bytes, question: Question) -> bool:
    """Whether a message answers a query: its number, and its question, letter by letter."""
    if len(message) < question.end or message[:2] != query[:2] or not message[2] & 0x80:
        return False
    return message[_HEADER.size : question.end] == query[_HEADER.size : question.end]


def is_failure(message: bytes) -> bool:
    """Whether another server may know better: SERVFAIL, NOTIMP or REFUSED."""
    return message[3] & _RCODE in (SERVFAIL, NOTIMP, 5)
