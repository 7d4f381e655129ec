"""One header block of a tar archive, from anybody (POSIX pax, ustar; GNU tar's manual, "Basic Tar
Format").
"""

from __future__ import annotations

from plugrun.api import Corrupt, HostileArchive, record

BLOCK = 512

REGULAR = "regular"
FOLDER = "folder"
SYMLINK = "symlink"
HARDLINK = "hardlink"
OTHER = "other"
LONG_NAME = "L"
LONG_LINK = "K"
PAX = "x"
GLOBAL_PAX = "g"

_KINDS = {
    b"0": REGULAR,
    b"\0": REGULAR,
    b"7": REGULAR,
    b"1": HARDLINK,
    b"2": SYMLINK,
    b"5": FOLDER,
    b"L": LONG_NAME,
    b"K": LONG_LINK,
    b"x": PAX,
    b"g": GLOBAL_PAX,
}
_WITHOUT_CONTENT = frozenset((b"1", b"2", b"3", b"4", b"5", b"6"))
_MOST_PAX_RECORDS = 1000


@record
class Header:
    """A header as its block has it; ``size`` is of the content that follows."""

    name: bytes
    kind: str
    size: int
    link: bytes


def parse_header(block: bytes) -> Header:
    """Parse a block that is not all zeros; raise Corrupt if it is no header."""
    if _number(block[148:156]) != sum(block[:148]) + sum(block[156:]) + 8 * 32:
        raise Corrupt("an archive has a damaged header: its checksum is wrong")
    flag = block[156:157]
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name
    size = 0 if flag in _WITHOUT_CONTENT else _number(block[124:136])
    kind = _KINDS.get(flag, OTHER)
    return Header(name, kind, size, _text(block[157:257]))


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """Return an octal number, or GNU's base-256; raise on a negative one and on anything else."""
    if field[0] & 0x80:
        if field[0] & 0x40:
            raise HostileArchive("an archive has a member of negative size")
        value = int.from_bytes(bytes((field[0] & 0x3F,)) + field[1:], "big")
    else:
        digits = field.strip(b" \0")
        if not all(0x30 <= digit <= 0x37 for digit in digits):
            raise Corrupt(f"an archive has a damaged header: {digits!r:.40} is no number")
        value = int(digits or b"0", 8)
    if value >= 1 << 62:
        raise HostileArchive(f"an archive has a member of {value} bytes")
    return value


def parse_pax(data: bytes) -> dict[bytes, bytes]:
    """Parse the records of a pax header: ``LENGTH KEY=VALUE\\n``."""
    found: dict[bytes, bytes] = {}
    while data.strip(b"\0"):
        digits, space, _ = data[:20].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        record_, data = data[:length], data[length:]
        key, equals, value = record_[len(digits) + 1 : -1].partition(b"=")
        if not equals or len(record_) != length or not record_.endswith(b"\n"):
            raise Corrupt("an archive has a damaged pax header")
        found[key] = value
        if len(found) > _MOST_PAX_RECORDS:
            raise HostileArchive(f"an archive has a pax header of over {_MOST_PAX_RECORDS} records")
    return found


def pax_size(text: bytes) -> int:
    """Return the size a pax record gives."""
    if not text.isdigit() or len(text) > 19:
        raise HostileArchive(f"an archive has a member of size {text!r:.40}")
    return int(text)
