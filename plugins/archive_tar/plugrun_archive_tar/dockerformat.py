"""Docker's archive (``docker save``): ``manifest.json`` names a config and layers as members.

The image's manifest is not part of the older form: one is made, of the config's and the layers'
digests. A layer that is a plain tar has its DiffID for a digest; the core finds out if that is
a lie. Source: moby's image/spec/v1.2.md and v1.3.md.
"""

from __future__ import annotations

import hashlib

from plugrun.api import (
    CONFIG_DOCKER,
    LAYER_DOCKER,
    LAYER_TAR,
    LAYER_ZSTD,
    MANIFEST_DOCKER,
    MANIFESTS,
    Corrupt,
    Descriptor,
    DigestMismatch,
    InvalidArgument,
    dumps,
    parse_digest,
)

from plugrun_archive_tar.catalog import INDEX_JSON, MANIFEST_JSON, Catalog, Held
from plugrun_archive_tar.documents import (
    LARGEST,
    as_json,
    descriptor_in,
    document,
    list_in,
    object_in,
    parsed,
    text_in,
)
from plugrun_archive_tar.layout import blob_name, full_name, layout_entries, read_blob
from plugrun_archive_tar.members import plain_name, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun_archive_tar.members import Members

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


def read_docker(members: Members) -> Catalog:
    """Read ``manifest.json`` and what it names."""
    parts: dict[str, tuple[str, int]] = {}
    kept = _kept_manifests(members)
    images: dict[str, Held] = {}
    for number, item in enumerate(list_in(document(members, MANIFEST_JSON), MANIFEST_JSON, dict)):
        held = _Entry(members, item, f"{MANIFEST_JSON}[{number}]").held(parts, kept)
        known = images.get(held.descriptor.digest)
        names = dict.fromkeys((*(known.names if known else ()), *held.names))
        images[held.descriptor.digest] = Held(tuple(names), (), held.descriptor, held.raw)
    if not images:
        raise Corrupt(f"{MANIFEST_JSON} names no image")
    return Catalog(tuple(images.values()), parts)


def _kept_manifests(members: Members) -> dict[str, tuple[Descriptor, bytes]]:
    """Return the manifests of a layout beside ``manifest.json``, by their config's digest."""
    found: dict[str, tuple[Descriptor, bytes]] = {}
    for entry in layout_entries(members) if members.has(INDEX_JSON) else ():
        if entry.descriptor.media_type in MANIFESTS and members.has(
            blob_name(entry.descriptor.digest)
        ):
            raw = read_blob(members, entry.descriptor)
            where = blob_name(entry.descriptor.digest)
            config = descriptor_in(object_in(parsed(raw, where), where).get("config"), where)
            found[config.digest] = (entry.descriptor, raw)
    return found


class _Entry:
    """One entry of ``manifest.json``."""

    def __init__(self, members: Members, item: dict[str, Any], where: str) -> None:
        self._members = members
        self._item = item
        self._where = where

    def held(
        self,
        parts: dict[str, tuple[str, int]],
        kept: dict[str, tuple[Descriptor, bytes]],
    ) -> Held:
        """Return the image; its blobs are added to ``parts``."""
        config, raw = self._config(parts)
        layers = self._layers(raw, parts)
        manifest, document_ = kept.get(config.digest) or _made(config, layers)
        return Held(self._names(), (), manifest, document_)

    def _names(self) -> tuple[str, ...]:
        tags = list_in(self._item.get("RepoTags"), f"{self._where}.RepoTags", str)
        names = [full_name(tag) for tag in tags]
        if not all(names):
            raise Corrupt(f"{self._where}.RepoTags has {tags[names.index('')]!r:.200}, no name")
        return tuple(names)

    def _config(self, parts: dict[str, tuple[str, int]]) -> tuple[Descriptor, bytes]:
        where = f"{self._where}.Config"
        name = self._member(text_in(self._item.get("Config"), where), where)
        raw = whole(self._members, name, LARGEST)
        config = Descriptor(CONFIG_DOCKER, f"sha256:{hashlib.sha256(raw).hexdigest()}", len(raw))
        named = _digest_in(name)
        if named not in ("", config.digest):
            raise DigestMismatch(f"{name} is {config.digest}, not what its name says")
        parts[config.digest] = (name, len(raw))
        return config, raw

    def _layers(self, config: bytes, parts: dict[str, tuple[str, int]]) -> list[Descriptor]:
        where = f"{self._where}.Layers"
        names = list_in(self._item.get("Layers"), where, str)
        body = object_in(parsed(config, "the image's config"), "the image's config")
        rootfs = object_in(body.get("rootfs") or {}, "rootfs")
        diff_ids = list_in(rootfs.get("diff_ids"), "rootfs.diff_ids", str)
        if len(names) != len(diff_ids):
            raise Corrupt(
                f"{where} has {len(names)} layers, and the image's config {len(diff_ids)} diff_ids"
            )
        found = []
        for name, diff_id in zip(names, diff_ids, strict=True):
            member = self._member(name, where)
            layer = self._layer(member, diff_id)
            parts[layer.digest] = (member, layer.size)
            found.append(layer)
        return found

    def _layer(self, name: str, diff_id: str) -> Descriptor:
        size = self._members.size(name)
        magic = next(iter(self._members.read(name)), b"")[:4]
        media_type = {_GZIP: LAYER_DOCKER, _ZSTD[:2]: LAYER_ZSTD}.get(magic[:2], LAYER_TAR)
        try:
            digest = diff_id if media_type == LAYER_TAR else self._digest(name)
            return Descriptor(media_type, parse_digest(digest), size)
        except InvalidArgument as error:
            raise Corrupt(f"rootfs.diff_ids: {error.message}") from None

    def _digest(self, name: str) -> str:
        """Return a compressed layer's digest: what its name says, or what its bytes come to."""
        named = _digest_in(name)
        if named:
            return named
        found = hashlib.sha256()
        for piece in self._members.read(name):
            found.update(piece)
        return f"sha256:{found.hexdigest()}"

    def _member(self, name: str, where: str) -> str:
        plain = plain_name(name)
        if not plain:
            raise Corrupt(f"{where} names nothing")
        self._members.size(plain)
        return plain


def _digest_in(name: str) -> str:
    """Return the digest a member is named by (``<hex>.json``, ``blobs/sha256/<hex>``), if any."""
    base = name.rpartition("/")[2].removesuffix(".json")
    try:
        return parse_digest(f"sha256:{base}")
    except InvalidArgument:
        return ""


def _made(config: Descriptor, layers: list[Descriptor]) -> tuple[Descriptor, bytes]:
    """Return a manifest of Docker's schema 2."""
    raw = dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_DOCKER,
            "config": as_json(config),
            "layers": [as_json(layer) for layer in layers],
        }
    ).encode()
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    return Descriptor(MANIFEST_DOCKER, digest, len(raw)), raw
