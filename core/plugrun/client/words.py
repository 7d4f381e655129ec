"""Python's arguments as the words of a command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from plugrun.errors import UsageError

Command = str | Sequence[str]
Environment = Mapping[str, str] | Sequence[str]
Volumes = Mapping[str, str] | Sequence[str]
Ports = Mapping[int | str, Any] | Sequence[int | str]


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Return ``--name value`` for each option, by its long name with ``_`` for ``-``.

    True is a flag, False and None nothing, a list the option once for each item, a mapping once
    for each ``key=value``.
    """
    return [word for name, value in options.items() for word in _words(name, value)]


def _words(name: str, value: Any) -> Iterator[str]:
    flag = f"--{name.rstrip('_').replace('_', '-')}"
    if value is None or value is False:
        return
    if value is True:
        yield flag
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield f"{flag}={key}" if item is None else f"{flag}={key}={item}"
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield f"{flag}={item}"
    else:
        yield f"{flag}={value}"


def port_words(ports: Ports) -> list[str]:
    """Return ``--publish`` for each container port: its host port, an (address, port), or None.

    None is a free port of the host; the container port may say its protocol (``"53/udp"``). What
    is no mapping is as on the command line: ``["8080:80", 53]``.
    """
    if not isinstance(ports, Mapping):
        return _as_said("publish", ports, "ports")
    found = []
    for inner, outer in ports.items():
        if outer is None:
            found.append(f"--publish={inner}")
        elif isinstance(outer, tuple):
            found.append(f"--publish={outer[0]}:{outer[1]}:{inner}")
        else:
            found.append(f"--publish={outer}:{inner}")
    return found


def volume_words(volumes: Volumes) -> list[str]:
    """Return ``--volume`` for each source (folder or volume) and its target (``/data``,
    ``/data:ro``). What is no mapping is as on the command line: ``["/srv:/data:ro"]``."""
    if not isinstance(volumes, Mapping):
        return _as_said("volume", volumes, "volumes")
    return [f"--volume={source}:{target}" for source, target in volumes.items()]


def _as_said(option: str, given: Any, argument: str) -> list[str]:
    """Return the option for each of several texts, or for one."""
    several = given if isinstance(given, (list, tuple, set, frozenset)) else (given,)
    for one in several:
        if isinstance(one, bool) or not isinstance(one, (str, int)):
            raise UsageError(
                f"invalid {argument} {given!r}: {one!r} is no text",
                hint=f"{argument} is a mapping, or a list of what --{option} takes",
            )
    return [f"--{option}={one}" for one in several]


def command_words(command: Command) -> list[str]:
    """Return a command as words: text is split as a shell splits it, nothing is expanded.

    UsageError if it cannot be split, or is neither text nor words.
    """
    if isinstance(command, str):
        try:
            return shlex.split(command)
        except ValueError as error:
            raise UsageError(f"invalid command {command!r}: {error}") from None
    if isinstance(command, (bytes, Mapping)) or not isinstance(command, Iterable):
        raise UsageError(
            f"invalid command {command!r}: it must be text or a list of words",
            hint='for example "echo hello" or ["echo", "hello"]',
        )
    return [str(word) for word in command]
