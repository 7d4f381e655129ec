"""Images made of this machine's own programs, built when asked for."""

from __future__ import annotations

import hashlib
import os
import threading

from plugrun.api import (
    CONFIG_OCI,
    MANIFEST_OCI,
    OFFLINE,
    PULL,
    RESUME,
    Descriptor,
    ImageNotFound,
    InvalidArgument,
    NoMatchingPlatform,
    Probe,
    Resolved,
    TransportError,
    as_json,
    dumps,
    host_platform,
    platform_order,
    record,
)

from plugrun_host_programs.names import image_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

    from plugrun.api import Platform

_CHUNK = 1024 * 1024
_EPOCH = "1970-01-01T00:00:00Z"


@record
class _Built:
    """An image: its small documents by digest, and its layer in a temporary file."""

    manifest: Descriptor
    documents: dict[str, bytes]
    layer: Descriptor
    file: BinaryIO


class HostPrograms:
    """One image of named programs and the libraries they load."""

    capabilities = frozenset((PULL, RESUME, OFFLINE))

    def __init__(self, programs: tuple[str, ...]) -> None:
        self._programs = programs
        self._lock = threading.Lock()
        self._built: _Built | None = None

    def probe(self) -> Probe:
        """Say that it works: files are read, no program is run."""
        return Probe(True)

    def resolve(self, platform: Platform) -> Resolved:
        """Build the image, for this machine's platform and no other."""
        own = host_platform()
        if own not in platform_order(platform):
            raise NoMatchingPlatform(f"this machine's programs are for {own}, not for {platform}")
        built = self._image()
        name = str(image_reference(self._programs))
        raw = built.documents[built.manifest.digest]
        return Resolved(name, built.manifest, raw, "this machine's programs")

    def fetch(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Yield the layer, the config or the manifest."""
        if not 0 <= offset <= descriptor.size:
            raise InvalidArgument(f"{descriptor.digest} has no byte {offset}")
        built = self._image()
        if descriptor.digest == built.layer.digest:
            return _read(built.file, offset, built.layer.size)
        document = built.documents.get(descriptor.digest)
        if document is None:
            raise ImageNotFound(
                f"{descriptor.digest} is no part of host:{','.join(self._programs)}"
            )
        return iter((document[offset:],))

    def close(self) -> None:
        """Drop the temporary file."""
        with self._lock:
            built, self._built = self._built, None
        if built:
            built.file.close()

    def _image(self) -> _Built:
        with self._lock:
            if self._built is None:
                try:
                    self._built = _build(self._programs)
                except OSError as error:
                    raise TransportError(f"cannot read this machine's programs: {error}") from error
            return self._built


def _build(programs: tuple[str, ...]) -> _Built:
    from plugrun_host_programs.layer import gather, write_layer

    tree, paths = gather(programs)
    layer, file = write_layer(tree)
    config_raw = dumps(_config(programs, paths, layer)).encode()
    config = _described(CONFIG_OCI, config_raw)
    raw = dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_OCI,
            "config": _as_oci(config),
            "layers": [_as_oci(layer)],
        }
    ).encode()
    manifest = _described(MANIFEST_OCI, raw)
    return _Built(manifest, {manifest.digest: raw, config.digest: config_raw}, layer, file)


def _config(programs: tuple[str, ...], paths: tuple[str, ...], layer: Descriptor) -> dict[str, Any]:
    from plugrun_host_programs.tree import STANDARD_PATH

    standard = STANDARD_PATH.split(":")
    own = dict.fromkeys(os.path.dirname(path) for path in paths)
    search = ":".join((*standard, *(folder for folder in own if folder not in standard)))
    platform = {key: value for key, value in as_json(host_platform()).items() if value}
    return {
        **platform,
        "config": {
            "Cmd": ["sh" if "sh" in programs else programs[0]],
            "Env": [f"PATH={search}"],
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        "history": [{"created": _EPOCH, "created_by": f"host:{','.join(programs)}"}],
    }


def _described(media_type: str, raw: bytes) -> Descriptor:
    return Descriptor(media_type, "sha256:" + hashlib.sha256(raw).hexdigest(), len(raw))


def _as_oci(descriptor: Descriptor) -> dict[str, Any]:
    return {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }


def _read(file: BinaryIO, position: int, size: int) -> Iterator[bytes]:
    """Yield a file from a position; threads share the descriptor, so none of them seeks."""
    while position < size:
        chunk = os.pread(file.fileno(), min(_CHUNK, size - position), position)
        if not chunk:
            raise TransportError("the layer's temporary file has been cut short")
        position += len(chunk)
        yield chunk
