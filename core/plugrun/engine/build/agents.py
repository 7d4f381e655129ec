"""Agents made of key files for ``--ssh ID=KEY``: OpenSSH's own, for the length of a build.

A key is in the agent's memory alone. The agent ends with the build, also when that is killed: it
serves a command that reads from a pipe of ours to the end.
"""

from __future__ import annotations

import os

from plugrun.engine.build.marks import remove_temporary, temporary_folder
from plugrun.errors import InvalidArgument, PlugrunError
from plugrun.linux.signals import raw as signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import Popen

    from plugrun.engine.engine import Engine

_SERVED = ("sh", "-c", "echo $SSH_AGENT_PID; exec cat")


class KeyAgents:
    """Agents of ``keys``, files by ID. ``with`` it: the value are their sockets by ID.

    Raise InvalidArgument for a file that is no key, or one with a passphrase.
    """

    def __init__(self, engine: Engine, keys: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        self._engine = engine
        self._keys = keys
        self._folder = ""
        self._agents: list[tuple[Popen[bytes], int]] = []

    def __enter__(self) -> tuple[tuple[str, str], ...]:
        try:
            return tuple((id, self._serve(id, paths)) for id, paths in self._keys)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        while self._agents:
            served, agent = self._agents.pop()
            if agent:
                os.kill(agent, signals.SIGTERM)  # it lives as long as what it serves does
            served.communicate()
        if self._folder:
            remove_temporary(self._engine, self._folder)
            self._folder = ""

    def _serve(self, id: str, paths: Sequence[str]) -> str:
        self._folder = self._folder or temporary_folder(self._engine)
        socket = f"{self._folder}/agent-{len(self._agents)}"
        self._start(socket)
        for path in paths:
            self._give(id, socket, path)
        return socket

    def _start(self, socket: str) -> None:
        from subprocess import PIPE, Popen

        words = ("ssh-agent", "-a", socket, *_SERVED)
        try:
            # A Ctrl-C is for the build, which ends the agent when it has cleaned up.
            served = Popen(words, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True)
        except FileNotFoundError:
            raise _not_installed() from None
        self._agents.append((served, 0))
        assert served.stdout is not None
        told = served.stdout.readline().strip()
        if not told.isdigit():
            said = served.communicate()[1].decode("utf-8", "replace").strip()
            raise PlugrunError(f"ssh-agent did not start: {said}")
        self._agents[-1] = (served, int(told))

    def _give(self, id: str, socket: str, path: str) -> None:
        import subprocess

        with open(path, "rb") as key:
            try:
                # By standard input no mode of the file is asked for; without a terminal nothing is.
                done = subprocess.run(
                    ("ssh-add", "-q", "-"),
                    stdin=key,
                    capture_output=True,
                    env={**os.environ, "SSH_AUTH_SOCK": socket, "SSH_ASKPASS_REQUIRE": "never"},
                    start_new_session=True,
                    check=False,
                )
            except FileNotFoundError:
                raise _not_installed() from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise InvalidArgument(
                f"--ssh {id}={path} cannot be used: {said}",
                hint="give a key with a passphrase to an agent, and say --ssh ID",
            )


def _not_installed() -> PlugrunError:
    return PlugrunError(
        "--ssh with files of keys needs ssh-agent and ssh-add",
        hint="install OpenSSH's client, or name the socket of another agent",
    )
