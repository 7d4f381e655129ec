"""Throw-away roots: who made them may be killed, and they are reset all the same.

A small process waits at a pipe whose other end only the maker holds. When that closes, by the
maker's will or by its death, the processes that the maker has named are killed, each root
is reset and the folder of them all is deleted.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.engine.reset import reset
from plugrun.errors import PlugrunError
from plugrun.snapshots.trees import delete_tree

_ROOT = b"root "
_GROUP = b"group "
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1].split(':')\n"
    "from plugrun.engine.reaper import main; main()"
)


class Reaper:
    """The maker's side: a folder for roots, and the process that outlives the maker.

    ``folder`` exists and is the maker's own; all of it is deleted at the end.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        path = ":".join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _PROGRAM, path, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch_root(self, root: str, run_root: str, config: str, profile: str) -> None:
        """Reset this root at the end; the names must have no newline and no NUL."""
        self._tell(_ROOT + "\0".join((root, run_root, config, profile)).encode())

    def watch_group(self, group: int) -> None:
        """Kill this process group at the end, if its leader lives then and is the same."""
        self._tell(_GROUP + b"%d %d" % (group, started(group)))

    def finish(self) -> int:
        """Let go, wait until all is reset, and return 0 if it was."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait()

    def _tell(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()


def started(pid: int) -> int:
    """Return when a process was started, in ticks since boot (proc_pid_stat(5)); 0 if gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def main() -> None:
    """Wait for the maker's end, then reap; run by its command line only."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the maker's end is what ends it
    folder = sys.argv[2]
    lines = sys.stdin.buffer.read().splitlines()
    for line in lines:
        if line.startswith(_GROUP):
            _kill(*map(int, line.removeprefix(_GROUP).split()))
    roots = [line.removeprefix(_ROOT).decode() for line in lines if line.startswith(_ROOT)]
    done = [_reset(*root.split("\0")) for root in roots]
    if not all(done):
        sys.exit(1)  # what is left in the folder is needed to try again
    try:
        delete_tree(folder)
    except (PlugrunError, OSError) as error:
        _say(folder, error)
        sys.exit(1)


def _kill(group: int, since: int) -> None:
    if since and started(group) == since:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            return


def _reset(root: str, run_root: str, config: str, profile: str) -> bool:
    """Reset a root, and say so if that fails: the others have their turn all the same."""
    if not os.path.isdir(root):
        return True
    try:
        reset(open_engine(GlobalOptions(root, run_root, config, profile)))
    except (PlugrunError, OSError) as error:
        _say(root, error)
        return False
    return True


def _say(what: str, error: PlugrunError | OSError) -> None:
    hint = f"\nhint: {error.hint}" if isinstance(error, PlugrunError) and error.hint else ""
    sys.stderr.write(f"plugrun: {what} is left: {error}{hint}\n")
