"""The engine as a Python program sees it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from plugrun.client.caller import Call, Caller, CommandFailed, Result, TimedOut
from plugrun.client.container import Container
from plugrun.client.hand import TOLD
from plugrun.client.image import Image
from plugrun.client.words import (
    Command,
    Environment,
    Ports,
    Volumes,
    command_words,
    option_words,
    port_words,
    volume_words,
)
from plugrun.errors import NoSuchContainer, NoSuchImage, PlugrunError

_PARTING = 1.0  # seconds for a container that Ctrl-C has reached, before it is killed
_ENDING = 30.0  # seconds for a command whose container has been killed
_MISSING = {"No such container: ": NoSuchContainer, "No such image: ": NoSuchImage}


class Engine:
    """Containers and images below one root.

    What is not said comes from where the command line takes it: PLUGRUN_ROOT and its kin, the
    configuration files, the defaults. Every keyword argument a method does not name is an option of
    the command it stands for, by its long name: ``memory="64m"``, ``cap_drop=["ALL"]``. Errors are
    those of ``plugrun.errors``. Several threads may use one engine at once.

    >>> from plugrun import Engine
    >>> with Engine() as engine:
    ...     print(engine.run("debian:12", "cat /etc/debian_version").stdout)
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str] = "",
        run_root: str | os.PathLike[str] = "",
        config: str | os.PathLike[str] = "",
        profile: str = "",
    ) -> None:
        given = {"root": root, "run_root": run_root, "config": config, "profile": profile}
        words = option_words({name: os.fspath(value) or None for name, value in given.items()})
        self._caller = Caller(words, {})

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free what the engine holds in this program; containers go on. No call comes after."""
        self._caller.close()

    # -- containers -----------------------------------------------------------------------

    def run(
        self,
        image: str,
        command: Command = (),
        *,
        input: bytes | str | None = None,
        check: bool = False,
        env: Environment | None = None,
        volumes: Volumes | None = None,
        ports: Ports | None = None,
        keep: bool = False,
        timeout: float | None = None,
        **options: Any,
    ) -> Result:
        """Run a command in a new container of an image and wait for its end.

        The image is pulled if it is not here. The container is removed at its end unless ``keep``.
        With ``check`` a code other than 0 raises CommandFailed. ``volumes`` maps folders and
        volumes to places in the container, ``ports`` its ports to the host's; a list of either is
        what the option takes on the command line (``["/srv:/data:ro"]``, ``["8080:80"]``).

        What ends the call ends the container: TimedOut after ``timeout`` seconds (the pull is
        part of them), KeyboardInterrupt, whatever else a signal handler raises. The container gets
        the interrupt first, and if it has not ended a second later, it is killed.
        """
        words = [
            "run",
            TOLD,
            *_common(env, volumes, ports, options),
            *option_words({"rm": not keep, "interactive": input is not None, "quiet": True}),
            image,
            *command_words(command),
        ]
        return _checked("run", self._make(words, _data(input), keep, timeout), wanted=check)

    def _make(
        self, words: list[str], input: bytes | None, keep: bool, timeout: float | None
    ) -> Result:
        """Run a command that makes a container, which does not outlive an abandoned call."""
        with contextlib.closing(self._caller.begin(words, input)) as call:
            try:
                return call.finish(timeout)
            except BaseException as error:
                if call.interrupted:
                    self._abandon(call, keep, 0.0 if isinstance(error, TimedOut) else _PARTING)
                raise

    def _abandon(self, call: Call, keep: bool, parting: float) -> None:
        """End the container of a call that nobody waits for any more."""
        ended = False
        try:
            ended = call.has_ended(parting)
        finally:  # a second Ctrl-C shortens the wait
            if call.container and not (ended and keep):
                words = ["kill"] if keep else ["rm", "--force", "--volumes"]
                with contextlib.suppress(PlugrunError):  # it may end by itself meanwhile
                    self._caller.call([*words, call.container])
                call.has_ended(_ENDING)

    def start(
        self,
        image: str,
        command: Command = (),
        *,
        env: Environment | None = None,
        volumes: Volumes | None = None,
        ports: Ports | None = None,
        **options: Any,
    ) -> Container:
        """Start a command in a new container and return; the container goes on by itself.

        Whatever ends the call before it returns ends the container, too.
        """
        words = ["run", TOLD, *_common(env, volumes, ports, options), "--detach", "--quiet", image]
        done = self._make([*words, *command_words(command)], None, False, None)
        return Container(self, _checked("run", done, wanted=True).stdout.strip())

    def create(
        self,
        image: str,
        command: Command = (),
        *,
        env: Environment | None = None,
        volumes: Volumes | None = None,
        ports: Ports | None = None,
        **options: Any,
    ) -> Container:
        """Make a container and do not start it."""
        words = [*_common(env, volumes, ports, options), "--quiet"]
        done = self.command("create", *words, image, *command_words(command))
        return Container(self, done.stdout.strip())

    def container(self, name: str) -> Container:
        """Return the container of this name, ID or beginning of an ID; NoSuchContainer if none."""
        found = json.loads(self.command("container", "inspect", name).output)
        return Container(self, found[0]["Id"])

    def containers(self, *, all: bool = True, **filters: str) -> list[Container]:
        """Return containers, the newest first; ``filters`` as ``label="a=b"``, ``status=…``."""
        words = option_words({"all": all, "filter": filters})
        lines = self.command("ps", "--quiet", "--no-trunc", *words).stdout.split()
        return [Container(self, id) for id in lines]

    # -- images ---------------------------------------------------------------------------

    def pull(self, name: str, **options: Any) -> Image:
        """Bring an image here; ``platform="linux/arm64"`` and the other options of ``pull``."""
        done = self.command("pull", "--quiet", *option_words(options), name)
        return self.image(done.stdout.strip() or name)

    def build(
        self,
        context: str | os.PathLike[str] = ".",
        *,
        tag: str | None = None,
        build_args: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Image:
        """Build an image of a folder with a Dockerfile; the options of ``plugrun build``."""
        words = option_words({"tag": tag, "build_arg": build_args, **options})
        done = self.command("build", "--quiet", *words, os.fspath(context))
        return self.image(done.stdout.strip())

    def image(self, name: str) -> Image:
        """Return the image of this name or ID; NoSuchImage if there is none."""
        found = json.loads(self.command("image", "inspect", name).output)
        return Image(self, found[0]["Id"])

    def images(self) -> list[Image]:
        """Return the images that are here, the newest first."""
        lines = self.command("images", "--quiet", "--no-trunc").stdout.split()
        return [Image(self, id) for id in dict.fromkeys(lines)]

    # -- everything else ------------------------------------------------------------------

    def command(
        self, *words: str, input: bytes | str | None = None, check: bool | None = None
    ) -> Result:
        """Run any command of plugrun and wait for its end.

        An error of plugrun's is raised as what it is. ``check`` says whether a code other than 0
        raises CommandFailed; by default it does for all but ``run`` and ``exec``, whose code is
        the container's.
        """
        result = self._caller.call(words, _data(input))
        wanted = words[0] not in ("run", "exec") if check is None else check
        return _checked(words[0], result, wanted or (words[0] == "run" and "--detach" in words))

    def stream(self, *words: str) -> Iterator[bytes]:
        """Run any command of plugrun and yield the lines it writes as they come."""
        return self._caller.stream(words)


def _data(input: bytes | str | None) -> bytes | None:
    return input.encode() if isinstance(input, str) else input


def _checked(verb: str, result: Result, wanted: bool) -> Result:
    if result.code and wanted:
        raise _failure(verb, result)
    return result


def _failure(verb: str, result: Result) -> PlugrunError:
    """Return the error of a command that has said itself, on standard error, what failed."""
    text = (result.stderr.strip() or result.stdout.strip()).removeprefix("Error: ")
    for words, kind in _MISSING.items():
        if words in text:
            return kind(text)
    return CommandFailed(f"plugrun {verb} returned {result.code}: {text}", result)


def _common(
    env: Environment | None,
    volumes: Volumes | None,
    ports: Ports | None,
    options: Mapping[str, Any],
) -> list[str]:
    return [
        *option_words({"env": env, **options}),
        *volume_words(volumes or {}),
        *port_words(ports or {}),
    ]
