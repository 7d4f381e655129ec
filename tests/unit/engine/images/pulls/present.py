"""What a pull has brought here, and what it has left."""

from __future__ import annotations

import json
import os

from plugrun.engine.images.manifests import chain_ids

from tests.registry import MadeImage, tar_of
from tests.unit.engine.images.pulling import Source

PATIENCE = 60
NAME = "test/one:1"
TARS = (
    tar_of({"etc/": b"", "etc/one": b"1" * 30_000, "gone": b"x"}),
    tar_of({"etc/two": os.urandom(50_000), ".wh.gone": b""}),
    tar_of({"top": b"3"}),
)


def snapshots(engine) -> dict[str, str]:
    return {found.key: found.kind for found in engine.storage().walk()}


def blobs_of(image: MadeImage) -> set[str]:
    return {blob.digest for blob in (image.manifest, image.config, *image.layers)}


def chain(image: MadeImage) -> tuple[str, ...]:
    return chain_ids(tuple(json.loads(image.config.data)["rootfs"]["diff_ids"]))


def assert_whole(engine, image: MadeImage, name: str = NAME) -> None:
    assert engine.metadata.image(image.config.digest).chain == chain(image)
    assert engine.metadata.find_name(f"docker.io/{name}").image == image.config.digest
    assert set(chain(image)) <= set(snapshots(engine))
    assert blobs_of(image) <= set(engine.content.walk())
    assert_nothing_half_made(engine)
    assert os.listdir(f"{engine.root}/ingest") == []


def assert_nothing_half_made(engine) -> None:
    """Every snapshot is committed on what it stands on, every blob is right, every image whole."""
    assert set(snapshots(engine).values()) <= {"committed"}
    for digest in engine.content.walk():
        assert engine.content.read(digest)
    for image in engine.metadata.images():
        assert set(image.chain) <= set(snapshots(engine))
        assert {image.id, image.manifest, *image.layers} <= set(engine.content.walk())
    assert workers() == []


def workers() -> list[str]:
    """Return the children that unpack layers; other tests may have children of their own."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        children = file.read().split()
    found = []
    for pid in children:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"plugrun.layers.workers" in file.read():
                found.append(pid)
    return found


def layer_fetches(source: Source, image: MadeImage) -> list[tuple[str, int]]:
    layers = {layer.digest for layer in image.layers}
    return [(digest, offset) for digest, offset in source.fetched if digest in layers]
