"""``info`` and ``version``: what this engine is and what it runs on, under Docker's names."""

from __future__ import annotations

import os
import sys

from plugrun import __version__
from plugrun.api import API_VERSION
from plugrun.engine.containers import list_containers
from plugrun.model.container import RUNNING
from plugrun.model.descriptor import host_platform
from plugrun.model.record import as_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.engine import Engine


def version() -> dict[str, Any]:
    """Return what ``plugrun version`` prints."""
    platform = host_platform()
    return {
        "Version": __version__,
        "ApiVersion": str(API_VERSION),
        "PythonVersion": ".".join(str(part) for part in sys.version_info[:3]),
        "Os": platform.os,
        "Arch": platform.architecture,
        "KernelVersion": os.uname().release,
    }


def info(engine: Engine) -> dict[str, Any]:
    """Return what ``plugrun info`` prints."""
    found = [status for _, status in list_containers(engine, True)]
    running = sum(1 for status in found if status.state == RUNNING)
    storage, isolation = engine.storage_choice(), engine.isolation_choice()
    details = engine.isolation_named(isolation.name).probe().details
    return {
        "Containers": len(found),
        "ContainersRunning": running,
        "ContainersStopped": len(found) - running,
        "Images": len(engine.metadata.images()),
        "ServerVersion": __version__,
        "Driver": storage.name,
        "Profile": engine.backends.profile.name,
        "Backends": {
            "Storage": as_json(storage),
            "Isolation": as_json(isolation),
            "Network": as_json(engine.network_choice()),
            "Transport": list(engine.backends.profile.transport),
        },
        "Isolation": dict(details),
        "KernelVersion": os.uname().release,
        "OperatingSystem": _pretty_name(),
        "OSType": "linux",
        "Architecture": os.uname().machine,
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "DockerRootDir": engine.root,
        "RunRoot": engine.run_root,
        "Name": os.uname().nodename,
    }


def _pretty_name() -> str:
    """Read os-release(5)."""
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return "Linux"
    values = dict(line.partition("=")[::2] for line in lines)
    return values.get("PRETTY_NAME", "Linux").strip('"')
