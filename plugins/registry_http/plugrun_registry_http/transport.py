"""Images from registries that speak the OCI distribution protocol."""

from __future__ import annotations

import threading

from plugrun.api import (
    LIST,
    MOUNT,
    PARALLEL,
    PULL,
    PUSH,
    REPOSITORY,
    RESUME,
    ImageNotFound,
    InvalidArgument,
    Probe,
    Resolved,
    TransportError,
    Unauthorized,
    Unreachable,
    parse_reference,
    record,
    stall_timeout,
)

from plugrun_registry_http.client import Client
from plugrun_registry_http.dockerconfig import DockerConfig, key_of
from plugrun_registry_http.documents import document
from plugrun_registry_http.faults import Passing
from plugrun_registry_http.patience import Patience
from plugrun_registry_http.places import Trust, places
from plugrun_registry_http.referrers import referrers
from plugrun_registry_http.stream import Download
from plugrun_registry_http.tags import all_tags
from plugrun_registry_http.uploads import Uploads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeVar

    from plugrun.api import Descriptor, Platform, Reference, Referrer

    from plugrun_registry_http.dockerconfig import Credentials
    from plugrun_registry_http.places import Place
    from plugrun_registry_http.uploads import Read

    _T = TypeVar("_T")

_RETRIES = 6
# A mirror that fails is not worth waiting for: the next place is asked at once.
_MIRROR_RETRIES = 1
# Progress of this many bytes earns a download its retries anew.
_PROGRESS = 64 * 1024
_FOREIGN = (
    "application/vnd.docker.image.rootfs.foreign.",
    "application/vnd.oci.image.layer.nondistributable.",
)
# What makes the next place worth asking.
_PASSED_OVER = (ImageNotFound, Unauthorized, Unreachable)


@record
class _Missed:
    """A place that did not have the image, or not to the end; ``progressed`` if bytes came."""

    place: Place
    error: TransportError
    progressed: bool = False


