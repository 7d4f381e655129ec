"""What a container asks of its fence beyond Docker's defaults, laid over the plain spec.

Loaded only for containers that ask for something. Sources: the OCI runtime spec 1.2; Docker's
behaviour, measured.
"""

from __future__ import annotations

import os

from plugrun.engine.fence.capabilities import allowed
from plugrun.engine.fence.joining import joined
from plugrun.engine.fence.seccomp import default_seccomp
from plugrun.engine.fence.spec import capabilities
from plugrun.errors import InvalidArgument, IsolationError
from plugrun.linux.capabilities import at_hand
from plugrun.model.container import DEFAULT_SHM_SIZE
from plugrun.model.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.fence.accounts import Identity
    from plugrun.model.container import Container
    from plugrun.model.fence import Security, Ulimit
    from plugrun.model.spec import Rlimit, RuntimeSpec, SpecMount

_UNLIMITED = 2**64 - 1
_RESOURCE = "CAP_SYS_RESOURCE"
# Sysctls that belong to the IPC namespace: ipc_namespaces(7), mq_overview(7).
_OF_IPC = ("kernel.", "fs.mqueue.")


def fence(spec: RuntimeSpec, container: Container, identity: Identity) -> None:
    """Change a plain spec into what the container's record asks for.

    Raise InvalidArgument or IsolationError for what cannot be had.
    """
    if container.domainname:
        spec["domainname"] = container.domainname
    spec["annotations"] = {**dict(container.annotations), **spec.get("annotations", {})}
    if container.cgroup_parent:
        spec["linux"]["cgroupsPath"] = cgroup_path(container)
    _namespaces(spec, container)
    _sysctls(spec, container)
    _process(spec, container, identity)
    _system_calls(spec, container.security)
    _devices(spec, container.security)
    _paths(spec, container.security)
    _shared_memory(spec, container)
    if container.uid_map:
        from plugrun.engine.fence.userns import put_into_user_namespace

        put_into_user_namespace(spec, container)


def cgroup_path(container: Container) -> str:
    """Return the container's cgroup in the parent it was given; it never leads out of the root."""
    parent = os.path.normpath("/" + container.cgroup_parent).lstrip("/")
    return f"/{parent}/{container.id}" if parent else f"/{container.id}"


def _namespaces(spec: RuntimeSpec, container: Container) -> None:
    spaces = container.namespaces
    shared = {
        kind
        for kind, mode in (("pid", spaces.pid), ("ipc", spaces.ipc), ("uts", spaces.uts))
        if mode == "host"
    }
    kept = [item for item in spec["linux"]["namespaces"] if item["type"] not in shared]
    spec["linux"]["namespaces"] = kept
    if "uts" in shared:
        spec.pop("hostname", None)
        if spec.pop("domainname", None):
            raise InvalidArgument("conflicting options: domainname and the UTS mode")


def _sysctls(spec: RuntimeSpec, container: Container) -> None:
    for name, value in container.security.sysctls:
        if name.startswith("net.") and container.network == "host":
            raise InvalidArgument(f'sysctl "{name}" not allowed in host network namespace')
        if name.startswith(_OF_IPC) and container.namespaces.ipc == "host":
            raise InvalidArgument(f'sysctl "{name}" is not allowed in the hosts ipc namespace')
        spec["linux"]["sysctl"][name] = value


def _process(spec: RuntimeSpec, container: Container, identity: Identity) -> None:
    process, security = spec["process"], container.security
    process["capabilities"] = capabilities(identity, allowed(security))
    process["noNewPrivileges"] = security.no_new_privileges
    process["oomScoreAdj"] = _oom_score(security.oom_score_adj)
    if container.limits.ulimits:
        process["rlimits"] = [_rlimit(limit) for limit in container.limits.ulimits]


