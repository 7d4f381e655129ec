"""The caller's side: commands to the hand, and what came of them back."""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plugrun import errors
from plugrun.client.hand import MOST
from plugrun.errors import PlugrunError, UsageError
from plugrun.model.record import record

_SO_SNDBUFFORCE = 32
_BEGINNING = 10.0  # seconds that a fork of the hand may take
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1].split(':')\nfrom plugrun.client.hand import main; main()"
)


class CommandFailed(PlugrunError):
    """A command returned another code than 0. ``result`` has the code and the output."""

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result
        self.exit_code = result.code


@record
class Result:
    """What a command returned and wrote. ``code`` is 128 + n if signal n ended it."""

    code: int
    output: bytes
    errors: bytes

    @property
    def stdout(self) -> str:
        """Its standard output as text; what is not UTF-8 is replaced."""
        return self.output.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """Its standard error as text; what is not UTF-8 is replaced."""
        return self.errors.decode("utf-8", "replace")


class TimedOut(PlugrunError):
    """A command was not done in the time it was given, and has been ended.

    ``output`` and ``errors`` are what it had written.
    """

    def __init__(self, message: str, output: bytes, errors: bytes) -> None:
        super().__init__(message)
        self.output = output
        self.errors = errors


@record
class _Hand:
    """A hand, and the process that has started it."""

    connection: socket.socket
    process: subprocess.Popen[bytes]
    owner: int

    @property
    def serves(self) -> bool:
        """Whether it is this process's and lives: a fork of the program has one of its own."""
        return self.owner == os.getpid() and self.process.poll() is None


