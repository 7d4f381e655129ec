"""Make a container: its record, its snapshot and its bundle. A failure undoes all of it."""

from __future__ import annotations

import os
import time

from plugrun.engine.asking import attached_streams
from plugrun.engine.etcfiles import check_printable, write_etc_files
from plugrun.engine.fence.accountcache import image_accounts
from plugrun.engine.fence.accounts import Identity, identify, with_groups
from plugrun.engine.fence.initprogram import find_init
from plugrun.engine.fence.spec import runtime_spec
from plugrun.engine.images.manifests import parse_image_config
from plugrun.engine.names import random_name
from plugrun.engine.places import log_path
from plugrun.engine.taskfile import write_task_file
from plugrun.errors import AlreadyExists, InvalidArgument, NoSuchImage, NoSuchSnapshot
from plugrun.linux.filesystem import make_private, write_whole
from plugrun.linux.signalnames import signal_number
from plugrun.model.container import BackendChoice, Container
from plugrun.model.fence import Namespaces
from plugrun.model.jsontext import dumps
from plugrun.model.network import HOST, NONE, OF_CONTAINER
from plugrun.model.record import record, replace
from plugrun.model.upkeep import LogConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.engine.request import RunRequest
    from plugrun.engine.taskfile import TaskFile
    from plugrun.model.image import Image, ImageConfig
    from plugrun.model.mountpoint import MountPoint
    from plugrun.model.network import EndpointConfig
    from plugrun.model.spec import RuntimeSpec
    from plugrun.model.upkeep import HealthCheck

DEFAULT_STOP_TIMEOUT = 10
_NAME_TRIES = 20


def create(
    engine: Engine,
    request: RunRequest,
    image: Image,
    monitor: TaskFile,
    observer: Callable[[], PullObserver],
) -> Container:
    """Make a container of an image; it is on disk in full, or not at all.

    ``monitor`` names the process that will look after it, and that ends with this one. Where the
    storage lacks the image it is unpacked first, and ``observer`` makes who hears of that.
    """
    container = assemble(engine, request, image)
    if container.log != LogConfig():
        from plugrun.engine.logs.config import log_rules

        log_rules(container)  # refused before anything is made
    # Written first: what a killed command leaves behind is found by it.
    write_task_file(engine.task_folder(container.id), monitor)
    with engine.locks.shared("images"):
        try:
            engine.check_run_root()
            _unpack_missing(engine, container, image, observer)
            container = _reserve(engine, container, given=bool(request.name))
            _prepare(engine, container, image)
        except BaseException:
            from plugrun.engine.discard import discard

            discard(engine, container)
            raise
    engine.emit_container("create", container)
    return container


def assemble(engine: Engine, request: RunRequest, image: Image) -> Container:
    """Decide everything about a container; nothing is written."""
    config = parse_image_config(engine.content.read(image.id))
    return assemble_from(engine, request, image.id, config)


def assemble_from(
    engine: Engine, request: RunRequest, image: str, config: ImageConfig
) -> Container:
    """The same of the image whose ID and config are given; of one in the making it has no ID."""
    id = os.urandom(32).hex()
    entrypoint, cmd = command(request, config)
    stop_signal = request.stop_signal or config.stop_signal or "SIGTERM"
    signal_number(stop_signal)  # refused now, while somebody can do something about it
    isolation = engine.isolation_choice()
    _check_runtime(request.runtime, isolation)
    _check_lines(request)
    joined = networks_of(engine, request)
    attached = attached_streams(request)
    timeout = request.stop_timeout
    container = Container(
        id=id,
        name=request.name or random_name(),
        created_ns=time.time_ns(),
        image=image,
        image_name=request.image,
        entrypoint=entrypoint,
        cmd=cmd,
        env=merge_environment(config.env, request.env),
        user=request.user or config.user,
        working_dir=_working_dir(request.workdir, config.working_dir),
        hostname=_hostname(engine, request, joined.mode, id),
        tty=request.tty,
        open_stdin=request.interactive,
        auto_remove=request.auto_remove,
        detached=request.detach,
        read_only=request.read_only,
        init=request.init,
        network=joined.mode,
        endpoints=joined.endpoints,
        ports=request.ports,
        publish_all=request.publish_all,
        mounts=_mounts(engine, request, config, id),
        volumes=_volumes(request, config),
        volumes_from=request.volumes_from,
        limits=request.limits,
        labels=tuple({**config.labels, **dict(request.labels)}.items()),
        stop_signal=stop_signal,
        stop_timeout=DEFAULT_STOP_TIMEOUT if timeout is None else timeout,
        profile=engine.backends.profile.name,
        storage=engine.storage_choice(),
        isolation=isolation,
        net=joined.choice,
        domainname=request.domainname,
        group_add=request.group_add,
        stdin_once=request.interactive and "stdin" in attached,
        attached=attached,
        dns=request.dns,
        dns_search=request.dns_search,
        dns_options=request.dns_options,
        extra_hosts=request.extra_hosts,
        exposed_ports=_exposed_ports(request, config),
        shm_size=request.shm_size,
        security=request.security,
        namespaces=_namespaces(engine, request.namespaces),
        restart=request.restart,
        health=health_over(config, request.health),
        log=request.log,
        annotations=request.annotations,
        cidfile=request.cidfile,
        isolation_mode=request.isolation,
        cgroup_parent=request.cgroup_parent,
    )
    shares = container.namespaces != Namespaces() or container.network.startswith(OF_CONTAINER)
    if not shares and not engine.backends.profile.userns:
        return container
    from plugrun.engine.userns.deciding import with_ids

    return with_ids(engine, container)


