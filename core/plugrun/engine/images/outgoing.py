"""An image of the store on its way out: which bytes go, and the manifest that names them.

Layers lie in the store as they came: compressed by whoever made them, or as plain tars. They go out
as they lie wherever the destination takes that, and the manifest with them, so that an image
keeps its digest. What has to be recoded is written to a file without a name; the same layer
always comes to the same bytes. The config never changes, and so an image keeps its ID.
"""

from __future__ import annotations

import os

from plugrun.engine.images.blobs import layer_blob
from plugrun.engine.images.manifests import (
    LARGEST_MANIFEST,
    Index,
    parse_image_config,
    parse_manifest,
)
from plugrun.engine.images.recoding import GZIP, PLAIN, ZSTD, encoding, recoded
from plugrun.errors import Corrupt, DigestMismatch, NotFound
from plugrun.model.descriptor import Descriptor
from plugrun.model.image import (
    CONFIG_DOCKER,
    CONFIG_OCI,
    LAYER_DOCKER,
    LAYER_GZIP,
    LAYER_TAR,
    LAYER_ZSTD,
    MANIFEST_DOCKER,
    MANIFEST_OCI,
)
from plugrun.model.jsontext import dumps, loads
from plugrun.model.record import record
from plugrun.store.content import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.model.image import Image, Manifest

_CHUNK = 1 << 20
_OCI_LAYERS = {PLAIN: LAYER_TAR, GZIP: LAYER_GZIP, ZSTD: LAYER_ZSTD}
_DOCKER_LAYERS = {PLAIN: LAYER_DOCKER.removesuffix(".gzip"), GZIP: LAYER_DOCKER, ZSTD: LAYER_ZSTD}


class Part:
    """One blob that goes out; ``diff_id`` is what a layer is called in messages."""

    def __init__(self, fd: int, descriptor: Descriptor, diff_id: str) -> None:
        self._fd = fd
        self.descriptor = descriptor
        self.diff_id = diff_id

    def read(self, offset: int) -> Iterator[bytes]:
        """Yield the bytes from there on; raise DigestMismatch if the blob was damaged here."""
        from hashlib import sha256

        hasher, position = sha256(), offset
        while piece := os.pread(self._fd, _CHUNK, position):
            hasher.update(piece)
            position += len(piece)
            yield piece
        if offset == 0 and f"sha256:{hasher.hexdigest()}" != self.descriptor.digest:
            raise DigestMismatch(
                f"blob {self.descriptor.digest} in the store was changed or damaged",
                hint="remove the image and pull it again",
            )

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)


@record
class Form:
    """What a destination takes: which encodings of layers have to be recoded, and to which.

    ``oci`` is whether manifests have to have OCI's media types, whatever they came with.
    """

    recode: dict[str, str]
    oci: bool


# Registries are there to save transfer; docker load of before version 23 knows no zstd, and umoci
# none of Docker's media types.
FOR_REGISTRY = Form({PLAIN: GZIP}, False)
FOR_ARCHIVE = Form({ZSTD: PLAIN}, True)
# A folder that keeps one image for tools takes anything as it is.
UNCHANGED = Form({}, False)


class Outgoing:
    """One image with its blobs open; ``with`` closes them. ``parts`` begin with the config."""

    def __init__(self, engine: Engine, image: Image, form: Form) -> None:
        self._engine = engine
        self._image = image
        self._form = form
        self.parts: list[Part] = []
        self.descriptor: Descriptor
        self.raw = b""

    def __enter__(self) -> Outgoing:
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        parts, self.parts = self.parts, []
        for part in parts:
            part.close()

    @property
    def layers(self) -> list[Part]:
        """The layers, lowest first."""
        return self.parts[1:]

    def _open(self) -> None:
        content, image = self._engine.content, self._image
        raw = content.read(image.manifest, LARGEST_MANIFEST)
        manifest = parse_manifest(raw)
        if isinstance(manifest, Index) or len(manifest.layers) != len(image.layers):
            raise Corrupt(f"{image.manifest} is not the manifest of image {image.id[7:19]}")
        config = content.read(image.id)
        diff_ids = parse_image_config(config).diff_ids
        self.parts.append(Part(content.open(image.id), manifest.config, ""))
        encodings = [self._layer(n, diff_id) for n, diff_id in enumerate(diff_ids)]
        self._describe(raw, manifest, encodings)

    def _layer(self, number: int, diff_id: str) -> str:
        """Open a layer, recoded if need be; return its encoding."""
        engine, image = self._engine, self._image
        digest = layer_blob(engine, image, number)
        if not digest:
            raise NotFound(
                f"layer {image.layers[number]} of image {image.id[7:19]} is not in the store",
                hint="pull the image again",
            )
        fd = engine.content.open(digest)
        found = encoding(fd)
        wanted = self._form.recode.get(found, found)
        if wanted != found:
            fd, digest = recoded(fd, wanted, engine.root)
        size = os.fstat(fd).st_size
        self.parts.append(Part(fd, Descriptor(_OCI_LAYERS[wanted], digest, size), diff_id))
        return wanted

    def _describe(self, raw: bytes, manifest: Manifest, encodings: list[str]) -> None:
        own = [part.descriptor for part in self.layers]
        self.descriptor, self.raw = adapted(raw, manifest, own, encodings, oci=self._form.oci)


def adapted(
    raw: bytes, manifest: Manifest, layers: list[Descriptor], encodings: list[str], *, oci: bool
) -> tuple[Descriptor, bytes]:
    """Keep a manifest if it says what goes out; else change it where it does not.

    ``layers`` are those that go out, with their ``encodings``: one this knows no name for keeps
    its media type.
    """
    body: dict[str, Any] = loads(raw)
    was_oci = body.get("mediaType", MANIFEST_OCI) == MANIFEST_OCI
    oci = was_oci or oci
    same = [d.digest for d in layers] == [d.digest for d in manifest.layers]
    if not same or oci != was_oci:
        types = _OCI_LAYERS if oci else _DOCKER_LAYERS
        body["mediaType"] = MANIFEST_OCI if oci else MANIFEST_DOCKER
        body["config"]["mediaType"] = CONFIG_OCI if oci else CONFIG_DOCKER
        for item, found, name in zip(body["layers"], layers, encodings, strict=True):
            media_type = types.get(name, item["mediaType"])
            item.update(mediaType=media_type, digest=found.digest, size=found.size)
        raw = dumps(body).encode()
    media_type = MANIFEST_OCI if oci else MANIFEST_DOCKER
    return Descriptor(media_type, digest_of(raw), len(raw)), raw
