"""What ``inspect`` tells of a container or an image: Docker's document, and one part of our own.

Keys and shapes are those of Docker's API (ContainerInspect, ImageInspect); what this engine has no
notion of has the value Docker gives where it is not used. ``Plugrun`` says which backends serve a
container and why they were chosen.
"""

from __future__ import annotations

from time import gmtime, strftime

from plugrun.engine.inspect.config import config, graph_driver
from plugrun.engine.inspect.health import health_state
from plugrun.engine.inspect.hostconfig import host_config
from plugrun.engine.inspect.mounts import mounts
from plugrun.engine.inspect.network import network_settings
from plugrun.engine.places import log_path
from plugrun.errors import NoSuchContainer, PlugrunError
from plugrun.model.container import PAUSED, RESTARTING
from plugrun.model.jsontext import loads
from plugrun.model.network import OF_CONTAINER
from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.model.container import BackendChoice, Container, Status
    from plugrun.model.image import Image


def container_document(
    engine: Engine, container: Container, status: Status, *, size: bool = False
) -> dict[str, Any]:
    """Return a container as Docker's API shows it; with ``size``, what its files take."""
    folder = engine.container_folder(container.id)
    path, *args = container.args or ("",)
    shown: dict[str, Any] = {
        "Id": container.id,
        "Created": rfc3339(container.created_ns),
        "Path": path,
        "Args": args,
        "State": _state(status) | health_state(engine, container, status),
        "Image": container.image,
        **_etc_files(engine, container),
        "LogPath": "" if container.log.driver == "none" else log_path(engine, container),
        "Name": f"/{container.name}",
        "RestartCount": status.restarts,
        "Driver": container.storage.name,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": _apparmor(container),
        "ExecIDs": None,
        "HostConfig": host_config(engine, container),
        "GraphDriver": graph_driver(engine, container, _merged(status, folder)),
    }
    if size:
        shown |= _sizes(engine, container)
    shown |= {
        "Mounts": mounts(container),
        "Config": config(container),
        "NetworkSettings": network_settings(engine, container, status.pid),
        "Plugrun": _backends(container),
    }
    return shown


def _etc_files(engine: Engine, container: Container) -> dict[str, str]:
    """Return where they lie; one on another's network has that one's."""
    folder = engine.container_folder(container.id)
    if container.network.startswith(OF_CONTAINER):
        from plugrun.engine.networks.shared import leader_folder

        try:
            folder = leader_folder(engine, container)
        except NoSuchContainer:
            pass  # it was removed
    names = {"ResolvConfPath": "resolv.conf", "HostnamePath": "hostname", "HostsPath": "hosts"}
    return {key: f"{folder}/{name}" for key, name in names.items()}


def _merged(status: Status, folder: str) -> str:
    """Return where a container's tree can be seen: only its own mount namespace has it mounted."""
    return f"/proc/{status.pid}/root" if status.pid else f"{folder}/rootfs"


def _apparmor(container: Container) -> str:
    said = ("apparmor=unconfined", "apparmor:unconfined")
    return "unconfined" if any(o in said for o in container.security.options) else ""


def _sizes(engine: Engine, container: Container) -> dict[str, int]:
    from plugrun.engine.sizes import container_size

    size = container_size(engine, container)
    return {"SizeRw": size.own, "SizeRootFs": size.virtual}


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
        "Comment": _comment(raw),
        "Created": image.created,
        "DockerVersion": str(raw.get("docker_version", "")),
        "Author": str(raw.get("author", "")),
        "Config": raw.get("config") or {},
        "Architecture": str(raw.get("architecture", "")),
        "Os": str(raw.get("os", "")),
        "Size": image.size,
        # What a storage tells of is snapshots that can be mounted, and an image's is none.
        "GraphDriver": {"Data": None, "Name": _image_storage(engine, image)},
        "RootFS": {"Type": "layers", "Layers": _diff_ids(raw)},
        # As Docker has it of what was never given another name.
        "Metadata": {"LastTagTime": rfc3339(0)},
        "Plugrun": {"Manifest": image.manifest, "Platform": image.platform},
    }
    if raw.get("variant"):
        document["Variant"] = raw["variant"]
    return document


def _image_storage(engine: Engine, image: Image) -> str:
    """Return the storage an image is unpacked for: the profile's, or else another that has it."""
    from plugrun.engine.heal import stored_names

    try:
        current = engine.storage_choice().name
    except PlugrunError:
        current = ""  # the profile is wrong, or does not work here
    for name in filter(None, (current, *stored_names(engine))):
        try:
            if image.chain:
                engine.storage_named(name).stat(image.chain[-1])
        except PlugrunError:
            continue  # it has no such image, or its plugin is gone
        return name
    return current


def _comment(raw: Mapping[str, Any]) -> str:
    """What the last step of its history says, as Docker has it."""
    steps = raw.get("history")
    last = steps[-1] if isinstance(steps, list) and steps else {}
    return str(last.get("comment") or "") if isinstance(last, dict) else ""


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
