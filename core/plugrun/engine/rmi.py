"""``rmi``: take names from an image, then the image, then what nothing refers to any more."""

from __future__ import annotations

from plugrun.engine.accountcache import forget_accounts
from plugrun.engine.heal import stored_backends
from plugrun.engine.imageevents import emit_image
from plugrun.engine.images import find_image, find_name
from plugrun.errors import Conflict, NoSuchSnapshot
from plugrun.model.record import record
from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.model.image import Image, ImageName


@record
class RemovedImage:
    """What went: names as Docker prints them, then the digests of image and layers."""

    untagged: tuple[str, ...]
    deleted: tuple[str, ...]


def remove_image(
    engine: Engine, text: str, force: bool, is_running: Callable[[str], bool]
) -> RemovedImage:
    """Remove what ``text`` names, by Docker's rules.

    A name is only taken away while the image has others. An ID takes all names, with ``force`` if
    they are of several repositories. A container's image stays, but its name may go with ``force``
    unless the container runs. What nothing refers to any more is freed if no pull is under way;
    otherwise the next removal frees it.
    """
    image = find_image(engine, text)
    named = find_name(engine, text)
    names = engine.metadata.image_names(image.id)
    going = [named] if named is not None and len(names) > 1 else names
    if named is None:
        _check_repositories(image, names, force)
    keeps_image = len(going) < len(names)
    used = engine.metadata.containers_of_image(image.id)
    if used and not keeps_image:
        _check_containers(text, image, named, used, force, is_running)
    for name in going:
        engine.metadata.remove_name(name.name)
        emit_image(engine, "untag", image.id, image.id)
    untagged = tuple(line for name in going for line in _untagged(name))
    deleted: tuple[str, ...] = ()
    if not keeps_image and not used:
        engine.metadata.remove_image(image.id)
        deleted = (image.id, *collect(engine, image))
        emit_image(engine, "delete", image.id, image.id)
    return RemovedImage(untagged, deleted)


def _untagged(name: ImageName) -> list[str]:
    reference = parse_reference(name.name, default_tag="")
    lines = [reference.familiar]
    if name.digest and not reference.digest:
        lines.append(f"{reference.familiar_name}@{name.digest}")
    return lines


def _check_repositories(image: Image, names: list[ImageName], force: bool) -> None:
    repositories = {parse_reference(n.name, default_tag="").name for n in names}
    if len(repositories) > 1 and not force:
        raise Conflict(
            f"conflict: unable to delete {image.id[7:19]} (must be forced) - image is referenced "
            "in multiple repositories"
        )


def _check_containers(
    text: str,
    image: Image,
    named: ImageName | None,
    used: list[tuple[str, str]],
    force: bool,
    is_running: Callable[[str], bool],
) -> None:
    running = next((id for id, _ in used if is_running(id)), None)
    short = image.id[7:19]
    if running is not None:
        raise Conflict(
            f"conflict: unable to {'remove repository reference' if named else 'delete'} "
            f'"{text if named else short}" (cannot be forced) - image is being used by running '
            f"container {running[:12]}"
        )
    if not force:
        what = f'remove repository reference "{text}"' if named else f"delete {short}"
        raise Conflict(
            f"conflict: unable to {what} (must force) - container {used[0][0][:12]} is using its "
            f"referenced image {short}"
        )


def collect(engine: Engine, gone: Image) -> tuple[str, ...]:
    """Free the layers and blobs of an image that nothing else refers to; return ChainIDs freed."""
    lock = engine.locks.try_exclusive("images")
    if lock is None:
        return ()
    with lock:
        images = engine.metadata.images()
        kept = {chain for image in images for chain in image.chain}
        freed = [chain for chain in reversed(gone.chain) if chain not in kept]
        for chain in freed:
            _free_layer(engine, chain)
        _free_blobs(engine, images)
    return tuple(freed)


def _free_layer(engine: Engine, chain: str) -> None:
    """Remove a layer from every storage that has it; one that has children still stays."""
    for storage in stored_backends(engine):
        try:
            storage.remove(chain)
        except (NoSuchSnapshot, Conflict):
            continue
    forget_accounts(engine, chain)


def _free_blobs(engine: Engine, images: list[Image]) -> None:
    kept = set()
    for image in images:
        kept |= {image.id, image.manifest, *image.layers}
    kept |= {name.digest for name in engine.metadata.image_names()}
    for digest in list(engine.content.walk()):
        if digest not in kept:
            engine.content.remove(digest)
    engine.content.discard_partial()