def _oom_score(score: int) -> int:
    """Return the score; less than this process's own needs CAP_SYS_RESOURCE (proc(5))."""
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        present = int(file.read())
    if score and score < present and _RESOURCE not in at_hand():
        raise IsolationError(
            f"oom_score_adj cannot be lowered to {score} here: operation not permitted",
            hint="root itself lacks CAP_SYS_RESOURCE (CapBnd in /proc/self/status)",
        )
    return score


def _rlimit(limit: Ulimit) -> Rlimit:
    """Return the limit; more than this process's own needs CAP_SYS_RESOURCE (setrlimit(2))."""
    soft, hard = (_UNLIMITED if n < 0 else n for n in (limit.soft, limit.hard))
    kind = f"RLIMIT_{limit.name.upper()}"
    present = present_limit(kind)
    if present is not None and hard > present and _RESOURCE not in at_hand():
        raise IsolationError(
            f"error setting rlimit {limit.name}: operation not permitted",
            hint=f"at most {present} may be given here: root itself lacks CAP_SYS_RESOURCE",
        )
    return {"type": kind, "soft": soft, "hard": hard}


def present_limit(kind: str) -> int | None:
    """Return the hard limit of this process; None if Python does not know of such a limit."""
    import resource

    number = getattr(resource, kind, None)
    if number is None:
        return None
    hard = resource.getrlimit(number)[1]
    return _UNLIMITED if hard == resource.RLIM_INFINITY else hard


def _system_calls(spec: RuntimeSpec, security: Security) -> None:
    held = frozenset(spec["process"]["capabilities"]["bounding"])
    if security.seccomp == "unconfined" or (security.privileged and not security.seccomp):
        spec["linux"].pop("seccomp", None)
    elif security.seccomp:
        from plugrun.engine.fence.seccompprofile import fitted

        spec["linux"]["seccomp"] = fitted(loads(security.seccomp), held)
    else:
        spec["linux"]["seccomp"] = default_seccomp(held)


def _devices(spec: RuntimeSpec, security: Security) -> None:
    if not (security.privileged or security.devices or security.device_rules):
        return
    from plugrun.engine.fence.hostdevices import every_device, mapped_devices, rule, use_of

    linux = spec["linux"]
    rules = linux["resources"]["devices"]
    found = {device["path"]: device for device in every_device()} if security.privileged else {}
    for mapping in security.devices:
        for device in mapped_devices(mapping):
            found[device["path"]] = device
            rules.append(use_of(device, mapping.access))
    rules += [rule(text) for text in security.device_rules]
    if security.privileged:
        linux["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
    linux["devices"] = list(found.values())


def _paths(spec: RuntimeSpec, security: Security) -> None:
    if security.unmasked or security.privileged:
        spec["linux"]["maskedPaths"] = []
        spec["linux"]["readonlyPaths"] = []
    writable = {"sysfs", "cgroup"} if security.privileged else set()
    if security.writable_cgroups is not None:
        (writable.add if security.writable_cgroups else writable.discard)("cgroup")
    for mount in spec["mounts"]:
        if mount.get("type") in writable:
            mount["options"] = [option for option in mount["options"] if option != "ro"]


def _shared_memory(spec: RuntimeSpec, container: Container) -> None:
    mode = container.namespaces.ipc
    mounts = spec["mounts"]
    place = next((n for n, m in enumerate(mounts) if m["destination"] == "/dev/shm"), -1)
    if place < 0 or mounts[place].get("source") != "shm":
        return  # a mount of the user's own stands there
    if mode == "none":
        del mounts[place]
    elif mode == "host":
        mounts[place] = _bound("/dev/shm", "/dev/shm")
    elif joined(mode):
        # The source is filled in at the start: `joining`.
        mounts[place] = _bound("", "/dev/shm")
    elif container.shm_size != DEFAULT_SHM_SIZE:
        kept = [o for o in mounts[place]["options"] if not o.startswith("size=")]
        mounts[place]["options"] = [*kept, f"size={container.shm_size}"]


def _bound(source: str, destination: str) -> SpecMount:
    return {
        "destination": destination,
        "type": "bind",
        "source": source,
        "options": ["rbind", "rprivate"],
    }
