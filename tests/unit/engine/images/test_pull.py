"""Pulls, over independent layers and over full trees: whole, or nothing, or gone on with."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import threading

import pytest
from plugrun.engine.images.layerwork import Layer
from plugrun.engine.images.manifests import chain_ids
from plugrun.engine.images.pull import pull
from plugrun.errors import (
    Corrupt,
    DigestMismatch,
    HostileArchive,
    ImageNotFound,
    NoMatchingPlatform,
    Unreachable,
)
from plugrun.model.descriptor import parse_platform
from plugrun_storage_overlay.storage import OverlayStorage

from tests.registry import Blob, MadeImage, digest_of, make_image, make_index, tar_of
from tests.unit.engine.images.pulling import FullTrees, Heard, Source, TriedEngine

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
PATIENCE = 60
NAME = "test/one:1"
TARS = (
    tar_of({"etc/": b"", "etc/one": b"1" * 30_000, "gone": b"x"}),
    tar_of({"etc/two": os.urandom(50_000), ".wh.gone": b""}),
    tar_of({"top": b"3"}),
)


@pytest.fixture
def source():
    return Source()


@pytest.fixture(params=[OverlayStorage, FullTrees], ids=["independent", "one by one"])
def engine(request, tmp_path, source):
    made = TriedEngine(str(tmp_path), source, request.param)
    yield made
    made.close()


@pytest.fixture
def image(source) -> MadeImage:
    made = make_image(TARS)
    source.put(NAME, made)
    return made


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


def test_a_pull(engine, source, image):
    heard = Heard()
    result = pull(engine, NAME, None, heard)
    assert result.image == image.config.digest
    assert result.name == f"docker.io/{NAME}"
    assert result.digest == image.manifest.digest
    assert not result.up_to_date
    assert_whole(engine, image)
    assert set(engine.content.walk()) == blobs_of(image)
    size = engine.metadata.image(image.config.digest).size
    assert size == 30_000 + 50_000 + 2
    assert heard.words[0] == ("resolved", "test/one", "1", image.manifest.digest)
    assert heard.words[-1] == ("done", False, NAME)
    for layer in image.layers:
        states = heard.states(layer.digest)
        assert states[0] == "Pulling fs layer"
        assert states[-1] == "Pull complete"
        kept = [s for s in states if s not in ("Downloading", "Extracting")]
        assert kept == [
            "Pulling fs layer",
            "Verifying Checksum",
            "Download complete",
            "Pull complete",
        ]


def test_again_costs_one_question(engine, source, image):
    pull(engine, NAME, None)
    source.fetched.clear()
    source.resolved = 0
    heard = Heard()
    assert pull(engine, NAME, None, heard).up_to_date
    assert (source.resolved, source.fetched) == (1, [])
    assert heard.states(image.layers[0].digest) == ["Already exists"]
    assert heard.words[-1] == ("done", True, NAME)


def test_by_digest(engine, source, image):
    text = f"test/one@{image.manifest.digest}"
    assert pull(engine, text, None).name == f"docker.io/{text}"
    assert engine.metadata.find_name(f"docker.io/{text}").image == image.config.digest


def test_by_the_digest_of_a_tag_that_is_here(engine, source, image):
    pull(engine, NAME, None)
    assert pull(engine, f"test/one@{image.manifest.digest}", None).up_to_date
    assert len(engine.metadata.image_names()) == 1


def test_a_moved_tag(engine, source, image):
    pull(engine, NAME, None)
    other = make_image([*TARS[:2], tar_of({"new": b"!"})])
    source.put(NAME, other)
    source.fetched.clear()
    heard = Heard()
    assert not pull(engine, NAME, None, heard).up_to_date
    assert_whole(engine, other)
    assert heard.states(image.layers[0].digest) == ["Already exists"]
    assert [digest for digest, _ in layer_fetches(source, other)] == [other.layers[2].digest]


def test_the_same_blob_twice_is_fetched_once(engine, source):
    made = make_image([TARS[0], TARS[1], TARS[0]])
    pull(engine, source.put(NAME, made), None)
    assert_whole(engine, made)
    assert len(layer_fetches(source, made)) == 2


def test_no_layers(engine, source):
    made = make_image([])
    assert not pull(engine, source.put(NAME, made), None).up_to_date
    assert_whole(engine, made)
    assert pull(engine, NAME, None).up_to_date


def test_plain_layers(engine, source):
    made = make_image(TARS, compress=False)
    pull(engine, source.put(NAME, made), None)
    assert_whole(engine, made)


# -- platforms --------------------------------------------------------------------------------


def test_platforms(engine, source):
    one = make_image(TARS[:1], architecture="amd64")
    other = make_image(TARS[1:2], architecture="arm", variant="v6")
    platforms = [(one, "amd64", ""), (other, "arm", "v6")]
    index = make_index(
        [
            (i, {"os": "linux", "architecture": a, **({"variant": v} if v else {})})
            for i, a, v in platforms
        ]
    )
    source.put(NAME, index)
    result = pull(engine, NAME, parse_platform("linux/arm/v7"))
    assert result.image == other.config.digest
    assert result.digest == index.index.digest
    assert_whole(engine, other)
    assert pull(engine, NAME, parse_platform("linux/amd64")).image == one.config.digest
    with pytest.raises(NoMatchingPlatform) as caught:
        pull(engine, NAME, parse_platform("linux/s390x"))
    assert "linux/amd64, linux/arm/v6" in caught.value.hint


@pytest.mark.parametrize("deep", [3, 4])
def test_indexes_within_indexes(engine, source, deep):
    image = make_image(TARS[:1])
    top = make_index([(image, {"os": "linux", "architecture": "amd64"})])
    source.put(NAME, top)
    blob = top.index
    for _ in range(deep - 1):
        body = {"schemaVersion": 2, "manifests": [blob.descriptor]}
        blob = Blob(blob.media_type, json.dumps(body).encode())
        source.blobs[blob.digest] = blob.data
    source.documents[f"docker.io/{NAME}"] = blob
    if deep > 3:
        with pytest.raises(Corrupt, match="more than 3 deep"):
            pull(engine, NAME, None)
        return
    assert pull(engine, NAME, parse_platform("linux/amd64")).image == image.config.digest
    assert_whole(engine, image)


def test_an_image_without_index_for_another_platform(engine, source):
    made = make_image(TARS[:1], architecture="arm64")
    source.put(NAME, made)
    with pytest.raises(NoMatchingPlatform, match="wanted linux/s390x, actual: linux/arm64"):
        pull(engine, NAME, parse_platform("linux/s390x"))
    # Nobody asked for a platform: it is taken, as Docker does.
    assert pull(engine, NAME, None).image == made.config.digest


# -- failures ---------------------------------------------------------------------------------


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
    with pytest.raises(HostileArchive, match="no honest archive"):
        pull(engine, NAME, None)
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


# -- several at once --------------------------------------------------------------------------


def pull_at_once(engine, *wanted) -> list[Exception]:
    """Pull (name, platform) at once, each by an engine of its own; return what went wrong.

    Nobody fetches a layer before all have resolved their image.
    """
    errors: list[Exception] = []
    all_resolved = threading.Barrier(len(wanted))

    def at(word: str) -> None:
        if word == "resolved":
            all_resolved.wait(PATIENCE)

    def work(name: str, platform: str | None) -> None:
        own = engine.again()
        try:
            pull(own, name, parse_platform(platform) if platform else None, Heard(at))
        except Exception as error:  # noqa: BLE001  (any is a failure)
            errors.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=work, args=args) for args in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    return errors


def test_two_pulls_at_once_fetch_each_blob_once(engine, source, image):
    assert pull_at_once(engine, (NAME, None), (NAME, None)) == []
    assert_whole(engine, image)
    fetched = sorted(digest for digest, _ in layer_fetches(source, image))
    assert fetched == sorted(blob.digest for blob in image.layers)


def test_two_images_that_share_layers_at_once(engine, source, image):
    other = make_image([*TARS[:2], tar_of({"other": b"!"})])
    source.put("test/other:1", other)
    assert pull_at_once(engine, (NAME, None), ("test/other:1", None)) == []
    assert_whole(engine, image)
    assert_whole(engine, other, "test/other:1")
    fetched = [digest for digest, _ in source.fetched]
    for layer in (*image.layers, *other.layers):
        assert fetched.count(layer.digest) == 1


def test_one_index_and_two_platforms_at_once(engine, source):
    names = ("amd64", "arm64")
    made = [make_image([tar_of({name: b"x"})], architecture=name) for name in names]
    platforms = [{"os": "linux", "architecture": name} for name in names]
    source.put(NAME, make_index(list(zip(made, platforms, strict=True))))
    assert pull_at_once(engine, (NAME, "linux/amd64"), (NAME, "linux/arm64")) == []
    assert {image.id for image in engine.metadata.images()} == {m.config.digest for m in made}
    assert_nothing_half_made(engine)
