"""A tar entry, and the header block it comes from (pax(1), tar(5))."""

from __future__ import annotations

from struct import Struct

from plugrun.errors import Corrupt, HostileArchive

REGULAR = b"0"
LINK = b"1"
SYMLINK = b"2"
CHAR = b"3"
BLOCK_DEVICE = b"4"
FOLDER = b"5"
FIFO = b"6"
CONTIGUOUS = b"7"
PAX = b"x"
PAX_GLOBAL = b"g"
GNU_LONG_NAME = b"L"
GNU_LONG_LINK = b"K"
GNU_SPARSE = b"S"

# What has no data, whatever its size field says (POSIX pax, "ustar Interchange Format").
HEADER_ONLY = frozenset((LINK, SYMLINK, CHAR, BLOCK_DEVICE, FOLDER, FIFO))

# name mode uid gid size mtime chksum typeflag linkname magic uname gname devmajor devminor prefix
_HEADER = Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_USTAR = b"ustar\x00"
_LARGEST_SIZE = 1 << 62
_LARGEST_ID = (1 << 32) - 2  # -1 means "leave it" to chown(2)
_LARGEST_TIME = 1 << 40


class Entry:
    """One entry; ``size`` is what a file has when unpacked, ``stored`` what the stream holds.

    ``holes`` is None, or the (offset, length) of each stored segment of a sparse file.
    """

    __slots__ = (
        "gid",
        "holes",
        "linkname",
        "major",
        "minor",
        "mode",
        "mtime_ns",
        "name",
        "size",
        "stored",
        "type",
        "uid",
        "xattrs",
    )

    name: bytes
    type: bytes
    mode: int
    uid: int
    gid: int
    size: int
    stored: int
    mtime_ns: int
    linkname: bytes
    major: int
    minor: int
    xattrs: dict[str, bytes] | None
    holes: list[tuple[int, int]] | None


def parse_header(block: bytes) -> Entry:
    """Return the entry of a header block; raise Corrupt if its checksum or a number is wrong."""
    (
        name,
        mode,
        uid,
        gid,
        size,
        mtime,
        chksum,
        kind,
        linkname,
        magic,
        _,
        _,
        major,
        minor,
        prefix,
    ) = _HEADER.unpack(block)
    _check_sum(block, chksum)
    entry = Entry()
    entry.name = name.partition(b"\0")[0]
    if magic[:6] == _USTAR and prefix[0]:
        entry.name = prefix.partition(b"\0")[0] + b"/" + entry.name
    entry.type = kind
    entry.linkname = linkname.partition(b"\0")[0]
    entry.mode = number(mode) & 0o7777
    entry.uid, entry.gid = number(uid), number(gid)
    entry.stored = entry.size = number(size)
    entry.mtime_ns = number(mtime) * 1_000_000_000
    entry.major = entry.minor = 0
    if kind in (CHAR, BLOCK_DEVICE):
        entry.major, entry.minor = number(major), number(minor)
    entry.xattrs = entry.holes = None
    if kind == b"\0":
        entry.type = FOLDER if entry.name.endswith(b"/") else REGULAR
    elif kind == CONTIGUOUS:
        entry.type = REGULAR
    return entry


def check_numbers(entry: Entry) -> None:
    """Refuse numbers that no file can have; they would mean something else to the kernel."""
    if not 0 <= entry.stored <= _LARGEST_SIZE or not 0 <= entry.size <= _LARGEST_SIZE:
        raise HostileArchive(f"{shown(entry.name)} has size {entry.size}")
    if not 0 <= entry.uid <= _LARGEST_ID or not 0 <= entry.gid <= _LARGEST_ID:
        raise HostileArchive(f"{shown(entry.name)} has owner {entry.uid}:{entry.gid}")
    if not 0 <= entry.major < 1 << 12 or not 0 <= entry.minor < 1 << 20:
        raise HostileArchive(f"{shown(entry.name)} is device {entry.major}:{entry.minor}")
    if abs(entry.mtime_ns) > _LARGEST_TIME * 1_000_000_000:
        raise Corrupt(f"{shown(entry.name)} has a time outside of all calendars")


def number(field: bytes) -> int:
    """Return a numeric field: octal digits, or GNU's base 256 if the top bit is set."""
    text = field.rstrip(b"\0 ")
    if not text.isdigit():
        if text and field[0] & 0x80:
            return _base256(field)
        text = field.partition(b"\0")[0].strip(b" ") or b"0"
    try:
        if text.isdigit():
            return int(text, 8)
    except ValueError:  # an 8 or a 9
        pass
    raise Corrupt(f"a tar header has the number {field!r}")


def _base256(field: bytes) -> int:
    """Two's complement, big endian, without the flag in the top bit."""
    value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
    if field[0] & 0x40:
        value -= 1 << (8 * len(field) - 1)
    return value


def _check_sum(block: bytes, field: bytes) -> None:
    """The sum of all bytes, its own field taken as blanks; some old tars summed signed chars."""
    written = number(field)
    unsigned = sum(block) - sum(field) + 256
    if written == unsigned:
        return
    signed = unsigned - 256 * sum(byte > 127 for byte in block[:148] + block[156:])
    if written != signed:
        raise Corrupt("a tar header's checksum is wrong: the stream is damaged or no tar at all")


def shown(name: bytes) -> str:
    """Return a name for a message: printable and not endless."""
    text = name[:200].decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return f"entry {text!r}" if not text.startswith("entry ") else text
