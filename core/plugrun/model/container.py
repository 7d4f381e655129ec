"""A container: the record, as opposed to its task, the live process."""

from __future__ import annotations

from plugrun.model.fence import Limits, Namespaces, Security
from plugrun.model.mountpoint import MountPoint, mount_from_bind
from plugrun.model.network import EndpointConfig, Port
from plugrun.model.record import as_json, from_json, record
from plugrun.model.upkeep import HealthCheck, LogConfig, RestartPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

# Docker's words for a container's state.
CREATED = "created"
RUNNING = "running"
PAUSED = "paused"
EXITED = "exited"
RESTARTING = "restarting"

DEFAULT_SHM_SIZE = 64 << 20


@record
class BackendChoice:
    """Which backend serves a container, its distribution and version, and why it was chosen."""

    name: str
    version: str
    why: str
    distribution: str = ""


@record
class Container:
    """All that is decided when a container is created; ``rename`` and ``update`` replace it whole.

    ``args`` is entrypoint and command together, as executed. ``network`` is what Docker calls its
    network mode: ``none``, ``host``, ``container:ID``, ``default``, or a network's name; the
    networks themselves are ``endpoints``, the first of them first. ``attached`` names the streams
    that its maker attached to, and ``stdin_once`` says that its input ends with the first who was
    attached to it. ``volumes`` are the targets that its image or a lone ``-v PATH`` wants a volume
    for; what came of it, of ``volumes_from`` and of all other options about mounts is in
    ``mounts``. ``working_dir`` is
    empty, which is ``/``, where neither image nor request names one; a negative
    ``stop_timeout`` is without end. ``namespaces`` name other containers by their full IDs.
    ``uid_map`` and ``gid_map`` are the lines of its user namespace's mapping: first ID inside,
    first outside, how many; none if that namespace is the host's. ``shifted`` says that its files
    have the owners outside on disk, since they cannot be shown with them here.
    """

    id: str
    name: str
    created_ns: int
    image: str
    image_name: str
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: tuple[str, ...]
    user: str
    working_dir: str
    hostname: str
    tty: bool
    open_stdin: bool
    auto_remove: bool
    detached: bool
    read_only: bool
    init: bool
    network: str
    mounts: tuple[MountPoint, ...]
    limits: Limits
    labels: tuple[tuple[str, str], ...]
    stop_signal: str
    stop_timeout: int
    profile: str
    storage: BackendChoice
    isolation: BackendChoice
    net: BackendChoice
    platform: str = ""
    domainname: str = ""
    group_add: tuple[str, ...] = ()
    stdin_once: bool = False
    attached: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    shm_size: int = DEFAULT_SHM_SIZE
    security: Security = Security()
    namespaces: Namespaces = Namespaces()
    restart: RestartPolicy = RestartPolicy()
    health: HealthCheck = HealthCheck()
    log: LogConfig = LogConfig()
    volumes: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    cidfile: str = ""
    isolation_mode: str = ""
    cgroup_parent: str = ""
    endpoints: tuple[EndpointConfig, ...] = ()
    ports: tuple[Port, ...] = ()
    publish_all: bool = False
    uid_map: tuple[tuple[int, int, int], ...] = ()
    gid_map: tuple[tuple[int, int, int], ...] = ()
    shifted: bool = False
    NESTED: ClassVar = {
        "storage": BackendChoice,
        "isolation": BackendChoice,
        "net": BackendChoice,
        "mounts": MountPoint,
        "limits": Limits,
        "security": Security,
        "namespaces": Namespaces,
        "restart": RestartPolicy,
        "health": HealthCheck,
        "log": LogConfig,
        "endpoints": EndpointConfig,
        "ports": Port,
    }

    @property
    def args(self) -> tuple[str, ...]:
        """What is executed."""
        return self.entrypoint + self.cmd

    @property
    def short_id(self) -> str:
        """The twelve characters Docker prints."""
        return self.id[:12]


def container_to_json(container: Container) -> dict[str, Any]:
    """Return a container as plain JSON."""
    found: dict[str, Any] = as_json(container)
    return found


def container_from_json(data: dict[str, Any]) -> Container:
    """Return the container that ``container_to_json`` wrote; unknown keys are left out.

    Records of versions that knew no volumes have ``binds`` where later ones have ``mounts``.
    """
    if "binds" in data and "mounts" not in data:
        data = {**data, "mounts": [mount_from_bind(bind) for bind in data["binds"]]}
    return from_json(Container, data)


@record
class Status:
    """What a container does now; derived from its files, never stored.

    ``pid`` is 0 unless it runs. Times are nanoseconds since the epoch, 0 if it has not come to
    that. ``error`` is why it could not be started, ``restarts`` how often its policy started it
    again. ``health`` is starting, healthy or unhealthy, or empty if nothing checks it.
    """

    state: str
    pid: int = 0
    exit_code: int = 0
    started_ns: int = 0
    finished_ns: int = 0
    oom_killed: bool = False
    error: str = ""
    restarts: int = 0
    health: str = ""

    @property
    def running(self) -> bool:
        """Whether it has a live process; a paused one has."""
        return self.state in (RUNNING, PAUSED)
