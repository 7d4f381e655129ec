"""Pulls: what is asked for, and what is here then."""

from __future__ import annotations

import json
import os

import pytest
from plugrun.engine.images.pull import pull
from plugrun.errors import (
    Corrupt,
    NoMatchingPlatform,
)
from plugrun.model.descriptor import parse_platform

from tests.registry import Blob, make_image, make_index, tar_of
from tests.unit.engine.images.pulling import Heard
from tests.unit.engine.images.pulls.present import (
    NAME,
    TARS,
    assert_whole,
    blobs_of,
    layer_fetches,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


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
