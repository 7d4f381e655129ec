"""``import URL`` and ``ADD URL``: answers without an end, redirects, and passwords in addresses."""

from __future__ import annotations

import contextlib
import gc
import resource
import socket
import threading
from base64 import b64decode

import pytest
from plugrun.engine.images.webfile import web_pieces
from plugrun.errors import PlugrunError, TransportError, Unreachable

from tests.unit.registry_http.conftest import Answer, Server
from tests.unit.registry_http.test_stall import Rough

# urllib3 leaves the socket of an answer that it could not read to the collector of garbage.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.timeout(60),  # what is read without an end is not waited for
]

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MOVED = b"HTTP/1.1 302 Found\r\nLocation: /b\r\n"
LOST = "s3cr3t"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    monkeypatch.setenv("PLUGRUN_HTTP_STALL_TIMEOUT", "5")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    yield
    gc.collect()  # no later test is told of what was left here


@pytest.fixture(name="server")
def started():
    with contextlib.closing(Server()) as server:
        yield server


@pytest.fixture
def other():
    with contextlib.closing(Server()) as server:
        yield server


@pytest.fixture
def bounded():
    """Nothing of what comes in is kept."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 128 << 10


def fetched(url):
    return b"".join(web_pieces(url))


def password_of(asked):
    header = asked.headers.get("authorization", "")
    return b64decode(header.removeprefix("Basic ")).decode() if header else ""


# -- without an end -------------------------------------------------------------------------------


def test_a_redirects_body_is_not_read(server, bounded):
    server.on("/a", Answer(302, b"x" * 65536, {"Location": "/b"}, endless=True))
    server.on("/b", Answer(body=b"file"))
    assert fetched(f"http://{server.host}/a") == b"file"


def test_an_errors_body_is_not_read(server, bounded):
    server.on("/a", Answer(404, b"x" * 65536, endless=True))
    with pytest.raises(TransportError, match="404"):
        fetched(f"http://{server.host}/a")


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (CHUNKED + b"0\r\n", b"X: 1\r\n" * 5000),
        (CHUNKED + b"0\r\nX: ", b"x" * 65536),
        (CHUNKED, b"0" * 65536),
        (CHUNKED + b"1;", b"x" * 65536),
        (CHUNKED, (b"1;" + b"x" * 60_000 + b"\r\nx\r\n") * 20),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536),
        (MOVED, b"X-More: 1\r\n" * 5000),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n" * 5000),
        (b"", b"x" * 65536),
    ],
    ids=[
        "trailers",
        "trailer",
        "chunk size",
        "extension",
        "extensions",
        "continue",
        "header",
        "headers of a redirect",
        "headers",
        "nothing",
    ],
)
def test_what_is_beside_the_body_is_bounded(begin, piece, bounded):
    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(begin)
        while not over.is_set():
            connection.sendall(piece)

    with contextlib.closing(Rough(serve)) as server, pytest.raises(Unreachable) as caught:
        fetched(f"http://{server.host}/a")
    assert len(caught.value.message) < 1000


def test_redirects_in_a_ring(server):
    server.on("/a", Answer(302, headers={"Location": "/b"}))
    server.on("/b", Answer(302, headers={"Location": "/a"}))
    with pytest.raises(TransportError, match="/a redirects more than 10 times"):
        fetched(f"http://{server.host}/a?x=1")


def test_the_headers_of_a_proxys_answer_are_bounded(monkeypatch):
    """To CONNECT, which is answered before there is a server at all."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not over.is_set():
            connection.sendall(b"X-More: 1\r\n" * 5000)

    with contextlib.closing(Rough(serve)) as server:
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("https_proxy", f"http://{server.host}")
        with pytest.raises(Unreachable, match=r"nonesuch\.invalid"):
            fetched("https://nonesuch.invalid/a")


# -- where redirects lead -------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher:x"])
def test_a_redirect_off_the_web(server, place):
    server.on("/a", Answer(302, headers={"Location": place}))
    with pytest.raises(TransportError, match="which is not on the web"):
        fetched(f"http://{server.host}/a")


