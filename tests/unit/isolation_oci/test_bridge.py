"""The program between two terminals."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest
from plugrun_isolation_oci.bridge import make_raw

PROGRAM = "from plugrun_isolation_oci.bridge import main; main()"
PATIENCE = 30


class Two:
    """The container's terminal and the caller's, and the bridge between them."""

    def __init__(self) -> None:
        self.master, self.inside = os.openpty()
        self.outside, self.replica = os.openpty()
        self.resize(self.outside, 30, 90)
        make_raw(self.replica)
        self.bridge = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=self.master, stdout=self.replica, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        os.close(self.master)
        os.close(self.replica)

    @staticmethod
    def resize(fd: int, rows: int, columns: int) -> None:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def size(self) -> tuple[int, ...]:
        return struct.unpack("HHHH", fcntl.ioctl(self.inside, termios.TIOCGWINSZ, bytes(8)))[:2]

    @staticmethod
    def read(fd: int, wanted: bytes) -> bytes:
        found = b""
        while wanted not in found:
            assert select.select([fd], [], [], PATIENCE)[0], found
            found += os.read(fd, 65536)
        return found

    def close(self) -> None:
        for fd in (self.inside, self.outside):
            try:
                os.close(fd)
            except OSError:
                continue
        self.bridge.wait(PATIENCE)
        assert self.bridge.stderr is not None
        assert self.bridge.stderr.read() == b""
        self.bridge.stderr.close()


@pytest.fixture
def two() -> Iterator[Two]:
    made = Two()
    try:
        yield made
    finally:
        made.close()


def test_both_ways(two):
    os.write(two.outside, b"line\r")
    assert two.read(two.inside, b"line") == b"line\n"
    os.write(two.inside, b"said\n")
    # Echoed by the inner one alone, and its newlines made once.
    assert two.read(two.outside, b"said\r\n") == b"line\r\nsaid\r\n"


def test_all_that_was_written_before_the_end_arrives(two):
    text = b"".join(b"%05d\n" % number for number in range(20000))
    reader = os.fork()
    if reader == 0:
        os.close(two.outside)
        left = text
        while left:
            left = left[os.write(two.inside, left[:1000]) :]
        os._exit(0)
    os.close(two.inside)
    found = b""
    try:
        while part := os.read(two.outside, 65536):
            found += part
    except OSError:
        pass  # EIO: the bridge has ended
    os.waitpid(reader, 0)
    assert found == text.replace(b"\n", b"\r\n")


def test_the_size_follows(two):
    os.write(two.inside, b"up\n")
    two.read(two.outside, b"up")
    assert two.size() == (30, 90)
    two.resize(two.outside, 44, 111)
    fd = os.pidfd_open(two.bridge.pid)
    while two.size() != (44, 111):
        assert not select.select([fd], [], [], 0.001)[0]
    os.close(fd)


def test_it_ends_with_the_caller(two):
    os.write(two.inside, b"up\n")
    two.read(two.outside, b"up")
    os.close(two.outside)
    assert two.bridge.wait(PATIENCE) == 0


def test_the_end_of_the_callers_is_no_signal(two):
    os.write(two.inside, b"up\n")
    two.read(two.outside, b"up")
    two.bridge.send_signal(signal.SIGHUP)
    os.write(two.inside, b"on\n")
    assert b"on" in two.read(two.outside, b"on")
