"""Manifests, indexes and image configs as they come: hostile bytes (image-spec 1.1).

A wrong type is Corrupt and names its field. Unknown fields are kept, unknown media types in an
index passed over.
"""

from __future__ import annotations

from plugrun.errors import Corrupt, InvalidArgument, NoMatchingPlatform
from plugrun.model.descriptor import (
    Descriptor,
    Platform,
    normal_platform,
    parse_digest,
    platform_order,
)
from plugrun.model.image import (
    CONFIG_DOCKER,
    CONFIG_OCI,
    INDEXES,
    MANIFESTS,
    ImageConfig,
    Manifest,
)
from plugrun.model.jsontext import loads
from plugrun.model.record import record
from plugrun.store.content import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST_MANIFEST = 4 << 20  # distribution-spec: registries need not take more
LARGEST_CONFIG = 8 << 20
MOST_LAYERS = 4096
DEEPEST_INDEX = 3
_MOST_ENTRIES = 16384
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"


@record
class Index:
    """The manifests and indexes an index offers, in its order; what is no image is left out."""

    manifests: tuple[tuple[Descriptor, Platform | None], ...]


def parse_manifest(raw: bytes, media_type: str = "") -> Manifest | Index:
    """Parse what a reference resolved to; ``media_type`` is what its descriptor said.

    Raise Corrupt on anything else, and on a document that is a manifest and an index at once:
    which of the two it is would depend on who reads it (CVE-2021-41190).
    """
    body = _document(raw, "a manifest", LARGEST_MANIFEST)
    said = _text(body, "mediaType")
    if said.startswith(_SCHEMA_1) or body.get("schemaVersion") == 1:
        raise InvalidArgument(
            "this image has a manifest of Docker's schema 1, long out of use",
            hint="push the image again with a current tool",
        )
    has_layers = "layers" in body or "config" in body
    if has_layers and "manifests" in body:
        raise Corrupt("a document is a manifest and an index at once")
    for stated in (said, media_type):
        if (stated in INDEXES and has_layers) or (stated in MANIFESTS and "manifests" in body):
            raise Corrupt(f"a document is called {stated} and is none")
    if "manifests" in body:
        return _index(body)
    if has_layers:
        return _manifest(body)
    raise Corrupt("a document is neither a manifest nor an index")


def _manifest(body: dict[str, Any]) -> Manifest:
    config = _descriptor(_object(body, "config"), "config")
    if config.media_type not in (CONFIG_OCI, CONFIG_DOCKER):
        raise InvalidArgument(
            f"unsupported media type {config.media_type[:200]}: this is no container image"
        )
    if config.size > LARGEST_CONFIG:
        raise Corrupt(f"config has {config.size} bytes, over the limit of {LARGEST_CONFIG}")
    layers = _objects(body, "layers", MOST_LAYERS)
    return Manifest(config, tuple(_descriptor(x, f"layers[{i}]") for i, x in enumerate(layers)))


def _index(body: dict[str, Any]) -> Index:
    found = []
    for number, item in enumerate(_objects(body, "manifests", _MOST_ENTRIES)):
        where = f"manifests[{number}]"
        if _text(item, "mediaType", where) not in MANIFESTS | INDEXES:
            continue
        found.append((_descriptor(item, where), _platform(item, where)))
    return Index(tuple(found))


def _platform(item: dict[str, Any], where: str) -> Platform | None:
    if item.get("platform") is None:
        return None
    body = _object(item, "platform", where)
    where = f"{where}.platform"
    words = [_text(body, key, where) for key in ("os", "architecture", "variant")]
    return normal_platform(*words)


def _descriptor(item: dict[str, Any], where: str) -> Descriptor:
    size = item.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 62:
        raise Corrupt(f"{where}.size is {size!r:.100}, not a number of bytes")
    try:
        digest = parse_digest(item.get("digest"))
    except InvalidArgument as error:
        raise Corrupt(f"{where}.digest: {error.message}") from None
    return Descriptor(_text(item, "mediaType", where), digest, size)


def select(index: Index, wanted: Platform, name: str) -> Descriptor:
    """Return the entry for a platform: the best variant, and of these the first.

    Entries without a platform stand for nested indexes or manifests of any platform, and come
    last. Attestations (unknown/unknown) are never taken. Raise NoMatchingPlatform with what
    there is.
    """
    for platform in platform_order(wanted):
        for descriptor, offered in index.manifests:
            if offered == platform:
                return descriptor
    for descriptor, offered in index.manifests:
        if offered is None:
            return descriptor
    raise no_match(wanted, [p for _, p in index.manifests if p is not None], name)


