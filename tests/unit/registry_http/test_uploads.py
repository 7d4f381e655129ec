"""Pushes that go wrong on the way: taken up, begun anew, or told of; and to whom they speak."""

from __future__ import annotations

import json

import pytest
from plugrun.api import Descriptor, DigestMismatch, TransportError, Unauthorized, host_platform
from plugrun_registry_http import tags

from tests.unit.registry_http.conftest import Answer, digest_of

UPLOADS = "/v2/me/app/blobs/uploads/"
DATA = bytes(range(256)) * 8000
BLOB = Descriptor("application/octet-stream", digest_of(DATA), len(DATA))
CHUNK = 65536


def read(offset):
    return (DATA[i : i + CHUNK] for i in range(offset, len(DATA), CHUNK))


class Registry:
    """One upload, as a server sees it; ``breaks`` are how many bytes a PATCH gets to, by turn."""

    def __init__(self, server, breaks=(), forgets=False):
        self.data, self.begun, self.stored = b"", 0, {}
        self._breaks, self._forgets = list(breaks), forgets
        server.on(UPLOADS, self._begin)
        server.on(f"{UPLOADS}here", self._session)
        server.on(f"/v2/me/app/blobs/{BLOB.digest}", self._head)

    def _begin(self, asked):
        self.begun += 1
        self.data = b""
        return Answer(202, headers={"Location": f"{UPLOADS}here"})

    def _head(self, asked):
        return Answer(200 if BLOB.digest in self.stored else 404)

    def _session(self, asked):
        location = {"Location": f"{UPLOADS}here"}
        if asked.method == "GET":
            if self._forgets:
                return Answer(404)
            return Answer(204, headers={**location, "Range": f"0-{max(0, len(self.data) - 1)}"})
        if asked.method == "PATCH":
            start = int(asked.headers["content-range"].partition("-")[0])
            assert start == len(self.data)
            if self._breaks:
                self.data += asked.body[: self._breaks.pop(0)]
                return Answer(503)
            self.data += asked.body
            return Answer(202, headers=location)
        self.data += asked.body
        self.stored[asked.path.partition("digest=")[2].replace("%3A", ":")] = self.data
        return Answer(201)


def test_a_broken_upload_is_taken_up_where_it_stopped(server, open_transport):
    registry = Registry(server, breaks=(500_000, 700_000))
    open_transport(f"{server.host}/me/app").put(BLOB, read)
    assert registry.stored == {BLOB.digest: DATA}
    assert registry.begun == 1
    sent = [a for a in server.asked if a.method == "PATCH"]
    assert [a.headers["content-range"].partition("-")[0] for a in sent] == [
        "0", "500000", "1200000"
    ]  # fmt: skip


def test_an_upload_that_is_forgotten_begins_anew(server, open_transport):
    registry = Registry(server, breaks=(500_000,), forgets=True)
    open_transport(f"{server.host}/me/app").put(BLOB, read)
    assert registry.stored == {BLOB.digest: DATA}
    assert registry.begun == 2


def test_patience_ends(server, open_transport, pauses):
    Registry(server, breaks=(0,) * 20)
    with pytest.raises(TransportError, match="503"):
        open_transport(f"{server.host}/me/app", retries=3).put(BLOB, read)
    assert len(pauses.waits) == 3


def test_a_small_blob_goes_in_one_request(server, open_transport):
    registry = Registry(server)
    small = b"small"
    blob = Descriptor("application/octet-stream", digest_of(small), len(small))
    open_transport(f"{server.host}/me/app").put(blob, lambda offset: (small[offset:],))
    assert registry.stored == {blob.digest: small}
    assert [a.method for a in server.asked if a.path.startswith(UPLOADS)] == ["POST", "PUT"]


def test_credentials_stay_with_the_registry(server, other_server, open_transport, logged_in):
    """An upload that goes on at another host goes without them."""
    logged_in(server.host)
    wants = Answer(401, headers={"WWW-Authenticate": 'Basic realm="here"'})

    def begin(asked):
        if "authorization" not in asked.headers:
            return wants
        return Answer(202, headers={"Location": f"http://{other_server.host}/elsewhere"})

    server.on(UPLOADS, begin)
    other_server.on(
        "/elsewhere",
        lambda asked: Answer(
            201 if asked.method == "PUT" else 202,
            headers={"Location": f"http://{other_server.host}/elsewhere"},
        ),
    )
    open_transport(f"{server.host}/me/app").put(BLOB, read)
    shown = [a.headers.get("authorization") for a in server.requests(UPLOADS)]
    assert shown == [None, "Basic YWxpY2U6c2VjcmV0"]
    assert [a.method for a in other_server.asked] == ["PATCH", "PUT"]
    assert not any("authorization" in a.headers for a in other_server.asked)


