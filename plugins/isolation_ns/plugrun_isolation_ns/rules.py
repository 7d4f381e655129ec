"""What of a spec this backend refuses, and the namespaces it asks for."""

from __future__ import annotations

import os

from plugrun.api import BackendUnavailable, IsolationError, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FLAGS = {
    "mount": process.CLONE_NEWNS,
    "pid": process.CLONE_NEWPID,
    "ipc": process.CLONE_NEWIPC,
    "uts": process.CLONE_NEWUTS,
    "network": process.CLONE_NEWNET,
    "cgroup": process.CLONE_NEWCGROUP,
    "user": process.CLONE_NEWUSER,
}
_REFUSED = (
    ("linux", "timeOffsets"),
    ("linux", "intelRdt"),
    ("linux", "personality"),
    ("linux", "mountLabel"),
    ("process", "selinuxLabel"),
    ("process", "scheduler"),
    ("process", "ioPriority"),
    ("process", "execCPUAffinity"),
)


class Namespaces:
    """The namespaces of a spec: flags of those to make, and paths of those to join."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.new = 0
        self.joined: list[tuple[int, str]] = []
        self._shared: set[int] = set(FLAGS.values())
        for item in (spec.get("linux") or {}).get("namespaces") or []:
            kind = item["type"]
            if kind not in FLAGS:
                raise BackendUnavailable(
                    f"isolation ns does not make {kind} namespaces",
                    hint="leave the namespace away, or use a backend that stands on runc or crun",
                )
            self._add(kind, item.get("path") or "")
        if not self.new & process.CLONE_NEWNS:
            raise IsolationError("a container needs a mount namespace of its own")

    def _add(self, kind: str, path: str) -> None:
        flag = FLAGS[kind]
        if kind == "user" and path and is_own(kind, path):
            return  # it cannot be joined by who is in it: setns(2)
        if path:
            self.joined.append((flag, path))
        else:
            self.new |= flag
        if not path or not is_own(kind, path):
            self._shared.discard(flag)

    def is_shared(self, kind: str) -> bool:
        """Whether the container has the namespace of this process."""
        return FLAGS[kind] in self._shared

    @property
    def has_user(self) -> bool:
        """Whether the container is in a user namespace other than this process's."""
        return bool(self.all & process.CLONE_NEWUSER)

    @property
    def all(self) -> int:
        """The flags of all namespaces that the container does not share with the host."""
        flags = self.new
        for kind, _ in self.joined:
            flags |= kind
        return flags


# What /proc calls a namespace where it differs from the spec's word.
_LINKS = {"network": "net", "mount": "mnt"}


def is_own(kind: str, path: str) -> bool:
    """Whether a path is the namespace that this process is in."""
    try:
        return os.path.samefile(path, f"/proc/self/ns/{_LINKS.get(kind, kind)}")
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise IsolationError(
            f"the {kind} namespace {path} cannot be joined: {reason}",
            hint="the container or process it belongs to has ended",
        ) from None


# The namespace that a kernel parameter belongs to: namespaces(7), and the pages it names.
_SYSCTLS = (
    ("net.", "network"),
    ("fs.mqueue.", "ipc"),
    ("kernel.msg", "ipc"),
    ("kernel.sem", "ipc"),
    ("kernel.shm", "ipc"),
    ("kernel.domainname", "uts"),
    ("kernel.hostname", "uts"),
)


def check_sysctls(values: dict[str, str], namespaces: Namespaces) -> None:
    """Refuse a kernel parameter that would be the host's own."""
    for name in values:
        dotted = name.replace("/", ".")
        kind = next((kind for prefix, kind in _SYSCTLS if dotted.startswith(prefix)), "")
        if not kind or ".." in dotted:
            raise IsolationError(f'sysctl "{name}" is not in a separate kernel namespace')
        if namespaces.is_shared(kind):
            raise IsolationError(f'sysctl "{name}" is not allowed in the host {kind} namespace')


def check_names(spec: dict[str, Any], namespaces: Namespaces) -> None:
    """Refuse names for a UTS namespace that is the host's."""
    if not namespaces.is_shared("uts"):
        return
    for word in ("hostname", "domainname"):
        if spec.get(word):
            raise IsolationError(
                f"a {word} cannot be set without a UTS namespace of the container's own",
                hint="leave it out, or do not share the UTS namespace",
            )


def check_ids(linux: dict[str, Any], namespaces: Namespaces) -> None:
    """Refuse a user namespace without a mapping, and a mapping without one."""
    found = [linux.get(name) or [] for name in ("uidMappings", "gidMappings")]
    if namespaces.new & process.CLONE_NEWUSER:
        for ranges in found:
            if not any(one["containerID"] == 0 for one in ranges):
                raise IsolationError(
                    "a user namespace needs uidMappings and gidMappings with a place for ID 0",
                    hint="map containerID 0 to an ID of the host",
                )
    elif any(found) and not namespaces.has_user:
        raise IsolationError("uidMappings and gidMappings are there, and no user namespace")


def check(spec: dict[str, Any]) -> None:
    """Refuse what this backend does not do, rather than leave it out."""
    for room, name in _REFUSED:
        if (spec.get(room) or {}).get(name):
            raise BackendUnavailable(
                f"isolation ns does not implement {name} of the runtime spec",
                hint="leave it away, or use a backend that stands on runc or crun",
            )
    if "process" not in spec:
        raise IsolationError("config.json has no process")
