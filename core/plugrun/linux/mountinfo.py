"""What is mounted in this mount namespace: proc_pid_mountinfo(5)."""

from __future__ import annotations

import os


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
