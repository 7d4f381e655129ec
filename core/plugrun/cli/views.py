"""What ``ps`` and ``images`` show of containers and images, as rows for templates."""

from __future__ import annotations

from plugrun.cli.units import NS, ago, human_duration, human_size, local_time
from plugrun.model.container import CREATED, PAUSED, RESTARTING, Container, Status
from plugrun.model.image import Image
from plugrun.model.network import HOST, NONE
from plugrun.model.times import rfc3339_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PS_TABLE = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
PS_HEADERS: Mapping[str, Any] = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "Ports": "PORTS",
    "State": "STATE",
    "Status": "STATUS",
    "Size": "SIZE",
    "Names": "NAMES",
    "Labels": "LABELS",
    "Label": lambda name: name,
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
}

IMAGES_TABLE = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
DIGESTS_TABLE = "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
IMAGES_RAW = (
    "repository: {{.Repository}}\n"
    "{{if .Tag}}tag: {{.Tag}}\n{{end}}"
    "image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n"
)
IMAGES_HEADERS: Mapping[str, Any] = {
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
    "VirtualSize": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
}

_NONE = "<none>"
_COMMAND = 20


def container_row(container: Container, status: Status, full: bool, now_ns: int) -> dict[str, Any]:
    """Return one line of ``ps``; ``full`` is ``--no-trunc``."""
    labels = dict(container.labels)
    path, *args = container.args
    command = " ".join([path, *(f"'{arg}'" if " " in arg else arg for arg in args)])
    return {
        "Command": quoted(command if full else shortened(command, _COMMAND)),
        "CreatedAt": local_time(container.created_ns),
        "ID": container.id if full else container.short_id,
        "Image": container.image_name or container.image,
        "Label": lambda name: labels.get(name, ""),
        "Labels": ",".join(f"{key}={value}" for key, value in container.labels),
        "LocalVolumes": local_volumes_cell(container),
        "Mounts": mounts_cell(container, full),
        "Names": container.name,
        "Networks": networks_cell(container),
        "Ports": "",
        "RunningFor": ago(container.created_ns, now_ns),
        "Size": "0B",
        "State": status.state,
        "Status": status_text(status, now_ns),
    }


def networks_cell(container: Container) -> str:
    """Return the names of a container's networks."""
    alone = container.network if container.network in (HOST, NONE) else ""
    return ",".join(sorted(one.name for one in container.endpoints)) or alone


def quoted(text: str) -> str:
    """Return a text in quotes as Go's strconv.Quote writes it."""
    marks = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    shown = [
        marks.get(char) or (char if char.isprintable() else f"\\x{ord(char):02x}") for char in text
    ]
    return f'"{"".join(shown)}"'


def ps_raw(size: bool) -> str:
    """Return the template of ``ps --format raw``."""
    return (
        "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\n"
        "created_at: {{.CreatedAt}}\nstate: {{.State}}\nstatus: {{.Status}}\n"
        "names: {{.Names}}\nlabels:{{pad .Labels 1 0}}\nports:{{pad .Ports 1 0}}\n"
    ) + ("size: {{.Size}}\n" if size else "")


def mounts_cell(container: Container, full: bool) -> str:
    """Return what is mounted in a container: names of volumes, paths of this machine."""
    names = [point.volume or point.source for point in container.mounts]
    return ",".join(name if full else shortened(name, 15) for name in names if name)


def local_volumes_cell(container: Container) -> str:
    """Return how many volumes of this machine a container has."""
    return str(sum(point.driver == "local" for point in container.mounts))


def shortened(text: str, length: int) -> str:
    """Return text of at most this many characters, the last one an ellipsis if it was longer."""
    return text if len(text) <= length else text[: length - 1] + "…"


def status_text(status: Status, now_ns: int) -> str:
    """Return what a container does: ``Up 5 seconds``, ``Exited (0) 3 minutes ago``."""
    if status.state == CREATED:
        return "Created"
    if status.running:
        lasted = f"Up {human_duration((now_ns - status.started_ns) / NS)}"
        if status.state == PAUSED:
            return f"{lasted} (Paused)"
        shown = "health: starting" if status.health == "starting" else status.health
        return f"{lasted} ({shown})" if shown else lasted
    word = "Restarting" if status.state == RESTARTING else "Exited"
    ended = f"{word} ({status.exit_code})"
    return f"{ended} {ago(status.finished_ns, now_ns)}" if status.finished_ns else ended


def image_row(
    image: Image, repository: str, tag: str, digest: str, full: bool, now_ns: int
) -> dict[str, Any]:
    """Return one line of ``images``: an image by one of its names, which may be empty."""
    created = rfc3339_ns(image.created)
    return {
        "Containers": "N/A",
        "CreatedAt": local_time(created),
        "CreatedSince": ago(created, now_ns) if created >= 0 and image.created else "N/A",
        "Digest": digest or _NONE,
        "ID": image.id if full else image.id.removeprefix("sha256:")[:12],
        "Repository": repository or _NONE,
        "SharedSize": "N/A",
        "Size": human_size(image.size),
        "Tag": tag or _NONE,
        "UniqueSize": "N/A",
        "VirtualSize": human_size(image.size, 4),
    }