def health_over(config: ImageConfig, given: HealthCheck) -> HealthCheck:
    """Put what was said of the health check over the image's, field by field."""
    raw = (config.raw.get("config") or {}).get("Healthcheck")
    if not raw or given.test == ("NONE",):
        return given
    from plugrun.engine.health.image import merged_health

    return merged_health(raw, given)


def _namespaces(engine: Engine, given: Namespaces) -> Namespaces:
    if given == Namespaces():
        return given
    from plugrun.engine.fence.joining import named_in_full

    return named_in_full(engine, given)


def _check_runtime(wanted: str, isolation: BackendChoice) -> None:
    if wanted and wanted != isolation.name:
        raise InvalidArgument(
            f"Unknown runtime specified {wanted}",
            hint=(
                f"the profile's isolation is {isolation.name}; a profile with `isolation: oci` "
                "runs an OCI runtime, the one that its option `runtime` names (runc)"
            ),
        )


def _mounts(
    engine: Engine, request: RunRequest, config: ImageConfig, id: str
) -> tuple[MountPoint, ...]:
    if not (request.mounts or request.volumes_from or config.volumes):
        return ()
    from plugrun.engine.volumes.mounts import decide_mounts

    return decide_mounts(engine, request, config.volumes, id)


def _volumes(request: RunRequest, config: ImageConfig) -> tuple[str, ...]:
    if not (request.mounts or config.volumes):
        return ()
    from plugrun.engine.volumes.mounts import volume_targets

    return volume_targets(request, config.volumes)


@record
class Joined:
    """Docker's network mode, the networks, and the backend of the first of them."""

    mode: str
    endpoints: tuple[EndpointConfig, ...]
    choice: BackendChoice


def networks_of(engine: Engine, request: RunRequest) -> Joined:
    """Return what a new container will be on; raise as ``networks.decide`` does."""
    mode = request.network
    if mode in (NONE, HOST) and not request.networks:
        return Joined(mode, (), BackendChoice("", "", f"--network {mode} needs no backend"))
    from plugrun.engine.networks.decide import decide_networks

    return decide_networks(engine, request)


def _check_lines(request: RunRequest) -> None:
    check_printable("domainname", request.domainname)
    for name in request.extra_hosts:
        check_printable("add-host", name)
    for word in (*request.dns, *request.dns_search, *request.dns_options):
        check_printable("word of resolv.conf", word)


def _exposed_ports(request: RunRequest, config: ImageConfig) -> tuple[str, ...]:
    published = (f"{port.port}/{port.protocol}" for port in request.ports)
    return tuple(dict.fromkeys((*config.exposed_ports, *request.exposed_ports, *published)))


