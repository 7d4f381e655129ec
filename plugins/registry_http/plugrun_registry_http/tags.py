"""The tags of a repository (distribution-spec 1.1, Listing Tags)."""

from __future__ import annotations

import re

from plugrun.api import Corrupt, TransportError, loads, shown_url

from plugrun_registry_http.client import Request, target, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun_registry_http.client import Client
    from plugrun_registry_http.places import Place

_PAGE = 4 << 20
_MOST_PAGES = 1000
_MOST_TAGS = 100_000
# What a tag may have (distribution-spec 1.1, Pulling manifests); longer ones would add up.
_LONGEST = 128
NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')


def all_tags(client: Client, place: Place, path: str) -> list[str]:
    """Return the tags in the registry's order, from all pages; bounded."""
    repository = place.repository(path)
    url: str = f"{place.origin}/v2/{repository}/tags/list"
    found: dict[str, None] = {}
    for _ in range(_MOST_PAGES):
        answer = client.ask(Request("GET", url, place, f"repository:{repository}:pull"))
        follow = NEXT.search(answer.headers.get("Link", ""))
        found.update(dict.fromkeys(_tags(whole(answer, _PAGE), url)))
        if len(found) > _MOST_TAGS:
            raise TransportError(f"{place.origin} lists over {_MOST_TAGS} tags of {repository}")
        if not follow:
            return list(found)
        url = target(url, follow[1])
    raise TransportError(f"{place.origin} lists tags of {repository} without an end")


def _tags(body: bytes, url: str) -> list[str]:
    try:
        found = loads(body)["tags"]
    except (ValueError, KeyError, TypeError):
        raise Corrupt(f"{shown_url(url)} is no list of tags") from None
    if found is None:
        return []
    if not isinstance(found, list) or not all(
        isinstance(tag, str) and len(tag) <= _LONGEST for tag in found
    ):
        raise Corrupt(f"{shown_url(url)} is no list of tags")
    return found
