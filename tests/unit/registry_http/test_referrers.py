"""Referrers and deletion, as the distribution-spec has them, right and wrong."""

from __future__ import annotations

import json

import pytest
from plugrun.api import (
    REPOSITORY,
    Corrupt,
    ImageNotFound,
    InvalidArgument,
    Referrer,
    TransportError,
    Unauthorized,
)
from plugrun_registry_http import referrers as module

from tests.unit.registry_http.conftest import MANIFEST, Answer

SUBJECT = "sha256:" + "a" * 64
PATH = f"/v2/me/app/referrers/{SUBJECT}"
TAG = f"/v2/me/app/manifests/sha256-{'a' * 64}"


def entry(letter: str, kind: str = "sbom", **more: object) -> dict[str, object]:
    digest = "sha256:" + letter * 64
    return {"mediaType": MANIFEST, "digest": digest, "size": 7, "artifactType": kind, **more}


def index(*entries: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": list(entries)}).encode()


@pytest.fixture
def transport(server, open_transport):
    opened = open_transport(f"{server.host}/me/app:1", retries=1)
    assert REPOSITORY in opened.capabilities
    return opened


def test_what_refers_is_listed(server, transport):
    notes = {"org.example.by": "me"}
    server.on(PATH, Answer(body=index(entry("b", annotations=notes), entry("c", "signature"))))
    found = transport.referrers(SUBJECT)
    assert all(isinstance(each, Referrer) for each in found)
    assert [each.manifest.digest[7] for each in found] == ["b", "c"]
    assert found[0].annotations == (("org.example.by", "me"),)


def test_a_type_is_asked_for_and_looked_at(server, transport):
    """A registry may pass over the filter."""
    server.on(PATH, Answer(body=index(entry("b"), entry("c", "signature"))))
    assert [r.artifact_type for r in transport.referrers(SUBJECT, "signature")] == ["signature"]
    assert server.asked[-1].path.endswith("?artifactType=signature")


def test_pages_are_followed_and_end(server, transport, monkeypatch):
    follow = {"Link": f'<{PATH}?n=2>; rel="next"'}
    server.on(PATH, Answer(body=index(entry("b")), headers=follow), Answer(body=index(entry("c"))))
    assert len(transport.referrers(SUBJECT)) == 2
    server.on(PATH, Answer(body=index(entry("b")), headers=follow))
    with pytest.raises(TransportError, match="without an end"):
        transport.referrers(SUBJECT)
    monkeypatch.setattr(module, "_MOST", 5)
    with pytest.raises(TransportError, match="over 5"):
        transport.referrers(SUBJECT)


def test_a_registry_without_the_list_has_a_tag(server, transport):
    assert transport.referrers(SUBJECT) == []
    server.on(TAG, Answer(body=index(entry("d")), headers={"Content-Type": "application/json"}))
    assert [each.manifest.digest[7] for each in transport.referrers(SUBJECT)] == ["d"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"manifests": 1}',
        b'{"manifests": [1]}',
        b"[" * 100_000,
        b"\xff\xfe",
        index({"mediaType": MANIFEST, "digest": "sha256:../..", "size": 1}),
        index(entry("b", size=-1)),
        index(entry("b", size="1")),
        index(entry("b", annotations=[1])),
        index(entry("b", annotations={"a": 1})),
        index(entry("b", artifactType=3)),
    ],
)
def test_lists_that_are_none(server, transport, body):
    server.on(PATH, Answer(body=body))
    with pytest.raises(Corrupt, match="referrers"):
        transport.referrers(SUBJECT)


def test_an_endless_list(server, transport):
    server.on(PATH, Answer(body=b" " * 65536, endless=True))
    with pytest.raises(Corrupt, match="more than"):
        transport.referrers(SUBJECT)


@pytest.mark.parametrize("wanted", ["1", SUBJECT])
def test_deletion(server, transport, wanted):
    server.on(f"/v2/me/app/manifests/{wanted}", Answer(202))
    transport.delete(wanted)
    assert [asked.method for asked in server.asked if "manifests" in asked.path] == ["DELETE"]


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, ImageNotFound), (403, Unauthorized), (405, InvalidArgument), (400, InvalidArgument)],
)
def test_a_refused_deletion(server, transport, status, error):
    body = json.dumps({"errors": [{"code": "UNSUPPORTED", "message": "no \x1b[31mtags"}]})
    server.on("/v2/me/app/manifests/1", Answer(status, body.encode()))
    with pytest.raises(error) as caught:
        transport.delete("1")
    assert caught.value.message.isprintable()
