"""Pulls that fail, are ended or find what such ones left: whole, or nothing, or gone on with."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import threading

import pytest
from plugrun.engine.images.layerwork import Layer
from plugrun.engine.images.pull import pull
from plugrun.errors import (
    Corrupt,
    DigestMismatch,
    HostileArchive,
    ImageNotFound,
    Unreachable,
)

from tests.registry import Blob, MadeImage, digest_of, make_image, tar_of
from tests.unit.engine.images.pulling import Heard
from tests.unit.engine.images.pulls.present import (
    NAME,
    PATIENCE,
    TARS,
    assert_nothing_half_made,
    assert_whole,
    blobs_of,
    chain,
    layer_fetches,
    snapshots,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def with_diff_ids(image: MadeImage, diff_ids: list[str]) -> MadeImage:
    """Return an image like this whose config states other DiffIDs."""
    config = json.loads(image.config.data)
    config["rootfs"]["diff_ids"] = diff_ids
    made = Blob(image.config.media_type, json.dumps(config).encode())
    manifest = json.loads(image.manifest.data)
    manifest["config"] = made.descriptor
    return MadeImage(
        Blob(image.manifest.media_type, json.dumps(manifest).encode()), made, image.layers
    )


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_a_wrong_diff_id(engine, source, wrong):
    right = make_image(TARS)
    diff_ids = [digest_of(tar) for tar in TARS]
    diff_ids[wrong] = digest_of(b"something else")
    source.put(NAME, with_diff_ids(right, diff_ids))
    with pytest.raises(Corrupt, match=r"unpacks to sha256:.* but the image's config says"):
        pull(engine, NAME, None)
    assert_nothing_half_made(engine)
    assert engine.metadata.images() == []
    pull(engine, source.put(NAME, right), None)
    assert_whole(engine, right)


def test_another_number_of_diff_ids(engine, source):
    source.put(NAME, with_diff_ids(make_image(TARS), [digest_of(TARS[0])]))
    with pytest.raises(Corrupt, match="3 layers, and its config 1 diff_ids"):
        pull(engine, NAME, None)
    assert snapshots(engine) == {}


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_a_wrong_digest(engine, source, image, wrong):
    digest = image.layers[wrong].digest
    right = source.blobs[digest]
    source.blobs[digest] = right[:-1] + bytes([right[-1] ^ 1])
    with pytest.raises(DigestMismatch, match="has other content"):
        pull(engine, NAME, None)
    assert_nothing_half_made(engine)
    assert engine.metadata.images() == []
    source.blobs[digest] = right
    pull(engine, NAME, None)
    assert_whole(engine, image)


def test_another_config(engine, source, image):
    source.blobs[image.config.digest] = image.config.data + b" "
    with pytest.raises(DigestMismatch, match="was announced with"):
        pull(engine, NAME, None)
    assert engine.metadata.images() == []
    assert snapshots(engine) == {}


def test_a_manifest_that_no_name_stands_for_goes(engine, source, image):
    body = json.loads(image.manifest.data) | {"annotations": {"second": "yes"}}
    manifest = Blob(image.manifest.media_type, json.dumps(body).encode())
    second = dataclasses.replace(image, manifest=manifest)
    pull(engine, NAME, None)
    source.put(NAME, second)
    pull(engine, NAME, None)
    assert set(engine.content.walk()) == blobs_of(image) | blobs_of(second)
    source.put(NAME, image)
    pull(engine, NAME, None)
    assert_whole(engine, image)
    assert set(engine.content.walk()) == blobs_of(image)


def test_another_manifest(engine, source, image):
    source.blobs[image.manifest.digest] = image.manifest.data + b" "
    with pytest.raises(DigestMismatch, match="sent other content"):
        pull(engine, f"test/one@{image.manifest.digest}", None)
    assert engine.metadata.images() == []
    assert snapshots(engine) == {}


def test_a_hostile_layer(engine, source):
    made = make_image([TARS[0], tar_of({"../../escaped": b"x"}), TARS[2]])
    source.put(NAME, made)
    with pytest.raises(HostileArchive, match="no honest archive") as caught:
        pull(engine, NAME, None)
    where = f"image {NAME}, layer {made.layers[1].digest}: entry "
    assert caught.value.message.startswith(where)
    assert "published" in caught.value.hint
    assert_nothing_half_made(engine)
    assert engine.metadata.images() == []


def test_a_missing_image(engine, source):
    with pytest.raises(ImageNotFound):
        pull(engine, "test/nothing", None)
    assert not os.path.exists(f"{engine.root}/blobs")


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_source_that_breaks_off_is_gone_on_with(engine, source, image, broken):
    digest = image.layers[broken].digest
    half = len(source.blobs[digest]) // 2

    def meet(met: str, offset: int) -> None:
        if met == digest and offset >= half:
            raise Unreachable("it broke off")

    source.meet = meet
    source._chunk = max(1, half)
    with pytest.raises(Unreachable):
        pull(engine, NAME, None)
    assert_nothing_half_made(engine)
    assert engine.metadata.images() == []
    source.meet = lambda digest, offset: None
    source.fetched.clear()
    pull(engine, NAME, None)
    assert_whole(engine, image)
    assert (digest, half) in source.fetched


def test_whole_blobs_are_not_fetched_again(engine, source, image):
    last = image.layers[2].digest
    others = {layer.digest for layer in image.layers[:2]}
    here = threading.Event()
    told: set[str] = set()

    def meet(digest: str, offset: int) -> None:
        if digest == last:
            assert here.wait(PATIENCE)
            raise Unreachable("it broke off")

    class Watch(Heard):
        def layer(self, digest_short, state, current=0, total=0) -> None:
            if state == "Download complete":
                told.add(digest_short)
            if told == {digest[7:19] for digest in others}:
                here.set()

    source.meet = meet
    with pytest.raises(Unreachable):
        pull(engine, NAME, None, Watch())
    source.meet = lambda digest, offset: None
    source.fetched.clear()
    pull(engine, NAME, None)
    assert_whole(engine, image)
    assert [digest for digest, _ in layer_fetches(source, image)] == [last]


def test_ctrl_c_at_every_word(engine, source, image):
    """Interrupted where the caller hears anything: nothing half-made, and the next one goes on."""
    limit = 1
    while True:
        left = limit

        def at(word: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

        try:
            pull(engine, NAME, None, Heard(at))
        except KeyboardInterrupt:
            assert_nothing_half_made(engine)
            limit += 1
            continue
        break
    assert limit > 3
    pull(engine, NAME, None)
    assert_whole(engine, image)


def test_ctrl_c_leaves_no_thread_behind(engine, source, image):
    def at(word: str) -> None:
        if word == "Downloading" or word == "Verifying Checksum":
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        pull(engine, NAME, None, Heard(at))
    assert threading.active_count() == before


def test_what_a_killed_pull_left_is_no_obstacle(engine, source, image):
    ids = chain(image)
    storage = engine.storage()
    keys = [Layer(n, c, c, c).key for n, c in enumerate(ids)]
    storage.prepare(keys[0], None)
    if "independent-layers" in storage.capabilities:
        storage.prepare(keys[1], keys[0])
        storage.prepare(keys[2], keys[1])
    with open(f"{storage.layer_tree(keys[0]).path}/stale", "w", encoding="ascii") as file:
        file.write("half")
    pull(engine, NAME, None)
    assert_whole(engine, image)
    found = subprocess.run(["find", engine.root, "-name", "stale"], capture_output=True, check=True)
    assert found.stdout == b""


def test_a_damaged_document_here_is_taken_in_anew(engine, source, image):
    pull(engine, NAME, None)
    with open(engine.content.path(image.config.digest), "r+b") as file:
        file.write(b"damaged")
    assert not pull(engine, NAME, None).up_to_date
    assert_whole(engine, image)
