"""A server that answers what a test tells it to, right or wrong."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from plugrun.api import Descriptor
from plugrun_registry_http.plugin import plugrun_open_transport

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PATIENCE = 20


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Answer:
    """One answer. ``send``: how many bytes of the body really go out before the line is cut.

    ``stall``: after those bytes nothing more comes, and the line stays open. ``chunked``: the
    body goes out without a length, ``endless`` times over.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    send: int | None = None
    stall: bool = False
    chunked: bool = False
    endless: bool = False


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]
    method: str = "GET"
    body: bytes = b""


Reply = Answer | Callable[[Asked], Answer]


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what these tests are about."""


class Server:
    """Answers by path; of several answers to one path each but the last is given once."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, list[Reply]] = {}
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._http = _QuietServer(("127.0.0.1", 0), _handler(self))
        self.port = self._http.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def on(self, path: str, *answers: Reply) -> None:
        self.answers[path] = list(answers)

    def answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            path = asked.path.partition("?")[0]
            queue = self.answers.get(path) or [Answer(404)]
            reply = queue.pop(0) if len(queue) > 1 else queue[0]
        return reply if isinstance(reply, Answer) else reply(asked)

    def requests(self, path: str) -> list[Asked]:
        return [a for a in self.asked if a.path.partition("?")[0] == path]

    def close(self) -> None:
        self.over.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {k.lower(): v for k, v in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            asked = Asked(self.path, headers, self.command, body)
            answer = server.answer(asked)
            try:
                self._send(answer)
            except OSError:
                self.close_connection = True

        do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            framed = {"content-length", "transfer-encoding"} & {h.lower() for h in answer.headers}
            if answer.chunked or answer.endless:
                self.send_header("Transfer-Encoding", "chunked")
            elif not framed:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self._send_body(answer)

        def _send_body(self, answer: Answer) -> None:
            if self.command == "HEAD" or answer.status == 204:
                return
            if answer.chunked or answer.endless:
                chunk = b"%x\r\n%s\r\n" % (len(answer.body), answer.body)
                self.wfile.write(chunk)
                while answer.endless and not server.over.is_set():
                    self.wfile.write(chunk)
                self.wfile.write(b"0\r\n\r\n")
                return
            sent = answer.body if answer.send is None else answer.body[: answer.send]
            self.wfile.write(sent)
            if answer.stall:
                self.wfile.flush()
                server.over.wait(PATIENCE)
            self.close_connection = self.close_connection or answer.send is not None or answer.stall

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def other_server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@dataclass
class Pauses:
    """Stands for the clock: remembers each wait and takes no time."""

    waits: list[float] = field(default_factory=list)
    closed: bool = False

    def __call__(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return self.closed


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def open_transport(monkeypatch: pytest.MonkeyPatch, pauses: Pauses) -> Iterator[Callable]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    opened = []

    def open_one(address: str, **options: object):
        transport = plugrun_open_transport(address, {"timeout": PATIENCE, **options})
        assert transport is not None
        transport._pause = pauses
        opened.append(transport)
        return transport

    yield open_one
    for transport in opened:
        transport.close()


@dataclass(frozen=True)
class Sample:
    """A manifest and a blob, for a server to give out."""

    raw: bytes
    blob: bytes

    @property
    def manifest(self) -> Descriptor:
        return Descriptor(MANIFEST, digest_of(self.raw), len(self.raw))

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor("application/octet-stream", digest_of(self.blob), len(self.blob))

    @property
    def blob_path(self) -> str:
        return f"/v2/me/app/blobs/{digest_of(self.blob)}"

    manifest_path = "/v2/me/app/manifests/1"

    def answer(self, **changes: object) -> Answer:
        headers = {"Content-Type": MANIFEST, **changes.pop("headers", {})}
        return Answer(**{"body": self.raw, **changes}, headers=headers)


@pytest.fixture
def sample() -> Sample:
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": []}
    return Sample(json.dumps(document).encode(), bytes(range(256)) * 4000)


@pytest.fixture
def logged_in(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let Docker's configuration have alice's password for a server."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    def log_in(host: str) -> None:
        with open(f"{tmp_path}/config.json", "w", encoding="utf-8") as file:
            json.dump({"auths": {host: {"auth": "YWxpY2U6c2VjcmV0"}}}, file)

    return log_in
