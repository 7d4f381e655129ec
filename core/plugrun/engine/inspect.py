"""What ``inspect`` tells of a container or an image: Docker's document, and one part of our own.

Keys and shapes are those of Docker's API (ContainerInspect, ImageInspect); what this engine has no
notion of has the value Docker gives where it is not used. ``Plugrun`` says which backends serve a
container and why they were chosen.
"""

from __future__ import annotations

from time import gmtime, strftime

from plugrun.engine.inspectmounts import binds, mounts
from plugrun.engine.places import log_path
from plugrun.engine.spec import MASKED_PATHS
from plugrun.model.container import PAUSED, RESTARTING
from plugrun.model.jsontext import loads
from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.model.container import BackendChoice, Container, Status
    from plugrun.model.image import Image

_SHM_SIZE = 64 * 2**20


def container_document(engine: Engine, container: Container, status: Status) -> dict[str, Any]:
    """Return a container as Docker's API shows it."""
    folder = engine.container_folder(container.id)
    path, *args = container.args or ("",)
    return {
        "Id": container.id,
        "Created": rfc3339(container.created_ns),
        "Path": path,
        "Args": args,
        "State": _state(status),
        "Image": container.image,
        "ResolvConfPath": f"{folder}/resolv.conf",
        "HostnamePath": f"{folder}/hostname",
        "HostsPath": f"{folder}/hosts",
        "LogPath": log_path(engine, container),
        "Name": f"/{container.name}",
        "RestartCount": status.restarts,
        "Driver": container.storage.name,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": None,
        "HostConfig": _host_config(container),
        "Mounts": mounts(container),
        "Config": _config(container),
        "NetworkSettings": _network(container),
        "Plugrun": _backends(container),
    }


def _state(status: Status) -> dict[str, Any]:
    return {
        "Status": status.state,
        "Running": status.running or status.state == RESTARTING,
        "Paused": status.state == PAUSED,
        "Restarting": status.state == RESTARTING,
        "OOMKilled": status.oom_killed,
        "Dead": False,
        "Pid": status.pid,
        "ExitCode": status.exit_code,
        "Error": status.error,
        "StartedAt": rfc3339(status.started_ns),
        "FinishedAt": rfc3339(status.finished_ns),
    }


def _host_config(container: Container) -> dict[str, Any]:
    limits = container.limits
    return {
        "Binds": binds(container),
        "ContainerIDFile": "",
        "LogConfig": {"Type": "json-file", "Config": {}},
        "NetworkMode": container.network,
        "PortBindings": {},
        "RestartPolicy": {
            "Name": container.restart.name,
            "MaximumRetryCount": container.restart.most,
        },
        "AutoRemove": container.auto_remove,
        "CapAdd": None,
        "CapDrop": None,
        "Dns": [],
        "ExtraHosts": None,
        "IpcMode": "private",
        "OomScoreAdj": 0,
        "PidMode": "",
        "Privileged": False,
        "PublishAllPorts": False,
        "ReadonlyRootfs": container.read_only,
        "SecurityOpt": None,
        "UTSMode": "",
        "UsernsMode": "",
        "ShmSize": _SHM_SIZE,
        "Runtime": container.isolation.name,
        "CpuShares": 0,
        "Memory": limits.memory,
        "MemorySwap": limits.memory_swap,
        "NanoCpus": limits.nano_cpus,
        "PidsLimit": limits.pids or None,
        "Init": container.init,
        "MaskedPaths": list(MASKED_PATHS),
    }


def _config(container: Container) -> dict[str, Any]:
    attached = not container.detached
    return {
        "Hostname": container.hostname,
        "Domainname": "",
        "User": container.user,
        "AttachStdin": attached and container.open_stdin,
        "AttachStdout": attached,
        "AttachStderr": attached,
        "Tty": container.tty,
        "OpenStdin": container.open_stdin,
        "StdinOnce": attached and container.open_stdin,
        "Env": list(container.env),
        "Cmd": list(container.cmd) or None,
        "Image": container.image_name,
        "Volumes": None,
        "WorkingDir": container.working_dir,
        "Entrypoint": list(container.entrypoint) or None,
        "OnBuild": None,
        "Labels": dict(container.labels),
        "StopSignal": container.stop_signal,
        "StopTimeout": container.stop_timeout,
    }


def _network(container: Container) -> dict[str, Any]:
    return {
        "SandboxID": "",
        "Ports": {},
        "IPAddress": "",
        "Gateway": "",
        "MacAddress": "",
        "Networks": {container.network: {"IPAddress": "", "Gateway": "", "MacAddress": ""}},
    }


def _backends(container: Container) -> dict[str, Any]:
    return {
        "Profile": container.profile,
        "Storage": _choice(container.storage),
        "Isolation": _choice(container.isolation),
        "Network": _choice(container.net),
    }


def _choice(choice: BackendChoice) -> dict[str, str]:
    return {"Name": choice.name, "Version": choice.version, "Why": choice.why}


def rfc3339(time_ns: int) -> str:
    """Return a time as Go writes RFC3339Nano, in UTC; 0 is Go's zero time."""
    if time_ns == 0:
        return "0001-01-01T00:00:00Z"
    seconds, rest = divmod(time_ns, 10**9)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds)) + fraction + "Z"


def image_document(engine: Engine, image: Image) -> dict[str, Any]:
    """Return an image as Docker's API shows it; its config is as in the registry's document."""
    raw: Mapping[str, Any] = loads(engine.content.read(image.id))
    tags, digests = _names(engine, image)
    document = {
        "Id": image.id,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": "",
        "Created": image.created,
        "DockerVersion": str(raw.get("docker_version", "")),
        "Author": str(raw.get("author", "")),
        "Config": raw.get("config") or {},
        "Architecture": str(raw.get("architecture", "")),
        "Os": str(raw.get("os", "")),
        "Size": image.size,
        "RootFS": {"Type": "layers", "Layers": _diff_ids(raw)},
        "Plugrun": {"Manifest": image.manifest, "Platform": image.platform},
    }
    if raw.get("variant"):
        document["Variant"] = raw["variant"]
    return document


def _diff_ids(raw: Mapping[str, Any]) -> list[Any]:
    rootfs = raw.get("rootfs") or {}
    return list(rootfs.get("diff_ids") or [])


def _names(engine: Engine, image: Image) -> tuple[list[str], list[str]]:
    tags, digests = [], []
    for name in engine.metadata.image_names(image.id):
        reference = parse_reference(name.name, default_tag="")
        if reference.tag:
            tags.append(reference.familiar)
        digest = name.digest or reference.digest
        if digest:
            digests.append(f"{reference.familiar_name}@{digest}")
    return tags, sorted(set(digests))
