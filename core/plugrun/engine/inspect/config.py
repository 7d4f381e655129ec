"""``Config`` and ``GraphDriver`` of a container's document.

Keys, order and what is null, empty or left out are Docker's (API 1.41, measured).
"""

from __future__ import annotations

import os

from plugrun.errors import PlugrunError
from plugrun.linux.overlay import folders_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.model.mount import Mount
    from plugrun.model.upkeep import HealthCheck

_DEFAULT_STOP_SIGNAL = "SIGTERM"
_DEFAULT_STOP_TIMEOUT = 10
_WORK = "workdir="


def config(container: Container) -> dict[str, Any]:
    """Return ``Config``: what runs, and how, wherever it runs."""
    shown: dict[str, Any] = {
        "Hostname": container.hostname,
        "Domainname": container.domainname,
        "User": container.user,
        "AttachStdin": "stdin" in container.attached,
        "AttachStdout": "stdout" in container.attached,
        "AttachStderr": "stderr" in container.attached,
    }
    if container.exposed_ports:
        shown["ExposedPorts"] = {port: {} for port in sorted(container.exposed_ports)}
    shown |= {
        "Tty": container.tty,
        "OpenStdin": container.open_stdin,
        "StdinOnce": container.stdin_once,
        "Env": list(container.env) or None,
        "Cmd": list(container.cmd) or None,
    }
    health = health_check(container.health)
    if health:
        shown["Healthcheck"] = health
    shown |= {
        "Image": container.image_name,
        "Volumes": {path: {} for path in container.volumes} or None,
        "WorkingDir": container.working_dir,
        "Entrypoint": list(container.entrypoint) or None,
        "OnBuild": None,
        "Labels": dict(container.labels),
    }
    if container.stop_signal != _DEFAULT_STOP_SIGNAL:
        shown["StopSignal"] = container.stop_signal
    if container.stop_timeout != _DEFAULT_STOP_TIMEOUT:
        shown["StopTimeout"] = container.stop_timeout
    return shown


def health_check(check: HealthCheck) -> dict[str, Any]:
    """Return ``Healthcheck``: what is said, and no more; times in nanoseconds."""
    shown = {
        "Test": list(check.test),
        "Interval": check.interval_ns,
        "Timeout": check.timeout_ns,
        "StartPeriod": check.start_period_ns,
        "StartInterval": check.start_interval_ns,
        "Retries": check.retries,
    }
    return {key: value for key, value in shown.items() if value}


def graph_driver(engine: Engine, container: Container, rootfs: str) -> dict[str, Any]:
    """Return ``GraphDriver``: where on the host the container's files lie.

    ``UpperDir`` is the folder that it writes in, ``LowerDir`` those of the layers beneath, nearest
    first, where the storage keeps layers apart; else all of the image is in ``UpperDir`` too.
    ``MergedDir`` is ``rootfs``: where the container sees them together.
    """
    data: dict[str, str] | None = None
    try:
        storage = engine.storage_of(container)
        tree, mounts = storage.layer_tree(container.id), storage.mounts(container.id)
    except PlugrunError:
        pass  # its plugin or its snapshot is gone: the rest can be told all the same
    else:
        data = {"LowerDir": ":".join(map(os.path.realpath, tree.lower))} if tree.lower else {}
        data |= {"MergedDir": rootfs, "UpperDir": os.path.realpath(tree.path)}
        for path in _work_folders(mounts):
            data["WorkDir"] = os.path.realpath(path)
    return {"Data": data, "Name": container.storage.name}


def _work_folders(mounts: Sequence[Mount]) -> list[str]:
    """Return the folder that an overlay among the mounts has for its own use."""
    options = [option for mount in mounts for option in mount.options]
    given = [option.removeprefix(_WORK) for option in options if option.startswith(_WORK)]
    return [path for value in given for path in folders_of(value)]
