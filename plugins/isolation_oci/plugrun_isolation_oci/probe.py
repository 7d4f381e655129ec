"""Whether the runtime makes containers on this machine: it is let make one, and take it away."""

from __future__ import annotations

import os

from plugrun.api import (
    BackendUnavailable,
    CommandNotFound,
    Mount,
    PlugrunError,
    Probe,
    Stdio,
    dumps,
)

from plugrun_isolation_oci.create import Creation
from plugrun_isolation_oci.program import Refusal, Runtime
from plugrun_isolation_oci.state import Folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KINDS = ("mount", "pid", "ipc", "uts", "network")
_COMMAND = "/nothing"


def probe(state: str, runtime: Runtime, parent: str) -> Probe:
    """Make a container of an empty root: that its command is missing is the last to be found."""
    if os.geteuid() != 0:
        return Probe(False, "an OCI runtime makes containers as root only", "run plugrun as root")
    details: tuple[tuple[str, str], ...] = ()
    try:
        path = runtime.find()
        details = (("runtime", path),)
        details = (*details, ("version", _version(runtime)))
    except BackendUnavailable as error:
        return Probe(False, error.message, error.hint, watch=runtime.candidates())
    except Refusal as refusal:
        reason = f"the OCI runtime {runtime.name} does not work: {refusal.reason}"
        return Probe(False, reason, "install it anew", details)
    reason, remedy = _try(state, runtime, parent)
    return Probe(not reason, reason, remedy, details, watch=(path,))


def _version(runtime: Runtime) -> str:
    lines = runtime.ask("--version").decode("utf-8", "replace").splitlines()
    return lines[0] if lines else ""


def _try(state: str, runtime: Runtime, parent: str) -> tuple[str, str]:
    id = f"probe-{os.getpid()}"
    bundle = os.path.join(os.path.abspath(state), f".{id}")
    os.makedirs(f"{bundle}/rootfs", 0o700, exist_ok=True)
    try:
        with open(f"{bundle}/config.json", "w", encoding="utf-8") as stream:
            stream.write(dumps(_SPEC))
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            folder = Folder(os.path.abspath(state), id)
            stdio = Stdio(null, null, null)
            # Nothing that the runtime makes in the root is on a disk.
            root = (Mount("tmpfs", "tmpfs"),)
            Creation(runtime, folder, bundle, stdio, parent).run(root)
        finally:
            os.close(null)
    except CommandNotFound:
        return "", ""
    except PlugrunError as error:
        reason = f"the OCI runtime makes no container here: {error.message}"
        return reason, error.hint or "name another: options.isolation.oci.runtime of the profile"
    finally:
        os.unlink(f"{bundle}/config.json")
        os.rmdir(f"{bundle}/rootfs")
        os.rmdir(bundle)
    return f"the OCI runtime {runtime.name} makes containers of commands that are missing", "none"


_SPEC: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "root": {"path": "rootfs"},
    "process": {"user": {"uid": 0, "gid": 0}, "args": [_COMMAND], "env": [], "cwd": "/"},
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
    ],
    "linux": {"namespaces": [{"type": kind} for kind in _KINDS], "resources": {}},
}
