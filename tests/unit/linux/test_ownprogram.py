"""The program of a process that enters a container: seen by others, and never written by them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

SCRIPT = """
import sys
sys.path[:0] = {path!r}
from plugrun.linux.ownprogram import execute_read_only
if {protected}:
    execute_read_only()
print(sys.argv[1:], flush=True)
sys.stdin.read()
"""


def writable_afterwards(interpreter: Path, *, protected: bool) -> bool:
    """Whether who looks at a process can write its program once it has ended."""
    script = SCRIPT.format(path=sys.path, protected=protected)
    pipe = subprocess.PIPE
    argv = [interpreter, "-I", "-c", script, "a b", "-c"]
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"['a b', '-c']\n"
        seen = os.open(f"/proc/{process.pid}/exe", os.O_PATH)
        assert process.stdin is not None
        process.stdin.close()
    assert process.returncode == 0
    try:
        os.close(os.open(f"/proc/self/fd/{seen}", os.O_WRONLY))
    except OSError:
        return False
    finally:
        os.close(seen)
    return True


@pytest.mark.parametrize("protected", [False, True])
def test_the_program_of_a_process_that_was_looked_at(tmp_path, protected):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    copy = tmp_path / "python"
    shutil.copy(os.path.realpath(sys.executable), copy)
    assert writable_afterwards(copy, protected=protected) is not protected
