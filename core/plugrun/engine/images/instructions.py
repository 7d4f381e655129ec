"""Dockerfile instructions applied to an image's config: ``commit -c`` and ``import -c``.

Source: docs.docker.com/reference/dockerfile. Only those that change the config are known.
"""

from __future__ import annotations

from plugrun.engine.health.words import healthcheck
from plugrun.engine.images.instructionwords import json_words, pairs, words
from plugrun.errors import InvalidArgument
from plugrun.linux.signalnames import signal_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Config = dict[str, Any]

_SHELL = ["/bin/sh", "-c"]
_NO_TRIGGERS = ("ONBUILD", "FROM", "MAINTAINER")


def apply_instructions(config: Config, instructions: Iterable[str]) -> Config:
    """Return the config with these instructions carried out, one after another.

    ``config`` is the ``config`` of an image's document and stays as it is. Raise InvalidArgument,
    in Docker's words, on what is none.
    """
    changed = dict(config)
    seen: set[str] = set()
    for text in instructions:
        for line in text.splitlines():
            if line.strip():
                seen.add(_apply(changed, line.strip(), seen))
    return changed


def _apply(config: Config, line: str, seen: set[str]) -> str:
    name, _, rest = line.partition(" ")
    act = _ACTS.get(name.upper())
    if act is None:
        raise InvalidArgument(f"{name.lower()} is not a valid change command")
    act(config, rest.strip())
    if name.upper() == "ENTRYPOINT" and "CMD" not in seen:
        # A command that belongs to another entrypoint is of no use to this one.
        config.pop("Cmd", None)
    return name.upper()


def _command(key: str) -> Callable[[Config, str], None]:
    def act(config: Config, rest: str) -> None:
        found = json_words(rest)
        shell = config.get("Shell") or _SHELL
        config[key] = found if found is not None else [*shell, rest] if rest else []

    return act


def _env(config: Config, rest: str) -> None:
    merged = {item.partition("=")[0]: item for item in config.get("Env") or ()}
    for name, value in pairs("ENV", rest, _variables(config)):
        merged[name] = f"{name}={value}"
    config["Env"] = list(merged.values())


def _label(config: Config, rest: str) -> None:
    found = dict(pairs("LABEL", rest, _variables(config)))
    config["Labels"] = {**(config.get("Labels") or {}), **found}


def _expose(config: Config, rest: str) -> None:
    ports = dict(config.get("ExposedPorts") or {})
    for word in _needed("EXPOSE", words(rest, _variables(config))):
        for port in _ports(word):
            ports[port] = {}
    config["ExposedPorts"] = ports


def _ports(word: str) -> list[str]:
    numbers, _, protocol = word.partition("/")
    first, dash, last = numbers.partition("-")
    ends = [first, last if dash else first]
    if not all(end.isascii() and end.isdigit() and int(end) < 65536 for end in ends):
        raise InvalidArgument(f"Invalid containerPort: {word}")
    protocol = (protocol or "tcp").lower()
    if protocol not in ("tcp", "udp", "sctp"):
        raise InvalidArgument(f"Invalid proto: {protocol}")
    if int(ends[1]) < int(ends[0]):
        raise InvalidArgument(f"Invalid range specified for port: {word}")
    return [f"{number}/{protocol}" for number in range(int(ends[0]), int(ends[1]) + 1)]


def _user(config: Config, rest: str) -> None:
    config["User"] = _one("USER", words(rest, _variables(config)))


def _workdir(config: Config, rest: str) -> None:
    import posixpath

    path = _one("WORKDIR", words(rest, _variables(config)))
    joined = posixpath.normpath(posixpath.join(config.get("WorkingDir") or "/", path))
    config["WorkingDir"] = joined.replace("//", "/")


def _volume(config: Config, rest: str) -> None:
    found = json_words(rest)
    places = words(rest, _variables(config)) if found is None else found
    volumes = dict(config.get("Volumes") or {})
    for place in _needed("VOLUME", places):
        if not place.strip():
            raise InvalidArgument("VOLUME specified can not be an empty string")
        volumes[place] = {}
    config["Volumes"] = volumes


def _stop_signal(config: Config, rest: str) -> None:
    signal = _one("STOPSIGNAL", words(rest, _variables(config)))
    signal_number(signal)
    config["StopSignal"] = signal


def _healthcheck(config: Config, rest: str) -> None:
    config["Healthcheck"] = healthcheck(rest)


def _onbuild(config: Config, rest: str) -> None:
    trigger = rest.partition(" ")[0].upper()
    if not trigger:
        raise InvalidArgument("ONBUILD requires at least one argument")
    if trigger == "ONBUILD":
        raise InvalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in _NO_TRIGGERS:
        raise InvalidArgument(f"{trigger} isn't allowed as an ONBUILD trigger")
    config["OnBuild"] = [*(config.get("OnBuild") or ()), rest]


def _needed(name: str, found: list[str]) -> list[str]:
    if not found:
        raise InvalidArgument(f"{name} requires at least one argument")
    return found


def _one(name: str, found: list[str]) -> str:
    if len(found) != 1:
        raise InvalidArgument(f"{name} requires exactly one argument")
    return found[0]


def _variables(config: Config) -> dict[str, str]:
    parts = [item.partition("=") for item in config.get("Env") or ()]
    return {name: value for name, _, value in parts}


_ACTS: dict[str, Callable[[Config, str], None]] = {
    "CMD": _command("Cmd"),
    "ENTRYPOINT": _command("Entrypoint"),
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
