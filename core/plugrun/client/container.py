"""A container as a Python program sees it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from plugrun.client.caller import CommandFailed, Result
from plugrun.client.listening import listens
from plugrun.client.words import Command, command_words, option_words
from plugrun.errors import PlugrunError

if TYPE_CHECKING:
    from plugrun.client.engine import Engine

_MOMENT = 0.02  # seconds between two looks at the kernel's table of sockets


class NotReady(PlugrunError):
    """What was waited for did not come in time, or the container has ended."""


class Container:
    """One container, by its ID. What it does is asked anew each time, never kept."""

    def __init__(self, engine: Engine, id: str) -> None:
        self._engine = engine
        self.id = id

    def __repr__(self) -> str:
        return f"<Container {self.short_id}>"

    @property
    def short_id(self) -> str:
        """The first twelve characters of its ID."""
        return self.id[:12]

    @property
    def name(self) -> str:
        """Its name, without the slash."""
        name: str = self.inspect()["Name"]
        return name.removeprefix("/")

    @property
    def status(self) -> str:
        """Docker's word for its state: created, running, paused, restarting or exited."""
        status: str = self.inspect()["State"]["Status"]
        return status

    @property
    def exit_code(self) -> int:
        """The exit code it ended with; 0 while it runs."""
        code: int = self.inspect()["State"]["ExitCode"]
        return code

    @property
    def ip(self) -> str:
        """Its address in the first network that gave it one; empty if none did."""
        networks = self.inspect()["NetworkSettings"]["Networks"].values()
        found = [network["IPAddress"] for network in networks if network["IPAddress"]]
        return found[0] if found else ""

    def inspect(self) -> dict[str, Any]:
        """Return all that is known of it, in the shape of Docker's API."""
        found: dict[str, Any] = json.loads(self._call("container", "inspect", self.id).output)[0]
        return found

    def exec(
        self, command: Command, *, input: bytes | str | None = None, check: bool = False,
        **options: Any,
    ) -> Result:  # fmt: skip
        """Run one more command in it, and wait for its end.

        ``options`` are those of ``plugrun exec``: ``user="nobody"``, ``env={"A": "1"}``.
        With ``check`` a code other than 0 raises CommandFailed.
        """
        words = option_words({**options, "interactive": input is not None})
        return self._engine.command(
            "exec", *words, self.id, *command_words(command), input=input, check=check
        )

    def logs(self, **options: Any) -> str:
        """Return what it has written so far, both streams together in the order written.

        ``options`` are those of ``plugrun logs``: ``tail=10``, ``since="5m"``, ``timestamps=True``.
        """
        found = self._call("logs", *option_words(options), self.id)
        return found.stdout + found.stderr

    def follow(self, **options: Any) -> Iterator[str]:
        """Yield the lines of its standard output as it writes them, until it ends."""
        words = ["logs", "--follow", *option_words(options), self.id]
        for line in self._engine.stream(*words):
            yield line.decode("utf-8", "replace").rstrip("\n")

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        return int(self._call("wait", self.id).output)

    def wait_for_log(self, pattern: str, timeout: float = 30.0) -> str:
        """Wait until it has written something that a regular expression finds; return the match.

        NotReady if ``timeout`` seconds are over, or if it has ended without.
        """

        def found() -> str | None:
            match = re.search(pattern, self.logs())
            return match[0] if match else None

        return self._wait_for(found, f"no log that fits {pattern!r}", timeout)

    def wait_for_port(self, port: int, timeout: float = 30.0) -> None:
        """Wait until something in it listens on a TCP port, whatever network it is in.

        NotReady if ``timeout`` seconds are over, or if it has ended without.
        """

        def found() -> str | None:
            return "yes" if listens(self.inspect()["State"]["Pid"], port) else None

        self._wait_for(found, f"nothing listens on port {port}", timeout)

    def _wait_for(self, found: Any, what: str, timeout: float) -> str:
        deadline = time.monotonic() + timeout
        while True:
            ended = self.status in ("exited", "dead")
            match: str | None = found()
            if match is not None:
                return match
            if ended:
                raise NotReady(
                    f"{what} in container {self.short_id}: it ended with {self.exit_code}",
                    hint=f"its output ends with: {self.logs(tail=5).strip()!r}",
                )
            if time.monotonic() > deadline:
                raise NotReady(f"{what} in container {self.short_id} after {timeout:g} seconds")
            time.sleep(_MOMENT)

    def port(self, port: int | str) -> tuple[str, int]:
        """Return the address and port of this machine at which a container port is published."""
        line = self._call("port", self.id, str(port)).stdout.splitlines()[0]
        address, _, number = line.rpartition(":")
        return address.strip("[]"), int(number)

    def start(self) -> None:
        """Start it again."""
        self._call("start", self.id)

    def stop(self, timeout: int | None = None) -> None:
        """Ask it to end; kill it after ``timeout`` seconds (10 if it has none of its own)."""
        self._call("stop", *option_words({"time": timeout}), self.id)

    def restart(self) -> None:
        """Stop it and start it."""
        self._call("restart", self.id)

    def kill(self, signal: str | int = "KILL") -> None:
        """Send it a signal."""
        self._call("kill", f"--signal={signal}", self.id)

    def pause(self) -> None:
        """Freeze its processes."""
        self._call("pause", self.id)

    def unpause(self) -> None:
        """Let them go on."""
        self._call("unpause", self.id)

    def rename(self, name: str) -> None:
        """Give it another name."""
        self._call("rename", self.id, name)

    def copy_to(self, source: str, target: str) -> None:
        """Copy a file or folder of this machine into it."""
        self._call("cp", source, f"{self.id}:{target}")

    def copy_from(self, source: str, target: str) -> None:
        """Copy a file or folder of it to this machine."""
        self._call("cp", f"{self.id}:{source}", target)

    def commit(self, name: str = "", **options: Any) -> str:
        """Make an image of what it has changed; return the image's ID."""
        words = [*option_words(options), self.id, *([name] if name else [])]
        return self._call("commit", *words).stdout.strip()

    def remove(self, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it if it does not run, as ``plugrun rm`` does.

        ``force`` kills it first if it runs (without, that is CommandFailed), ``volumes`` removes
        its anonymous volumes with it.
        """
        self._call("rm", *option_words({"force": force, "volumes": volumes}), self.id)

    def _call(self, *words: str) -> Result:
        return self._engine.command(*words)


__all__ = ["CommandFailed", "Container", "NotReady"]
