"""Answers without an end, of every kind: each is an error, after a bounded number of bytes."""

from __future__ import annotations

import gc
import json
import resource
import socket
import threading

import pytest
from plugrun.api import TransportError, host_platform
from plugrun_registry_http import referrers
from plugrun_registry_http.plugin import plugrun_open_registry

from tests.unit.registry_http.conftest import MANIFEST, Answer
from tests.unit.registry_http.test_referrers import PATH, SUBJECT, entry, index
from tests.unit.registry_http.test_stall import DESCRIPTOR, rough  # noqa: F401
from tests.unit.registry_http.test_tokens import asks_for_token

# urllib3 leaves the socket of an answer that it could not read to the collector of garbage.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

ENDLESS = Answer(body=b"x" * 65536, endless=True)


@pytest.fixture(autouse=True)
def bounded():
    """Nothing of what comes in is kept; 256 MiB are what a document and threads may take."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    gc.collect()  # no later test is told of what was left here
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 << 10


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500, 503])
def test_an_error(server, sample, open_transport, status):
    headers = {"WWW-Authenticate": 'Basic realm="x"'}
    endless = sample.answer(status=status, body=ENDLESS.body, headers=headers, endless=True)
    server.on(sample.manifest_path, endless)
    with pytest.raises(TransportError):
        open_transport(f"{server.host}/me/app:1", retries=1).resolve(host_platform())


def test_a_token(server, sample, open_transport):
    server.on("/token", ENDLESS)
    server.on(sample.manifest_path, sample.answer(status=401, headers=asks_for_token(server)))
    with pytest.raises(Exception, match="more than"):
        open_transport(f"{server.host}/me/app:1").resolve(host_platform())


def test_a_redirect_with_a_body(server, sample, open_transport):
    headers = {"Location": "/moved"}
    server.on(sample.manifest_path, Answer(307, ENDLESS.body, headers, endless=True))
    server.on("/moved", sample.answer())
    found = open_transport(f"{server.host}/me/app:1").resolve(host_platform())
    assert found.raw == sample.raw


def test_a_list_of_tags(server, open_transport):
    server.on("/v2/me/app/tags/list", ENDLESS)
    with pytest.raises(Exception, match="more than"):
        list(open_transport(f"{server.host}/me/app").list(host_platform()))


def test_a_search(server):
    server.on("/v1/search", ENDLESS)
    with pytest.raises(Exception, match="more than"):
        plugrun_open_registry(server.host, {}).search("x", 5)


def test_an_answer_to_an_upload(server, sample, open_transport):
    uploads = "/v2/me/app/blobs/uploads/"
    server.on(uploads, Answer(500, ENDLESS.body, endless=True))
    transport = open_transport(f"{server.host}/me/app:1", retries=1)
    with pytest.raises(TransportError):
        transport.put(sample.descriptor, lambda offset: iter((sample.blob[offset:],)))


def test_referrers_that_are_all_annotations(server, open_transport, monkeypatch):
    """Each page is within its limit, and together they are not."""
    monkeypatch.setattr(referrers, "_MOST_BYTES", 1 << 20)
    follow = {"Link": f'<{PATH}?n=2>; rel="next"'}
    page = index(entry("b", annotations={"a": "x" * 300_000}))
    server.on(PATH, Answer(body=page, headers=follow))
    with pytest.raises(TransportError, match=f"over {1 << 20} bytes"):
        open_transport(f"{server.host}/me/app:1", retries=1).referrers(SUBJECT)
    assert len(server.requests(PATH)) == 4


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"", b"x" * 65536),
        (b"HTTP/1.1 200 ", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n" * 5000),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 65536),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: 1\r\n" * 5000),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            (b"1;" + b"x" * 60_000 + b"\r\nx\r\n") * 20,
        ),
    ],
    ids=[
        "nothing",
        "status",
        "headers",
        "header",
        "chunk size",
        "continue",
        "hints",
        "trailers",
        "extensions",
    ],
)
def test_below_http(rough, open_transport, begin, piece):  # noqa: F811
    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(begin)
        while not over.is_set():
            connection.sendall(piece)

    server = rough(serve)
    transport = open_transport(f"{server.host}/me/app:1", timeout=2, retries=1)
    with pytest.raises(TransportError) as caught:
        list(transport.fetch(DESCRIPTOR))
    assert len(caught.value.message) < 1000


def test_a_manifest_of_a_million_empty_things(server, sample, open_transport):
    """What is small on the wire and large in memory: a document of nothing but lists."""
    body = json.dumps({"mediaType": MANIFEST, "x": [[]] * 900_000}).encode()
    assert len(body) < 4 << 20
    server.on(sample.manifest_path, sample.answer(body=body))
    found = open_transport(f"{server.host}/me/app:1").resolve(host_platform())
    assert found.raw == body
