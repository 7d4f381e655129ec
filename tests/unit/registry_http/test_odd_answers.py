"""Answers that no registry gives: an error of this project's, or what they say; no other error."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator

import pytest
from plugrun.api import PlugrunError, host_platform
from plugrun_registry_http import referrers, tags
from plugrun_registry_http.plugin import plugrun_open_registry

from tests.unit.registry_http.conftest import MANIFEST, Answer
from tests.unit.registry_http.test_referrers import PATH, SUBJECT

# urllib3 leaves the socket of an answer that it could not read to the collector of garbage.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

ESCAPE = "\x1b[31m"
KIND = {"Content-Type": MANIFEST}
DOCUMENT = b'{"schemaVersion":2,"tags":["x"],"manifests":[],"results":[]}'
LENGTHS = ("-5", "9" * 5000, "2, 5", "\u00b2", "0x2", "")
PLACES = (
    f"/{ESCAPE}x", f"http://x{ESCAPE}.invalid/", f"ftp://{ESCAPE}", "http://[::", "http://x:port/",
    "http://u:p@127.0.0.1:1/", "//", "http://", "http:///x", "http://127.0.0.1:99999/", "\u00e9",
    "http://" + "x" * 5000 + "/", "?", "#",
)  # fmt: skip

ODD = {
    **{f"Location {n}": Answer(307, b"", {"Location": to}) for n, to in enumerate(PLACES)},
    **{f"upload {n}": Answer(202, b"", {"Location": to}) for n, to in enumerate(PLACES)},
    **{
        f"Link {n}": Answer(200, DOCUMENT, {**KIND, "Link": f'<{to}>; rel="next"'})
        for n, to in enumerate(PLACES)
    },
    **{
        f"realm {n}": Answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{to}"'})
        for n, to in enumerate(PLACES)
    },
    **{
        f"Content-Length {n}": Answer(200, DOCUMENT, {**KIND, "Content-Length": size}, send=9)
        for n, size in enumerate(LENGTHS)
    },
    **{f"status {n}": Answer(n, b"x" * (n != 204)) for n in (204, 205, 304, 402, 451, 505, 999)},
    "302 to nowhere": Answer(302),
    "Retry-After that is huge": Answer(429, b"", {"Retry-After": "9" * 5000}),
    "Retry-After at the end of time": Answer(
        429, b"", {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}
    ),
    "Retry-After long ago": Answer(429, b"", {"Retry-After": "Thu, 1 Jan 1970 00:00:00 -9999"}),
    "error of escapes": Answer(
        418, json.dumps({"errors": [{"message": f"{ESCAPE}\n\r" + "x" * 9999}]}).encode()
    ),
    "error that is nested": Answer(418, b'{"errors":' + b"[" * 60_000),
    "errors that are none": Answer(418, b'{"errors":{"a":1}}'),
    "a type of escapes": Answer(200, DOCUMENT, {"Content-Type": f"text/{ESCAPE}"}),
    "a mediaType of escapes": Answer(200, json.dumps({"mediaType": ESCAPE}).encode(), KIND),
    "a digest of escapes": Answer(
        200, DOCUMENT, {**KIND, "Docker-Content-Digest": f"sha256:{ESCAPE}"}
    ),
    "an encoding of escapes": Answer(200, DOCUMENT, {**KIND, "Content-Encoding": ESCAPE}),
    "a part of many digits": Answer(
        206, DOCUMENT, {**KIND, "Content-Range": f"bytes {'9' * 5000}-/{'9' * 5000}"}
    ),
    "a range of many digits": Answer(
        202, b"", {"Location": "/v2/me/app/blobs/uploads/", "Range": f"0-{'9' * 5000}"}
    ),
    "a part of escapes": Answer(206, DOCUMENT, {**KIND, "Content-Range": f"bytes {ESCAPE}"}),
    "nested": Answer(200, b"[" * 100_000, KIND),
    "a number without end": Answer(200, b'{"tags":' + b"9" * 60_000 + b"}", KIND),
    "half a pair": Answer(200, b'{"tags":["\\ud800"],"mediaType":"\\ud800"}', KIND),
}


@pytest.fixture(autouse=True)
def given_up() -> Iterator[None]:
    """Collect what a test left here, so that no later test is told of it."""
    yield
    gc.collect()


@pytest.mark.parametrize("name", ODD)
def test_it_is_no_surprise(server, sample, open_transport, monkeypatch, name):
    for module in (tags, referrers):
        monkeypatch.setattr(module, "_MOST_PAGES", 3)
    for path in (
        sample.manifest_path,
        sample.blob_path,
        "/v2/me/app/tags/list",
        PATH,
        "/v2/me/app/blobs/uploads/",
        "/v1/search",
    ):
        server.on(path, ODD[name])
    transport = open_transport(f"{server.host}/me/app:1", retries=0, timeout=2)
    repository = open_transport(f"{server.host}/me/app", retries=0, timeout=2)
    registry = plugrun_open_registry(server.host, {"timeout": 2, "retries": 0})
    seen = 0
    for ask in (
        lambda: transport.resolve(host_platform()),
        lambda: list(transport.fetch(sample.descriptor)),
        lambda: list(repository.list(host_platform())),
        lambda: transport.referrers(SUBJECT),
        lambda: transport.put(sample.descriptor, lambda at: iter((sample.blob[at:],))),
        lambda: registry.search("x", 5),
    ):
        try:
            ask()
        except PlugrunError as error:
            seen += 1
            assert len(error.message) < 7000
    assert seen
