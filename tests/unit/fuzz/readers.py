"""The readers of what comes from outside, each as a function of bytes.

One fulfils its part if it returns, or raises an error of ours whose words can be shown.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from types import SimpleNamespace

from plugrun.api import Descriptor, host_platform
from plugrun.config.reading import read as read_configuration
from plugrun.engine.images.manifests import parse_image_config, parse_manifest
from plugrun.interfaces.storage import WHITEOUT_OVERLAYFS, WHITEOUT_UNLINK
from plugrun.layers.decompress import decompress
from plugrun.layers.tarstream import TarStream
from plugrun.layers.unpack import unpack_layer
from plugrun.model.reference import parse_reference, split_address
from plugrun_archive_tar.plugin import plugrun_open_transport
from plugrun_registry_http.challenge import parse_challenges
from plugrun_registry_http.faults import said
from plugrun_registry_http.referrers import _read as read_referrers
from plugrun_registry_http.tags import _tags as read_tags

LARGEST = 64 << 20


def layer(data: bytes) -> None:
    """Read a layer's entries, and their data."""
    stream = TarStream(iter([data[at : at + 1000] for at in range(0, len(data), 1000)]))
    while stream.next() is not None:
        while stream.left:
            stream.piece(stream.left)


def tree(data: bytes) -> None:
    """Unpack a layer into a root, in both styles of whiteouts; nothing beside it may change."""
    if os.geteuid() != 0:
        return
    for style in (WHITEOUT_OVERLAYFS, WHITEOUT_UNLINK):
        with tempfile.TemporaryDirectory(prefix="plugrun-fuzz-") as folder:
            os.mkdir(f"{folder}/root")
            with open(f"{folder}/blob", "wb") as file:
                file.write(data)
            with open(f"{folder}/outside", "w", encoding="utf-8") as file:
                file.write("untouched")
            try:
                unpack_layer(f"{folder}/blob", f"{folder}/root", style)
            finally:
                assert sorted(os.listdir(folder)) == ["blob", "outside", "root"]
                with open(f"{folder}/outside", encoding="utf-8") as file:
                    assert file.read() == "untouched"


def compressed(data: bytes) -> None:
    """Decompress, whatever it is."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        made = 0
        for piece in decompress(file.fileno()):
            made += len(piece)
            if made > LARGEST:
                return


def archive(data: bytes) -> None:
    """List the images of an archive, and fetch all that they name."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        for scheme in ("docker-archive", "oci-archive"):
            transport = plugrun_open_transport(f"{scheme}:{file.name}", {})
            assert transport is not None
            try:
                _fetch_all(transport)
            finally:
                transport.close()


def folder(data: bytes) -> None:
    """Resolve an image in a folder of skopeo's whose manifest is these bytes."""
    with tempfile.TemporaryDirectory(prefix="plugrun-fuzz-") as place:
        with open(f"{place}/manifest.json", "wb") as file:
            file.write(data)
        transport = plugrun_open_transport(f"dir:{place}", {})
        assert transport is not None
        try:
            found = transport.resolve(host_platform())
            parse_manifest(found.raw, found.descriptor.media_type)
        finally:
            transport.close()


def _fetch_all(transport) -> None:
    for resolved in transport.list(host_platform()):
        found = parse_manifest(resolved.raw, resolved.descriptor.media_type)
        blobs: list[Descriptor] = (
            [found.config, *found.layers]
            if hasattr(found, "layers")
            else [descriptor for descriptor, _ in found.manifests]
        )
        for blob in blobs[:20]:
            for _ in transport.fetch(blob):
                continue


def manifest(data: bytes) -> None:
    """Parse a manifest or index, of any announced type."""
    for media_type in ("", "application/vnd.oci.image.index.v1+json"):
        parse_manifest(data, media_type)


def config(data: bytes) -> None:
    """Parse an image's config."""
    parse_image_config(data)


def reference(data: bytes) -> None:
    """Parse a reference; what it comes to is a reference that means the same."""
    text = os.fsdecode(data)
    split_address(text)
    found = parse_reference(text)
    assert parse_reference(str(found)) == found
    assert ".." not in str(found).split("/")


def profile(data: bytes) -> None:
    """Read a configuration."""
    read_configuration(data.decode("utf-8", "replace"), "plugrun.yaml")


def wire(data: bytes) -> None:
    """Read what a registry says in small: lists, errors, challenges."""
    text = data.decode("latin-1")
    parse_challenges(text)
    assert said(data).isprintable()
    for read in (read_tags, read_referrers):
        read(data, "https://registry.example/list")


READERS: dict[str, Callable[[bytes], None]] = {
    "archive": archive,
    "compressed": compressed,
    "config": config,
    "folder": folder,
    "layer": layer,
    "manifest": manifest,
    "profile": profile,
    "reference": reference,
    "tree": tree,
    "wire": wire,
}
# Those that read the same kind of bytes start from the same corpus.
SEEDS = SimpleNamespace(tree="layer", folder="manifest")
