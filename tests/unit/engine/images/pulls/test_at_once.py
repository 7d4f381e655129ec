"""Several pulls at once."""

from __future__ import annotations

import os
import threading

import pytest
from plugrun.engine.images.pull import pull
from plugrun.model.descriptor import parse_platform

from tests.registry import make_image, make_index, tar_of
from tests.unit.engine.images.pulling import Heard
from tests.unit.engine.images.pulls.present import (
    NAME,
    PATIENCE,
    TARS,
    assert_nothing_half_made,
    assert_whole,
    layer_fetches,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


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
