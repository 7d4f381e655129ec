"""The conversation with guest.py: an order down, what the command says, its status."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterator

from failing import TIMED_OUT, Failed

PORTS = ("control", "out", "err")
ENOUGH = 2  # signals, after which the machine is ended without asking


class Talk:
    """One command, from the order to its status."""

    def __init__(self, ports: dict[str, socket.socket]) -> None:
        self._outputs = {ports["out"].fileno(): 1, ports["err"].fileno(): 2}
        self._control = ports["control"]
        self._poll = select.poll()
        for port in (*self._outputs, self._control.fileno()):
            self._poll.register(port, select.POLLIN)
        self._said = b""
        self._status: int | None = None
        self._end = 0.0
        self._signals_passed = 0

    def hold(self, order: dict, boot_timeout: float, timeout: float) -> int:
        """Give the order; return the command's status when all its output has been written."""
        self._end = time.monotonic() + boot_timeout
        self._control.sendall(json.dumps(order).encode() + b"\n")
        ready = False
        with self._signals() as signals:
            while self._status is None:
                for fd in self._waited("the machine did not start" if not ready else ""):
                    if fd == signals:
                        self._pass_on(os.read(signals, 64))
                    elif fd in self._outputs:
                        self._write(fd)
                    elif self._hear():
                        ready = True
                        self._end = time.monotonic() + timeout
        self._write_rest()
        return self._status

    def _waited(self, unless: str) -> list[int]:
        found = self._poll.poll(max(0, self._end - time.monotonic()) * 1000)
        if not found and unless:
            raise Failed(unless)
        if not found:
            raise Failed("the command took too long", TIMED_OUT)
        return [fd for fd, _ in found]

    def _hear(self) -> bool:
        """Take what the guest says; return whether it is ready now."""
        part = self._control.recv(4096)
        if not part:
            raise Failed("the machine ended before the command did")
        *lines, self._said = (self._said + part).split(b"\n")
        words = [json.loads(line) for line in lines]
        for word in words:
            self._status = word.get("status", self._status)
        return any("ready" in word for word in words)

    def _write(self, fd: int) -> None:
        part = memoryview(os.read(fd, 65536))
        if not part:
            self._poll.unregister(fd)
        while part:
            part = part[os.write(self._outputs[fd], part) :]

    def _write_rest(self) -> None:
        """The guest wrote all of it before the status."""
        for fd in self._outputs:
            os.set_blocking(fd, False)
            with contextlib.suppress(BlockingIOError):
                while part := os.read(fd, 65536):
                    os.write(self._outputs[fd], part)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[int]:
        """Yield a descriptor that says which signals came."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        former = signal.set_wakeup_fd(writer)
        kept = {
            number: signal.signal(number, lambda *_: None)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        self._poll.register(reader, select.POLLIN)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(former)
            for number, handler in kept.items():
                signal.signal(number, handler)
            os.close(reader)
            os.close(writer)

    def _pass_on(self, numbers: bytes) -> None:
        for number in numbers:
            self._signals_passed += 1
            if self._signals_passed > ENOUGH:
                raise Failed("interrupted", 128 + number)
            self._control.sendall(b"%d\n" % number)
