"""Rare options of ``run`` and ``create`` laid over a request, in Docker's order of refusal."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.rareoptions import REFUSED
from plugrun.errors import InvalidArgument, UsageError
from plugrun.model.container import DEFAULT_SHM_SIZE
from plugrun.model.fence import DeviceRate, Limits
from plugrun.model.record import replace
from plugrun.model.upkeep import HealthCheck, LogConfig, RestartPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.engine.request import RunRequest

_PORT = 65535
_RATES = (
    ("weight", "blkio_weight_device"),
    ("read_bps", "device_read_bps"),
    ("write_bps", "device_write_bps"),
    ("read_iops", "device_read_iops"),
    ("write_iops", "device_write_iops"),
)
_TIMES = ("interval", "timeout", "start_period", "start_interval")
_FINEST_NS = 10**6


def with_rare(request: RunRequest, v: Mapping[str, Any]) -> RunRequest:
    """Return the request with the rare options over it; print Docker's warnings about them.

    Raise UsageError for what Docker's client refuses, InvalidArgument for what its daemon does.
    """
    _refuse(v)
    from plugrun.cli.securityoptions import namespaces, security

    request = replace(
        request,
        attach=tuple(dict.fromkeys(v["attach"])),
        labels=_labels(v["label_file"], request.labels),
        annotations=tuple(_pair(text) for text in v["annotation"]),
        limits=_limits(request.limits, v),
        shm_size=v["shm_size"] or DEFAULT_SHM_SIZE,
        namespaces=namespaces(v),
        security=security(v),
        group_add=v["group_add"],
        domainname=v["domainname"],
        dns=v["dns"],
        dns_search=v["dns_search"],
        dns_options=v["dns_option"],
        extra_hosts=v["add_host"],
        exposed_ports=_exposed(v["expose"]),
        health=_health(v),
        log=_log(v["log_driver"], v["log_opt"]),
        restart=restart_policy(v["restart"]),
        isolation=v["isolation"],
        runtime=v["runtime"],
        cgroup_parent=v["cgroup_parent"],
    )
    _check_together(request)
    _warn(request)
    return request


def _refuse(v: Mapping[str, Any]) -> None:
    for dest, option in REFUSED.items():
        if v[dest] not in (None, (), False):
            raise UsageError(f"--{option.name} is not supported", hint=option.help)
    if not v["disable_content_trust"]:
        raise UsageError(
            "--disable-content-trust=false is not supported", hint="plugrun checks no signatures"
        )


def _check_together(request: RunRequest) -> None:
    if request.attach and request.detach:
        raise SaidError("conflicting options: cannot specify both --attach and --detach")
    if request.restart.name not in ("", "no") and request.auto_remove:
        raise UsageError("conflicting options: cannot specify both --restart and --rm")
    if request.namespaces.uts == "host" and request.hostname:
        raise InvalidArgument("conflicting options: hostname and the UTS mode")
    if request.isolation not in ("", "default"):
        raise InvalidArgument(
            f"Invalid isolation: \"{request.isolation}\" - linux only supports 'default'"
        )


def _labels(
    files: tuple[str, ...], given: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    if not files:
        return given
    from plugrun.cli.envfile import read_env_file

    try:
        read = [line for path in files for line in read_env_file(path, {})]
    except InvalidArgument as error:
        raise UsageError(error.message, hint=error.hint) from None
    return (*(_pair(line) for line in read), *given)


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _limits(common: Limits, v: Mapping[str, Any]) -> Limits:
    if not -1 <= v["memory_swappiness"] <= 100:
        raise UsageError(
            f"invalid value: {v['memory_swappiness']}. Valid memory swappiness range is 0-100"
        )
    limits = replace(
        common,
        memory_swap=v["memory_swap"],
        memory_reservation=v["memory_reservation"],
        swappiness=v["memory_swappiness"],
        oom_kill_disable=v["oom_kill_disable"],
        cpu_shares=v["cpu_shares"],
        cpu_period=v["cpu_period"],
        cpu_quota=v["cpu_quota"],
        cpuset_cpus=v["cpuset_cpus"],
        cpuset_mems=v["cpuset_mems"],
        blkio_weight=v["blkio_weight"],
        cpu_rt_period=v["cpu_rt_period"],
        cpu_rt_runtime=v["cpu_rt_runtime"],
        device_rates=tuple(
            DeviceRate(kind, path, value) for kind, option in _RATES for path, value in v[option]
        ),
        # The last of a name counts.
        ulimits=tuple({limit.name: limit for limit in v["ulimit"]}.values()),
    )
    from plugrun.engine.fence.limitchecks import check_limits

    check_limits(limits)
    return limits


def _exposed(texts: tuple[str, ...]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for text in texts:
        if ":" in text:
            raise UsageError(f"invalid port format for --expose: {text}")
        ports, _, protocol = text.partition("/")
        for port in _port_range(ports, text):
            found[f"{port}/{protocol or 'tcp'}"] = None
    return tuple(found)


def _port_range(text: str, whole: str) -> range:
    first, dash, last = text.partition("-")
    wrong = f"invalid range format for --expose: {whole}, error:"
    bounds = []
    for part in (first, last if dash else first):
        if not (part.isascii() and part.isdigit()):
            why = f'strconv.ParseUint: parsing "{part}": invalid syntax' if part else "empty string"
            raise UsageError(f"{wrong} {why}")
        if len(part) > 5 or int(part) > _PORT:
            raise UsageError(f'{wrong} strconv.ParseUint: parsing "{part}": value out of range')
        bounds.append(int(part))
    if bounds[1] < bounds[0]:
        raise UsageError(f"{wrong} invalid range specified for port: {text}")
    return range(bounds[0], bounds[1] + 1)


def _health(v: Mapping[str, Any]) -> HealthCheck:
    times = {name: v[f"health_{name}"] for name in _TIMES}
    if v["no_healthcheck"]:
        if any(times.values()) or v["health_cmd"] or v["health_retries"]:
            raise UsageError("--no-healthcheck conflicts with --health-* options")
        return HealthCheck(("NONE",))
    for name, value in (*times.items(), ("retries", v["health_retries"])):
        if value < 0:
            raise UsageError(f"--health-{name.replace('_', '-')} cannot be negative")
    for name, value in times.items():
        if 0 < value < _FINEST_NS:
            shown = name.title().replace("_", "")
            raise InvalidArgument(f"{shown} in Healthcheck cannot be less than 1ms")
    return HealthCheck(
        test=("CMD-SHELL", v["health_cmd"]) if v["health_cmd"] else (),
        retries=v["health_retries"],
        **{f"{name}_ns": value for name, value in times.items()},
    )


def _log(driver: str, options: tuple[str, ...]) -> LogConfig:
    if driver == "none" and options:
        raise UsageError("invalid logging opts for driver none")
    return LogConfig(driver or "json-file", tuple(dict(_pair(o) for o in options).items()))


def restart_policy(text: str) -> RestartPolicy:
    """Return what ``--restart`` says."""
    name, colon, most = text.partition(":")
    if not text:
        return RestartPolicy()
    if colon and not name:
        raise UsageError("invalid restart policy format: no policy provided before colon")
    number = most.removeprefix("-")
    if most and not (number.isascii() and number.isdigit()):
        raise UsageError("invalid restart policy format: maximum retry count must be an integer")
    from plugrun.engine.restarting.checks import check_restart

    policy = RestartPolicy(name, int(most or "0"))
    check_restart(policy)
    return policy


def _warn(request: RunRequest) -> None:
    for address in request.dns:
        if address.startswith("127.") or address == "::1":
            output.error(f"WARNING: Localhost DNS ({address}) may fail in containers.")
    limits = request.limits
    if limits.oom_kill_disable and not limits.memory:
        output.error(
            "WARNING: OOM killer is disabled for the container, but no memory limit is set, "
            "this can result in the system running out of resources."
        )
