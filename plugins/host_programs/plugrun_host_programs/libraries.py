"""Where the dynamic linker would find a library: ld.so(8).

LD_LIBRARY_PATH and the processor's optimised copies (glibc-hwcaps) are left out: the image must
run without the one, and on machines without the other.
"""

from __future__ import annotations

import os
import struct

from plugrun.api import record

from plugrun_host_programs.elf import read_elf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun_host_programs.elf import Elf

_CACHE = "/etc/ld.so.cache"
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_CACHE_HEADER, _CACHE_ENTRY = 48, 24
_DEFAULT = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib")
_LIBC = "libc.so.6"


@record
class Found:
    """Where a library is; ``by_cache`` if only the linker's cache led there."""

    path: str
    by_cache: bool = False


class Libraries:
    """Finds libraries; reads the linker's cache once."""

    def __init__(self, cache: str = _CACHE) -> None:
        self.cache = cache
        self._cached = _read_cache(cache)

    def find(self, name: str, wanting: Elf, at: str, rpath: tuple[str, ...] = ()) -> Found | None:
        """Return where library ``name`` is for the file ``wanting``, which lies at ``at``.

        ``rpath`` is what the files that loaded it add to the search (DT_RPATH is inherited).
        """
        if "/" in name:
            return Found(name) if _fits(name, wanting) else None
        candidates = self._candidates(name, wanting, at, rpath)
        return next((found for found in candidates if _fits(found.path, wanting)), None)

    def is_standard(self, path: str, wanting: Elf) -> bool:
        """Whether the linker finds a library without its cache: beside the C library it does."""
        libc = self.find(_LIBC, wanting, "/")
        beside = (os.path.dirname(libc.path),) if libc else ()
        known = {os.path.realpath(folder) for folder in (*_DEFAULT[:4], *beside)}
        return os.path.realpath(os.path.dirname(path)) in known

    def _candidates(
        self, name: str, wanting: Elf, at: str, rpath: tuple[str, ...]
    ) -> Iterator[Found]:
        folders = wanting.runpath or (*wanting.rpath, *rpath)
        for folder in expanded(folders, at):
            yield Found(os.path.join(folder, name))
        for path in self._cached.get(name, ()):
            yield Found(path, by_cache=True)
        for folder in _DEFAULT:
            yield Found(os.path.join(folder, name))


def _fits(path: str, wanting: Elf) -> bool:
    try:
        with open(path, "rb") as file:
            found = read_elf(file)
    except OSError:
        return False
    return found is not None and found.kind == wanting.kind


def expanded(folders: tuple[str, ...], at: str) -> tuple[str, ...]:
    """Return a search path with ``$ORIGIN``, the folder of the file that has it, put in."""
    origin = os.path.dirname(os.path.realpath(at))
    filled = (f.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for f in folders)
    return tuple(os.path.normpath(f) for f in filled if f.startswith("/") and "$" not in f)


def _read_cache(path: str) -> dict[str, list[str]]:
    """Return name -> paths of ld.so.cache, plain entries only; nothing where there is no cache.

    The form is glibc's ``struct cache_file_new``; an older header may come before it. Offsets
    count from the magic.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return {}
    data = data[max(0, data.find(_CACHE_MAGIC)) :]
    found: dict[str, list[str]] = {}
    if not data.startswith(_CACHE_MAGIC) or len(data) < _CACHE_HEADER:
        return found
    (count,) = struct.unpack_from("=I", data, len(_CACHE_MAGIC))
    for i in range(min(count, (len(data) - _CACHE_HEADER) // _CACHE_ENTRY)):
        at = _CACHE_HEADER + i * _CACHE_ENTRY
        _, key, value, _, hwcap = struct.unpack_from("=iIIIQ", data, at)
        if hwcap == 0:
            found.setdefault(_name(data, key), []).append(_name(data, value))
    return found


def _name(data: bytes, offset: int) -> str:
    return os.fsdecode(data[offset : data.find(b"\0", offset)])
