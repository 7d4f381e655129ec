"""Blobs against the digests they bear, and images against the blobs they stand on."""

from __future__ import annotations

from plugrun.engine.check.findings import found
from plugrun.engine.images.blobs import layer_blob, referenced_blobs
from plugrun.engine.images.regaining import called, how_to_regain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.check.findings import Found
    from plugrun.engine.engine import Engine
    from plugrun.model.image import Image


def check_blobs(engine: Engine, *, quick: bool) -> Iterator[Found]:
    """Yield blobs that are damaged (unless ``quick``), that nobody wants, or that are half here."""
    content, wanted = engine.content, referenced_blobs(engine)
    for digest in sorted(content.walk()):
        if digest not in wanted:
            yield found(
                "blob",
                content.path(digest),
                "no image stands on it; it takes room",
                "remove it",
                lambda digest=digest: _drop(engine, digest),  # type: ignore[misc]
            )
        elif not quick and not content.is_whole(digest):
            images, remedy = _told(engine, digest)
            yield found(
                "blob",
                content.path(digest),
                f"its bytes are not those of its digest; {images} cannot be unpacked or pushed",
                f"remove it; then {remedy}" if remedy else "remove it",
                lambda digest=digest: _drop(engine, digest),  # type: ignore[misc]
            )
    partial = sorted(content.partial())
    if partial:
        yield found(
            "blob",
            f"{engine.root}/ingest",
            f"{len(partial)} that never arrived in full; the next pull would go on with them",
            "remove them",
            lambda: _drop_partial(engine),
        )


def _drop(engine: Engine, digest: str) -> None:
    engine.content.remove(digest)


def _drop_partial(engine: Engine) -> None:
    engine.content.discard_partial()


def _users(engine: Engine, digest: str) -> list[Image]:
    """Return the images that stand on a blob."""
    return [i for i in engine.metadata.images() if digest in (i.id, i.manifest, *i.layers)]


def _told(engine: Engine, digest: str) -> tuple[str, str]:
    """Return which images stand on a blob, and how they get it again."""
    users = _users(engine, digest)
    names = ", ".join(called(engine, image) for image in users) or "an image"
    ways = dict.fromkeys(how_to_regain(engine, image, (digest,)) for image in users)
    return names, "; ".join(ways)


def check_images(engine: Engine) -> Iterator[Found]:
    """Yield images whose documents or layers are not in the store."""
    for image in engine.metadata.images():
        name = called(engine, image)
        lost = [digest for digest in (image.manifest, image.id) if not engine.content.has(digest)]
        lost += [
            digest
            for number, digest in enumerate(image.layers)
            if not layer_blob(engine, image, number)
        ]
        if lost:
            yield found(
                "image",
                name,
                f"{len(lost)} of its blobs are gone ({lost[0]}): it cannot be unpacked for "
                "another storage, saved or pushed",
                how_to_regain(engine, image, lost),
            )
