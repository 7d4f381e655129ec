"""A registry in a thread, of a few lines, that stops where it is told, or sends other bytes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.registry import MadeImage

PATIENCE = 60


class HeldRegistry:
    """Serves images under any name. ``hold`` stops a blob after some bytes until ``go`` is set."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        self.held: dict[str, int] = {}
        self.reached, self.go = threading.Event(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def put(self, name: str, image: MadeImage, tag: str = "latest") -> str:
        for blob in (image.config, *image.layers):
            self.blobs[blob.digest] = blob.data
        for reference in (tag, image.manifest.digest):
            self.manifests[reference] = (image.manifest.media_type, image.manifest.data)
        return f"{self.host}/{name}:{tag}"

    def hold(self, digest: str, after: int) -> None:
        self.held[digest] = after
        self.reached.clear()
        self.go.clear()

    def release(self) -> None:
        self.held.clear()
        self.go.set()

    @contextlib.contextmanager
    def running(self) -> Iterator[HeldRegistry]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self.release()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                kind, _, reference = self.path.rpartition("/")
                registry.asked.append((reference, self.headers.get("Range", "")))
                if kind.endswith("/manifests") and reference in registry.manifests:
                    self._send(*registry.manifests[reference], reference)
                elif kind.endswith("/blobs") and reference in registry.blobs:
                    self._send("application/octet-stream", registry.blobs[reference], reference)
                else:
                    self.send_response(200 if self.path == "/v2/" else 404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def _send(self, kind: str, data: bytes, reference: str) -> None:
                start = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                if self.command == "HEAD":
                    return
                stop = registry.held.get(reference)
                with contextlib.suppress(ConnectionError):
                    if stop is not None and start < stop:
                        self.wfile.write(data[start:stop])
                        self.wfile.flush()
                        start = stop
                    if stop is not None:
                        registry.reached.set()
                        assert registry.go.wait(PATIENCE)
                    self.wfile.write(data[start:])

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