@pytest.mark.parametrize("status", [206, 300, 304, 305, 404, 503])
def test_an_answer_that_is_no_file(server, status):
    server.on("/a", Answer(status, b"" if status == 304 else b"x"))
    with pytest.raises(TransportError, match=f"/a: {status}"):
        fetched(f"http://{server.host}/a")


def test_a_password_is_for_the_server_it_was_given_for(server, other):
    server.on("/a", Answer(302, headers={"Location": "/b"}))
    server.on("/b", Answer(302, headers={"Location": f"http://{other.host}/c"}))
    other.on("/c", Answer(302, headers={"Location": f"http://{server.host}/d"}))
    server.on("/d", Answer(body=b"file"))
    assert fetched(f"http://me:s%C3%A9%2Fcret@{server.host}/a") == b"file"
    assert [(a.path, password_of(a)) for a in server.asked] == [
        ("/a", "me:s\u00e9/cret"),
        ("/b", "me:s\u00e9/cret"),
        ("/d", ""),
    ]
    assert [password_of(a) for a in other.asked] == [""]


def test_passwords_of_other_programs_are_not_sent(server, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    server.on("/a", Answer(body=b"file"))
    assert fetched(f"http://{server.host}/a") == b"file"
    assert "authorization" not in server.asked[0].headers


def test_the_file_itself_is_asked_for(server):
    """And not a compressed form of it, which would be kept as the file."""
    server.on("/a", Answer(body=b"file"))
    assert fetched(f"http://{server.host}/a") == b"file"
    assert server.asked[0].headers["accept-encoding"] == "identity"


def test_a_length_beside_chunks_says_nothing(server):
    server.on("/a", Answer(body=b"file", headers={"Content-Length": "1"}, chunked=True))
    assert fetched(f"http://{server.host}/a") == b"file"


# -- passwords in addresses -----------------------------------------------------------------------

ODD = (
    f"https://me:{LOST}@[::",
    f"https://me:{LOST}@",
    f"https://me:{LOST}@:80/x",
    f"https://me:{LOST}@127.0.0.1:port/",
    f"https://me:{LOST}@127.0.0.1:99999/",
    f"http://me:/{LOST}@127.0.0.1:1/",
    f"http://me:?{LOST}@127.0.0.1:1/",
    f"http://me:[{LOST}@127.0.0.1:1/",
    f"http://me:{LOST}@127.0.0.1:1/\u2100",
    f"http://me:{LOST}@\u2100.invalid/",
    f"http://me:{LOST}\u20ac@127.0.0.1:1/",
    f"http://me:{LOST}\r\n@127.0.0.1:1/",
    f"http://me:{LOST}@*.invalid/",
    f"http://me:{LOST}@x..y/",
    f"http://me:{LOST}@{'x' * 300}.invalid/",
    f"http://127.0.0.1:1/?{LOST}",
    f"http://127.0.0.1:1/#{LOST}",
)


@pytest.mark.parametrize("url", ODD)
def test_no_error_shows_a_password(url):
    with pytest.raises(PlugrunError) as caught:
        fetched(url)
    assert LOST not in f"{caught.value} {caught.value.hint}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("url", ODD)
def test_no_error_shows_a_password_that_a_redirect_names(server, url):
    place = url.encode("latin-1", "replace").decode("latin-1").replace("\r\n", "")
    server.on("/a", Answer(302, headers={"Location": place}))
    with pytest.raises(PlugrunError) as caught:
        fetched(f"http://{server.host}/a")
    assert LOST not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("proxy", [f"http://me:{LOST}@[::", f"me:{LOST}@127.0.0.1:port", "http://"])
def test_a_proxy_that_is_no_address(monkeypatch, proxy):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(Unreachable) as caught:
        fetched("http://nonesuch.invalid/x")
    assert "nonesuch.invalid/x through the proxy" in caught.value.message
    assert "HTTP_PROXY" in caught.value.hint
    assert LOST not in f"{caught.value} {caught.value.hint}"
