"""A new image made here: one more layer over another image, or over nothing.

The layer is kept as an uncompressed tar: its digest is its DiffID, found while it is written, and
no time goes into compressing what may never leave this machine; a push can compress it. It is
unpacked and committed while it is written (``layermaking``). From there on the image arrives as any
other does (``arrival``), with what is here as its source: documents, then the image and its name in
one transaction. Killed anywhere, it leaves what the next collection frees.
"""

from __future__ import annotations

import time

from plugrun.engine.images.arrival import Arrival, PullObserver
from plugrun.engine.images.layermaking import make_layer
from plugrun.interfaces.backend import Probe
from plugrun.interfaces.transport import Resolved
from plugrun.model.descriptor import Descriptor
from plugrun.model.image import (
    CONFIG_DOCKER,
    CONFIG_OCI,
    LAYER_DOCKER_TAR,
    LAYER_TAR,
    MANIFEST_DOCKER,
    MANIFEST_OCI,
    ImageName,
)
from plugrun.model.jsontext import dumps, loads
from plugrun.model.record import record
from plugrun.store.content import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.engine.images.layermaking import Made
    from plugrun.model.descriptor import Platform
    from plugrun.model.image import Image

_PIECE = 1 << 20


@record
class NewImage:
    """What the new image is to be: ``config`` is its document's ``config``, ``step`` what its
    history says of the layer (``created_by``, ``comment``); ``name`` a full reference or empty.
    """

    base: Image | None
    platform: Platform
    config: dict[str, Any]
    author: str
    step: dict[str, str]
    name: str


def make_image(engine: Engine, wanted: NewImage, made: Made) -> str:
    """Make an image and name it; return its ID.

    ``made`` is the layer, as ``make_layer`` takes it. What it raises, and what is wrong with the
    tar, leaves nothing behind. Several may be made at once.
    """
    base = wanted.base
    with engine.locks.shared("images"):
        if base is not None:
            _unpack_base(engine, base)
        layer = make_layer(engine, base.chain[-1] if base and base.chain else None, made)
        try:
            source = _Source(engine, wanted, layer)
            called = wanted.name or "it"
            arrival = Arrival(
                engine, source, wanted.platform, PullObserver(), called, from_store=True
            )
            names = [ImageName(wanted.name, "", "")] if wanted.name else []
            return arrival.bring(source.resolve(wanted.platform), names).image
        finally:
            # Where it succeeded it has been published, and this finds nothing.
            engine.content.discard(layer.digest)


def _unpack_base(engine: Engine, base: Image) -> None:
    """Have the base in the profile's storage, where the new layer goes."""
    from plugrun.engine.images.unpacking import is_unpacked, unpack

    storage = engine.storage()
    if not is_unpacked(storage, base):
        called = (base.id, engine.storage_choice().name)
        unpack(engine, base, storage, called, PullObserver)


class _Source:
    """The new image as a transport: documents made here, blobs that are here already."""

    capabilities = frozenset(("pull",))

    def __init__(self, engine: Engine, wanted: NewImage, layer: Descriptor) -> None:
        self._engine = engine
        base = wanted.base
        below = loads(engine.content.read(base.manifest)) if base is not None else {}
        is_docker = below.get("mediaType") == MANIFEST_DOCKER
        document = loads(engine.content.read(base.id)) if base is not None else {}
        self._config = dumps(_document(document, wanted, layer.digest)).encode()
        config = _descriptor(CONFIG_DOCKER if is_docker else CONFIG_OCI, self._config)
        kind = LAYER_DOCKER_TAR if is_docker else LAYER_TAR
        own = {"mediaType": kind, "digest": layer.digest, "size": layer.size}
        self._manifest = dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_DOCKER if is_docker else MANIFEST_OCI,
                "config": {
                    "mediaType": config.media_type,
                    "digest": config.digest,
                    "size": config.size,
                },
                "layers": [*below.get("layers", ()), own],
            }
        ).encode()
        self._name = wanted.name
        self._config_digest = config.digest

    def resolve(self, platform: Platform) -> Resolved:
        kind = loads(self._manifest)["mediaType"]
        described = _descriptor(kind, self._manifest)
        return Resolved(self._name, described, self._manifest, "this machine")

    def fetch(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        if descriptor.digest == self._config_digest:
            yield self._config[offset:]
            return
        path = self._engine.content.received(descriptor.digest)
        with open(path, "rb", buffering=0) as file:
            file.seek(offset)
            while piece := file.read(_PIECE):
                yield piece

    def probe(self) -> Probe:
        return Probe(True)

    def close(self) -> None:
        """Nothing is held."""


def _descriptor(kind: str, data: bytes) -> Descriptor:
    return Descriptor(kind, digest_of(data), len(data))


def _document(below: dict[str, Any], wanted: NewImage, diff_id: str) -> dict[str, Any]:
    """Return the image config (image-spec config.md)."""
    now = time.time_ns()
    created = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
    created += f".{now % 10**9:09}Z"
    step = {key: text for key, text in wanted.step.items() if text}
    if wanted.author:
        step["author"] = wanted.author
    history = list(below.get("history") or ())
    layers = (below.get("rootfs") or {}).get("diff_ids") or ()
    document = {
        "architecture": wanted.platform.architecture,
        "os": wanted.platform.os,
        "config": wanted.config,
        "created": created,
        "history": [*history, {"created": created, **step}],
        "rootfs": {"type": "layers", "diff_ids": [*layers, diff_id]},
    }
    if wanted.platform.variant:
        document["variant"] = wanted.platform.variant
    if wanted.author:
        document["author"] = wanted.author
    for key in ("os.version", "os.features"):
        if key in below:
            document[key] = below[key]
    return document
