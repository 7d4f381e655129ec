"""Which files of this machine an image needs: programs, interpreters, libraries, and the
symbolic links on the way to each, so that every path means there what it means here."""

from __future__ import annotations

import os
import stat

from plugrun.api import ImageNotFound, TransportError, record

from plugrun_host_programs.elf import read_elf
from plugrun_host_programs.libraries import Libraries, expanded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun_host_programs.elf import Elf

STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOST_LINKS = 40
_SHEBANG = 256
# On a machine with merged /usr these are links, and paths in scripts go through them.
_ROOT_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")


@record
class Entry:
    """One path of the image: a folder, a link to ``target``, or the host's file ``source``."""

    path: str
    mode: int
    source: str = ""
    target: str = ""


def find_program(name: str, search: str | None = None) -> str:
    """Return the absolute path of a program, looked up in PATH; raise ImageNotFound."""
    folders = (search or os.environ.get("PATH") or STANDARD_PATH).split(":")
    candidates = (
        [name] if "/" in name else [os.path.join(f, name) for f in folders if f.startswith("/")]
    )
    for path in candidates:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.normpath(path)
    where = name if "/" in name else "PATH (" + ":".join(folders) + ")"
    raise ImageNotFound(
        f"this machine has no program {name!r}: looked in {where}",
        hint="install it, or give its absolute path",
    )


class Tree:
    """The files of one image, gathered."""

    def __init__(self, libraries: Libraries | None = None) -> None:
        self.entries: dict[str, Entry] = {}
        self._libraries = libraries or Libraries()
        self._seen: set[str] = set()
        for link in _ROOT_LINKS:
            if os.path.islink(link):
                self._walk(link)

    def add_program(self, path: str) -> None:
        """Add a program and all that it needs to run."""
        real = self._walk(path)
        if real in self._seen:
            return
        self._seen.add(real)
        elf, head = _read(real)
        if elf:
            self._add_needs(elf, real, ())
        elif head.startswith(b"#!"):
            self._add_interpreter(head)

    def add_folder(self, path: str, mode: int) -> None:
        """Add a folder, unless the host's own is there already."""
        real = self._walk(path, missing_is_folder=True)
        self.entries[real] = Entry(real, mode)

    def _add_needs(self, elf: Elf, at: str, rpath: tuple[str, ...]) -> None:
        if elf.interpreter:
            self._walk(elf.interpreter)
        inherited = rpath if elf.runpath else (*expanded(elf.rpath, at), *rpath)
        for name in elf.needed:
            found = self._libraries.find(name, elf, at, rpath)
            if found is None:
                raise TransportError(f"{at} needs the library {name}, which this machine lacks")
            if found.by_cache and not self._libraries.is_standard(found.path, elf):
                self._walk(self._libraries.cache)
            self._add_library(found.path, inherited)

    def _add_library(self, path: str, rpath: tuple[str, ...]) -> None:
        real = self._walk(path)
        if real in self._seen:
            return
        self._seen.add(real)
        elf, _ = _read(real)
        if elf:
            self._add_needs(elf, real, rpath)

    def _add_interpreter(self, head: bytes) -> None:
        """Add what a script's first line names: execve(2), and env(1)'s own argument."""
        words = os.fsdecode(head[2:].partition(b"\n")[0]).split()
        if not words or not words[0].startswith("/"):
            return
        self.add_program(find_program(words[0]))
        if os.path.basename(words[0]) == "env":
            named = [w for w in words[1:] if not w.startswith("-") and "=" not in w]
            if named:
                self.add_program(find_program(named[0]))

    def _walk(self, path: str, *, missing_is_folder: bool = False) -> str:
        """Add a path's folders and links, and what is at its end; return its real path."""
        todo, done, links = path.strip("/").split("/"), "", 0
        while todo:
            here = f"{done}/{todo.pop(0)}"
            if here.endswith(("/..", "/.")):
                done = os.path.normpath(here).rstrip("/")
                continue
            if here.endswith("/"):
                continue
            target = self._add(here, is_last=not todo, made=missing_is_folder)
            if target is None:
                done = here
                continue
            links += 1
            if links > _MOST_LINKS:
                raise TransportError(f"{path} goes through too many links")
            done = "" if target.startswith("/") else done
            todo = target.strip("/").split("/") + todo
        return done or "/"

    def _add(self, path: str, *, is_last: bool, made: bool) -> str | None:
        """Add one path as the host has it; return a link's target."""
        try:
            info = os.lstat(path)
        except FileNotFoundError:
            if not made:
                raise
            self.entries.setdefault(path, Entry(path, 0o755))
            return None
        if stat.S_ISLNK(info.st_mode):
            target = os.readlink(path)
            self.entries[path] = Entry(path, 0o777, target=target)
            return target
        if stat.S_ISDIR(info.st_mode):
            self.entries.setdefault(path, Entry(path, 0o755))
        elif stat.S_ISREG(info.st_mode) and is_last:
            # No set-user-ID: in the image all belongs to root.
            self.entries[path] = Entry(path, info.st_mode & 0o755, source=path)
        else:
            raise TransportError(f"{path} is no regular file")
        return None


def _read(path: str) -> tuple[Elf | None, bytes]:
    """Return what a file says as ELF, and its first bytes."""
    with open(path, "rb") as file:
        elf = read_elf(file)
        file.seek(0)
        return elf, file.read(_SHEBANG)
