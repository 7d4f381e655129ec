"""``info`` and ``version``: what this engine is and what it runs on, under Docker's names."""

from __future__ import annotations

import os
import sys
import time

from plugrun import __version__
from plugrun.api import API_VERSION
from plugrun.engine.abilities import abilities
from plugrun.engine.containers import list_containers
from plugrun.engine.inspect.document import rfc3339
from plugrun.model.container import PAUSED, RESTARTING, RUNNING
from plugrun.model.descriptor import host_platform
from plugrun.model.record import as_json
from plugrun.model.upkeep import LogConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.engine import Engine


_INDEX = "https://index.docker.io/v1/"
# As Docker's where there is none: scripts look at the state before they use one.
_NO_SWARM = {
    "NodeID": "",
    "NodeAddr": "",
    "LocalNodeState": "inactive",
    "ControlAvailable": False,
    "Error": "",
    "RemoteManagers": None,
}


def version() -> dict[str, Any]:
    """Return what ``plugrun version`` prints, as Docker's document; client and engine are one."""
    platform = host_platform()
    common = {
        "Version": __version__,
        "ApiVersion": str(API_VERSION),
        "PythonVersion": ".".join(str(part) for part in sys.version_info[:3]),
        "Os": platform.os,
        "Arch": platform.architecture,
    }
    engine = {**common, "KernelVersion": os.uname().release, "Experimental": False}
    details = {key: str(value).lower() for key, value in engine.items() if key != "Version"}
    component = {"Name": "Engine", "Version": __version__, "Details": details}
    return {
        "Client": {**common, "Context": "default"},
        "Server": {"Platform": {"Name": "plugrun"}, "Components": [component], **engine},
    }


def info(engine: Engine) -> dict[str, Any]:
    """Return what ``plugrun info`` prints: Docker's fields, then our own."""
    parts = (_counts(engine), _services(engine), abilities(), _machine(engine), _own(engine))
    return {key: value for part in parts for key, value in part.items()}


def _counts(engine: Engine) -> dict[str, Any]:
    states = [status.state for _, status in list_containers(engine, True)]
    running = states.count(RUNNING) + states.count(RESTARTING)
    paused = states.count(PAUSED)
    return {
        "ID": _id(engine.root),
        "Containers": len(states),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(states) - running - paused,
        "Images": len(engine.metadata.images()),
    }


def _services(engine: Engine) -> dict[str, Any]:
    """What containers are given, and by whom."""
    storage, isolation = engine.storage_choice(), engine.isolation_choice()
    details = dict(engine.isolation_named(isolation.name).probe().details)
    kept = dict(engine.storage_named(storage.name).probe().details)
    return {
        "Driver": storage.name,
        "DriverStatus": [["Backing Filesystem", kept.get("file system", "unknown")]],
        "Plugins": {
            "Volume": ["local"],
            "Network": _network_drivers(engine),
            "Authorization": None,
            "Log": ["json-file", "none"],
        },
        "Debug": engine.options.debug,
        "LoggingDriver": LogConfig().driver,
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": details.get("cgroup", "").removeprefix("v"),
        "Runtimes": {name: {"path": name} for name in engine.backends.profile.isolation},
        "DefaultRuntime": isolation.name,
        "SecurityOptions": _security(engine),
        "LiveRestoreEnabled": True,  # no container depends on a daemon
        "IndexServerAddress": _INDEX,
        "Swarm": _NO_SWARM,
        "Isolation": details,
    }


def _network_drivers(engine: Engine) -> list[str]:
    """Return the backends of the profile, and Docker's two that need none."""
    drivers = {*engine.backends.profile.network, "host", "null"}
    return sorted(drivers - {"none"})


def _security(engine: Engine) -> list[str]:
    remapped = engine.backends.profile.userns not in ("", "host")
    return ["name=seccomp,profile=default", *(["name=userns"] if remapped else [])]


def _machine(engine: Engine) -> dict[str, Any]:
    return {
        "SystemTime": rfc3339(time.time_ns()),
        "KernelVersion": os.uname().release,
        "OperatingSystem": _release().get("PRETTY_NAME", "Linux"),
        "OSVersion": _release().get("VERSION_ID", ""),
        "OSType": "linux",
        "Architecture": os.uname().machine,
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "DockerRootDir": engine.root,
        "Name": os.uname().nodename,
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": __version__,
        "Warnings": None,
        "ClientInfo": {"Debug": engine.options.debug, **version()["Client"]},
    }


def _own(engine: Engine) -> dict[str, Any]:
    profile = engine.backends.profile
    return {
        "Profile": profile.name,
        "Backends": {
            "Storage": as_json(engine.storage_choice()),
            "Isolation": as_json(engine.isolation_choice()),
            "Network": as_json(engine.network_choice()),
            "Transport": list(profile.transport),
        },
        "RunRoot": engine.run_root,
    }


def _id(root: str) -> str:
    """Name this root on this machine, the same each time, in a UUID's form (machine-id(5))."""
    import hashlib

    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            machine = file.read().strip()
    except OSError:
        machine = os.uname().nodename
    digits = hashlib.sha256(f"plugrun {machine} {root}".encode(errors="surrogateescape"))
    text = digits.hexdigest()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:32]))


def _release() -> dict[str, str]:
    """Read os-release(5)."""
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=")[::2] for line in lines)
    return {key: value.strip('"') for key, value in pairs}
