"""Where the command line writes: standard output and standard error, and nowhere else."""

from __future__ import annotations

import sys


def write(text: str) -> None:
    """Write to standard output as it is; bytes that came in as surrogates leave as bytes."""
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


def line(text: str) -> None:
    """Write one line to standard output, at once."""
    write(text + "\n")
    sys.stdout.flush()


def data(stream: str, content: bytes) -> None:
    """Write bytes to ``stdout`` or ``stderr``."""
    target = sys.stderr if stream == "stderr" else sys.stdout
    target.buffer.write(content)


def error(text: str) -> None:
    """Write one or more lines to standard error, after what stands before it elsewhere."""
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def flush() -> None:
    """Hand everything over; BrokenPipeError if nobody reads it any more."""
    if sys.stdout is not None:
        sys.stdout.flush()
    if sys.stderr is not None:
        sys.stderr.flush()


def discard() -> None:
    """Send what is still buffered nowhere, so that the interpreter ends without complaint."""
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, 1)
    os.close(nowhere)
