"""The program that serves a union: how it begins and ends, and what it leaves when killed."""

# ruff: noqa: SIM115  (what is opened to fail, or many at once)

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import time

import pytest
from plugrun_storage_fuse.server import argv

from tests.contract.union_fuse.union import LIBC, write


def test_more_files_than_descriptors(union):
    """Files that the kernel reads by itself, and those that nobody has read yet, need none."""
    for number in range(300):
        write(f"{union.low}/d/{number}", b"%d" % number)
    union.mount()
    before = len(os.listdir(f"/proc/{union.server}/fd"))
    files = [open(union / f"d/{number}", "rb") for number in range(300)]
    try:
        assert len(os.listdir(f"/proc/{union.server}/fd")) < before + 10
        assert [file.read() for file in files] == [b"%d" % number for number in range(300)]
    finally:
        for file in files:
            file.close()


def test_what_a_killed_server_left_is_deleted(union):
    os.mkdir(f"{union.base}/work/work")
    write(f"{union.base}/work/work/#1/deep/er")
    os.mknod(f"{union.base}/work/work/#2", stat.S_IFCHR, 0)
    union.mount()
    assert os.listdir(f"{union.base}/work/work") == []


def test_a_killed_server_gives_errors_and_no_hang(union):
    write(f"{union.low}/f")
    union.mount()
    file = os.open(union / "f", os.O_RDONLY)
    os.kill(union.server, signal.SIGTERM)
    os.waitpid(union.server, 0)
    union.server = 0
    try:
        with pytest.raises(OSError) as caught:
            os.stat(union / "other")
        assert caught.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    finally:
        assert LIBC.umount2(os.fsencode(union.at), 2) == 0
    with pytest.raises(OSError, match="not connected"):
        os.close(file)


def test_the_server_ends_with_the_mount(union):
    union.mount()
    pid = union.server
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    begun = time.monotonic()
    union.unmount()
    assert time.monotonic() - begun < 5
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_command_line_is_all_it_needs(union):
    words = argv([union.low], union.up, f"{union.base}/work")
    child = subprocess.run([*words], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert child.returncode  # /dev/null is no connection, and it says so
    assert child.stderr
