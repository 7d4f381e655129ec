"""Manifests and indexes: fetched, bounded, and checked as far as the wire goes.

Source: distribution-spec 1.1, Pulling manifests. What the document says is the core's to read.
"""

from __future__ import annotations

import hashlib

from plugrun.api import (
    INDEXES,
    MANIFESTS,
    Corrupt,
    Descriptor,
    DigestMismatch,
    loads,
)

from plugrun_registry_http.client import said_of, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    import requests

    from plugrun_registry_http.client import Client
    from plugrun_registry_http.places import Place

LONGEST = 4 * 1024 * 1024
TYPES = INDEXES | MANIFESTS
ACCEPT = ", ".join(sorted(TYPES))

# What servers say that know nothing of manifests; the document must then speak for itself.
_GENERIC = frozenset(("", "application/json", "application/octet-stream", "text/plain"))
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"


def document(client: Client, place: Place, path: str, wanted: str) -> tuple[Descriptor, bytes]:
    """Return the manifest or index called ``wanted``, a tag or digest, as received."""
    repository = place.repository(path)
    answer = client.get(place, repository, f"manifests/{wanted}", {"Accept": ACCEPT})
    raw = whole(answer, LONGEST)
    digest = "sha256:" + hashlib.sha256(raw).hexdigest()
    _check_digest(answer, digest, wanted)
    return Descriptor(_media_type(answer, raw), digest, len(raw)), raw


def _check_digest(answer: requests.Response, digest: str, wanted: str) -> None:
    claimed = answer.headers.get("Docker-Content-Digest", "")
    if claimed.startswith("sha256:") and claimed != digest:
        raise DigestMismatch(f"{said_of(answer)} is said to be {claimed[:71]}, but is {digest}")
    if wanted.startswith("sha256:") and wanted != digest:
        raise DigestMismatch(f"{said_of(answer)} is {digest}")


def _media_type(answer: requests.Response, raw: bytes) -> str:
    header = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if header.startswith(_SCHEMA_1):
        raise Corrupt(
            f"{said_of(answer)} is an image of Docker's schema 1, which is no longer read",
            hint="have its publisher push it again with a tool of this decade",
        )
    if header not in TYPES and header not in _GENERIC:
        raise Corrupt(f"{said_of(answer)} is {header[:100]!r}, neither a manifest nor an index")
    inside = _media_type_inside(answer, raw)
    if header in TYPES and inside in ("", header):
        return header
    if header not in TYPES and inside in TYPES:
        return inside
    raise Corrupt(f"{said_of(answer)} comes as {header!r} but calls itself {inside[:100]!r}")


def _media_type_inside(answer: requests.Response, raw: bytes) -> str:
    try:
        value = loads(raw)
    except ValueError as error:
        raise Corrupt(f"{said_of(answer)} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Corrupt(f"{said_of(answer)} is not a JSON object")
    inside = value.get("mediaType", "")
    return inside if isinstance(inside, str) else repr(inside)
