"""What a program says about the files it needs, read from its headers without running it.

Source: elf(5), System V gABI chapter 5 (Dynamic Section).
"""

from __future__ import annotations

import struct

from plugrun.api import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_MAGIC = b"\x7fELF"
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_RPATH, _DT_RUNPATH = 1, 5, 10, 15, 29
# Bounds on what a header may claim: far above any real file's.
_MOST_SEGMENTS = 4096
_LONGEST_FILE = 1 << 62
_LONGEST_TABLE = 64 * 1024 * 1024


@record
class Elf:
    """One ELF file; ``kind`` is class, byte order and machine: only equals can be linked."""

    kind: tuple[int, int, int]
    interpreter: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()


@record
class _Segment:
    type: int
    offset: int
    address: int
    size: int


def read_elf(file: BinaryIO) -> Elf | None:
    """Return what an ELF file says, or None if it is none (or a broken one)."""
    try:
        return _Reader(file).read()
    except (struct.error, ValueError, IndexError):
        return None


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        ident = self._at(0, 16)
        if ident[:4] != _MAGIC or ident[4] not in (1, 2) or ident[5] not in (1, 2):
            raise ValueError("not ELF")
        self._is_64 = ident[4] == 2
        self._order = "<" if ident[5] == 1 else ">"
        (machine,) = self._unpack("H", 18)
        self._kind = (ident[4], ident[5], machine)

    def read(self) -> Elf:
        segments = self._segments()
        interpreter = "".join(
            _text(self._at(s.offset, s.size)) for s in segments if s.type == _PT_INTERP
        )
        tags = [tag for s in segments if s.type == _PT_DYNAMIC for tag in self._dynamic(s)]
        table = self._strings(tags, segments)
        names = {
            kind: [_text(table[value:]) for tag, value in tags if tag == kind]
            for kind in (_DT_NEEDED, _DT_RPATH, _DT_RUNPATH)
        }
        rpath, runpath = (
            tuple(part for text in names[kind] for part in text.split(":") if part)
            for kind in (_DT_RPATH, _DT_RUNPATH)
        )
        return Elf(self._kind, interpreter, tuple(names[_DT_NEEDED]), rpath, runpath)

    def _segments(self) -> list[_Segment]:
        (start,) = self._unpack("Q", 32) if self._is_64 else self._unpack("I", 28)
        size, count = self._unpack("HH", 54 if self._is_64 else 42)
        if count > _MOST_SEGMENTS:
            raise ValueError("too many segments")
        return [self._segment(start + i * size) for i in range(count)]

    def _segment(self, at: int) -> _Segment:
        if self._is_64:
            kind, _, offset, address, _, size = self._unpack("IIQQQQ", at)
        else:
            kind, offset, address, _, size = self._unpack("IIIII", at)
        return _Segment(kind, offset, address, size)

    def _dynamic(self, segment: _Segment) -> list[tuple[int, int]]:
        form = struct.Struct(self._order + ("qQ" if self._is_64 else "iI"))
        data = self._at(segment.offset, segment.size)
        found: list[tuple[int, int]] = []
        for tag, value in form.iter_unpack(data[: len(data) // form.size * form.size]):
            if tag == 0:
                break
            found.append((tag, value))
        return found

    def _strings(self, tags: list[tuple[int, int]], segments: list[_Segment]) -> bytes:
        known = dict(tags)
        address, size = known.get(_DT_STRTAB), known.get(_DT_STRSZ, 0)
        if address is None:
            return b""
        for s in segments:
            if s.type == _PT_LOAD and s.address <= address < s.address + s.size:
                return self._at(s.offset + address - s.address, size)
        return b""

    def _unpack(self, form: str, at: int) -> tuple[int, ...]:
        shape = struct.Struct(self._order + form)
        return shape.unpack(self._at(at, shape.size))

    def _at(self, offset: int, size: int) -> bytes:
        if offset > _LONGEST_FILE or size > _LONGEST_TABLE:
            raise ValueError("no file is as long as its header says")
        self._file.seek(offset)
        return self._file.read(size)


def _text(data: bytes) -> str:
    """Return a NUL-terminated string as a path."""
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")
