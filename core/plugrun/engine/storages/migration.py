"""``storage migrate``: containers and images from the storage that has them to another.

What a container wrote goes the way of a commit: its changes become a layer, which is unpacked over
the image in the other storage. One transaction then says that the container is of that storage;
until then it is of the old one, and what a killed command leaves in either is freed by
``heal_storage``, because its record says another storage.
"""

from __future__ import annotations

from plugrun.engine.containers import find_container, status
from plugrun.engine.files.rootfs import stand_alone
from plugrun.engine.heal import stored_names
from plugrun.engine.images.find import find_image
from plugrun.engine.images.layersizes import content_size
from plugrun.engine.images.regaining import called
from plugrun.engine.images.transfer import sync_filesystem
from plugrun.engine.images.unpacking import is_unpacked, unpack
from plugrun.engine.storages.moving import fill
from plugrun.engine.taskfile import read_task_file, serve_lock
from plugrun.errors import (
    BackendUnavailable,
    Conflict,
    NoSuchContainer,
    NoSuchImage,
    NoSuchSnapshot,
    PlugrunError,
)
from plugrun.interfaces.storage import WHOLE_IMAGES
from plugrun.model.container import CREATED, EXITED
from plugrun.model.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.interfaces.storage import Storage
    from plugrun.model.container import BackendChoice, Container
    from plugrun.model.image import Image

CONTAINER = "container"
IMAGE = "image"


@record
class Move:
    """One thing that is to go from a storage to another; ``size`` in bytes is what is written."""

    kind: str
    id: str
    name: str
    source: str
    target: str
    size: int


def plan(
    engine: Engine, names: tuple[str, ...], source: str, target: str, *, everything: bool
) -> list[Move]:
    """Return what is to be moved to ``target``: the named, or all; ``source`` narrows it down.

    What is there already is left out. Raise NoSuchContainer for a name that is nobody's, and
    BackendUnavailable or PluginError if the target does not work.
    """
    _check_target(engine, target)
    if everything:
        containers, images = engine.metadata.containers(), engine.metadata.images()
    else:
        containers, images = _named(engine, names)
    moves = [
        Move(CONTAINER, one.id, one.name, one.storage.name, target, _written(engine, one))
        for one in containers
        if one.storage.name != target and source in ("", one.storage.name)
    ]
    # After the containers that stand on them.
    return moves + [
        Move(IMAGE, image.id, called(engine, image), name, target, image.size)
        for image in images
        for name in _holders(engine, image, source)
        if name != target
    ]


def _check_target(engine: Engine, target: str) -> None:
    probe = engine.storage_named(target).probe()
    if not probe.works:
        raise BackendUnavailable(
            f'storage "{target}" does not work here: {probe.reason}', hint=probe.remedy
        )


def _named(engine: Engine, names: tuple[str, ...]) -> tuple[list[Container], list[Image]]:
    containers, images = [], []
    for name in names:
        try:
            containers.append(find_container(engine, name))
        except NoSuchContainer:
            try:
                images.append(find_image(engine, name))
            except NoSuchImage:
                raise NoSuchContainer(f"No such container or image: {name}") from None
    return containers, images


def _holders(engine: Engine, image: Image, source: str) -> list[str]:
    """Return the storages that have an image unpacked."""
    names = [name for name in stored_names(engine) if source in ("", name)]
    return [name for name in names if image.chain and _has(engine, name, image)]


def _has(engine: Engine, name: str, image: Image) -> bool:
    try:
        return is_unpacked(engine.storage_named(name), image)
    except PlugrunError:
        return False  # not installed, or damaged: nothing can be moved out of it


def _written(engine: Engine, container: Container) -> int:
    try:
        return content_size(engine.storage_of(container), container.id)
    except PlugrunError:
        return 0  # the move itself says what is wrong


def move(
    engine: Engine, wanted: Move, observer: Callable[[], PullObserver], moves: Sequence[Move]
) -> None:
    """Move one container or image; killed at any moment, it is in the one storage or the other.

    ``moves`` is the whole plan: what other images share with those of it stays for them. Raise
    Conflict for a container that is not stopped, NoSpace, and what unpacking raises.
    """
    with engine.locks.shared("images"):
        if wanted.kind == CONTAINER:
            _move_container(engine, wanted, observer)
        else:
            _move_image(engine, wanted, observer, _kept(engine, wanted, moves))


def refuse_live(engine: Engine, wanted: Move) -> None:
    """Raise Conflict if it is a container that is not stopped; ``move`` looks once more."""
    container = engine.metadata.container(wanted.id) if wanted.kind == CONTAINER else None
    if container is not None:
        _refuse_live(engine, container)


