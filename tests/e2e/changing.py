"""Commands that are signalled in the middle: at the Nth change that they make."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence

from tests.e2e.conftest import PATIENCE, Plugrun

# What counts as a change, besides a file that is made.
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.fork")
OF_RUN = (*CHANGES, "sqlite3.connect")

# Children inherit the counter, so each counts on from its fork.
_PROGRAM = """
import os, sys
limit, number, whom = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
events = set(sys.argv[4].split(","))
del sys.argv[1:5]
seen = 0
def count(event, args):
    global seen
    if event in events or (event == "open" and args[2] & os.O_CREAT):
        seen += 1
        if seen == limit:
            os.kill(os.getpid() if whom == "self" else 0, number)
sys.addaudithook(count)
from plugrun.launch import main
sys.exit(main())
"""


def signalled_at(
    limit: int,
    arguments: Sequence[str],
    changes: Sequence[str],
    *,
    number: int = signal.SIGKILL,
    whom: str = "self",
) -> list[str]:
    """Return what runs plugrun and signals who makes change number ``limit``, or all of it."""
    said = (str(limit), str(int(number)), whom, ",".join(changes))
    return [sys.executable, "-c", _PROGRAM, *said, *arguments]


def run_killed(plugrun: Plugrun, limit: int, *args: str) -> bool:
    """Run a command that is killed at its Nth change; False if it does not make so many."""
    done = subprocess.run(
        signalled_at(limit, [*plugrun.argv[1:], *args], OF_RUN),
        capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode != 0
