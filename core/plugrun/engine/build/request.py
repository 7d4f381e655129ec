"""What a command line asks of ``build``, before anything is looked up."""

from __future__ import annotations

from plugrun.model.container import DEFAULT_SHM_SIZE
from plugrun.model.fence import Limits
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.descriptor import Platform

LARGEST_SECRET = 500 << 10  # bytes; BuildKit's

# What ``--output`` makes.
IMAGE = "image"
LOCAL = "local"
TAR = "tar"
DOCKER = "docker"
OCI = "oci"


@record
class Secret:
    """One ``--secret``: its ID, and the file or the variable of this process it is read from."""

    id: str
    path: str = ""
    variable: str = ""


@record
class Output:
    """One ``--output``: ``kind`` is image, local, tar, docker or oci; ``place`` a path, or ``-``.

    An image gets ``names`` besides those of ``-t``; with ``push`` it is sent to where they lead.
    """

    kind: str
    place: str = ""
    names: tuple[str, ...] = ()
    push: bool = False


@record
class BuildRequest:
    """``plugrun build``: what was said, with empty for what was not.

    ``context`` is a folder, ``-`` or a URL; ``file`` the Dockerfile's path, ``-`` for standard
    input. ``build_args`` and ``labels`` are in order. ``sockets`` are the agents of ``--ssh`` by
    ID, ``ssh_keys`` files of keys to make such of. ``cache_from`` are images to find steps in;
    with ``inline_cache`` this one becomes such an image. ``epoch`` is SOURCE_DATE_EPOCH in seconds,
    -1 if it is not said. ``network`` is none, host, default or a network's name.
    """

    context: str
    file: str = ""
    tags: tuple[str, ...] = ()
    build_args: tuple[tuple[str, str], ...] = ()
    target: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    no_cache: bool = False
    no_cache_stages: tuple[str, ...] = ()
    pull: bool = False
    platform: Platform | None = None
    network: str = "default"
    secrets: tuple[Secret, ...] = ()
    sockets: tuple[tuple[str, str], ...] = ()
    ssh_keys: tuple[tuple[str, tuple[str, ...]], ...] = ()
    cache_from: tuple[str, ...] = ()
    inline_cache: bool = False
    squash: bool = False
    outputs: tuple[Output, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    shm_size: int = DEFAULT_SHM_SIZE
    limits: Limits = Limits()
    cgroup_parent: str = ""
    keep_failed: bool = False
    epoch: int = -1
