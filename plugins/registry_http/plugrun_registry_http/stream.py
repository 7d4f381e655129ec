"""A blob's bytes, in order and exactly once, whatever the connection does.

A broken connection is taken up where it stopped (RFC 9110, section 14: Range); a server that
starts over from the beginning is read past what is here already.
"""

from __future__ import annotations

import re

from plugrun.api import DigestMismatch, InvalidArgument

from plugrun_registry_http.client import CHUNK, announced, read, said_of
from plugrun_registry_http.documents import ACCEPT, TYPES
from plugrun_registry_http.faults import Passing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests
    from plugrun.api import Descriptor

    from plugrun_registry_http.client import Client
    from plugrun_registry_http.places import Place

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]*/([0-9]{1,18}|\*)")


class Download:
    """One blob on its way in; ``position`` is how far it came."""

    def __init__(self, client: Client, path: str, descriptor: Descriptor, offset: int) -> None:
        if not 0 <= offset <= descriptor.size:
            raise InvalidArgument(f"{descriptor.digest} has no byte {offset}")
        self.position = offset
        self._client = client
        self._path = path
        self._blob = descriptor

    @property
    def is_done(self) -> bool:
        """Whether all bytes have been yielded."""
        return self.position >= self._blob.size

    def read_from(self, place: Place) -> Iterator[bytes]:
        """Yield the rest over one connection; raise Passing if it ends before the blob does."""
        with self._open(place) as answer:
            skip = self._surplus(answer)
            while not self.is_done:
                chunk = read(answer, min(CHUNK, skip or CHUNK))
                if not chunk:
                    raise Passing(f"{self._at(place)} broke off at byte {self.position}")
                skip, chunk = max(0, skip - len(chunk)), b"" if skip else chunk
                if self.position + len(chunk) > self._blob.size:
                    raise self._too_long(place)
                self.position += len(chunk)
                yield from (chunk,) if chunk else ()
            self._expect_end(answer, place)

    def _open(self, place: Place) -> requests.Response:
        kind = "manifests" if self._blob.media_type in TYPES else "blobs"
        headers = {"Accept": ACCEPT} if kind == "manifests" else {}
        if self.position:
            headers["Range"] = f"bytes={self.position}-"
        repository = place.repository(self._path)
        return self._client.get(place, repository, f"{kind}/{self._blob.digest}", headers)

    def _surplus(self, answer: requests.Response) -> int:
        """Return how many bytes come that are here already; raise if the sizes disagree."""
        start, total = _extent(answer)
        if total not in (-1, self._blob.size) or start > self.position:
            raise DigestMismatch(
                f"{said_of(answer)} has {total} bytes from {start}, "
                f"not {self._blob.size} from {self.position}"
            )
        return self.position - start

    def _expect_end(self, answer: requests.Response, place: Place) -> None:
        try:
            surplus = read(answer, 1)
        except Passing:
            return
        if surplus:
            raise self._too_long(place)

    def _too_long(self, place: Place) -> DigestMismatch:
        return DigestMismatch(f"{self._at(place)} is longer than its {self._blob.size} bytes")

    def _at(self, place: Place) -> str:
        return f"{self._blob.digest} from {place.origin}"


def _extent(answer: requests.Response) -> tuple[int, int]:
    """Return where a body starts and how long the whole is, -1 if that is not said."""
    if answer.status_code == 206:
        match = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
        if not match:
            raise DigestMismatch(f"{said_of(answer)} sends a part without its place")
        return int(match[1]), -1 if match[2] == "*" else int(match[2])
    return 0, announced(answer)