class RegistryTransport:
    """One image in a registry and its mirrors."""

    capabilities = frozenset((PULL, RESUME, LIST, PUSH, PARALLEL, MOUNT, REPOSITORY))

    def __init__(
        self,
        reference: Reference,
        options: Mapping[str, Any],
        pause: Callable[[float], bool] | None = None,
    ) -> None:
        self._reference = reference
        self._closed = threading.Event()
        trust = Trust(options.get("insecure", ()), options.get("certificates", ""))
        self._places = places(reference.host, options.get("mirrors", {}), trust)
        self._client = Client(trust, stall_timeout(options), find=_known_to)
        self._pause = pause or self._closed.wait
        self._retries = int(options.get("retries", _RETRIES))
        own = tuple(place for place in self._places if not place.mirror)
        self._uploads = Uploads(self._client, reference, own, lambda: self._patience(own[0]))

    def probe(self) -> Probe:
        """Say that it works: whether a registry answers is known when it is asked."""
        return Probe(True)

    def resolve(self, platform: Platform) -> Resolved:
        """Find the image at the first place that has it; which platforms it has is not asked."""
        return self._resolve(self._reference)

    def list(self, platform: Platform) -> Iterator[Resolved]:
        """Yield the image of each tag the registry lists."""
        for tag in self.tags():
            name = f"{self._reference.name}:{tag}"
            yield self._resolve(parse_reference(name, default_tag=""))

    def tags(self) -> Sequence[str]:
        """Return the tags that the registry lists."""
        return self._first_answer(
            str(self._reference.name),
            lambda place: all_tags(self._client, place, self._reference.path),
        )

    def referrers(self, digest: str, artifact_type: str = "") -> Sequence[Referrer]:
        """Return what the registry knows to refer to a manifest."""
        return self._first_answer(
            f"{self._reference.name}@{digest}",
            lambda place: referrers(
                self._client, place, self._reference.path, digest, artifact_type
            ),
        )

    def _resolve(self, reference: Reference) -> Resolved:
        wanted = reference.digest or reference.tag

        def at(place: Place) -> Resolved:
            found, raw = document(self._client, place, reference.path, wanted)
            return Resolved(str(reference), found, raw, place.origin)

        return self._first_answer(str(reference), at)

    def _first_answer(self, subject: str, ask: Callable[[Place], _T]) -> _T:
        """Return what the first place says that knows; it is asked first from then on."""
        missed: list[_Missed] = []
        for place in self._places:
            if any(_settles(one, place) for one in missed):
                continue
            try:
                found = self._patiently(place, ask)
            except _PASSED_OVER as error:
                missed.append(_Missed(place, error))
            else:
                self._places = _first(place, self._places)
                return found
        raise _summed_up(subject, missed)

    def _patiently(self, place: Place, ask: Callable[[Place], _T]) -> _T:
        patience, failures = self._patience(place), 0
        while True:
            try:
                return ask(place)
            except Passing as error:
                failures += 1
                patience.wait(failures, error)

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
        missed: list[_Missed] = []
        for place in self._places:
            start = download.position
            if any(_settles(one, place) for one in missed):
                continue
            try:
                yield from self._download_at(place, download)
            except _PASSED_OVER as error:
                missed.append(_Missed(place, error, download.position > start))
            else:
                return
        raise _summed_up(f"a part of {self._reference}", missed)

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

    # -- pushing --------------------------------------------------------------------------

    def has(self, blob: Descriptor) -> bool:
        """Whether the repository has a blob."""
        return self._uploads.has(blob)

    def mount(self, blob: Descriptor, repositories: Iterable[str]) -> str:
        """Take a blob over from another repository of this registry."""
        return self._uploads.mount(blob, repositories)

    def put(self, blob: Descriptor, read: Read) -> None:
        """Send a blob."""
        self._uploads.put(blob, read)

    def put_manifest(self, manifest: Descriptor, raw: bytes, names: Iterable[str]) -> None:
        """Send a manifest under the tags of these names; without any, under its digest."""
        references = [parse_reference(name, default_tag="") for name in names]
        for reference in references:
            if reference.name != self._reference.name or not reference.tag:
                raise InvalidArgument(f"{reference} is no tag of {self._reference.name}")
        for wanted in [reference.tag for reference in references] or [manifest.digest]:
            self._uploads.put_manifest(manifest, raw, wanted)

    def delete(self, wanted: str) -> None:
        """Delete a manifest or tag; what mirrors have is theirs."""
        self._uploads.delete(wanted)

    def finish(self) -> None:
        """All is in its place already."""

    def _patience(self, place: Place) -> Patience:
        retries = min(self._retries, _MIRROR_RETRIES) if place.mirror else self._retries
        return Patience(retries, self._pause)

    def close(self) -> None:
        """Close connections; a download under way ends at its next retry."""
        self._closed.set()
        self._client.close()


def _known_to(place: Place) -> Credentials | None:
    """Return what Docker's configuration keeps for a place; it is read when it is asked for."""
    host = place.origin.partition("://")[2] if place.mirror else place.source
    return DockerConfig().find(key_of(host))


def _settles(missed: _Missed, place: Place) -> bool:
    """Whether an answer over one scheme makes asking the same source over the other pointless."""
    error = missed.error
    answered = not isinstance(error, Unreachable) or getattr(error, "answered", False)
    return missed.place.source == place.source and (answered or missed.progressed)


def _summed_up(subject: str, missed: list[_Missed]) -> TransportError:
    last = missed[-1].error
    if len(missed) == 1 and not isinstance(last, ImageNotFound):
        return last
    kind = next(kind for kind in _PASSED_OVER if isinstance(last, kind))
    verdict = "was not found" if kind is ImageNotFound else "could not be had"
    tried = "; ".join(one.error.message for one in missed)
    return kind(f"{subject} {verdict}: {tried}", hint=last.hint)


def _first(place: Place, all_places: tuple[Place, ...]) -> tuple[Place, ...]:
    rest = tuple(other for other in all_places if other.source != place.source)
    return (place, *rest)
