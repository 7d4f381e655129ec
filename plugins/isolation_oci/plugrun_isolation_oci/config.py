"""The config.json that the runtime is given: the bundle's, in words that every runtime has."""

from __future__ import annotations

import os

from plugrun.api import BackendUnavailable, IsolationError, capabilities, filesystem, runtimespec

from plugrun_isolation_oci.group import refuse_impossible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# A runtime may refuse a version that is newer than itself, though nothing in the document is.
_VERSION = "1.0.2"
SHARED = ("shared", "rshared")
_PROPAGATION = (*SHARED, "slave", "rslave", "private", "rprivate", "unbindable", "runbindable")


def has_user_namespace(spec: Mapping[str, Any]) -> bool:
    """Whether a container is in a user namespace, its own or one that it joins."""
    listed = (spec.get("linux") or {}).get("namespaces") or ()
    return any(one.get("type") == "user" for one in listed)


def needs_stage(spec: Mapping[str, Any]) -> bool:
    """Whether a spec has a user namespace, or mounts that reach the host: see ``stage``."""
    word = (spec.get("linux") or {}).get("rootfsPropagation")
    mounts = spec.get("mounts") or ()
    return has_user_namespace(spec) or word in SHARED or any(map(is_shared, mounts))


def is_shared(mount: Mapping[str, Any]) -> bool:
    """Whether what is mounted in it is to reach the host."""
    return runtimespec.is_bind(mount) and any(word in SHARED for word in mount.get("options") or ())


def read_spec(bundle: str) -> dict[str, Any]:
    """Read a bundle's config.json, which describes a process; IsolationError."""
    spec = runtimespec.read_spec(bundle)
    if not isinstance(spec.get("process"), dict):
        raise IsolationError(f"{os.path.join(bundle, 'config.json')} does not describe a process")
    return spec


def runtime_config(
    spec: dict[str, Any], root: str, cgroup: str, *, terminal: bool
) -> dict[str, Any]:
    """Return a spec for a root that is mounted at ``root``; BackendUnavailable if it asks too much.

    As with this project's own isolation, capabilities and limits that root itself lacks here are
    left out, and -1 is no limit.
    """
    linux = dict(spec.get("linux") or {})
    refuse_impossible(linux.get("resources") or {})
    _refuse_over_proc(spec.get("mounts") or [])
    linux["cgroupsPath"] = cgroup
    # runc leaves the folder of cgroup v1's hierarchies open to writing.
    closed = [mount["destination"] for mount in spec.get("mounts") or [] if _is_closed(mount)]
    linux["readonlyPaths"] = [*(linux.get("readonlyPaths") or []), *closed]
    config = {**spec, "ociVersion": _VERSION, "linux": linux}
    config["root"] = {**spec["root"], "path": root}
    if any(runtimespec.is_bind(mount) and _is_slave(mount) for mount in spec.get("mounts") or []):
        # crun makes everything private where nothing is said, and no slave can be made of that.
        linux["rootfsPropagation"] = linux.get("rootfsPropagation") or "rslave"
    config["mounts"] = [_settled(mount) for mount in spec.get("mounts") or []]
    config["process"] = runtime_process(spec["process"], terminal=terminal)
    name = config.pop("domainname", "")
    if name:
        # Newer than some runtimes, which would leave it out without a word.
        linux["sysctl"] = {**(linux.get("sysctl") or {}), "kernel.domainname": name}
    return config


def runtime_process(given: dict[str, Any], *, terminal: bool) -> dict[str, Any]:
    """Return a process as a runtime takes it."""
    if "seccomp" in given:
        raise BackendUnavailable(
            "an OCI runtime has no seccomp filter of a single process", hint="use isolation ns"
        )
    made = {**given, "terminal": terminal}
    made.pop("consoleSize", None)
    held = given.get("capabilities")
    if held:
        known = frozenset(capabilities.at_hand())
        made["capabilities"] = {
            kind: [name for name in names or [] if name in known] for kind, names in held.items()
        }
    if given.get("rlimits"):
        made["rlimits"] = [_possible(limit) for limit in given["rlimits"]]
    return made


def _settled(mount: dict[str, Any]) -> dict[str, Any]:
    """Return a bind mount that says how it is connected: not at all, where nothing is said."""
    options = mount.get("options") or []
    if not runtimespec.is_bind(mount) or any(word in _PROPAGATION for word in options):
        return mount
    return {**mount, "options": [*options, "rprivate"]}


def _is_slave(mount: dict[str, Any]) -> bool:
    return any(word in ("slave", "rslave") for word in mount.get("options") or ())


def _is_closed(mount: dict[str, Any]) -> bool:
    return mount.get("type") in ("cgroup", "cgroup2") and "ro" in (mount.get("options") or ())


def _possible(limit: dict[str, Any]) -> dict[str, Any]:
    """Keep a limit within what this process may set: setrlimit(2)."""
    import resource

    soft, hard = (limit[key] % 2**64 for key in ("soft", "hard"))
    number = getattr(resource, limit["type"], None)
    if number is not None and "CAP_SYS_RESOURCE" not in capabilities.at_hand():
        own = resource.getrlimit(number)[1] % 2**64
        hard = min(hard, own)
    if limit["type"] == "RLIMIT_NOFILE":
        hard = min(hard, _most_files())
    return {**limit, "soft": min(soft, hard), "hard": hard}


def _most_files() -> int:
    """Return what nobody may go beyond, root neither: proc_sys_fs(5)."""
    with open("/proc/sys/fs/nr_open", encoding="ascii") as stream:
        return int(stream.read())


def _refuse_over_proc(mounts: list[dict[str, Any]]) -> None:
    """Keep /proc the kernel's own (CVE-2019-16884), as runc does and crun 1.8 does not.

    The files that may be bound are those of lxcfs(1).
    """
    for mount in mounts:
        if not runtimespec.is_bind(mount):
            continue
        place = os.path.normpath("/" + mount["destination"].lstrip("/"))
        source = mount.get("source", "")
        if place == "/proc" and os.path.exists(source):
            wrong = filesystem.filesystem_magic(source) != filesystem.PROC_MAGIC
        else:
            wrong = place.startswith("/proc/") and place[6:] not in runtimespec.PROC_FILES
        if wrong:
            raise IsolationError(
                f'"{mount["destination"]}" cannot be mounted because it is inside /proc',
                hint="mount it elsewhere",
            )
