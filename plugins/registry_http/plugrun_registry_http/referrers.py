"""What refers to an image (distribution-spec 1.1, Listing Referrers): signatures, SBOMs …"""

from __future__ import annotations

from urllib.parse import urlencode

from plugrun.api import (
    Corrupt,
    Descriptor,
    ImageNotFound,
    InvalidArgument,
    Referrer,
    TransportError,
    loads,
    parse_digest,
    shown_url,
)

from plugrun_registry_http.client import Request, target, whole
from plugrun_registry_http.tags import NEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun_registry_http.client import Client
    from plugrun_registry_http.places import Place

_PAGE = 4 << 20
_MOST = 10_000
_MOST_PAGES = 100
# What all pages together may have: annotations are of any length, and all of them are kept.
_MOST_BYTES = 32 << 20
_INDEX = "application/vnd.oci.image.index.v1+json"


def referrers(client: Client, place: Place, path: str, digest: str, kind: str) -> list[Referrer]:
    """Return what refers to a manifest, of one artifact type or (with none) of all.

    A registry without this API keeps such an index under a tag made of the digest, or nothing.
    """
    repository = place.repository(path)
    query = f"?{urlencode({'artifactType': kind})}" if kind else ""
    scope = f"repository:{repository}:pull"
    first = f"{place.origin}/v2/{repository}/referrers/{digest}{query}"
    try:
        found = _pages(client, place, first, scope)
    except ImageNotFound:
        tag = f"{place.origin}/v2/{repository}/manifests/{digest.replace(':', '-')}"
        try:
            found = _pages(client, place, tag, scope)
        except ImageNotFound:
            found = []
    return [each for each in found if kind in ("", each.artifact_type)]


def _pages(client: Client, place: Place, url: str, scope: str) -> list[Referrer]:
    found: list[Referrer] = []
    read = 0
    for _ in range(_MOST_PAGES):
        answer = client.ask(Request("GET", url, place, scope, {"Accept": _INDEX}))
        follow = NEXT.search(answer.headers.get("Link", ""))
        body = whole(answer, _PAGE)
        found += _read(body, url)
        read += len(body)
        if read > _MOST_BYTES:
            raise TransportError(f"{place.origin} lists referrers in over {_MOST_BYTES} bytes")
        if len(found) > _MOST:
            raise TransportError(f"{place.origin} lists over {_MOST} referrers")
        if not follow:
            return found
        url = target(url, follow[1])
    raise TransportError(f"{place.origin} lists referrers without an end")


def _read(body: bytes, url: str) -> list[Referrer]:
    try:
        items = loads(body)["manifests"] or []
        return [_referrer(item) for item in items]
    except (ValueError, KeyError, TypeError, AttributeError, InvalidArgument):
        raise Corrupt(f"{shown_url(url)} is no index of referrers") from None


def _referrer(item: dict[str, Any]) -> Referrer:
    media_type, kind = item["mediaType"], item.get("artifactType") or ""
    notes = item.get("annotations") or {}
    texts = [media_type, kind, *notes, *notes.values()]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    manifest = Descriptor(media_type, parse_digest(item.get("digest")), item["size"])
    return Referrer(manifest, kind, tuple(sorted(notes.items())))
