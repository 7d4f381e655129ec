"""Whether a process lives, and which one it is; without ctypes, which a listing need not load."""

from __future__ import annotations

import os


def start_time(pid: int) -> int:
    """Return when a process started, in clock ticks after boot, or 0 if there is none.

    With the PID it names a process for good: PIDs come round again. Field 22 of
    /proc/PID/stat (proc_pid_stat(5)); a zombie still counts.
    """
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    try:
        text = os.read(fd, 4096)
    except ProcessLookupError:
        return 0
    finally:
        os.close(fd)
    return int(text[text.rindex(b")") + 2 :].split()[19])


def is_alive(pid: int, started: int) -> bool:
    """Whether the process named by PID and start time exists and is no zombie."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return False
    try:
        text = os.read(fd, 4096)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    fields = text[text.rindex(b")") + 2 :].split()
    return int(fields[19]) == started and fields[0] not in (b"Z", b"X")
