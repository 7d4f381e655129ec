"""Which blob of the store holds a layer.

Two images may share a layer that each compressed in its own way: it is unpacked once, and the
second blob is never fetched. What counts is then the blob that is here.
"""

from __future__ import annotations

from plugrun.store.buildcache import held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.image import Image, Manifest


def layer_blobs(engine: Engine, manifest: Manifest, chain: tuple[str, ...]) -> tuple[str, ...]:
    """Return for each layer of an image that arrives the digest of a blob that is here.

    That is the manifest's own wherever it is here, and where no other is.
    """
    known: list[Image] = []
    found = []
    for blob, name in zip(manifest.layers, chain, strict=True):
        own = blob.digest
        if not engine.content.has(own):
            known = known or engine.metadata.images()
            own = _blob_of_chain(engine, known, name) or own
        found.append(own)
    return tuple(found)


def layer_blob(engine: Engine, image: Image, number: int) -> str:
    """Return the digest of a blob that holds an image's layer, nothing if none is here."""
    own = image.layers[number]
    if engine.content.has(own):
        return own
    return _blob_of_chain(engine, engine.metadata.images(), image.chain[number])


def referenced_blobs(engine: Engine) -> set[str]:
    """Return the digest of every blob that an image, a name of one or the build cache stands on."""
    kept = {name.digest for name in engine.metadata.image_names()}
    for image in engine.metadata.images():
        kept |= {image.id, image.manifest, *image.layers}
    return kept.union(held(engine.root).blobs)


def _blob_of_chain(engine: Engine, images: list[Image], name: str) -> str:
    for image in images:
        for layer, digest in zip(image.chain, image.layers, strict=True):
            if layer == name and engine.content.has(digest):
                return digest
    return ""