def no_match(wanted: Platform, offered: list[Platform], name: str) -> NoMatchingPlatform:
    """Return the error for a platform that an image does not have."""
    known = sorted({str(p) for p in offered if p.os != "unknown"})
    return NoMatchingPlatform(
        f"no matching manifest for {wanted} in the manifest list entries",
        hint=f"{name} offers {', '.join(known) or 'no platform at all'}",
    )


# -- image configs ----------------------------------------------------------------------------


def parse_image_config(raw: bytes) -> ImageConfig:
    """Parse an image config (image-spec config.md); all of it stays in ``raw``."""
    body = _document(raw, "an image config", LARGEST_CONFIG)
    settings = _object(body, "config", missing_ok=True)
    rootfs = _object(body, "rootfs", missing_ok=True)
    return ImageConfig(
        os=_text(body, "os") or "linux",
        architecture=_text(body, "architecture"),
        variant=_text(body, "variant"),
        created=_text(body, "created"),
        diff_ids=_diff_ids(rootfs),
        entrypoint=_texts(settings, "Entrypoint"),
        cmd=_texts(settings, "Cmd"),
        env=_texts(settings, "Env"),
        user=_text(settings, "User", "config"),
        working_dir=_text(settings, "WorkingDir", "config"),
        stop_signal=_text(settings, "StopSignal", "config"),
        labels=_labels(settings),
        volumes=tuple(_object(settings, "Volumes", "config", missing_ok=True)),
        exposed_ports=tuple(_object(settings, "ExposedPorts", "config", missing_ok=True)),
        raw=body,
    )


def _diff_ids(rootfs: dict[str, Any]) -> tuple[str, ...]:
    kind = _text(rootfs, "type", "rootfs")
    if kind not in ("", "layers"):
        raise Corrupt(f"rootfs.type is {kind[:100]!r}, not layers")
    found = rootfs.get("diff_ids") or []
    if not isinstance(found, list) or len(found) > MOST_LAYERS:
        raise Corrupt("rootfs.diff_ids is no list of digests")
    try:
        return tuple(parse_digest(item) for item in found)
    except InvalidArgument as error:
        raise Corrupt(f"rootfs.diff_ids: {error.message}") from None


def _labels(settings: dict[str, Any]) -> dict[str, str]:
    found = _object(settings, "Labels", "config", missing_ok=True)
    return {key: _text(found, key, "config.Labels") for key in found}


def chain_ids(diff_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ChainID of each layer, lowest first (image-spec config.md, "Layer ChainID")."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(chain_id(chain[-1] if chain else None, diff_id))
    return tuple(chain)


def chain_id(below: str | None, diff_id: str) -> str:
    """Return the ChainID of a layer over ``below``, the ChainID of what it stands on, or None."""
    return digest_of(f"{below} {diff_id}".encode()) if below else diff_id


# -- fields -----------------------------------------------------------------------------------


def _document(raw: bytes, what: str, limit: int) -> dict[str, Any]:
    if len(raw) > limit:
        raise Corrupt(f"{what} has {len(raw)} bytes, over the limit of {limit}")
    try:
        body = loads(raw)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"{what} is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise Corrupt(f"{what} is no JSON object")
    return body


def _named(key: str, where: str) -> str:
    return f"{where}.{key}" if where else key


def _text(body: dict[str, Any], key: str, where: str = "") -> str:
    """Return a string, empty if it is absent or null."""
    value = body.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Corrupt(f"{_named(key, where)} is {value!r:.100}, not a string")
    return value


def _texts(settings: dict[str, Any], key: str) -> tuple[str, ...]:
    value = settings.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Corrupt(f"config.{key} is {value!r:.100}, not a list of strings")
    return tuple(value)


def _object(
    body: dict[str, Any], key: str, where: str = "", *, missing_ok: bool = False
) -> dict[str, Any]:
    value = body.get(key)
    if value is None and missing_ok:
        return {}
    if not isinstance(value, dict):
        raise Corrupt(f"{_named(key, where)} is {value!r:.100}, not an object")
    return value


def _objects(body: dict[str, Any], key: str, most: int) -> list[dict[str, Any]]:
    value = body.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Corrupt(f"{key} is {value!r:.100}, not a list of objects")
    if len(value) > most:
        raise Corrupt(f"{key} has {len(value)} entries, over the limit of {most}")
    return value
