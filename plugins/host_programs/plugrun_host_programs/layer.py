"""The one layer of an image of host programs: the same files give the same bytes."""

from __future__ import annotations

import hashlib
import io
import tarfile
from tempfile import TemporaryFile

from plugrun.api import LAYER_TAR, Descriptor

from plugrun_host_programs.tree import Tree, find_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import BufferedRandom

    from plugrun_host_programs.tree import Entry

_FOLDERS = {
    "/dev": 0o755,
    "/etc": 0o755,
    "/proc": 0o555,
    "/root": 0o700,
    "/run": 0o755,
    "/sys": 0o555,
    "/tmp": 0o1777,
    "/var/tmp": 0o1777,
}
_FILES = {
    "/etc/group": b"root:x:0:\nnobody:x:65534:\n",
    "/etc/passwd": (
        b"root:x:0:0:root:/root:/bin/sh\n"
        b"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
}


def gather(programs: Iterable[str]) -> tuple[Tree, tuple[str, ...]]:
    """Return the files that programs need, and where each program lies."""
    tree = Tree()
    for path, mode in _FOLDERS.items():
        tree.add_folder(path, mode)
    found = tuple(find_program(program) for program in programs)
    for path in found:
        tree.add_program(path)
    return tree, found


def write_layer(tree: Tree) -> tuple[Descriptor, BufferedRandom]:
    """Return a layer as an uncompressed tar in a nameless temporary file.

    Sorted, all owned by root, all of 1970. Uncompressed because it never leaves the machine,
    and its digest then is its DiffID.
    """
    file = TemporaryFile()  # noqa: SIM115  (the transport closes it)
    try:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted({*tree.entries, *_FILES}):
                _write(archive, path, tree.entries.get(path))
        size = file.tell()
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    except BaseException:
        file.close()
        raise
    return Descriptor(LAYER_TAR, f"sha256:{digest}", size), file


def _write(archive: tarfile.TarFile, path: str, entry: Entry | None) -> None:
    info = tarfile.TarInfo(path.lstrip("/"))
    if path in _FILES:
        info.mode, info.size = 0o644, len(_FILES[path])
        archive.addfile(info, io.BytesIO(_FILES[path]))
        return
    assert entry is not None
    info.mode = entry.mode
    if entry.source:
        with open(entry.source, "rb") as source:
            info.size = source.seek(0, io.SEEK_END)
            source.seek(0)
            archive.addfile(info, source)
        return
    info.type = tarfile.SYMTYPE if entry.target else tarfile.DIRTYPE
    info.linkname = entry.target
    archive.addfile(info)
