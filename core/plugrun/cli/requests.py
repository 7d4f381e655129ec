"""From parsed options to what the engine is asked: RunRequest and ExecRequest.

``rarerequest`` lays what few command lines have over it, and is loaded for those only.
"""

from __future__ import annotations

import os

from plugrun.cli import output
from plugrun.cli.values import check_cpus, check_hostname, check_memory, check_name
from plugrun.engine.request import ExecRequest, RunRequest
from plugrun.errors import InvalidArgument, UsageError
from plugrun.model.fence import Limits
from plugrun.model.network import HOST, EndpointConfig, Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.cli.options import Parsed
    from plugrun.model.descriptor import Platform
    from plugrun.model.mountpoint import MountPoint

_PULL = ("always", "missing", "never")


def run_request(parsed: Parsed) -> RunRequest:
    """Return what ``run`` or ``create`` asks.

    Raise InvalidArgument or UsageError in Docker's words; its warnings are printed.
    """
    v = parsed.values
    asked = _networks(v)
    request = RunRequest(
        image=parsed.args[0],
        args=parsed.args[1:],
        name=check_name(v["name"]) if v["name"] else "",
        detach=v.get("detach", False),
        interactive=v["interactive"],
        tty=v["tty"],
        auto_remove=v["rm"],
        env=_given_environment(v),
        user=v["user"],
        workdir=_workdir(v["workdir"]),
        mounts=_mounts(v),
        volumes_from=v.get("volumes_from", ()),
        hostname=check_hostname(v["hostname"]) if v["hostname"] else "",
        entrypoint=None if v["entrypoint"] is None else (v["entrypoint"],),
        limits=_limits(v),
        platform=platform(v["platform"]),
        network=asked[0].name,
        networks=asked if len(asked) > 1 or asked[0] != EndpointConfig(asked[0].name) else (),
        ports=_ports(v, asked[0].name),
        publish_all=v["publish_all"],
        read_only=v["read_only"],
        init=v["init"],
        labels=tuple(_label(text) for text in v["label"]),
        pull=_pull(v["pull"]),
        quiet=v["quiet"],
        cidfile=v["cidfile"],
        cid_fd=v.get("cid_fd", -1),
        stop_signal=v["stop_signal"],
        stop_timeout=v["stop_timeout"],
        detach_keys=v.get("detach_keys", ""),
        sig_proxy=v.get("sig_proxy", True),
    )
    if not parsed.rare:
        return request
    from plugrun.cli.rarerequest import with_rare

    return with_rare(request, v)


def exec_request(parsed: Parsed) -> ExecRequest:
    """Return what ``exec`` asks."""
    v = parsed.values
    return ExecRequest(
        container=parsed.args[0],
        args=parsed.args[1:],
        interactive=v["interactive"],
        tty=v["tty"],
        env=_environment(v),
        user=v["user"],
        workdir=v["workdir"],
        detach=v["detach"],
        detach_keys=v["detach_keys"],
        privileged=v["privileged"],
    )


def platform(text: str) -> Platform | None:
    """Return the platform named, None if there is none."""
    if not text:
        return None
    from plugrun.model.descriptor import parse_platform

    return parse_platform(text)


def _given_environment(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the variables; a file that is none is the command line's fault, as Docker has it."""
    try:
        return _environment(values)
    except InvalidArgument as error:
        raise UsageError(error.message, hint=error.hint) from None


def _environment(values: Mapping[str, Any]) -> tuple[str, ...]:
    given: tuple[str, ...] = values["env"]
    if not values["env_file"]:
        return given
    from plugrun.cli.envfile import environment

    return environment(values["env_file"], given)


def _mounts(values: Mapping[str, Any]) -> tuple[MountPoint, ...]:
    if not (values["volume"] or values.get("mount") or values.get("tmpfs")):
        return ()
    from plugrun.cli.mounts import mount_points

    return mount_points(values)


def _limits(values: Mapping[str, Any]) -> Limits:
    nano = values["cpus"]
    return Limits(
        memory=check_memory(values["memory"]),
        nano_cpus=check_cpus(nano, len(os.sched_getaffinity(0))) if nano else 0,
        pids=max(values["pids_limit"], 0),
    )


def _networks(values: Mapping[str, Any]) -> tuple[EndpointConfig, ...]:
    """Return the networks that were asked for, the first with the options that speak of it."""
    given: tuple[EndpointConfig, ...] = values["network"] or (EndpointConfig(""),)
    if len(given) == 1 and "network_alias" not in values:
        return given  # no rare option was met
    from plugrun.cli.networkoptions import network_options

    return network_options(given, values)


def _ports(values: Mapping[str, Any], network: str) -> tuple[Port, ...]:
    if network == HOST and (values["publish"] or values["publish_all"]):
        output.error("WARNING: Published ports are discarded when using host network mode")
    if not values["publish"]:
        return ()
    from plugrun.cli.portvalue import published_ports

    return published_ports(values["publish"])


def _pull(policy: str) -> str:
    if not policy:
        return "missing"
    if policy not in _PULL:
        raise UsageError(
            f'invalid pull option: \'{policy}\': must be one of "always", "missing" or "never"'
        )
    return policy


def _label(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _workdir(path: str) -> str:
    if path and not path.startswith("/"):
        raise InvalidArgument(
            f"the working directory '{path}' is invalid, it needs to be an absolute path"
        )
    return path