def stays_for(engine: Engine, wanted: Move, moves: Sequence[Move]) -> str:
    """Say what of an image stays in the storage it leaves, and for whom; nothing if nothing does.

    ``moves`` is the whole plan, carried out or not.
    """
    image = engine.metadata.image(wanted.id) if wanted.kind == IMAGE else None
    if image is None or not image.chain:
        return ""
    users = [
        (name, chain)
        for name, chain in _stayers(engine, wanted, moves)
        if not set(chain).isdisjoint(image.chain)
    ]
    if not users:
        return ""
    is_whole = any(image.chain[-1] in chain for _, chain in users)
    if not is_whole and WHOLE_IMAGES in engine.storage_named(wanted.source).capabilities:
        return ""
    subject = f"image {wanted.name}" if is_whole else f"a part of image {wanted.name}"
    names = ", ".join(name for name, _ in users)
    return f"{subject} stays in {wanted.source} too: used by {names}"


def _stayers(
    engine: Engine, wanted: Move, moves: Sequence[Move]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what does not leave a storage, each with the ChainIDs it stands on."""
    leaving = {(one.kind, one.id) for one in moves if one.source == wanted.source}
    for container in engine.metadata.containers():
        if container.storage.name != wanted.source:
            continue
        if (CONTAINER, container.id) not in leaving or _is_live(engine, container):
            below = engine.metadata.image(container.image)
            yield f"container {container.name}", below.chain if below else ()
    for image in engine.metadata.images():
        if (IMAGE, image.id) not in leaving and _has(engine, wanted.source, image):
            yield f"image {called(engine, image)}", image.chain


def _kept(engine: Engine, wanted: Move, moves: Sequence[Move]) -> frozenset[str]:
    """Return the ChainIDs of images that stay where this one leaves."""
    leaving = {one.id for one in moves if (one.kind, one.source) == (IMAGE, wanted.source)}
    staying = [image for image in engine.metadata.images() if image.id not in leaving]
    return frozenset(chain for image in staying for chain in image.chain)


def _move_image(
    engine: Engine, wanted: Move, observer: Callable[[], PullObserver], keep: frozenset[str]
) -> None:
    image = engine.metadata.image(wanted.id)
    if image is None:
        raise NoSuchImage(f"No such image: {wanted.name}")
    target = engine.storage_named(wanted.target)
    if not is_unpacked(target, image):
        unpack(engine, image, target, (wanted.name, wanted.target), observer)
    _free(engine.storage_named(wanted.source), image, keep)


def _free(storage: Storage, image: Image, keep: frozenset[str]) -> None:
    """Remove an image's snapshots from the top down, as far as nobody stands on them."""
    for chain in reversed(image.chain):
        if chain in keep:
            return
        try:
            storage.remove(chain)
        except NoSuchSnapshot:
            continue
        except Conflict:
            return


def _move_container(engine: Engine, wanted: Move, observer: Callable[[], PullObserver]) -> None:
    with engine.locks.exclusive(serve_lock(wanted.id)), stand_alone(engine, wanted.id):
        container = engine.metadata.container(wanted.id)
        if container is None:
            raise NoSuchContainer(f"No such container: {wanted.name}")
        _refuse_live(engine, container)
        if container.storage.name == wanted.target:
            return
        source, target = engine.storage_of(container), engine.storage_named(wanted.target)
        _prepare(engine, container, target, wanted.target, observer)
        try:
            fill(engine, container, target)
            sync_filesystem(engine)
        except BaseException:
            target.remove(container.id)
            raise
        choice = _choice(engine, wanted)
        engine.metadata.change_container(container.id, lambda one: replace(one, storage=choice))
        try:
            source.remove(container.id)
        except NoSuchSnapshot:
            pass


def _is_live(engine: Engine, container: Container) -> bool:
    task = read_task_file(engine.task_folder(container.id))
    is_over = status(engine, container).state in (CREATED, EXITED)
    return not is_over or (task is not None and task.attended)


def _refuse_live(engine: Engine, container: Container) -> None:
    if not _is_live(engine, container):
        return
    state = status(engine, container).state
    raise Conflict(
        f"container {container.name} is {state}: only a stopped one can be moved",
        hint=f"plugrun stop {container.name}",
    )


def _prepare(
    engine: Engine,
    container: Container,
    target: Storage,
    name: str,
    observer: Callable[[], PullObserver],
) -> None:
    """Make an empty writable layer over the image; one that a killed command left is dropped."""
    image = engine.metadata.image(container.image)
    if image is None:
        raise NoSuchImage(f"No such image: {container.image}")
    if not is_unpacked(target, image):
        unpack(engine, image, target, (container.image_name, name), observer)
    try:
        target.remove(container.id)
    except NoSuchSnapshot:
        pass
    target.prepare(container.id, image.chain[-1] if image.chain else None)


def _choice(engine: Engine, wanted: Move) -> BackendChoice:
    why = f"moved here from {wanted.source} by storage migrate"
    return engine.backends.chosen("storage", wanted.target, why)
