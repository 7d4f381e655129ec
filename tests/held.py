"""Folders of a run of tests' own, and an end to what was left in those of runs that were killed.

Whoever makes one holds a lock on it (flock(2)) as long as it is in use, which the kernel lets go
however the run ends. So whoever comes next can tell what is nobody's any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator

from plugrun.linux.mountinfo import mounts_beneath
from plugrun.linux.mounting import MNT_DETACH, umount


def hold(kind: str, parent: str = "") -> tuple[str, int]:
    """Make a folder for a certain kind of test; it is held until the descriptor is closed.

    Nothing else has folders named like it: ``plugrun-KIND-`` and some letters.
    """
    parent = parent or tempfile.gettempdir()
    made = tempfile.mkdtemp(prefix="plugrun-new-", dir=parent)
    held = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(held, fcntl.LOCK_EX)
    # Only now it has a name that others look at.
    path = f"{parent}/plugrun-{kind}-{made.rpartition('-')[2]}"
    os.rename(made, path)
    return path, held


def abandoned(kind: str, parent: str = "") -> Iterator[str]:
    """Yield each folder of this kind that nobody holds; it is held while it is looked at."""
    parent = parent or tempfile.gettempdir()
    for name in os.listdir(parent):
        if name.rpartition("-")[0] != f"plugrun-{kind}":
            continue
        try:
            held = os.open(f"{parent}/{name}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # it went this moment
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield f"{parent}/{name}"
        except BlockingIOError:
            continue
        finally:
            os.close(held)


def unmount(path: str) -> None:
    """Unmount all that is mounted at or beneath a folder."""
    for place in reversed(mounts_beneath([path])):
        umount(place, MNT_DETACH)


def delete(path: str) -> None:
    """Delete a folder with all that is in it or mounted on it."""
    unmount(path)
    # Not rmtree: some of what tests make lies deeper than Python calls itself.
    subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


@contextlib.contextmanager
def held_folder(
    kind: str, parent: str = "", end: Callable[[str], None] | None = None
) -> Iterator[str]:
    """Yield a folder of one's own, which is deleted at the end.

    Before, ``end`` is called with each that a killed run left; without it, they are deleted.
    """
    for left in abandoned(kind, parent):
        (end or delete)(left)
    path, held = hold(kind, parent)
    try:
        yield path
    finally:
        delete(path)
        os.close(held)
