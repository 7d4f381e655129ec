"""Blobs and manifests on their way to a registry (distribution-spec 1.1, Push).

A small blob goes in one request; a larger one in a PATCH that is taken up where it broke off, as
the registry tells.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

from plugrun.api import (
    INDEXES,
    DigestMismatch,
    ImageNotFound,
    InvalidArgument,
    TransportError,
    Unauthorized,
    Unreachable,
    parse_reference,
)

from plugrun_registry_http.client import Body, Request, said_of, target
from plugrun_registry_http.faults import Passing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import requests
    from plugrun.api import Descriptor, Reference

    from plugrun_registry_http.client import Client
    from plugrun_registry_http.patience import Patience
    from plugrun_registry_http.places import Place

    Read = Callable[[int], Iterable[bytes]]

_SMALL = 1 << 20
_PROGRESS = 64 * 1024
_OCTETS = "application/octet-stream"
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")


class Uploads:
    """The repository of one address, at the first of its places that answers."""

    def __init__(
        self,
        client: Client,
        reference: Reference,
        places: tuple[Place, ...],
        patience: Callable[[], Patience],
    ) -> None:
        self._client = client
        self._reference = reference
        self._places = places
        self._patience = patience

    def has(self, blob: Descriptor) -> bool:
        """Whether the repository has a blob or manifest."""
        kind = "manifests" if blob.media_type in INDEXES else "blobs"
        # A registry that sends the asker elsewhere for the bytes has them.
        fine = (200, 301, 302, 303, 307, 308)
        try:
            self._ask("HEAD", f"{kind}/{blob.digest}", fine=fine).close()
        except ImageNotFound:
            return False
        return True

    def mount(self, blob: Descriptor, repositories: Iterable[str]) -> str:
        """Ask for a blob out of other repositories, one after another."""
        for name in repositories:
            other = parse_reference(name, default_tag="")
            if other.host != self._reference.host or other.path == self._reference.path:
                continue
            if self._mounted(blob, other):
                return name
        return ""

    def _mounted(self, blob: Descriptor, other: Reference) -> bool:
        query = urlencode({"mount": blob.digest, "from": other.path})
        scope = f"{self._scope} repository:{other.path}:pull"
        try:
            answer = self._ask("POST", f"blobs/uploads/?{query}", fine=(201, 202), scope=scope)
        except (Unauthorized, ImageNotFound):
            return False  # that repository is not for us: the bytes go over the wire
        answer.close()
        if answer.status_code == 201:
            return True
        self._cancel(self._location(answer))
        return False

    def put(self, blob: Descriptor, read: Read) -> None:
        """Send a blob; passing failures are tried again, from where the registry has got to."""
        patience, failures = self._patience(), 0
        upload = _Upload(blob, read)
        while True:
            start = upload.position
            try:
                self._send(upload)
            except Passing as error:
                failures = 1 if upload.position - start >= _PROGRESS else failures + 1
                patience.wait(failures, error)
            else:
                return

    def _send(self, upload: _Upload) -> None:
        if upload.location:
            self._take_up(upload)
        if not upload.location:
            with self._ask("POST", "blobs/uploads/", fine=(202,)) as answer:
                upload.begin(self._location(answer))
        blob = upload.blob
        if blob.size > _SMALL and upload.position < blob.size:
            headers = {
                "Content-Type": _OCTETS,
                "Content-Range": f"{upload.position}-{blob.size - 1}",
            }
            with self._ask("PATCH", upload.location, headers, upload.body(), fine=(202,)) as answer:
                upload.location = self._location(answer)
        rest = upload.body() if upload.position < blob.size else None
        target = _with_digest(upload.location, blob.digest)
        with self._ask("PUT", target, {"Content-Type": _OCTETS}, rest, fine=(201, 204)):
            return

    def _take_up(self, upload: _Upload) -> None:
        """Find out how much has arrived; begin anew if the registry has forgotten it."""
        try:
            with self._ask("GET", upload.location, fine=(204,)) as answer:
                match = _RANGE.fullmatch(answer.headers.get("Range", ""))
                moved = answer.headers.get("Location")
                place = self._location(answer) if moved else upload.location
        except (ImageNotFound, Unauthorized, TransportError) as error:
            if isinstance(error, Unreachable):
                raise
            upload.begin("")
            return
        # "0-0" is what registries say of nothing, and of one byte.
        arrived = int(match[1]) + 1 if match and match[1] != "0" else 0
        if arrived > upload.blob.size:
            upload.begin("")
            return
        upload.location, upload.position = place, arrived

    def put_manifest(self, manifest: Descriptor, raw: bytes, wanted: str) -> None:
        """Send a manifest under a tag or its digest."""
        headers = {"Content-Type": manifest.media_type}
        body = Body(len(raw), lambda: (raw,))
        patience, failures = self._patience(), 0
        while True:
            try:
                answer = self._ask("PUT", f"manifests/{wanted}", headers, body, fine=(201,))
            except Passing as error:
                failures += 1
                patience.wait(failures, error)
                continue
            answer.close()
            claimed = answer.headers.get("Docker-Content-Digest", manifest.digest)
            if claimed.startswith("sha256:") and claimed != manifest.digest:
                raise DigestMismatch(f"{said_of(answer)} was stored as {claimed[:71]}")
            return

    def delete(self, wanted: str) -> None:
        """Delete a manifest by digest, or a tag (distribution-spec 1.1, Content Management)."""
        scope = f"repository:{self._reference.path}:pull,push,delete"
        try:
            self._ask("DELETE", f"manifests/{wanted}", fine=(202, 200, 204), scope=scope).close()
        except (ImageNotFound, Unauthorized, Unreachable):
            raise
        except TransportError as error:
            by_digest = ":" in wanted
            raise InvalidArgument(
                f"{self._reference.name} cannot be deleted by "
                f"{'digest' if by_digest else 'tag'}: {error.message}",
                hint="this registry does not delete"
                if by_digest
                else "to delete the image with all its tags, name it by its digest",
            ) from None

    # -- requests -------------------------------------------------------------------------

    @property
    def _scope(self) -> str:
        return f"repository:{self._reference.path}:pull,push"

    def _ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: Body | None = None,
        *,
        fine: tuple[int, ...],
        scope: str = "",
    ) -> requests.Response:
        place = self._place()
        base = f"{place.origin}/v2/{place.repository(self._reference.path)}/"
        url = path if "://" in path else base + path
        request = Request(method, url, place, scope or self._scope, headers or {}, body, fine)
        return self._client.ask(request)

    def _place(self) -> Place:
        """Return the first place that answers at all, whatever it says."""
        if len(self._places) > 1:
            self._places = (self._first_that_answers(),)
        return self._places[0]

    def _first_that_answers(self) -> Place:
        failure: Unreachable | None = None
        for place in self._places:
            any_answer = (*range(200, 400), *range(401, 500))
            request = Request("HEAD", f"{place.origin}/v2/", place, "", fine=any_answer)
            try:
                self._client.ask_openly(request).close()
            except Unreachable as error:
                failure = failure or error
            else:
                return place
        assert failure is not None
        raise failure

    def _location(self, answer: requests.Response) -> str:
        """Return where an upload goes on; it may be at another host, without our credentials."""
        location = answer.headers.get("Location", "")
        if not location:
            raise TransportError(f"{said_of(answer)} began an upload, and does not say where")
        return target(str(answer.url), location)

    def _cancel(self, location: str) -> None:
        try:
            self._ask("DELETE", location, fine=(204,)).close()
        except TransportError:
            return  # the registry forgets it by itself in time


class _Upload:
    """One blob: where it goes on, and how far it is."""

    def __init__(self, blob: Descriptor, read: Read) -> None:
        self.blob = blob
        self.location = ""
        self.position = 0
        self._read = read

    def begin(self, location: str) -> None:
        """Start at the first byte; without a location the next try asks for one."""
        self.location, self.position = location, 0

    def body(self) -> Body:
        """Return the rest as something to send; it moves ``position`` as it goes."""
        start = self.position
        return Body(self.blob.size - start, lambda: self._pieces(start))

    def _pieces(self, start: int) -> Iterator[bytes]:
        self.position = start
        for piece in self._read(start):
            yield piece
            self.position += len(piece)


def _with_digest(location: str, digest: str) -> str:
    joint = "&" if urlsplit(location).query else "?"
    return f"{location}{joint}{urlencode({'digest': digest})}"
