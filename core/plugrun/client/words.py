"""Python's arguments as the words of a command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Command = str | Sequence[str]


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


def port_words(ports: Mapping[int | str, Any]) -> list[str]:
    """Return ``--publish`` for each container port: its host port, an (address, port), or None.

    None is a free port of the host; the container port may say its protocol (``"53/udp"``).
    """
    found = []
    for inner, outer in ports.items():
        if outer is None:
            found.append(f"--publish={inner}")
        elif isinstance(outer, tuple):
            found.append(f"--publish={outer[0]}:{outer[1]}:{inner}")
        else:
            found.append(f"--publish={outer}:{inner}")
    return found


def volume_words(volumes: Mapping[str, str]) -> list[str]:
    """Return ``--volume`` for each source (folder or volume) and its target (``/data``,
    ``/data:ro``)."""
    return [f"--volume={source}:{target}" for source, target in volumes.items()]


def command_words(command: Command) -> list[str]:
    """Return a command as words: text is split as a shell splits it, nothing is expanded."""
    return shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
