"""The console script."""

import subprocess
import sys

import pytest

PROGRAM = "import sys; from plugrun.launch import main; sys.exit(main())"


@pytest.mark.parametrize("loaded", ["", "import threading; "])
@pytest.mark.parametrize(
    ("argv", "code", "out", "err"),
    [
        (["--version"], 0, b"plugrun version ", b""),
        (["run", "--foo"], 125, b"", b"unknown flag: --foo\n"),
        (["exec", "a"], 1, b"", b"plugrun: 'plugrun exec' requires at least 2 arguments\n"),
    ],
)
def test_output_and_code_reach_the_caller(loaded, argv, code, out, err):
    done = subprocess.run([sys.executable, "-c", loaded + PROGRAM, *argv], capture_output=True)
    assert done.returncode == code
    assert done.stdout.startswith(out)
    assert done.stderr.startswith(err)


def test_a_full_disk_is_no_success():
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "--version"], stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
