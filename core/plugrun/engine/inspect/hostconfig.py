"""``HostConfig`` of a container's document: what was asked of this machine.

Keys, order and what is null, empty or left out are Docker's (API 1.41, measured).
"""

from __future__ import annotations

from plugrun.engine.fence.resources import whole_swap
from plugrun.engine.fence.spec import MASKED_PATHS, READONLY_PATHS, cgroup_mode
from plugrun.engine.inspect.mounts import asked_mounts, binds, tmpfs
from plugrun.engine.inspect.network import host_links, port_bindings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.model.fence import Limits, Security


def host_config(engine: Engine, container: Container) -> dict[str, Any]:
    """Return ``HostConfig``."""
    spaces, security = container.namespaces, container.security
    shown: dict[str, Any] = {
        "Binds": binds(container),
        "ContainerIDFile": container.cidfile,
        "LogConfig": {"Type": container.log.driver, "Config": dict(container.log.options)},
        "NetworkMode": container.network,
        "PortBindings": port_bindings(container),
        "RestartPolicy": {
            "Name": container.restart.name,
            "MaximumRetryCount": container.restart.most,
        },
        "AutoRemove": container.auto_remove,
        "VolumeDriver": "",
        "VolumesFrom": list(container.volumes_from) or None,
        "CapAdd": list(security.cap_add) or None,
        "CapDrop": list(security.cap_drop) or None,
        "CgroupnsMode": cgroup_mode(container),
        "Dns": list(container.dns),
        "DnsOptions": list(container.dns_options),
        "DnsSearch": list(container.dns_search),
        "ExtraHosts": list(container.extra_hosts) or None,
        "GroupAdd": list(container.group_add) or None,
        "IpcMode": spaces.ipc or "private",
        "Cgroup": "",
        "Links": host_links(engine, container),
        "OomScoreAdj": security.oom_score_adj,
        "PidMode": spaces.pid,
        "Privileged": security.privileged,
        "PublishAllPorts": container.publish_all,
        "ReadonlyRootfs": container.read_only,
        "SecurityOpt": _security_options(container),
        "Tmpfs": tmpfs(container),
        "UTSMode": spaces.uts,
        "UsernsMode": spaces.user,
        "ShmSize": container.shm_size,
        "Sysctls": dict(security.sysctls),
        "Runtime": container.isolation.name,
        "ConsoleSize": [0, 0],
        "Isolation": container.isolation_mode,
        **_limits(container.limits, container.cgroup_parent),
        **_devices(security),
        **_memory(container.limits),
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
        "Mounts": asked_mounts(container),
        "Annotations": dict(container.annotations),
        **_paths(security),
    }
    if container.init:
        shown["Init"] = True
    for key in ("Sysctls", "Tmpfs", "Mounts", "Annotations"):
        if not shown[key]:
            del shown[key]
    return shown


def _security_options(container: Container) -> list[str] | None:
    security, spaces = container.security, container.namespaces
    options = list(security.options)
    shared = security.privileged or "host" in (spaces.pid, spaces.ipc)
    if shared and "label=disable" not in options:
        # Docker's own addition: labels make no sense for what is shared.
        options.append("label=disable")
    return options if options or security.unmasked else None


def _limits(limits: Limits, cgroup_parent: str) -> dict[str, Any]:
    return {
        "CpuShares": limits.cpu_shares,
        "Memory": limits.memory,
        "NanoCpus": limits.nano_cpus,
        "CgroupParent": cgroup_parent,
        "BlkioWeight": limits.blkio_weight,
        "BlkioWeightDevice": _rates(limits, "weight", "Weight"),
        "BlkioDeviceReadBps": _rates(limits, "read_bps", "Rate"),
        "BlkioDeviceWriteBps": _rates(limits, "write_bps", "Rate"),
        "BlkioDeviceReadIOps": _rates(limits, "read_iops", "Rate"),
        "BlkioDeviceWriteIOps": _rates(limits, "write_iops", "Rate"),
        "CpuPeriod": limits.cpu_period,
        "CpuQuota": limits.cpu_quota,
        "CpuRealtimePeriod": limits.cpu_rt_period,
        "CpuRealtimeRuntime": limits.cpu_rt_runtime,
        "CpusetCpus": limits.cpuset_cpus,
        "CpusetMems": limits.cpuset_mems,
    }


def _rates(limits: Limits, kind: str, key: str) -> list[dict[str, Any]]:
    return [{"Path": r.path, key: r.value} for r in limits.device_rates if r.kind == kind]


def _devices(security: Security) -> dict[str, Any]:
    return {
        "Devices": [
            {
                "PathOnHost": device.source,
                "PathInContainer": device.target,
                "CgroupPermissions": device.access,
            }
            for device in security.devices
        ],
        "DeviceCgroupRules": list(security.device_rules) or None,
        "DeviceRequests": None,
    }


def _memory(limits: Limits) -> dict[str, Any]:
    return {
        "KernelMemory": 0,
        "KernelMemoryTCP": 0,
        "MemoryReservation": limits.memory_reservation,
        "MemorySwap": whole_swap(limits),
        "MemorySwappiness": limits.swappiness if limits.swappiness >= 0 else None,
        "OomKillDisable": limits.oom_kill_disable,
        "PidsLimit": limits.pids or None,
        "Ulimits": [{"Name": u.name, "Hard": u.hard, "Soft": u.soft} for u in limits.ulimits],
    }


def _paths(security: Security) -> dict[str, Any]:
    if security.privileged:
        return {"MaskedPaths": None, "ReadonlyPaths": None}
    if security.unmasked:
        return {"MaskedPaths": [], "ReadonlyPaths": []}
    return {"MaskedPaths": list(MASKED_PATHS), "ReadonlyPaths": list(READONLY_PATHS)}
