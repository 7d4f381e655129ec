"""The image that a stage has become: its documents, put into the store and named.

It goes the way of any image that arrives (``arrival``), with all of its layers here already.
"""

from __future__ import annotations

import os

from plugrun.engine.build.borrowing import FIELD, brought_along
from plugrun.engine.build.keys import document_key
from plugrun.engine.build.state import now_ns
from plugrun.errors import NotFound
from plugrun.interfaces.backend import Probe
from plugrun.interfaces.transport import Resolved
from plugrun.layers.decompress import GZIP_MAGIC, MAGIC_LENGTH, is_compressed
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
from plugrun.model.times import rfc3339
from plugrun.store.buildcache import BuildCache, Entry
from plugrun.store.content import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from plugrun.dockerfile.scope import Scope
    from plugrun.engine.build.request import BuildRequest
    from plugrun.engine.build.state import StageState
    from plugrun.engine.engine import Engine
    from plugrun.model.descriptor import Platform


def make_result(
    engine: Engine,
    request: BuildRequest,
    state: StageState,
    scope: Scope,
    names: Sequence[ImageName],
) -> str:
    """Make an image of what a stage has come to, name it, and return its ID.

    The same state gives the same image, whenever it is asked for again. The caller holds the lock
    ``images``, and the layers are in the storage in force.
    """
    below = _below(engine, state)
    document = _document(below, state, scope, request)
    _date(engine, request, document, state)
    if request.inline_cache:
        document[FIELD] = brought_along(state)
    source = _Source(engine, state, document, request.annotations)
    if _is_here(engine, source, names):
        return source.image
    from plugrun.engine.images.arrival import Arrival, PullObserver

    called = names[0].name if names else "it"
    arrival = Arrival(engine, source, state.platform, PullObserver(), called, from_store=True)
    return arrival.bring(source.resolve(state.platform), names).image


def _is_here(engine: Engine, source: _Source, names: Sequence[ImageName]) -> bool:
    """Whether the very image is here, and the names stand for it."""
    image = engine.metadata.image(source.image)
    if image is None or image.manifest != source.manifest:
        return False
    known = [engine.metadata.find_name(one.name) for one in names]
    return engine.content.has(image.manifest) and all(
        one is not None and one.image == image.id for one in known
    )


def _below(engine: Engine, state: StageState) -> dict[str, Any]:
    found: dict[str, Any] = loads(engine.content.read(state.base)) if state.base else {}
    return found


def _document(
    below: dict[str, Any], state: StageState, scope: Scope, request: BuildRequest
) -> dict[str, Any]:
    """Return the image config (image-spec config.md) but for the times that are not known yet."""
    config = dict(scope.config)
    if request.labels:
        config["Labels"] = {**(config.get("Labels") or {}), **dict(request.labels)}
    document: dict[str, Any] = {
        "architecture": state.platform.architecture,
        "os": state.platform.os,
        "config": config,
        "created": "",
        "history": [*(below.get("history") or ()), *map(dict, state.history)],
        "rootfs": {"type": "layers", "diff_ids": list(state.diff_ids)},
    }
    if state.platform.variant:
        document["variant"] = state.platform.variant
    author = scope.author or below.get("author")
    if author:
        document["author"] = author
    for key in ("os.version", "os.features"):
        if key in below:
            document[key] = below[key]
    return document


def _date(
    engine: Engine, request: BuildRequest, document: dict[str, Any], state: StageState
) -> None:
    """Date the image, and the steps that only changed its config: as it was dated before."""
    own = document["history"][len(document["history"]) - len(state.history) :]
    key = document_key({**document, "epoch": request.epoch})
    with BuildCache(engine.root) as cache:
        entry = None if request.no_cache else cache.find(key)
        if entry is None:
            now = now_ns(request.epoch)
            used = now_ns(-1)
            entry = Entry(key, "image", "", 0, state.chain, state.blobs, now, used, 1, "image")
            cache.put(entry)
        else:
            cache.use((key,))
    created = rfc3339(entry.created_ns)
    document["created"] = created
    for line in own:
        line["created"] = line["created"] or created


class _Source:
    """The new image as a transport: two documents made here, and their digests."""

    capabilities = frozenset(("pull",))

    def __init__(
        self,
        engine: Engine,
        state: StageState,
        document: dict[str, Any],
        annotations: Sequence[tuple[str, str]],
    ) -> None:
        below = loads(engine.content.read(_manifest_of(engine, state))) if state.base else {}
        # Docker's own manifests have no place for annotations.
        is_docker = below.get("mediaType") == MANIFEST_DOCKER and not annotations
        self._kind = MANIFEST_DOCKER if is_docker else MANIFEST_OCI
        self._config = dumps(document).encode()
        config = Descriptor(
            CONFIG_DOCKER if is_docker else CONFIG_OCI, digest_of(self._config), len(self._config)
        )
        self.image = config.digest
        layer = LAYER_DOCKER_TAR if is_docker else LAYER_TAR
        count = len(below.get("layers", ()))
        own = [_described(engine, layer, digest) for digest in state.blobs[count:]]
        manifest = {
            "schemaVersion": 2,
            "mediaType": self._kind,
            "config": _plain(config),
            "layers": [*below.get("layers", ()), *map(_plain, own)],
        }
        if annotations:
            manifest["annotations"] = dict(annotations)
        self._manifest = dumps(manifest).encode()
        self.manifest = digest_of(self._manifest)

    def resolve(self, platform: Platform) -> Resolved:
        described = Descriptor(self._kind, self.manifest, len(self._manifest))
        return Resolved("", described, self._manifest, "this machine")

    def fetch(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        if descriptor.digest != self.image:
            raise NotFound(f"blob {descriptor.digest} is gone from the store")
        yield self._config[offset:]

    def probe(self) -> Probe:
        return Probe(True)

    def close(self) -> None:
        """Nothing is held."""


def _manifest_of(engine: Engine, state: StageState) -> str:
    image = engine.metadata.image(state.base)
    if image is None:
        raise NotFound(f"image {state.base} was removed meanwhile", hint="build again")
    return image.manifest


def _described(engine: Engine, kind: str, digest: str) -> Descriptor:
    """Describe a layer's blob: a tar, unless it came with an image of ``--cache-from``."""
    with open(engine.content.path(digest), "rb") as file:
        magic = file.read(MAGIC_LENGTH)
        size = os.fstat(file.fileno()).st_size
    packed = "gzip" if magic.startswith(GZIP_MAGIC) else "zstd" if is_compressed(magic) else ""
    between = "+" if kind == LAYER_TAR else "."
    return Descriptor(f"{kind}{between}{packed}" if packed else kind, digest, size)


def _plain(descriptor: Descriptor) -> dict[str, Any]:
    return {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
