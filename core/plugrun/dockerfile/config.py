"""What an instruction does to the ``config`` of an image (image-spec config.md, Docker's own keys).

Variables must have been put in. RUN, COPY, ADD, ARG and MAINTAINER do nothing to it.
"""

from __future__ import annotations

import posixpath

from plugrun.dockerfile.commandline import with_shell
from plugrun.dockerfile.instructions import (
    Cmd,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Label,
    Onbuild,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from plugrun.dockerfile.ports import exposed
from plugrun.linux.signalnames import signal_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from plugrun.dockerfile.instructions import Instruction

    Config = dict[str, Any]


def applied(config: Mapping[str, Any], instruction: Instruction, *, keep_cmd: bool) -> Config:
    """Return the config after an instruction; the one given stays as it is.

    ``keep_cmd`` says that CMD was set where ENTRYPOINT is: one from below belongs to another
    entrypoint, and goes. Raise InvalidArgument, in Docker's words, on what cannot be.
    """
    changed = dict(config)
    act = _ACTS.get(type(instruction))
    if act is not None:
        act(changed, instruction)
    if isinstance(instruction, Entrypoint) and not keep_cmd:
        changed.pop("Cmd", None)
    return changed


def environment(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the config's ``Env`` by name."""
    parts = [item.partition("=") for item in config.get("Env") or ()]
    return {name: value for name, _, value in parts}


def _cmd(config: Config, cmd: Any) -> None:
    config["Cmd"] = list(with_shell(cmd, config.get("Shell") or ()))


def _entrypoint(config: Config, entrypoint: Any) -> None:
    words = list(with_shell(entrypoint, config.get("Shell") or ()))
    config["Entrypoint"] = words
    if not words:
        del config["Entrypoint"]


def _env(config: Config, env: Any) -> None:
    merged = {item.partition("=")[0]: item for item in config.get("Env") or ()}
    for pair in env.pairs:
        merged[pair.key] = f"{pair.key}={pair.value}"
    config["Env"] = list(merged.values())


def _label(config: Config, label: Any) -> None:
    found = {pair.key: pair.value for pair in label.pairs}
    config["Labels"] = {**(config.get("Labels") or {}), **found}


def _expose(config: Config, expose: Any) -> None:
    ports: Config = {port: {} for word in expose.ports for port in exposed(word).ports}
    config["ExposedPorts"] = {**(config.get("ExposedPorts") or {}), **ports}


def _user(config: Config, user: Any) -> None:
    config["User"] = user.user


def _workdir(config: Config, workdir: Any) -> None:
    config["WorkingDir"] = absolute(config.get("WorkingDir") or "/", workdir.path)


def absolute(folder: str, path: str) -> str:
    """Return a path made absolute and plain, beneath a working directory."""
    return posixpath.normpath(posixpath.join("/", folder, path)).replace("//", "/")


def _volume(config: Config, volume: Any) -> None:
    config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in volume.paths}}


def _stopsignal(config: Config, stopsignal: Any) -> None:
    signal_number(stopsignal.signal)
    config["StopSignal"] = stopsignal.signal


def _shell(config: Config, shell: Any) -> None:
    config["Shell"] = list(shell.words)


def _healthcheck(config: Config, healthcheck: Any) -> None:
    config["Healthcheck"] = dict(healthcheck.config)


def _onbuild(config: Config, onbuild: Any) -> None:
    config["OnBuild"] = [*(config.get("OnBuild") or ()), onbuild.expression]


_ACTS: dict[type, Callable[[Config, Any], None]] = {
    Cmd: _cmd,
    Entrypoint: _entrypoint,
    Env: _env,
    Expose: _expose,
    Healthcheck: _healthcheck,
    Label: _label,
    Onbuild: _onbuild,
    Shell: _shell,
    Stopsignal: _stopsignal,
    User: _user,
    Volume: _volume,
    Workdir: _workdir,
}
