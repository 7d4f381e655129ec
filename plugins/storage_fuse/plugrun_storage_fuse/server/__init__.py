"""The program that serves a union of layers by the kernel's FUSE protocol.

It is started with /dev/fuse as descriptor 0, after the mount is made, and lives as long as that
mount: read(2) gives ENODEV when the last one has gone. It runs as the root of the host, since it
makes devices and gives files away, and sees nothing of any container but its requests.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# A module named on the command line would run as __main__, which is never byte-compiled.
_START = "import sys;sys.path.append({!r});from plugrun_storage_fuse.server.main import main;main()"


def argv(lower: Sequence[str], upper: str, work: str) -> tuple[str, ...]:
    """Return the command that serves a union; nothing is touched or loaded.

    ``lower`` are absolute paths, nearest first, at least one; any number that execve(2) takes.
    ``upper`` empty makes it read-only, and then ``work`` is not used.
    """
    import os
    import sys

    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    start = _START.format(package)
    words = [sys.executable, "-I", "-S", "-X", "utf8", "-c", start]
    words += [f"lowerdir+={path}" for path in lower]
    if upper:
        words += [f"upperdir={upper}", f"workdir={work}"]
    return tuple(words)
