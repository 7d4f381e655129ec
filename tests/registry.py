"""A real registry on this machine, and hand-made images to put into it."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import io
import json
import os
import select
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"

_PATIENCE = 30.0


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Blob:
    """Bytes with their media type; ``descriptor`` is its JSON form."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.data)

    @property
    def descriptor(self) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


@dataclass(frozen=True)
class MadeImage:
    """An image made by hand: its manifest, and the blobs it names."""

    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]


@dataclass(frozen=True)
class MadeIndex:
    """An index over images made by hand."""

    index: Blob
    images: tuple[MadeImage, ...] = field(default=())


def tar_of(files: Mapping[str, bytes], *, mode: int = 0o755) -> bytes:
    """Return a tar of regular files; a name that ends in ``/`` is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            info.mode, info.size = mode, len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def make_image(
    layers: Sequence[bytes],
    config: Mapping[str, object] | None = None,
    *,
    compress: bool = True,
    architecture: str = "amd64",
    variant: str = "",
) -> MadeImage:
    """Return an image of uncompressed layer tars; ``config`` is the config's ``config`` object."""
    document: dict[str, object] = {
        "os": "linux",
        "architecture": architecture,
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in layers]},
    }
    if variant:
        document["variant"] = variant
    described = Blob(CONFIG, json.dumps(document).encode())
    blobs = tuple(
        Blob(LAYER_GZIP, gzip.compress(tar, 1, mtime=0)) if compress else Blob(LAYER, tar)
        for tar in layers
    )
    return MadeImage(_manifest(described, blobs), described, blobs)


def _manifest(config: Blob, layers: Sequence[Blob]) -> Blob:
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor,
        "layers": [layer.descriptor for layer in layers],
    }
    return Blob(MANIFEST, json.dumps(document, indent=1).encode())


def make_index(entries: Sequence[tuple[MadeImage, Mapping[str, str]]]) -> MadeIndex:
    """Return an index; each image comes with its ``platform`` object."""
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {**image.manifest.descriptor, "platform": dict(platform)} for image, platform in entries
        ],
    }
    index = Blob(INDEX, json.dumps(document).encode())
    return MadeIndex(index, tuple(image for image, _ in entries))


class Registry:
    """A running registry; ``host`` is ``127.0.0.1:PORT``."""

    def __init__(self, host: str) -> None:
        self.host = host

    def push(self, name: str, image: MadeImage | MadeIndex, tag: str = "latest") -> str:
        """Push an image or index and return its reference, ``HOST/NAME:TAG``."""
        if isinstance(image, MadeIndex):
            for each in image.images:
                self._push_image(name, each, each.manifest.digest)
            self.put_manifest(name, tag, image.index)
        else:
            self._push_image(name, image, tag)
        return f"{self.host}/{name}:{tag}"

    def _push_image(self, name: str, image: MadeImage, tag: str) -> None:
        for blob in (image.config, *image.layers):
            self.put_blob(name, blob.data)
        self.put_manifest(name, tag, image.manifest)

    def put_blob(self, name: str, data: bytes) -> str:
        """Upload a blob in two requests (distribution-spec, POST then PUT)."""
        location = self._ask("POST", f"/v2/{name}/blobs/uploads/", b"", {}, 202)
        joint = "&" if "?" in location else "?"
        target = f"{location}{joint}digest={digest_of(data)}"
        kind = {"Content-Type": "application/octet-stream"}
        self._ask("PUT", target.replace(f"http://{self.host}", ""), data, kind, 201)
        return digest_of(data)

    def put_manifest(self, name: str, tag: str, document: Blob) -> None:
        """Upload a manifest or index under a tag or its digest."""
        kind = {"Content-Type": document.media_type}
        self._ask("PUT", f"/v2/{name}/manifests/{tag}", document.data, kind, 201)

    def _ask(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], wanted: int
    ) -> str:
        with contextlib.closing(http.client.HTTPConnection(self.host, timeout=60)) as connection:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == wanted, (method, path, answer.status, said)
            return answer.getheader("Location", "")


_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running_registry(
    folder: str, program: str = "docker-registry", more: str = ""
) -> Iterator[Registry]:
    """Run a registry that keeps its images in ``folder``; it ends with the block.

    ``more`` are lines of its configuration.
    """
    port = _free_port()
    config = os.path.join(folder, "config.yml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(_CONFIG.format(folder=os.path.join(folder, "images"), port=port) + more)
    with open(os.path.join(folder, "log"), "wb") as log:
        process = subprocess.Popen([program, "serve", config], stdout=log, stderr=log)
    try:
        _wait_until_it_listens(port, process)
        yield Registry(f"127.0.0.1:{port}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    gone = os.pidfd_open(process.pid)
    try:
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            ended, _, _ = select.select([gone], [], [], 0.02)
            if ended:
                break
    finally:
        os.close(gone)
    raise RuntimeError(f"the registry on port {port} did not come up (exit {process.poll()})")
