"""Where the command line writes: standard output and standard error, and nowhere else.

A stream that was closed before this program began (``>&-``) is None to Python, and takes nothing.
BrokenPipeError passes: whoever read the output has had enough. Anything else that keeps standard
output from being written is an OutputError.
"""

from __future__ import annotations

import sys

from plugrun.errors import PlugrunError


class OutputError(PlugrunError):
    """Standard output cannot be written."""


def write(text: str) -> None:
    """Write to standard output as it is; bytes that came in as surrogates leave as bytes."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        flush()
        data("stdout", _encoded(text))
    except OSError as error:
        raise _failure(error) from error


def _encoded(text: str) -> bytes:
    """Return bytes that came in as surrogates as bytes, and others, of JSON, as Go has them."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        bytes_only = ("\ufffd" if _is_half(letter) else letter for letter in text)
        return "".join(bytes_only).encode("utf-8", "surrogateescape")


def _is_half(letter: str) -> bool:
    """Whether it is half of a UTF-16 pair, and no byte that came in as one."""
    return "\ud800" <= letter <= "\udfff" and not "\udc80" <= letter <= "\udcff"


def line(text: str) -> None:
    """Write one line to standard output, at once."""
    write(text + "\n")
    flush()


def data(stream: str, content: bytes) -> None:
    """Write bytes to ``stdout`` or ``stderr``; text written before is the caller's to flush."""
    target = sys.stderr if stream == "stderr" else sys.stdout
    if target is None:
        return
    try:
        target.buffer.write(content)
    except OSError as error:
        raise _failure(error) from error


def error(text: str) -> None:
    """Write one or more lines to standard error, after what stands before it elsewhere.

    What a terminal would take for an order is written out: messages quote images and registries.
    """
    flush()
    if sys.stderr is None:
        return
    sys.stderr.write(harmless(text) + "\n")
    sys.stderr.flush()


def harmless(text: str) -> str:
    """Return a text with control characters spelled out; lines and tabs stay."""
    return text if text.isprintable() else "".join(map(_spelled, text))


def _spelled(letter: str) -> str:
    # Bytes that came in as surrogates leave as bytes: names of files may be any.
    if letter.isprintable() or letter in "\n\t" or "\udc80" <= letter <= "\udcff":
        return letter
    return f"\\x{ord(letter):02x}" if ord(letter) < 256 else f"\\u{ord(letter):04x}"


def flush() -> None:
    """Hand everything over."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError as error:
        raise _failure(error) from error


def _failure(error: OSError) -> OSError | OutputError:
    if isinstance(error, BrokenPipeError):
        return error
    return OutputError(f"standard output cannot be written: {error.strerror}")


def discard() -> None:
    """Send what is still buffered nowhere, so that the interpreter ends without complaint."""
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, 1)
    os.close(nowhere)
