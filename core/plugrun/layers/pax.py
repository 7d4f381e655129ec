"""PAX extended headers (pax(1)) as GNU tar, star and Go write them."""

from __future__ import annotations

from plugrun.errors import Corrupt, HostileArchive
from plugrun.layers.entry import REGULAR, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.layers.entry import Entry

_XATTR = b"SCHILY.xattr."
_SPARSE_OFFSET = b"GNU.sparse.offset"
_SPARSE_LENGTH = b"GNU.sparse.numbytes"

Records = dict[bytes, bytes]


def parse_records(data: bytes) -> tuple[Records, list[tuple[int, int]]]:
    """Return a header's records, and the segments of GNU's sparse format 0.0 (repeated keys)."""
    records: Records = {}
    offsets: list[int] = []
    lengths: list[int] = []
    pos = 0
    while pos < len(data) and data[pos] != 0:
        key, value, pos = _record(data, pos)
        if key == _SPARSE_OFFSET:
            offsets.append(decimal(value, key))
        elif key == _SPARSE_LENGTH:
            lengths.append(decimal(value, key))
        else:
            records[key] = value
    if len(offsets) != len(lengths):
        raise Corrupt("a PAX header has a sparse map with one half missing")
    return records, list(zip(offsets, lengths, strict=True))


def _record(data: bytes, pos: int) -> tuple[bytes, bytes, int]:
    """``LENGTH KEY=VALUE\\n``, where LENGTH counts all of it."""
    blank = data.find(b" ", pos, pos + 20)
    digits = data[pos:blank] if blank > 0 else b""
    if not digits.isdigit():
        raise Corrupt("a PAX header has a record without a length")
    end = pos + int(digits)
    key, equals, value = data[blank + 1 : end - 1].partition(b"=")
    if not equals or not key or end > len(data) or end <= blank or data[end - 1] != 10:
        raise Corrupt("a PAX header has a record whose length is wrong")
    return key, value, end


def apply_records(entry: Entry, records: Records) -> None:
    """Put what an extended header says over what the header block says."""
    for key, value in records.items():
        if key == b"path":
            entry.name = _name(value, key) or entry.name
        elif key == b"linkpath":
            entry.linkname = _name(value, key) or entry.linkname
        elif key == b"mtime":
            entry.mtime_ns = nanoseconds(value) if value else entry.mtime_ns
        elif key in (b"size", b"uid", b"gid"):
            _set_number(entry, key, value)
        elif key.startswith(_XATTR):
            _set_xattr(entry, key[len(_XATTR) :], value)


def _set_number(entry: Entry, key: bytes, value: bytes) -> None:
    if not value:
        return
    found = decimal(value, key)
    if key == b"uid":
        entry.uid = found
    elif key == b"gid":
        entry.gid = found
    else:
        entry.size = entry.stored = found


def _set_xattr(entry: Entry, name: bytes, value: bytes) -> None:
    text = name.decode("utf-8", "surrogateescape")
    if not 0 < len(name) <= 255 or "\0" in text or len(value) > 65536:
        raise HostileArchive(
            f"{shown(entry.name)} has an extended attribute the kernel cannot hold"
        )
    if entry.xattrs is None:
        entry.xattrs = {}
    entry.xattrs[text] = value


def _name(value: bytes, key: bytes) -> bytes:
    if b"\0" in value:
        raise HostileArchive(f"a PAX header has a NUL in {key.decode()}")
    return value


def decimal(value: bytes, key: bytes) -> int:
    """Return a decimal number of at most 19 digits."""
    if not value.isdigit() or len(value) > 19:
        raise Corrupt(f"a PAX header has {key.decode(errors='replace')}={value[:40]!r}")
    return int(value)


def nanoseconds(value: bytes) -> int:
    """Return a PAX time, seconds with a fraction, in nanoseconds; further digits are cut off."""
    sign = -1 if value[:1] == b"-" else 1
    seconds, _, fraction = value[value[:1] == b"-" :].partition(b".")
    if not seconds.isdigit() or len(seconds) > 19 or (fraction and not fraction.isdigit()):
        raise Corrupt(f"a PAX header has the time {value[:40]!r}")
    return sign * (int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, b"0")))


def is_sparse(records: Records) -> bool:
    """Whether an extended header makes its entry a sparse file."""
    return b"GNU.sparse.size" in records or b"GNU.sparse.major" in records


def sparse_name_and_size(entry: Entry, records: Records) -> None:
    """Take a sparse file's real name and size; the header block names it otherwise."""
    name = records.get(b"GNU.sparse.name")
    if name:
        entry.name = _name(name, b"GNU.sparse.name")
    size = records.get(b"GNU.sparse.realsize", records.get(b"GNU.sparse.size"))
    if size is None or entry.type != REGULAR:
        raise Corrupt(f"{shown(entry.name)} is a sparse file without its size")
    entry.size = decimal(size, b"GNU.sparse.size")


def sparse_map(records: Records) -> list[tuple[int, int]] | None:
    """Return the segments of sparse format 0.1, or None if the header has none."""
    text = records.get(b"GNU.sparse.map")
    if text is None:
        return None
    numbers = [decimal(part, b"GNU.sparse.map") for part in text.split(b",")] if text else []
    if len(numbers) % 2:
        raise Corrupt("a PAX header has a sparse map with one half missing")
    return list(zip(numbers[::2], numbers[1::2], strict=True))
