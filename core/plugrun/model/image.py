"""Images as the store knows them (image-spec config.md, manifest.md)."""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.model.descriptor import Descriptor

MANIFEST_OCI = "application/vnd.oci.image.manifest.v1+json"
MANIFEST_DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
INDEX_OCI = "application/vnd.oci.image.index.v1+json"
INDEX_DOCKER = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG_OCI = "application/vnd.oci.image.config.v1+json"
CONFIG_DOCKER = "application/vnd.docker.container.image.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
LAYER_DOCKER_TAR = "application/vnd.docker.image.rootfs.diff.tar"
LAYER_DOCKER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

MANIFESTS = frozenset((MANIFEST_OCI, MANIFEST_DOCKER))
INDEXES = frozenset((INDEX_OCI, INDEX_DOCKER))


@record
class Manifest:
    """One image for one platform: its config and its layers, lowest first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


@record
class ImageConfig:
    """What a container takes from its image; ``raw`` is the whole document, unknown keys too.

    Source: image-spec config.md; ``shell`` and ``healthcheck`` stay in ``raw``.
    """

    os: str
    architecture: str
    variant: str
    created: str
    diff_ids: tuple[str, ...]
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: tuple[str, ...]
    user: str
    working_dir: str
    stop_signal: str
    labels: Mapping[str, str]
    volumes: tuple[str, ...]
    exposed_ports: tuple[str, ...]
    raw: Mapping[str, Any]


@record
class Image:
    """An image in the store.

    ``id`` is the digest of its config; ``chain`` the ChainID of each layer, lowest first;
    ``size`` the bytes of its unpacked layers; ``created`` RFC 3339 as the config has it.
    """

    id: str
    manifest: str
    size: int
    created: str
    platform: str
    layers: tuple[str, ...]
    chain: tuple[str, ...]


@record
class ImageName:
    """One name an image goes by; ``digest`` is what the registry called it, if it came from one."""

    name: str
    image: str
    digest: str
