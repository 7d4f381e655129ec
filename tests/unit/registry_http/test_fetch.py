"""Blobs over connections that break, repeat, lie or never end."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor

import pytest
from plugrun.api import (
    Descriptor,
    DigestMismatch,
    ImageNotFound,
    InvalidArgument,
    TransportError,
    Unreachable,
    host_platform,
)


@pytest.fixture
def fetch(server, sample, open_transport):
    def fetch_it(offset=0, descriptor=None, **options):
        transport = open_transport(f"{server.host}/me/app:1", **options)
        return b"".join(transport.fetch(descriptor or sample.descriptor, offset))

    return fetch_it


def whole(sample, **changes):
    return sample.answer(**{"body": sample.blob, **changes})


def ranged(sample, **changes):
    """Answer a Range as it should be answered."""

    def answer(asked):
        start = int(asked.headers.get("range", "bytes=0-")[6:-1])
        size = len(sample.blob)
        headers = {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
        return sample.answer(status=206, body=sample.blob[start:], headers=headers, **changes)

    return answer


def test_a_blob_arrives(server, sample, fetch):
    server.on(sample.blob_path, whole(sample))
    assert fetch() == sample.blob
    assert "range" not in server.asked[0].headers


def test_a_cut_connection_is_taken_up_where_it_stopped(server, sample, fetch, pauses):
    server.on(sample.blob_path, whole(sample, send=300_000), ranged(sample))
    assert fetch() == sample.blob
    start = int(server.asked[1].headers["range"][6:-1])
    assert 0 < start <= 300_000
    assert len(pauses.waits) == 1


def test_a_server_that_starts_over_is_read_past_what_is_here(server, sample, fetch):
    server.on(sample.blob_path, whole(sample, send=300_000), whole(sample))
    assert fetch() == sample.blob
    assert "range" in server.asked[1].headers


@pytest.mark.parametrize("answer", [whole, lambda s: ranged(s)], ids=["200", "206"])
def test_an_offset_is_kept(server, sample, fetch, answer):
    server.on(sample.blob_path, answer(sample))
    assert fetch(700_001) == sample.blob[700_001:]
    assert server.asked[0].headers["range"] == "bytes=700001-"


def test_a_part_that_starts_earlier_is_skipped_into(server, sample, fetch):
    size = len(sample.blob)
    headers = {"Content-Range": f"bytes 10-{size - 1}/{size}"}
    server.on(sample.blob_path, whole(sample, status=206, body=sample.blob[10:], headers=headers))
    assert fetch(500) == sample.blob[500:]


@pytest.mark.parametrize("place", ["bytes 600-1023999/1024000", "bytes 500-9/77", "nonsense", ""])
def test_a_part_of_something_else_is_refused(server, sample, fetch, place):
    headers = {"Content-Range": place}
    server.on(sample.blob_path, whole(sample, status=206, headers=headers))
    with pytest.raises(DigestMismatch):
        fetch(500)


def test_an_answer_of_another_length_is_refused_before_its_bytes(server, sample, fetch):
    server.on(sample.blob_path, whole(sample, body=sample.blob + b"more"))
    with pytest.raises(DigestMismatch):
        fetch()
    server.on(sample.blob_path, whole(sample, body=sample.blob[:-1]))
    with pytest.raises(DigestMismatch):
        fetch()


@pytest.mark.parametrize("endless", [True, False])
def test_never_more_bytes_than_described(server, sample, open_transport, endless):
    body = sample.blob if endless else sample.blob + b"!"
    server.on(sample.blob_path, whole(sample, body=body, chunked=True, endless=endless))
    transport = open_transport(f"{server.host}/me/app:1")
    arrived = 0
    with pytest.raises(DigestMismatch, match="longer"):
        for chunk in transport.fetch(sample.descriptor):
            arrived += len(chunk)
    assert arrived <= len(sample.blob)


def test_a_chunked_blob_arrives(server, sample, fetch):
    server.on(sample.blob_path, whole(sample, chunked=True))
    assert fetch() == sample.blob


def test_a_blob_that_always_breaks_off_is_given_up(server, sample, fetch, pauses):
    server.on(sample.blob_path, whole(sample, send=1000))
    with pytest.raises(Unreachable, match="broke"):
        fetch(retries=2)
    assert len(server.asked) == 3
    assert len(pauses.waits) == 2


def test_progress_earns_new_retries(server, sample, fetch):
    def next_part(asked):
        return ranged(sample, send=300_000)(asked)

    server.on(sample.blob_path, *[next_part] * 9)
    assert fetch(retries=1) == sample.blob


def test_a_chunked_blob_that_ends_early_is_no_success(server, sample, fetch):
    server.on(sample.blob_path, whole(sample, body=sample.blob[:5000], chunked=True))
    with pytest.raises(Unreachable):
        fetch(retries=1)


def test_a_stalled_blob_is_taken_up_again(server, sample, fetch):
    server.on(sample.blob_path, whole(sample, send=262_144, stall=True), ranged(sample))
    assert fetch(timeout=0.3) == sample.blob
    assert len(server.asked) == 2


def test_a_registry_that_restarts_in_mid_pull_is_waited_for(server, sample, fetch, pauses):
    server.on(
        sample.blob_path, whole(sample, send=300_000), whole(sample, status=502), whole(sample)
    )
    assert fetch() == sample.blob
    assert len(pauses.waits) == 2


def test_an_encoding_is_not_undone(server, open_transport):
    from tests.unit.registry_http.conftest import Answer, digest_of

    body = gzip.compress(b"layer" * 1000)
    path = f"/v2/me/app/blobs/{digest_of(body)}"
    server.on(path, Answer(body=body, headers={"Content-Encoding": "gzip"}))
    transport = open_transport(f"{server.host}/me/app:1")
    blob = Descriptor("application/octet-stream", digest_of(body), len(body))
    assert b"".join(transport.fetch(blob)) == body


def test_a_manifest_comes_from_manifests(server, sample, fetch):
    server.on(f"/v2/me/app/manifests/{sample.manifest.digest}", sample.answer())
    assert fetch(descriptor=sample.manifest) == sample.raw


def test_foreign_layers_are_refused(server, fetch):
    for kind in (
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ):
        with pytest.raises(TransportError, match="foreign"):
            fetch(descriptor=Descriptor(kind, "sha256:" + "a" * 64, 10))
    assert server.asked == []


def test_a_blob_the_mirror_lacks_comes_from_the_registry(
    server, other_server, sample, open_transport
):
    other_server.on(sample.manifest_path, sample.answer())
    server.on(sample.blob_path, whole(sample))
    transport = open_transport(
        f"{server.host}/me/app:1", mirrors={server.host: [other_server.host]}
    )
    transport.resolve(host_platform())
    assert b"".join(transport.fetch(sample.descriptor)) == sample.blob


def test_a_mirror_that_breaks_off_is_continued_at_the_registry(
    server, other_server, sample, open_transport
):
    other_server.on(sample.blob_path, whole(sample, send=300_000), whole(sample, status=503))
    server.on(sample.blob_path, ranged(sample))
    mirrors = {server.host: [other_server.host]}
    transport = open_transport(f"{server.host}/me/app:1", mirrors=mirrors)
    assert b"".join(transport.fetch(sample.descriptor)) == sample.blob
    assert "range" in server.asked[0].headers


def test_a_missing_blob_is_not_found(server, fetch):
    with pytest.raises(ImageNotFound):
        fetch()


def test_offsets_outside_are_refused_before_anything_is_asked(server, sample, open_transport):
    transport = open_transport(f"{server.host}/me/app:1")
    with pytest.raises(InvalidArgument):
        transport.fetch(sample.descriptor, len(sample.blob) + 1)
    assert list(transport.fetch(sample.descriptor, len(sample.blob))) == []
    assert server.asked == []


def test_parallel_fetches(server, sample, open_transport):
    server.on(sample.blob_path, whole(sample))
    transport = open_transport(f"{server.host}/me/app:1")
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(lambda: b"".join(transport.fetch(sample.descriptor))) for _ in range(24)
        ]
        assert all(job.result() == sample.blob for job in jobs)
