"""``rmi``: take names from an image, then the image, then what nothing refers to any more."""

from __future__ import annotations

from plugrun.engine.images.collect import collect
from plugrun.engine.images.events import emit_image
from plugrun.engine.images.find import find_image, find_name
from plugrun.errors import Conflict
from plugrun.model.record import record, replace
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
    deleted: tuple[str, ...] = ()


def remove_image(
    engine: Engine, text: str, force: bool, is_running: Callable[[str], bool]
) -> RemovedImage:
    """Remove what ``text`` names, by Docker's rules.

    A name is taken away; the image follows its last one, which a container holds unless ``force``.
    An ID takes the image with all its names, with ``force`` if there are several. Nothing takes the
    image of a container that runs. With ``force`` the image of a stopped one loses its names and
    stays until that is removed: the container is made of it. Raise NoSuchImage, Conflict.
    """
    image = find_image(engine, text)
    named = find_name(engine, text)
    if named is not None:
        return _remove_name(engine, text, image, named, force)
    names = engine.metadata.image_names(image.id)
    used = engine.metadata.containers_of_image(image.id)
    _check_id(image, names, used, force, is_running)
    return _delete(engine, image, names, keep=bool(used))


def _remove_name(
    engine: Engine, text: str, image: Image, named: ImageName, force: bool
) -> RemovedImage:
    names = engine.metadata.image_names(image.id)
    used = engine.metadata.containers_of_image(image.id)
    if used and not force and _is_single(names):
        raise Conflict(
            f'conflict: unable to remove repository reference "{text}" (must force) - container '
            f"{used[0][0][:12]} is using its referenced image {image.id[7:19]}"
        )
    if "@" in text and "@" not in named.name:
        return _remove_digest(engine, image, named, names)
    if len(names) == 1:
        return _delete(engine, image, names, keep=bool(used))
    beside = [one for one in names if one != named and repository(one) == repository(named)]
    _untag(engine, image, [named])
    return RemovedImage(names_said(named, with_digest=not beside))


def _remove_digest(
    engine: Engine, image: Image, named: ImageName, names: list[ImageName]
) -> RemovedImage:
    """Forget which digest a repository's names were found by; the names stay."""
    same = [one for one in names if repository(one) == repository(named)]
    engine.metadata.add_image(image, [replace(one, digest="") for one in same])
    return RemovedImage(names_said(named, with_digest=True)[1:])


def _delete(engine: Engine, image: Image, names: list[ImageName], keep: bool) -> RemovedImage:
    """Take all names from an image, then the image with what nothing else refers to."""
    untagged = tuple(line for name in names for line in names_said(name, with_digest=True))
    untagged = tuple(dict.fromkeys(untagged))
    if keep:
        _untag(engine, image, names)
        return RemovedImage(untagged)
    return RemovedImage(untagged, delete_image(engine, image, names))


def delete_image(engine: Engine, image: Image, names: list[ImageName]) -> tuple[str, ...]:
    """Remove an image and its names; return what is gone, the image's own ID first.

    Raise Conflict, and change nothing, if a container was made from it meanwhile.
    """
    engine.metadata.remove_image(image.id)
    for _ in names:
        emit_image(engine, "untag", image.id, image.id)
    deleted = (image.id, *collect(engine, image))
    emit_image(engine, "delete", image.id, image.id)
    return deleted


def _untag(engine: Engine, image: Image, names: list[ImageName]) -> None:
    for name in names:
        engine.metadata.remove_name(name.name)
        emit_image(engine, "untag", image.id, image.id)


def names_said(name: ImageName, with_digest: bool) -> tuple[str, ...]:
    """Return a name as Docker prints it when it is gone, and the digest that goes with it."""
    reference = parse_reference(name.name, default_tag="")
    if not with_digest or not name.digest or reference.digest:
        return (reference.familiar,)
    return (reference.familiar, f"{reference.familiar_name}@{name.digest}")


def repository(name: ImageName) -> str:
    """Return the repository of a name, in full."""
    return parse_reference(name.name, default_tag="").name


def _is_single(names: list[ImageName]) -> bool:
    """Whether an image has one name at most, apart from digests in the same repository."""
    tagged = {name.name for name in names if "@" not in name.name}
    return len(tagged) <= 1 and len({repository(name) for name in names}) <= 1


def _check_id(
    image: Image,
    names: list[ImageName],
    used: list[tuple[str, str]],
    force: bool,
    is_running: Callable[[str], bool],
) -> None:
    """Raise Conflict if an image may not go, asked for by its ID."""
    running = next((id for id, _ in used if is_running(id)), None)
    how = "must be forced"
    if running is not None:
        how, why = "cannot be forced", f"image is being used by running container {running[:12]}"
    elif force:
        return
    elif not _is_single(names):
        why = "image is referenced in multiple repositories"
    elif used:
        why = f"image is being used by stopped container {used[0][0][:12]}"
    else:
        return
    raise Conflict(f"conflict: unable to delete {image.id[7:19]} ({how}) - {why}")