class Caller:
    """One program's connection to its hand; safe to use from several threads at once."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        self._argv = list(argv)
        self._environ = dict(environ)
        # By process: another thread may hold the program's at the moment of a fork, for ever.
        self._locks: dict[int, threading.Lock] = {}
        self._hand: _Hand | None = None
        self._closed = False

    def begin(self, argv: Sequence[str], input: bytes | None = None) -> Call:
        """Start one command; PlugrunError once the caller is closed."""
        return Call(self._connect(), self._argv, self._environ, argv, input)

    def call(self, argv: Sequence[str], input: bytes | None = None) -> Result:
        """Run one command to its end; raise its error if it came to none of its own.

        KeyboardInterrupt, and whatever else a signal handler raises, is raised here and ends
        the command, as Ctrl-C does on a terminal.
        """
        with contextlib.closing(self.begin(argv, input)) as running:
            return running.finish()

    def stream(self, argv: Sequence[str]) -> Iterator[bytes]:
        """Run one command and yield the lines it writes; close the iterator to end it."""
        with contextlib.closing(self.begin(argv)) as running:
            yield from running.lines()

    def close(self) -> None:
        """Let the hand end, for good. What it has started goes on."""
        with self._lock:
            self._closed = True
            hand, self._hand = self._hand, None
            if hand is None:
                return
            if hand.owner == os.getpid():
                # A fork of the program may hold the connection open for long.
                with contextlib.suppress(OSError):
                    hand.connection.shutdown(socket.SHUT_RDWR)
            hand.connection.close()
            if hand.owner == os.getpid():
                hand.process.wait()

    @property
    def _lock(self) -> threading.Lock:
        return self._locks.setdefault(os.getpid(), threading.Lock())

    def _connect(self) -> socket.socket:
        with self._lock:
            if self._closed:
                raise PlugrunError(
                    "the engine is closed",
                    hint="use it within its `with` block, or make another Engine",
                )
            if self._hand is not None and not self._hand.serves:
                self._hand.connection.close()
                self._hand = None
            if self._hand is None:
                self._hand = self._start()
            return self._hand.connection

    def _start(self) -> _Hand:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            path = ":".join(entry for entry in sys.path if entry)
            # A message is sent whole or not at all; root may go over net.core.wmem_max (socket(7)).
            ours.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 2 * MOST)
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _PROGRAM, path],
                cwd="/",  # nobody's folder is held by it
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        return _Hand(ours, process, os.getpid())


class Call:
    """One command under way; close it."""

    def __init__(
        self,
        connection: socket.socket,
        before: Sequence[str],
        environ: Mapping[str, str],
        argv: Sequence[str],
        input: bytes | None,
    ) -> None:
        self.container = ""  # which it has made, as far as it has told
        self.interrupted = False
        self._pid = 0
        self._outcome: dict[str, Any] = {}
        self._rest = b""
        order = {
            "argv": [*before, *map(str, argv)],
            "cwd": _working_directory(),
            "env": {**os.environ, **environ},
        }
        data = json.dumps(order).encode()
        if len(data) > MOST:
            raise UsageError("the command line and the environment are longer than 1 MiB")
        fed = _fed(input)
        pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
        try:
            fds = array.array("i", [fed, *(write for _, write in pipes)])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
            connection.sendmsg([data], rights)
        except OSError as error:
            for read, _ in pipes:
                os.close(read)
            raise PlugrunError(
                f"the process that runs commands cannot be reached: {error.strerror}",
                hint="the next call starts another",
            ) from error
        finally:
            for fd in (fed, *(write for _, write in pipes)):
                os.close(fd)
        self._out, self._err, self._told = (read for read, _ in pipes)
        self._open = True

    def close(self) -> None:
        """Free what the call holds here; the command goes on if it has not ended."""
        if self._open:
            self._open = False
            for fd in (self._out, self._err, self._told):
                os.close(fd)

    def finish(self, timeout: float | None = None) -> Result:
        """Wait for its end; return what it wrote or raise its error.

        TimedOut, which interrupts it, if that takes more than ``timeout`` seconds.
        """
        written: dict[int, list[bytes]] = {self._out: [], self._err: []}
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            for fd, data in self._pieces(deadline):
                written[fd].append(data)
        except TimeoutError:
            out, err = (b"".join(pieces) for pieces in written.values())
            raise TimedOut(f"it was not done after {timeout:g} seconds", out, err) from None
        return self._result(b"".join(written[self._out]), b"".join(written[self._err]))

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of its standard output as they come; raise its error at the end."""
        rest, wrong = b"", b""
        try:
            for fd, data in self._pieces(None):
                if fd == self._err:
                    wrong += data
                    continue
                *whole, rest = (rest + data).split(b"\n")
                yield from (line + b"\n" for line in whole)
        except GeneratorExit:
            self._interrupt()
            raise
        if rest:
            yield rest
        self._result(b"", wrong)

    def has_ended(self, within: float) -> bool:
        """Return whether it has ended; wait for that for so many seconds."""
        deadline = time.monotonic() + within
        while select.select([self._told], [], [], max(deadline - time.monotonic(), 0.0))[0]:
            data = os.read(self._told, 1 << 16)
            if not data:
                return True
            self._hear(data)
        return False

    def _pieces(self, deadline: float | None) -> Iterator[tuple[int, bytes]]:
        """Yield what comes from its outputs until all three pipes have ended; TimeoutError."""
        with selectors.DefaultSelector() as selector:
            for fd in (self._out, self._err, self._told):
                selector.register(fd, selectors.EVENT_READ)
            try:
                while selector.get_map():
                    left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
                    for fd in [key.fd for key, _ in selector.select(left)]:
                        data = os.read(fd, 1 << 16)
                        if not data:
                            selector.unregister(fd)
                        elif fd == self._told:
                            self._hear(data)
                        else:
                            yield fd, data
                    if left == 0.0 and selector.get_map():
                        raise TimeoutError
            except BaseException:
                self._interrupt()
                raise

    def _hear(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if not line.startswith(b"{"):
                self.container = line.decode()
                continue
            message = json.loads(line)
            if "pid" in message:
                self._pid = message["pid"]
            else:
                self._outcome = message

    def _interrupt(self) -> None:
        """End the command, as Ctrl-C does, once."""
        if self.interrupted:
            return
        self.interrupted = True
        while not self._pid and not self._outcome:
            # It has just been asked for: nobody is there yet who could be told.
            if not select.select([self._told], [], [], _BEGINNING)[0]:
                return
            data = os.read(self._told, 1 << 16)
            if not data:
                return
            self._hear(data)
        if not self._outcome:
            try:
                os.kill(self._pid, signal.SIGINT)
            except ProcessLookupError:
                return

    def _result(self, out: bytes, err: bytes) -> Result:
        found = self._outcome
        if not found:
            raise PlugrunError("the process that ran the command was killed")
        if "error" in found:
            kind = getattr(errors, found["error"], None) if found["error"] else None
            error: PlugrunError = (kind or PlugrunError)(found["message"], hint=found["hint"])
            error.exit_code = found["code"]
            raise error
        return Result(found["code"], out, err)


def _fed(input: bytes | None) -> int:
    """Return a descriptor that has ``input`` to be read; nothing where there is none."""
    if input is None:
        return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    fd = os.memfd_create("input", os.MFD_CLOEXEC)
    view = memoryview(input)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise PlugrunError(
            "the working directory of this program has been deleted",
            hint="os.chdir() to one that exists: paths are taken from there",
        ) from None
