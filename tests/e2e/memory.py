"""How much memory a command takes at most, with all its processes."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
from collections.abc import Iterator

_STEP = 0.01


def peak(argv: list[str], **more) -> tuple[subprocess.CompletedProcess[bytes], int]:
    """Run a command to its end; return it, and the largest sum of PSS that was seen, in bytes.

    PSS counts a page that processes share once. More is passed to Popen.
    """
    pipe = subprocess.PIPE
    process = subprocess.Popen(argv, **{"stdout": pipe, "stderr": pipe, **more})
    ended = os.pidfd_open(process.pid)
    most = 0
    try:
        while not select.select([ended], [], [], _STEP)[0]:
            most = max(most, sum(_pss(pid) for pid in _family(process.pid)))
    finally:
        os.close(ended)
        out, err = process.communicate()
    return subprocess.CompletedProcess(argv, process.returncode, out, err), most


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                for child in file.read().split():
                    yield from _family(int(child))


def _pss(pid: int) -> int:
    with (
        contextlib.suppress(OSError),
        open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file,
    ):
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0
