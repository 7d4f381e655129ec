"""The runtime spec: Docker's defaults for a container, as an OCI document.

Sources: the OCI runtime spec 1.2; the figures are Docker's documented defaults (14 capabilities,
masked and read-only paths, /dev/shm of 64 MiB, umask 0022).
"""

from __future__ import annotations

import os

from plugrun.engine.fence.seccomp import default_seccomp
from plugrun.model.container import DEFAULT_SHM_SIZE
from plugrun.model.fence import Limits, Namespaces, Security
from plugrun.model.network import HOST, OF_CONTAINER
from plugrun.model.spec import SPEC_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.engine.fence.accounts import Identity
    from plugrun.model.container import Container
    from plugrun.model.spec import (
        Capabilities,
        DeviceRule,
        Linux,
        Namespace,
        Process,
        Resources,
        RuntimeSpec,
        SpecMount,
    )

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

DEFAULT_CAPABILITIES = (
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

# Docker's since 20.10: an ordinary user may bind low ports and ping in a network of its own.
SYSCTLS = {
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
}

INIT_PATH = "/sbin/docker-init"


def runtime_spec(
    container: Container, identity: Identity, folder: str, init: str = ""
) -> RuntimeSpec:
    """Return the document that describes a container.

    ``folder`` holds the files made for it (hosts, hostname, resolv.conf); ``init`` is the host's
    program that runs as its PID 1, if one was asked for.
    """
    spec: RuntimeSpec = {
        "ociVersion": SPEC_VERSION,
        "process": container_process(container, identity),
        "root": {"path": "rootfs", "readonly": container.read_only},
        "hostname": container.hostname,
        "mounts": _mounts(container, folder, init),
        "linux": _linux(container),
        "annotations": {"org.plugrun.container.name": container.name},
    }
    if _is_plain(container):
        return spec
    from plugrun.engine.fence.fencing import fence

    fence(spec, container, identity)
    return spec


def _is_plain(container: Container) -> bool:
    """Whether a container asks for Docker's defaults and no more."""
    return (
        container.security == Security()
        and container.namespaces == Namespaces()
        and container.shm_size == DEFAULT_SHM_SIZE
        and not container.limits.ulimits
        and not container.domainname
        and not container.annotations
        and not container.cgroup_parent
        and not container.uid_map
    )


def container_process(container: Container, identity: Identity) -> Process:
    """Return the container's own process."""
    args = list(container.args)
    return {
        "terminal": container.tty,
        "user": {
            "uid": identity.uid,
            "gid": identity.gid,
            "additionalGids": identity.supplementary,
            "umask": 0o022,
        },
        "args": [INIT_PATH, "--", *args] if container.init else args,
        "env": environment(container, identity, container.env, container.tty),
        "cwd": container.working_dir or "/",
        "capabilities": capabilities(identity),
        "noNewPrivileges": False,
        "oomScoreAdj": 0,
    }


def environment(
    container: Container, identity: Identity, given: tuple[str, ...], tty: bool
) -> list[str]:
    """Return PATH, HOSTNAME, TERM and HOME as Docker sets them, under what was given."""
    values = {"PATH": DEFAULT_PATH, "HOSTNAME": container.hostname}
    if tty:
        values["TERM"] = "xterm"
    for item in given:
        name, _, value = item.partition("=")
        values[name] = value
    values.setdefault("HOME", identity.home)
    return [f"{name}={value}" for name, value in values.items()]


def capabilities(identity: Identity, allowed: Sequence[str] = DEFAULT_CAPABILITIES) -> Capabilities:
    """Return a user's share of a set; an ordinary one starts with none in effect (moby#36587)."""
    names = list(allowed)
    held = names if identity.uid == 0 else []
    return {
        "bounding": names,
        "effective": held,
        "permitted": held,
        "inheritable": [],
        "ambient": [],
    }


def _mounts(container: Container, folder: str, init: str) -> list[SpecMount]:
    mounts = [
        _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount(
            "/dev/pts",
            "devpts",
            "devpts",
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
            "gid=5",
        ),
        _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro", "nosuid", "noexec", "nodev"),
        _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
    ]
    for name in ("resolv.conf", "hostname", "hosts"):
        mounts.append(_mount(f"/etc/{name}", "bind", f"{folder}/{name}", "rbind", "rprivate"))
    if init:
        mounts.append(_mount(INIT_PATH, "bind", init, "bind", "ro", "rprivate"))
    if not container.mounts:
        return mounts
    from plugrun.engine.fence.mountspec import with_mount_points

    return with_mount_points(mounts, container.mounts)


def _mount(destination: str, kind: str, source: str, *options: str) -> SpecMount:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def _linux(container: Container) -> Linux:
    resources: Resources = {"devices": device_rules()}
    if container.limits != Limits():
        from plugrun.engine.fence.resources import limited

        resources = {**resources, **limited(container.limits)}
    return {
        "sysctl": dict(SYSCTLS) if _has_own_network(container) else {},
        "namespaces": _namespaces(container),
        "resources": resources,
        "maskedPaths": list(MASKED_PATHS),
        "readonlyPaths": list(READONLY_PATHS),
        "seccomp": default_seccomp(frozenset(DEFAULT_CAPABILITIES)),
    }


def _namespaces(container: Container) -> list[Namespace]:
    kinds = ["mount", "pid", "ipc", "uts"]
    if cgroup_mode(container) == "private":
        kinds.append("cgroup")
    if _has_own_network(container):
        kinds.append("network")
    return [{"type": kind} for kind in kinds]


def cgroup_mode(container: Container) -> str:
    """Return ``private`` or ``host``: without a word Docker's default, which is v2's by machine."""
    return container.namespaces.cgroup or ("private" if cgroups_are_unified() else "host")


def cgroups_are_unified() -> bool:
    """Whether this machine has cgroup v2 alone, where a hybrid tree has a tmpfs (cgroups(7))."""
    return os.path.exists("/sys/fs/cgroup/cgroup.controllers")


def _has_own_network(container: Container) -> bool:
    """Whether its network namespace is no other's; another container's is put in at the start."""
    return container.network != HOST and not container.network.startswith(OF_CONTAINER)


def device_rules() -> list[DeviceRule]:
    """Deny all, then what runc allows: mknod of any, and the use of the harmless ones."""
    rules: list[DeviceRule] = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "access": "m"},
        {"allow": True, "type": "b", "access": "m"},
    ]
    for major, minor in ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)):
        rules.append({"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"})
    rules.append({"allow": True, "type": "c", "major": 136, "access": "rwm"})
    return rules