def command(request: RunRequest, config: ImageConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return entrypoint and command by Docker's rule: ``--entrypoint`` drops the image's CMD."""
    if request.entrypoint is not None:
        entrypoint = tuple(part for part in request.entrypoint if part)
        cmd = request.args
    else:
        entrypoint = config.entrypoint
        cmd = request.args or config.cmd
    if not entrypoint and not cmd:
        raise InvalidArgument("no command specified", hint="name one after the image")
    return entrypoint, cmd


def merge_environment(image: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    """Put the given variables over the image's, each in its place.

    A name alone takes the caller's value, or removes the variable where the caller has none.
    """
    merged = {item.partition("=")[0]: item for item in image}
    for item in given:
        name, equals, _ = item.partition("=")
        if equals:
            merged[name] = item
        elif name in os.environ:
            merged[name] = f"{name}={os.environ[name]}"
        else:
            merged.pop(name, None)
    return tuple(merged.values())


def _working_dir(wanted: str, image: str) -> str:
    path = wanted or image
    if not path:
        return ""
    if not path.startswith("/"):
        raise InvalidArgument(
            f"the working directory '{path}' is invalid, it needs to be an absolute path"
        )
    return os.path.normpath(path).replace("//", "/")


def _hostname(engine: Engine, request: RunRequest, mode: str, id: str) -> str:
    if request.hostname:
        return request.hostname
    if mode.startswith(OF_CONTAINER):
        from plugrun.engine.containers import find_container

        return find_container(engine, mode.removeprefix(OF_CONTAINER)).hostname
    shared = mode == HOST or request.namespaces.uts == "host"
    return os.uname().nodename if shared else id[:12]


def _reserve(engine: Engine, container: Container, *, given: bool) -> Container:
    if not container.uid_map:
        return _take_name(engine, container, given=given)
    from plugrun.engine.userns.deciding import reserve_ids

    return reserve_ids(engine, container, lambda one: _take_name(engine, one, given=given))


def _take_name(engine: Engine, container: Container, *, given: bool) -> Container:
    for _ in range(_NAME_TRIES):
        try:
            engine.metadata.add_container(container)
            return container
        except AlreadyExists:
            if given:
                raise
            container = replace(container, name=f"{random_name()}_{container.id[:4]}")
    raise AlreadyExists("no free name was found", hint="give one with --name")


def _unpack_missing(
    engine: Engine, container: Container, image: Image, observer: Callable[[], PullObserver]
) -> None:
    """Unpack the image for the container's storage, unless it has all of it: see ``unpacking``."""
    if not image.chain:
        return
    storage = engine.storage_of(container)
    try:
        storage.stat(image.chain[-1])
    except NoSuchSnapshot:
        from plugrun.engine.images.unpacking import unpack

        unpack(engine, image, storage, (container.image_name, container.storage.name), observer)


def _prepare(engine: Engine, container: Container, image: Image) -> None:
    storage = engine.storage_of(container)
    top = image.chain[-1] if image.chain else None
    storage.prepare(container.id, top)
    if container.shifted:
        from plugrun.engine.userns.mounts import shift

        shift(engine, container)
    folder = engine.container_folder(container.id)
    make_private(f"{folder}/rootfs")
    if container.mounts:
        from plugrun.engine.volumes.provide import provide

        provide(engine, container)
    write_etc_files(container, folder)
    if container.uid_map:
        from plugrun.engine.userns.mounts import give_etc_files

        give_etc_files(container, folder)
    # There from the start, so that whoever follows it need not wait for it to appear.
    if log := log_path(engine, container):
        write_whole(log, b"")
    _write_config(engine, container, image)


def write_bundle(engine: Engine, container: Container) -> None:
    """Write the runtime spec anew, as the record and this machine would have it now."""
    image = engine.metadata.image(container.image)
    if image is None:
        raise NoSuchImage(f"No such image: {container.image}")
    _write_config(engine, container, image)


def _write_config(engine: Engine, container: Container, image: Image) -> None:
    folder = engine.container_folder(container.id)
    spec = container_spec(engine, container, image, folder)
    write_whole(f"{folder}/config.json", dumps(spec).encode())


def container_spec(engine: Engine, container: Container, image: Image, folder: str) -> RuntimeSpec:
    """Return the runtime spec of a container, as the profile's hooks leave it."""
    identity = container_identity(engine, container, image)
    init = find_init() if container.init else ""
    if container.network.startswith(OF_CONTAINER):
        from plugrun.engine.networks.shared import leader_folder

        folder = leader_folder(engine, container)
    if any(one.links for one in container.endpoints):
        from plugrun.engine.networks.links import with_link_environment

        container = with_link_environment(engine, container)
    spec = runtime_spec(container, identity, folder, init)
    if engine.backends.profile.hooks:
        engine.backends.adjust_spec(container, spec)
    return spec


def container_identity(engine: Engine, container: Container, image: Image) -> Identity:
    """Return who a container runs as, by its image's files."""
    storage = engine.storage_of(container)
    top = image.chain[-1] if image.chain else ""
    accounts = image_accounts(engine, storage, top)
    return with_groups(identify(container.user, accounts), container.group_add, accounts)