def test_an_upload_without_a_place_is_an_error(server, open_transport):
    server.on(UPLOADS, Answer(202))
    with pytest.raises(TransportError, match="does not say where"):
        open_transport(f"{server.host}/me/app").put(BLOB, read)


def test_a_mount_that_is_refused_is_none(server, open_transport):
    def begin(asked):
        refused = "mount=" in asked.path
        return Answer(403 if refused else 202, headers={"Location": f"{UPLOADS}here"})

    server.on(UPLOADS, begin)
    transport = open_transport(f"{server.host}/me/app")
    near = [f"{server.host}/other/app:1", "elsewhere.example/other/app:1"]
    assert transport.mount(BLOB, near) == ""
    assert [a.path for a in server.requests(UPLOADS)] == [
        f"{UPLOADS}?mount={BLOB.digest.replace(':', '%3A')}&from=other%2Fapp"
    ]


def test_a_blob_that_lies_elsewhere_is_there(server, open_transport):
    server.on(
        f"/v2/me/app/blobs/{BLOB.digest}",
        Answer(307, headers={"Location": "http://storage.example/x"}),
    )
    assert open_transport(f"{server.host}/me/app").has(BLOB)


def test_a_manifest_stored_as_another_is_an_error(server, open_transport, sample):
    other = digest_of(b"another")
    server.on("/v2/me/app/manifests/1", Answer(201, headers={"Docker-Content-Digest": other}))
    transport = open_transport(f"{server.host}/me/app")
    with pytest.raises(DigestMismatch):
        transport.put_manifest(sample.manifest, sample.raw, [f"{server.host}/me/app:1"])


def test_refusals_say_the_registrys_words(server, open_transport, sample):
    said = {"errors": [{"code": "DENIED", "message": "not \x1b[31myours"}]}
    server.on("/v2/me/app/manifests/1", Answer(403, json.dumps(said).encode()))
    transport = open_transport(f"{server.host}/me/app")
    with pytest.raises(Unauthorized, match=r"not  \[31myours"):
        transport.put_manifest(sample.manifest, sample.raw, [f"{server.host}/me/app:1"])


# -- lists ------------------------------------------------------------------------------------


def listed(*tags):
    return json.dumps({"name": "me/app", "tags": list(tags)}).encode()


def test_tags_come_from_all_pages(server, open_transport, sample):
    def page(asked):
        if "last=b" in asked.path:
            return Answer(body=listed("c", "a"))
        return Answer(
            body=listed("a", "b"), headers={"Link": '</v2/me/app/tags/list?last=b>; rel="next"'}
        )

    server.on("/v2/me/app/tags/list", page)
    for tag in "abc":
        server.on(f"/v2/me/app/manifests/{tag}", sample.answer())
    transport = open_transport(f"{server.host}/me/app")
    names = [found.name for found in transport.list(host_platform())]
    assert names == [f"{server.host}/me/app:{tag}" for tag in "abc"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"tags": "a"}', b'{"tags": [1]}', b'{"x": 1}', listed("a", "b" * 129)],
)
def test_lists_that_are_none(server, open_transport, body):
    server.on("/v2/me/app/tags/list", Answer(body=body))
    with pytest.raises(Exception, match="no list of tags"):
        list(open_transport(f"{server.host}/me/app").list(host_platform()))


def test_a_list_without_end_is_ended(server, open_transport, monkeypatch):
    monkeypatch.setattr(tags, "_MOST_PAGES", 10)
    turns = iter(range(10_000))
    server.on(
        "/v2/me/app/tags/list",
        lambda asked: Answer(
            body=listed(f"t{next(turns)}"),
            headers={"Link": f'</v2/me/app/tags/list?last={next(turns)}>; rel="next"'},
        ),
    )
    with pytest.raises(TransportError, match="without an end"):
        list(open_transport(f"{server.host}/me/app").list(host_platform()))


def test_a_tag_that_is_none_is_refused(server, open_transport):
    server.on("/v2/me/app/tags/list", Answer(body=listed("../../evil")))
    with pytest.raises(Exception, match="invalid reference"):
        list(open_transport(f"{server.host}/me/app").list(host_platform()))
