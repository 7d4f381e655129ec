"""What a command line asks of ``run``, ``create`` and ``exec``, before anything is looked up."""

from __future__ import annotations

from plugrun.model.container import DEFAULT_SHM_SIZE
from plugrun.model.fence import Limits, Namespaces, Security
from plugrun.model.mountpoint import MountPoint
from plugrun.model.network import EndpointConfig, Port
from plugrun.model.record import record
from plugrun.model.upkeep import HealthCheck, LogConfig, RestartPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.descriptor import Platform


@record
class RunRequest:
    """``plugrun run``: what was said, with None or empty for what was not.

    ``entrypoint`` None leaves the image's, ``("",)`` clears it. ``env`` and ``labels`` are in
    order; a name without ``=`` takes the caller's value. ``pull`` is missing, always or never.
    ``attach`` names streams, empty for Docker's rule. ``health`` goes over the image's, field by
    field; its test is ``("NONE",)`` for ``--no-healthcheck``. ``stop_timeout`` is in seconds, a
    negative one without end. ``runtime`` must name the profile's isolation if it names anything.
    ``network`` is the first of ``networks``, which is empty unless more is said than one name;
    their links name containers as the user did.
    """

    image: str
    args: tuple[str, ...] = ()
    name: str = ""
    detach: bool = False
    interactive: bool = False
    tty: bool = False
    auto_remove: bool = False
    env: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    mounts: tuple[MountPoint, ...] = ()
    volumes_from: tuple[str, ...] = ()
    hostname: str = ""
    entrypoint: tuple[str, ...] | None = None
    limits: Limits = Limits()
    platform: Platform | None = None
    network: str = ""
    read_only: bool = False
    init: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    pull: str = "missing"
    quiet: bool = False
    cidfile: str = ""
    cid_fd: int = -1
    stop_signal: str = ""
    stop_timeout: int | None = None
    domainname: str = ""
    group_add: tuple[str, ...] = ()
    attach: tuple[str, ...] = ()
    detach_keys: str = ""
    sig_proxy: bool = True
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
    annotations: tuple[tuple[str, str], ...] = ()
    isolation: str = ""
    runtime: str = ""
    cgroup_parent: str = ""
    networks: tuple[EndpointConfig, ...] = ()
    ports: tuple[Port, ...] = ()
    publish_all: bool = False


@record
class ExecRequest:
    """``plugrun exec``."""

    container: str
    args: tuple[str, ...]
    interactive: bool = False
    tty: bool = False
    env: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    detach: bool = False
    detach_keys: str = ""
    privileged: bool = False


@record
class GlobalOptions:
    """What stands before the command, and the environment's word for it.

    ``root`` and ``run_root`` are absolute. ``config`` and ``profile`` are empty if not given.
    """

    root: str
    run_root: str
    config: str = ""
    profile: str = ""
    debug: bool = False
