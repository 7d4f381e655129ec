"""Images from registries that speak the OCI distribution protocol."""

from __future__ import annotations

import threading

from plugrun.api import (
    PULL,
    RESUME,
    ImageNotFound,
    Probe,
    Resolved,
    TransportError,
    Unauthorized,
    Unreachable,
)

from plugrun_registry_http.client import Client
from plugrun_registry_http.documents import document
from plugrun_registry_http.faults import Passing
from plugrun_registry_http.patience import Patience
from plugrun_registry_http.places import Trust, places
from plugrun_registry_http.stream import Download

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from plugrun.api import Descriptor, Platform, Reference

    from plugrun_registry_http.places import Place

_TIMEOUT = 60
_RETRIES = 6
# A mirror that fails is not worth waiting for: the next place is asked at once.
_MIRROR_RETRIES = 1
# Progress of this many bytes earns a download its retries anew.
_PROGRESS = 64 * 1024
_FOREIGN = (
    "application/vnd.docker.image.rootfs.foreign.",
    "application/vnd.oci.image.layer.nondistributable.",
)


class RegistryTransport:
    """One image in a registry and its mirrors."""

    capabilities = frozenset((PULL, RESUME))

    def __init__(
        self,
        reference: Reference,
        options: Mapping[str, Any],
        pause: Callable[[float], bool] | None = None,
    ) -> None:
        self._reference = reference
        self._closed = threading.Event()
        trust = Trust(options.get("insecure", ()))
        self._places = places(reference.host, options.get("mirrors", {}), trust)
        self._client = Client(trust, float(options.get("timeout", _TIMEOUT)))
        self._pause = pause or self._closed.wait
        self._retries = int(options.get("retries", _RETRIES))

    def probe(self) -> Probe:
        """Say that it works: whether a registry answers is known when it is asked."""
        return Probe(True)

    def resolve(self, platform: Platform) -> Resolved:
        """Find the image at the first place that has it; which platforms it has is not asked."""
        missed: list[tuple[Place, TransportError]] = []
        for place in self._places:
            if any(_settles(error, seen, place) for seen, error in missed):
                continue
            try:
                return self._resolve_at(place)
            except (ImageNotFound, Unreachable, Unauthorized) as error:
                missed.append((place, error))
        raise self._missed(missed)

    def _resolve_at(self, place: Place) -> Resolved:
        wanted = self._reference.digest or self._reference.tag
        patience, failures = self._patience(place), 0
        while True:
            try:
                found, raw = document(self._client, place, self._reference.path, wanted)
            except Passing as error:
                failures += 1
                patience.wait(failures, error)
            else:
                self._places = _first(place, self._places)
                return Resolved(str(self._reference), found, raw, place.origin)

    def _missed(self, missed: list[tuple[Place, TransportError]]) -> TransportError:
        last = missed[-1][1]
        if len(missed) == 1 and not isinstance(last, ImageNotFound):
            return last
        kind = next(k for k in (ImageNotFound, Unauthorized, Unreachable) if isinstance(last, k))
        verdict = "was not found" if kind is ImageNotFound else "could not be had"
        tried = "; ".join(error.message for _, error in missed)
        return kind(f"{self._reference} {verdict}: {tried}", hint=last.hint)

    def fetch(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob from where the image was found, or the next place that has it."""
        if descriptor.media_type.startswith(_FOREIGN):
            raise TransportError(
                f"layer {descriptor.digest} is foreign ({descriptor.media_type}): its licence "
                "keeps it out of registries, and it is not fetched from elsewhere"
            )
        download = Download(self._client, self._reference.path, descriptor, offset)
        return self._download(download)

    def _download(self, download: Download) -> Iterator[bytes]:
        candidates = self._places
        for place in candidates:
            try:
                yield from self._download_at(place, download)
            except (ImageNotFound, Unreachable, Unauthorized):
                if place is candidates[-1]:
                    raise
            else:
                return

    def _download_at(self, place: Place, download: Download) -> Iterator[bytes]:
        patience, failures, mark = self._patience(place), 0, download.position
        while not download.is_done:
            try:
                yield from download.read_from(place)
            except Unreachable as error:
                if download.position - mark >= _PROGRESS:
                    failures, mark = 0, download.position
                failures += 1
                patience.wait(failures, error)

    def _patience(self, place: Place) -> Patience:
        retries = min(self._retries, _MIRROR_RETRIES) if place.mirror else self._retries
        return Patience(retries, self._pause)

    def close(self) -> None:
        """Close connections; a download under way ends at its next retry."""
        self._closed.set()
        self._client.close()


def _settles(error: TransportError, seen: Place, place: Place) -> bool:
    """Whether an answer over one scheme makes asking over the other pointless."""
    return seen.source == place.source and not isinstance(error, Unreachable)


def _first(place: Place, all_places: tuple[Place, ...]) -> tuple[Place, ...]:
    rest = tuple(other for other in all_places if other.source != place.source)
    return (place, *rest)
