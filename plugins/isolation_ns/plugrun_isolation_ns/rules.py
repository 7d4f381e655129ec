"""What of a spec this backend refuses, and the namespaces it asks for."""

from __future__ import annotations

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
}
_REFUSED = (
    ("hooks", "hooks"),
    ("linux", "uidMappings"),
    ("linux", "gidMappings"),
    ("linux", "timeOffsets"),
    ("linux", "intelRdt"),
    ("linux", "personality"),
    ("linux", "mountLabel"),
    ("process", "apparmorProfile"),
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
        for item in (spec.get("linux") or {}).get("namespaces") or []:
            kind = item["type"]
            if kind not in FLAGS:
                raise BackendUnavailable(
                    f"isolation ns does not make {kind} namespaces",
                    hint="leave the namespace away, or use a backend that stands on runc or crun",
                )
            if item.get("path"):
                self.joined.append((FLAGS[kind], item["path"]))
            else:
                self.new |= FLAGS[kind]
        if not self.new & process.CLONE_NEWNS:
            raise IsolationError("a container needs a mount namespace of its own")

    @property
    def all(self) -> int:
        """The flags of all namespaces that the container does not share with the host."""
        flags = self.new
        for kind, _ in self.joined:
            flags |= kind
        return flags


def check(spec: dict[str, Any]) -> None:
    """Refuse what this backend does not do, rather than leave it out."""
    for room, name in _REFUSED:
        value = spec.get(name) if room == name else (spec.get(room) or {}).get(name)
        if value:
            raise BackendUnavailable(
                f"isolation ns does not implement {name} of the runtime spec",
                hint="leave it away, or use a backend that stands on runc or crun",
            )
    if "process" not in spec:
        raise IsolationError("config.json has no process")
