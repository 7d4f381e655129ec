"""``commit``: an image from what a container changed, and from how it was to be run."""

from __future__ import annotations

import contextlib

from plugrun.engine.containers import find_container, status
from plugrun.engine.files.treediff import container_changes
from plugrun.engine.images.events import emit_image
from plugrun.engine.images.instructions import apply_instructions
from plugrun.engine.images.newimage import NewImage, make_image
from plugrun.engine.pause import pause, unpause
from plugrun.errors import Conflict, NoSuchImage
from plugrun.interfaces.isolation import PAUSE
from plugrun.layers.changes import is_deletion
from plugrun.layers.layertar import write_layer
from plugrun.layers.tarsink import TarSink
from plugrun.model.container import RUNNING
from plugrun.model.descriptor import normal_platform
from plugrun.model.jsontext import loads
from plugrun.model.record import record
from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.layers.changes import Change
    from plugrun.model.container import Container
    from plugrun.model.idmap import IdMap

_DEFAULT_SIGNAL = "SIGTERM"


@record
class CommitRequest:
    """``name`` is empty for an image without one; ``changes`` are Dockerfile instructions."""

    container: str
    name: str = ""
    author: str = ""
    message: str = ""
    changes: tuple[str, ...] = ()
    pause: bool = True


def commit(engine: Engine, request: CommitRequest) -> str:
    """Make an image of a container and return its ID.

    A running one is paused meanwhile if ``pause``, so that what is read belongs together. Raise
    NoSuchContainer, InvalidArgument on a name or change that is none.
    """
    container = find_container(engine, request.container)
    reference = parse_reference(request.name) if request.name else None
    image = engine.metadata.image(container.image)
    if image is None:
        raise NoSuchImage(f"No such image: {container.image}")
    document = loads(engine.content.read(image.id))
    config = container_config(container, document.get("config") or {})
    wanted = NewImage(
        image,
        normal_platform(
            document.get("os", ""), document.get("architecture", ""), document.get("variant", "")
        ),
        apply_instructions(config, request.changes),
        request.author,
        {"created_by": " ".join(container.args), "comment": request.message},
        str(reference) if reference else "",
    )

    def write(fd: int) -> None:
        with _still(engine, container, request.pause):
            changes = _committable(container, container_changes(engine, container))
            write_layer(changes, TarSink(fd), _owners(container))

    id = make_image(engine, wanted, write)
    shown = reference.familiar if reference else ""
    more = {"comment": request.message, "imageID": id, "imageRef": shown}
    engine.emit_container("commit", container, more)
    if reference:
        emit_image(engine, "tag", id, reference.familiar)
    return id


def _committable(container: Container, changes: Iterable[Change]) -> Iterator[Change]:
    """Yield changes; raise Conflict at one that no storage could unpack."""
    for change in changes:
        if change.node is not None and is_deletion(change.node.state):
            shown = change.path[:200].decode("utf-8", "replace")
            raise Conflict(
                f"container {container.name} cannot be committed because of /{shown}: in a layer "
                "that device (0:0) would be a deletion",
                hint="remove it in the container, and commit again",
            )
        yield change


def _owners(container: Container) -> IdMap | None:
    """Return what the owners on disk are to be translated by, if they are those outside."""
    if not container.shifted:
        return None
    from plugrun.engine.userns.deciding import ids_of

    return ids_of(container)


@contextlib.contextmanager
def _still(engine: Engine, container: Container, wanted: bool) -> Iterator[None]:
    """Pause a container that runs, and let it go on whatever happens."""
    if not (wanted and status(engine, container).state == RUNNING and _pauses(engine, container)):
        yield
        return
    pause(engine, container.id)
    try:
        yield
    finally:
        unpause(engine, container.id)


def _pauses(engine: Engine, container: Container) -> bool:
    return PAUSE in engine.isolation_named(container.isolation.name).capabilities


def container_config(container: Container, image: dict[str, Any]) -> dict[str, Any]:
    """Return the ``config`` of an image that runs as this container does.

    What a container does not decide (OnBuild, Shell) stays as the image has it.
    """
    own: dict[str, Any] = {
        "User": container.user,
        "Env": list(container.env),
        "Entrypoint": list(container.entrypoint) or None,
        "Cmd": list(container.cmd) or None,
        "WorkingDir": "" if container.working_dir == "/" else container.working_dir,
        "Labels": dict(container.labels),
        "ExposedPorts": {port: {} for port in container.exposed_ports},
        "Volumes": {**(image.get("Volumes") or {}), **{place: {} for place in container.volumes}},
        "Healthcheck": _healthcheck(container) or image.get("Healthcheck"),
    }
    if container.stop_signal != _DEFAULT_SIGNAL:
        own["StopSignal"] = container.stop_signal
    config = {**image, **own}
    config["ExposedPorts"] = {**(image.get("ExposedPorts") or {}), **own["ExposedPorts"]}
    return {key: value for key, value in config.items() if value not in (None, "", [], {})}


def _healthcheck(container: Container) -> dict[str, Any]:
    check = container.health
    if not check.test:
        return {}
    times = {
        "Interval": check.interval_ns,
        "Timeout": check.timeout_ns,
        "StartPeriod": check.start_period_ns,
        "StartInterval": check.start_interval_ns,
        "Retries": check.retries,
    }
    return {"Test": list(check.test), **{key: value for key, value in times.items() if value}}
