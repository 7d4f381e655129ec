"""How a CNI plugin is called: environment, configuration on stdin, result on stdout.

The Container Network Interface's specification, sections 2 (execution protocol) and 5 (results):
https://www.cni.dev/docs/spec/
"""

from __future__ import annotations

import os
import subprocess

from plugrun.api import BackendUnavailable, NoAddress, PlugrunError, dumps, loads, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATIENCE = 60.0  # seconds that one plugin gets
_NO_ADDRESS = "no IP addresses available"


@record
class Call:
    """Who is to be connected: the container, its namespace, and what its interface is called."""

    container_id: str
    netns: str
    interface: str


def find_plugin(kind: str, folders: str) -> str:
    """Return the path of a plugin; BackendUnavailable if there is none."""
    for folder in folders.split(":"):
        path = f"{folder}/{kind}"
        if "/" not in kind and os.access(path, os.X_OK):
            return path
    raise BackendUnavailable(
        f"there is no CNI plugin {kind!r} in {folders}",
        hint="apt install containernetworking-plugins; or name its folder: option `plugins`",
    )


def call_plugin(
    command: str, call: Call, configuration: dict[str, Any], folders: str
) -> dict[str, Any]:
    """Have a plugin do ADD or DEL; return its result, which DEL has none of."""
    kind = str(configuration["type"])
    environment = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": call.container_id,
        "CNI_NETNS": call.netns,
        "CNI_IFNAME": call.interface,
        "CNI_PATH": folders,
        "PATH": os.environ.get("PATH", os.defpath),
    }
    try:
        done = subprocess.run(
            [find_plugin(kind, folders)],
            input=dumps(configuration).encode(),
            env=environment,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PlugrunError(f"CNI plugin {kind}: no answer in {_PATIENCE:.0f} s") from None
    if done.returncode:
        raise _failure(kind, done.stdout, done.stderr)
    return _parsed(kind, done.stdout)


def _failure(kind: str, said: bytes, complained: bytes) -> PlugrunError:
    try:
        error = loads(said)
        words = ": ".join(str(error[key]) for key in ("msg", "details") if error.get(key))
    except (ValueError, TypeError, AttributeError):
        words = complained.decode("utf-8", "replace").strip()
    message = f"CNI plugin {kind}: {words or 'it failed without a word'}"
    return NoAddress(message) if _NO_ADDRESS in message else PlugrunError(message)


def _parsed(kind: str, said: bytes) -> dict[str, Any]:
    if not said.strip():
        return {}
    try:
        result = loads(said)
    except ValueError:
        result = None
    if not isinstance(result, dict):
        raise PlugrunError(f"CNI plugin {kind}: its result is not JSON")
    return result
