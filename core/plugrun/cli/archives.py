"""A file of the command line as an address: its name may have a colon in it, an address may not."""

from __future__ import annotations

import contextlib
import os
import stat

from plugrun.cli.failure import SaidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEME = "docker-archive"


def input_address(path: str) -> str:
    """Return the address to read a file at; raise SaidError, as Docker does, if it cannot be."""
    if not path:
        return f"{_SCHEME}:-"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise SaidError(f"open {path}: {(error.strerror or '').lower()}") from None
    if ":" not in path:
        os.close(fd)
        return f"{_SCHEME}:{path}"
    return f"{_SCHEME}:/proc/self/fd/{fd}"


@contextlib.contextmanager
def output_address(path: str) -> Iterator[str]:
    """Give the address to write a file at; what stands there is replaced when all is well."""
    if not path:
        yield f"{_SCHEME}:-"
        return
    _check_output(path)
    if ":" not in path:
        yield f"{_SCHEME}:{path}"
        return
    folder = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        aside = f".plugrun-save-{os.getpid()}"
        yield f"{_SCHEME}:/proc/self/fd/{folder}/{aside}"
        os.rename(aside, os.path.basename(path), src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)


def _check_output(path: str) -> None:
    """Refuse, in Docker's words, what is no place for an archive."""
    folder = os.path.dirname(path)
    try:
        os.stat(folder or ".")
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise SaidError(
            f"failed to save image: invalid output path: stat {folder}: {reason}"
        ) from None
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    kinds = {stat.S_IFDIR: "directory", stat.S_IFCHR: "character device file"}
    kind = kinds.get(stat.S_IFMT(mode), "")
    if kind:
        raise SaidError(f"failed to save image: cannot write to a {kind}")
