"""What is mounted in this mount namespace: proc_pid_mountinfo(5)."""

from __future__ import annotations

import os


def mounts_beneath(places: list[str]) -> list[str]:
    """Return what is mounted at or beneath these folders, in the order of mounting."""
    with open("/proc/self/mountinfo", "rb") as file:
        points = [_plain(line.split(b" ", 5)[4]) for line in file]
    return [p for p in points if any(p == one or p.startswith(f"{one}/") for one in places)]


def _plain(field: bytes) -> str:
    """Return a field with what is written in octal."""
    for letter in b"\\ \t\n":
        field = field.replace(b"\\%03o" % letter, bytes((letter,)))
    return os.fsdecode(field)


def is_mounted(path: str) -> bool:
    """Whether something is mounted at a path, also if it is of the same file system.

    ``path`` is absolute and without symbolic links.
    """
    # These four are written in octal.
    for letter in "\\ \t\n":
        path = path.replace(letter, f"\\{ord(letter):03o}")
    place = os.fsencode(path)
    with open("/proc/self/mountinfo", "rb") as file:
        return any(line.split(b" ", 5)[4] == place for line in file)


def filesystem_type(path: str) -> str:
    """Return the type of the file system a path is on, as mount(8) shows it: ``ext4``, ``nfs4``."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as info:
            number = next(line.split()[1] for line in info if line.startswith(b"mnt_id:"))
    finally:
        os.close(fd)
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            if line.split(b" ", 1)[0] == number:
                return line.partition(b" - ")[2].split(b" ", 1)[0].decode("utf-8", "replace")
    return "unknown"
