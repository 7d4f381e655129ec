"""Layers made by hand: entries, the tars of them, and what a tree looks like."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass

MTIME = 1_600_000_000


@dataclass(frozen=True)
class Made:
    """One entry: ``kind`` is file, folder, symlink, link or fifo; a whiteout is a file."""

    name: str
    kind: str = "file"
    data: str = ""  # content, or target
    mode: int = 0o644
    uid: int = 0
    mtime: int = MTIME

    def info(self) -> tarfile.TarInfo:
        info = tarfile.TarInfo(self.name)
        info.type = _TYPES[self.kind]
        info.mode, info.uid, info.gid, info.mtime = self.mode, self.uid, self.uid, self.mtime
        if self.kind in ("symlink", "link"):
            info.linkname = self.data
        elif self.kind == "file":
            info.size = len(self.data.encode())
        return info


_TYPES = {
    "file": tarfile.REGTYPE,
    "folder": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "link": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
}


def tar_of(entries: Iterable[Made]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for entry in entries:
            info = entry.info()
            archive.addfile(info, io.BytesIO(entry.data.encode()) if info.size else None)
    return buffer.getvalue()


def header(name: bytes, kind: bytes = b"0", size: int | bytes = 0, **fields: bytes) -> bytes:
    """Return one header block with exactly these fields and a right checksum."""
    number = size if isinstance(size, bytes) else b"%011o\0" % size
    values = {
        "mode": b"0000644\0", "uid": b"0000000\0", "gid": b"0000000\0", "mtime": b"00000000000\0",
        "linkname": b"", "magic": b"ustar\00000", "major": b"", "minor": b"", "prefix": b"",
        **fields,
    }  # fmt: skip
    block = b"".join((
        name.ljust(100, b"\0"), values["mode"], values["uid"], values["gid"], number,
        values["mtime"], b" " * 8, kind, values["linkname"].ljust(100, b"\0"), values["magic"],
        bytes(64), values["major"].ljust(8, b"\0"), values["minor"].ljust(8, b"\0"),
        values["prefix"].ljust(155, b"\0"), bytes(12),
    ))  # fmt: skip
    assert len(block) == 512, len(block)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def pax(**records: bytes) -> bytes:
    """Return an extended header; ``__`` in a key stands for a dot."""
    text = b"".join(record(key.replace("__", ".").encode(), v) for key, v in records.items())
    return header(b"pax", b"x", len(text)) + padded(text)


def record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    while len(b"%d" % length) + len(key) + len(value) + 3 != length:
        length = len(b"%d" % length) + len(key) + len(value) + 3
    return b"%d %b=%b\n" % (length, key, value)


END = bytes(1024)


def look(root: str, without: str = "") -> dict[str, tuple]:
    """Return all that is in a tree: kind, mode, owner, mtime, content, names of the same inode.

    ``without`` is a path that is left out, with all beneath it.
    """
    found: dict[str, tuple] = {}
    names: dict[int, list[str]] = {}
    todo = [""]
    while todo:
        path = todo.pop()
        full = f"{root}/{path}" if path else root
        state = os.lstat(full)
        names.setdefault(state.st_ino, []).append(path)
        kind, content = stat.S_IFMT(state.st_mode), ""
        if stat.S_ISDIR(state.st_mode):
            below = [f"{path}/{name}".lstrip("/") for name in os.listdir(full)]
            todo.extend(name for name in below if name != without)
        elif stat.S_ISLNK(state.st_mode):
            content = os.readlink(full)
        elif stat.S_ISREG(state.st_mode):
            with open(full, encoding="latin-1") as file:
                content = file.read()
        found[path] = (
            kind,
            stat.S_IMODE(state.st_mode),
            state.st_uid,
            state.st_mtime_ns,
            content,
            state.st_ino,
        )
    return {
        path: (kind, mode, uid, mtime, content, tuple(sorted(names[ino])))
        for path, (kind, mode, uid, mtime, content, ino) in found.items()
    }
