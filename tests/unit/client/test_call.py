"""One command under way, with a hand that does what the test says."""

import array
import contextlib
import json
import os
import signal
import socket
import subprocess

import pytest
from plugrun.client.caller import Call, TimedOut


@pytest.fixture
def command():
    """A process that stands for the command."""
    # Whoever runs the tests in the background has SIGINT ignored, and all that it starts.
    process = subprocess.Popen(
        ["sleep", "1000"], preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def begun(command):
    """A call, and the ends of what it is told by: output, errors, outcome."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, contextlib.closing(Call(ours, [], {}, ["run"], None)) as call:
        fds = array.array("i")
        _, [(_, _, rights)], _, _ = theirs.recvmsg(1 << 20, socket.CMSG_SPACE(4 * fds.itemsize))
        fds.frombytes(rights)
        os.write(fds[3], json.dumps({"pid": command.pid}).encode() + b"\n")
        yield call, fds[1:]
        for fd in fds:
            with contextlib.suppress(OSError):
                os.close(fd)


def test_what_was_written_before_its_time_was_over_is_told(begun, command):
    call, (out, err, told) = begun
    os.write(out, b"one\n")
    os.write(err, b"two\n")
    os.write(told, b"f" * 64 + b"\n")
    with pytest.raises(TimedOut) as caught:
        call.finish(timeout=0)
    assert (caught.value.output, caught.value.errors) == (b"one\n", b"two\n")
    assert (call.container, call.interrupted) == ("f" * 64, True)
    assert command.wait() == -signal.SIGINT


def test_its_end_is_seen_after_it_was_interrupted(begun):
    call, ends = begun
    with pytest.raises(TimedOut):
        call.finish(timeout=0)
    assert not call.has_ended(0)
    os.write(ends[2], b"f" * 64 + b"\n")  # it was just about to make one
    for fd in ends:
        os.close(fd)
    assert call.has_ended(60)
    assert call.container == "f" * 64


def test_an_end_in_time_is_none_that_is_late(begun):
    call, ends = begun
    os.write(ends[2], json.dumps({"code": 3}).encode() + b"\n")
    for fd in ends:
        os.close(fd)
    assert call.finish(timeout=60).code == 3
