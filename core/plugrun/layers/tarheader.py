"""A tar entry as header blocks: ustar, with a PAX header before it where that cannot say it all.

The same entry always gives the same bytes. Times are whole seconds, and owners numbers without
names, as in the layers that other tools make.
"""

from __future__ import annotations

from struct import Struct

from plugrun.layers.entry import PAX, REGULAR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.layers.entry import Entry

BLOCK = 512
END = bytes(2 * BLOCK)

# name mode uid gid size mtime chksum typeflag linkname magic uname gname devmajor devminor prefix
_HEADER = Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_USTAR = b"ustar\x0000"
_BLANKS = b"        "
_NAME = 100
_LARGEST_ID = 0o7777777
_LARGEST = 0o77777777777
_SPARSE_PLACE = b"GNUSparseFile.0"


def header(entry: Entry, *, exact: bool = False) -> bytes:
    """Return the blocks before an entry's data, a sparse file's map included.

    Times are in whole seconds, as Docker's layers have them, or ``exact`` to the nanosecond.

    ``entry.stored`` is left as it is: the length of the data segments alone. Sparse files are in
    GNU's PAX format 1.0, which Go, GNU tar, libarchive and this project read.
    """
    records = _records(entry, exact=exact)
    name, size, after = entry.name, entry.stored, b""
    if entry.holes is not None:
        records[b"GNU.sparse.major"] = b"1"
        records[b"GNU.sparse.minor"] = b"0"
        records[b"GNU.sparse.name"] = entry.name
        records[b"GNU.sparse.realsize"] = b"%d" % entry.size
        after = _sparse_map(entry.holes)
        size += len(after)
        above, _, base = entry.name.rpartition(b"/")
        name = b"/".join(part for part in (above, _SPARSE_PLACE, base) if part)
        if len(name) > _NAME:
            records[b"path"] = name
        if size > _LARGEST:
            records[b"size"] = b"%d" % size
    extended = _extension(entry.name, records) if records else b""
    return extended + _block(entry, name, size) + after


def _records(entry: Entry, *, exact: bool) -> dict[bytes, bytes]:
    """Return what ustar's fields cannot hold."""
    records: dict[bytes, bytes] = {}
    if len(entry.name) > _NAME or not entry.name.isascii():
        records[b"path"] = entry.name
    if entry.linkname and (len(entry.linkname) > _NAME or not entry.linkname.isascii()):
        records[b"linkpath"] = entry.linkname
    if entry.uid > _LARGEST_ID:
        records[b"uid"] = b"%d" % entry.uid
    if entry.gid > _LARGEST_ID:
        records[b"gid"] = b"%d" % entry.gid
    if entry.stored > _LARGEST:
        records[b"size"] = b"%d" % entry.stored
    seconds = entry.mtime_ns // 1_000_000_000
    if not 0 <= seconds <= _LARGEST:
        records[b"mtime"] = b"%d" % seconds
    if exact and entry.mtime_ns % 1_000_000_000:
        whole, part = divmod(abs(entry.mtime_ns), 1_000_000_000)
        records[b"mtime"] = b"%b%d.%09d" % (b"-" if entry.mtime_ns < 0 else b"", whole, part)
    for key in sorted(entry.xattrs or ()):
        assert entry.xattrs is not None
        records[b"SCHILY.xattr." + key.encode("utf-8", "surrogateescape")] = entry.xattrs[key]
    return records


def _extension(name: bytes, records: dict[bytes, bytes]) -> bytes:
    data = b"".join(_record(key, records[key]) for key in sorted(records))
    above, _, base = name.rstrip(b"/").rpartition(b"/")
    shown = b"/".join(part for part in (above, b"PaxHeaders.0", base) if part)
    ascii_name = bytes(byte for byte in shown if byte < 128)
    return _fields(ascii_name, 0o644, 0, 0, len(data), 0, PAX) + data + bytes(-len(data) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """``LENGTH KEY=VALUE\\n``, where LENGTH counts its own digits too."""
    rest = len(key) + len(value) + 3
    length = rest + len(b"%d" % rest)
    length = rest + len(b"%d" % length)
    return b"%d %b=%b\n" % (length, key, value)


def _block(entry: Entry, name: bytes, size: int) -> bytes:
    seconds = entry.mtime_ns // 1_000_000_000
    return _fields(
        name,
        entry.mode & 0o7777,
        entry.uid if entry.uid <= _LARGEST_ID else 0,
        entry.gid if entry.gid <= _LARGEST_ID else 0,
        size if size <= _LARGEST else 0,
        seconds if 0 <= seconds <= _LARGEST else 0,
        entry.type,
        entry.linkname,
        entry.major,
        entry.minor,
    )


def _fields(
    name: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    kind: bytes,
    linkname: bytes = b"",
    major: int = 0,
    minor: int = 0,
) -> bytes:
    # Struct cuts what is too long: a PAX record has it whole.
    fields = (
        name,
        b"%07o\0" % mode,
        b"%07o\0" % uid,
        b"%07o\0" % gid,
        b"%011o\0" % size,
        b"%011o\0" % mtime,
        _BLANKS,
        kind,
        linkname,
        _USTAR,
        b"",
        b"",
        b"%07o\0" % major,
        b"%07o\0" % minor,
        b"",
    )
    block = _HEADER.pack(*fields)
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


def _sparse_map(segments: list[tuple[int, int]]) -> bytes:
    lines = [b"%d\n" % len(segments)]
    lines += [b"%d\n%d\n" % segment for segment in segments]
    text = b"".join(lines)
    return text + bytes(-len(text) % BLOCK)


def new_entry(name: bytes, kind: bytes = REGULAR) -> Entry:
    """Return an entry of this name with nothing said of it: root's, mode 0, at the epoch."""
    from plugrun.layers.entry import Entry

    entry = Entry()
    entry.name, entry.type, entry.linkname = name, kind, b""
    entry.mode = entry.uid = entry.gid = entry.size = entry.stored = entry.mtime_ns = 0
    entry.major = entry.minor = 0
    entry.xattrs = entry.holes = None
    return entry
