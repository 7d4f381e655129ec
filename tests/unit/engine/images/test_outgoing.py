"""What goes out of the store: kept where it can be, recoded where it must be, always verified."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os

import pytest
import zstandard
from plugrun.engine.images.blobs import layer_blob
from plugrun.engine.images.outgoing import FOR_ARCHIVE, FOR_REGISTRY, Outgoing
from plugrun.engine.images.pull import pull
from plugrun.errors import DigestMismatch, NotFound
from plugrun.model.image import (
    CONFIG_DOCKER,
    CONFIG_OCI,
    LAYER_DOCKER,
    LAYER_GZIP,
    LAYER_TAR,
    LAYER_ZSTD,
    MANIFEST_DOCKER,
    MANIFEST_OCI,
)

from tests.registry import Blob, MadeImage, digest_of, make_image, tar_of
from tests.unit.engine.images.pulling import FullTrees, Source, TriedEngine

TARS = [tar_of({"etc/": b"", "etc/a": os.urandom(50_000)}), tar_of({"b": b"b"})]
NAME = "test/out:1"


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def engine(tmp_path, source):
    engine = TriedEngine(str(tmp_path), source, FullTrees)
    yield engine
    engine.close()


def with_types(image: MadeImage, layers, config=CONFIG_OCI, manifest=MANIFEST_OCI) -> MadeImage:
    """Return an image with other layers' blobs and media types; its config is the same bytes."""
    described = Blob(config, image.config.data)
    body = json.loads(image.manifest.data)
    body |= {
        "mediaType": manifest,
        "config": described.descriptor,
        "layers": [layer.descriptor for layer in layers],
        "annotations": {"kept": "yes"},
    }
    return dataclasses.replace(
        image,
        manifest=Blob(manifest, json.dumps(body).encode()),
        config=described,
        layers=tuple(layers),
    )


def going(engine, source, image, form, name=NAME):
    """Pull an image and return what goes out: manifest, its media type, and its blobs."""
    source.put(name, image)
    found = engine.metadata.image(pull(engine, name, None).image)
    with Outgoing(engine, found, form) as out:
        blobs = [(part.descriptor, b"".join(part.read(0))) for part in out.parts]
        diff_ids = [part.diff_id for part in out.layers]
    for descriptor, data in [*blobs, (out.descriptor, out.raw)]:
        assert (digest_of(data), len(data)) == (descriptor.digest, descriptor.size)
    body = json.loads(out.raw)
    assert [item["digest"] for item in (body["config"], *body["layers"])] == [
        descriptor.digest for descriptor, _ in blobs
    ]
    assert body["config"]["digest"] == found.id
    assert diff_ids == [digest_of(tar) for tar in TARS]
    return out, body, [data for _, data in blobs[1:]]


def types(body) -> list[str]:
    return [item["mediaType"] for item in body["layers"]]


@pytest.mark.parametrize("form", [FOR_ARCHIVE, FOR_REGISTRY])
def test_what_is_gzip_and_oci_goes_as_it_came(engine, source, form):
    image = make_image(TARS)
    out, _, layers = going(engine, source, image, form)
    assert out.raw == image.manifest.data
    assert layers == [blob.data for blob in image.layers]


def test_plain_layers_are_compressed_for_registries(engine, source):
    image = make_image(TARS, compress=False)
    sent = [going(engine, source, image, FOR_REGISTRY) for _ in range(2)]
    assert sent[0][0].raw == sent[1][0].raw
    assert types(sent[0][1]) == [LAYER_GZIP] * 2
    assert [gzip.decompress(data) for data in sent[0][2]] == TARS
    kept, body, layers = going(engine, source, image, FOR_ARCHIVE)
    assert kept.raw == image.manifest.data
    assert types(body) == [LAYER_TAR] * 2
    assert layers == TARS


def test_zstd_is_unpacked_for_archives(engine, source):
    layers = [Blob(LAYER_ZSTD, zstandard.compress(tar)) for tar in TARS]
    image = with_types(make_image(TARS), layers)
    kept, _, _ = going(engine, source, image, FOR_REGISTRY)
    assert kept.raw == image.manifest.data
    _, body, sent = going(engine, source, image, FOR_ARCHIVE)
    assert types(body) == [LAYER_TAR] * 2
    assert sent == TARS
    assert body["annotations"] == {"kept": "yes"}


def test_dockers_types_become_ocis_in_archives(engine, source):
    layers = [Blob(LAYER_DOCKER, gzip.compress(tar)) for tar in TARS]
    image = with_types(make_image(TARS), layers, CONFIG_DOCKER, MANIFEST_DOCKER)
    out, _, _ = going(engine, source, image, FOR_REGISTRY)
    assert (out.raw, out.descriptor.media_type) == (image.manifest.data, MANIFEST_DOCKER)
    out, body, sent = going(engine, source, image, FOR_ARCHIVE)
    assert out.descriptor.media_type == body["mediaType"] == MANIFEST_OCI
    assert body["config"]["mediaType"] == CONFIG_OCI
    assert types(body) == [LAYER_GZIP] * 2
    assert sent == [blob.data for blob in image.layers]


def test_plain_layers_of_docker_keep_dockers_types(engine, source):
    layers = [Blob(LAYER_DOCKER, tar) for tar in TARS]  # what calls itself gzip and is not
    image = with_types(make_image(TARS), layers, CONFIG_DOCKER, MANIFEST_DOCKER)
    out, body, sent = going(engine, source, image, FOR_REGISTRY)
    assert out.descriptor.media_type == MANIFEST_DOCKER
    assert types(body) == [LAYER_DOCKER] * 2
    assert [gzip.decompress(data) for data in sent] == TARS


def test_a_layer_that_another_image_brought_is_named_by_its_blob(engine, source):
    """The same layer, compressed otherwise: it is not fetched again, and goes out as it is."""
    first, tars = make_image(TARS), [*TARS]
    source.put("test/first:1", first)
    pull(engine, "test/first:1", None)
    layers = [Blob(LAYER_GZIP, gzip.compress(tar, 9, mtime=1)) for tar in tars]
    other = with_types(make_image(tars, {"Cmd": ["other"]}), layers)
    _, _, sent = going(engine, source, other, FOR_REGISTRY, "test/second:1")
    assert sent == [blob.data for blob in first.layers]


def test_a_layer_that_is_gone_is_named(engine, source):
    image = make_image(TARS)
    source.put(NAME, image)
    found = engine.metadata.image(pull(engine, NAME, None).image)
    engine.content.remove(image.layers[1].digest)
    assert layer_blob(engine, found, 1) == ""
    with (
        pytest.raises(NotFound, match=image.layers[1].digest),
        Outgoing(engine, found, FOR_ARCHIVE),
    ):
        pass


def test_a_damaged_blob_does_not_go_out(engine, source):
    image = make_image(TARS)
    source.put(NAME, image)
    found = engine.metadata.image(pull(engine, NAME, None).image)
    with open(engine.content.path(image.layers[0].digest), "r+b") as file:
        file.seek(100)
        file.write(b"damage")
    with Outgoing(engine, found, FOR_ARCHIVE) as out, pytest.raises(DigestMismatch):
        list(out.layers[0].read(0))
