"""Pipes and ptys between a container, its monitor and whoever started it."""

from __future__ import annotations

import os

from plugrun.interfaces.isolation import Stdio
from plugrun.linux.terminal import copy_window_size, first_terminal
from plugrun.model.record import record


@record
class Plumbing:
    """All descriptors of one process's standard streams; every one is close-on-exec.

    ``inner`` goes to the process; ``outputs`` are read by whoever watches it. ``input`` is written
    to by whoever is attached, -1 if the process has no input. With a terminal ``input`` and the
    one output are the same pty.
    """

    inner: Stdio
    outputs: tuple[tuple[str, int], ...]
    input: int = -1

    def close_inner(self) -> None:
        """Close the process's own ends, as everybody else must for ends of file to be seen."""
        for fd in {self.inner.stdin, self.inner.stdout, self.inner.stderr, self.inner.devpts}:
            if fd >= 0:
                os.close(fd)

    def close_outputs(self) -> None:
        """Close the reading ends, but for a terminal that is also the input."""
        for _, fd in self.outputs:
            if fd != self.input:
                os.close(fd)


def lay(*, terminal: bool, interactive: bool, size_of: int = -1) -> Plumbing:
    """Make a pty, or pipes with /dev/null as input unless ``interactive``.

    The pty is of the size of the terminal ``size_of``, or else of the caller's own.
    """
    if terminal:
        from plugrun.linux.devpts import open_own_pty

        ours, theirs, devpts = open_own_pty()
        return over_pty(ours, theirs, size_of, devpts)
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    error_read, error_write = os.pipe2(os.O_CLOEXEC)
    given = -1
    if interactive:
        stdin, given = os.pipe2(os.O_CLOEXEC)
    else:
        stdin = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    outputs = (("stdout", out_read), ("stderr", error_read))
    return Plumbing(Stdio(stdin, out_write, error_write), outputs, given)


def over_pty(ours: int, theirs: int, size_of: int = -1, devpts: int = -1) -> Plumbing:
    """Lay both ends of a pty, of the size of a terminal: the caller's own unless it is given."""
    source = size_of if size_of >= 0 else first_terminal()
    if source >= 0:
        copy_window_size(source, ours)
    inner = Stdio(theirs, theirs, theirs, terminal=True, devpts=devpts)
    return Plumbing(inner, (("stdout", ours),), ours)
