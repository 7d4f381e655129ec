"""The contract every transport fulfils; see ``plugrun.interfaces.transport``.

One that takes images fulfils ``plugrun.testing.pushing`` too.

To use it, subclass and provide the fixtures::

    from plugrun.testing.transport import TransportSuite as Contract

    class TestMyTransport(Contract):
        @pytest.fixture
        def transport(self):          # opened for an image that exists
            ...
        @pytest.fixture
        def missing_transport(self):  # opened for an image that its source does not have
            ...
        @pytest.fixture
        def expected(self):           # optional: the Descriptor that resolve must return
            ...
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from plugrun.errors import ImageNotFound, InvalidArgument, TransportError
from plugrun.interfaces.backend import Probe
from plugrun.interfaces.transport import (
    FLATTEN,
    LIST,
    MOUNT,
    OFFLINE,
    PARALLEL,
    PULL,
    PUSH,
    REPOSITORY,
    RESUME,
    Resolved,
)
from plugrun.model.descriptor import Descriptor, host_platform
from plugrun.model.image import INDEXES, MANIFESTS
from plugrun.model.jsontext import loads
from plugrun.model.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from plugrun.interfaces.transport import Transport

_WORDS = frozenset((PULL, LIST, PUSH, FLATTEN, PARALLEL, MOUNT, RESUME, OFFLINE, REPOSITORY))


def digest_of(data: bytes) -> str:
    """Return the digest of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def described(entry: dict[str, Any]) -> Descriptor:
    """Return a descriptor from its JSON form."""
    return Descriptor(entry["mediaType"], entry["digest"], entry["size"])


class TransportSuite:
    """Inherit, provide the fixtures, run."""

    @pytest.fixture
    def transport(self) -> Iterator[Transport]:
        """Return a transport for an image that exists, for this machine's platform."""
        raise NotImplementedError("a subclass provides the fixture `transport`")

    @pytest.fixture
    def missing_transport(self) -> Iterator[Transport]:
        """Return a transport for an image that its source does not have."""
        raise NotImplementedError("a subclass provides the fixture `missing_transport`")

    @pytest.fixture
    def expected(self) -> Descriptor | None:
        """Return the descriptor that resolve must return, None if any will do."""
        return None

    @pytest.fixture
    def resolved(self, transport: Transport) -> Resolved:
        """Return what the transport resolves to."""
        return transport.resolve(host_platform())

    @pytest.fixture
    def blobs(self, transport: Transport, resolved: Resolved) -> list[Descriptor]:
        """Return the config and the layers, as a manifest names them."""
        document = loads(resolved.raw)
        if resolved.descriptor.media_type in INDEXES:
            manifest = described(document["manifests"][0])
            document = loads(b"".join(transport.fetch(manifest)))
        return [described(entry) for entry in (document["config"], *document["layers"])]

    def test_declares_only_known_capabilities(self, transport: Transport) -> None:
        """Capabilities are the interface's words, and it can pull."""
        assert transport.capabilities <= _WORDS
        assert PULL in transport.capabilities

    def test_probe_works(self, transport: Transport) -> None:
        """A suite runs where the backend works; a probe can be repeated."""
        assert isinstance(transport.probe(), Probe)
        assert transport.probe().works, transport.probe().reason

    def test_resolve_returns_the_bytes_it_describes(
        self, resolved: Resolved, expected: Descriptor | None
    ) -> None:
        """The descriptor is of the raw bytes, and its media type is a manifest's or index's."""
        assert digest_of(resolved.raw) == resolved.descriptor.digest
        assert len(resolved.raw) == resolved.descriptor.size
        assert resolved.descriptor.media_type in MANIFESTS | INDEXES
        assert expected in (None, resolved.descriptor)

    def test_resolve_names_the_image_in_full(self, resolved: Resolved) -> None:
        """The name is a complete reference, and the source is said."""
        assert str(parse_reference(resolved.name, default_tag="")) == resolved.name
        assert parse_reference(resolved.name, default_tag="").tag or "@" in resolved.name
        assert resolved.source

    def test_resolve_can_be_repeated(self, transport: Transport, resolved: Resolved) -> None:
        """An unchanged image resolves to the same bytes."""
        again = transport.resolve(host_platform())
        assert (again.name, again.descriptor, again.raw) == (
            resolved.name,
            resolved.descriptor,
            resolved.raw,
        )

    def test_every_blob_arrives_whole(self, transport: Transport, blobs: list[Descriptor]) -> None:
        """Config and layers have the digest and size the manifest gives them."""
        for blob in blobs:
            data = b"".join(transport.fetch(blob))
            assert (digest_of(data), len(data)) == (blob.digest, blob.size)

    def test_the_manifest_can_be_fetched_by_digest(
        self, transport: Transport, resolved: Resolved
    ) -> None:
        """What resolve returned, fetch yields too."""
        assert b"".join(transport.fetch(resolved.descriptor)) == resolved.raw

    def test_chunks_are_bytes_and_never_empty(
        self, transport: Transport, blobs: list[Descriptor]
    ) -> None:
        """An empty chunk would read as the end."""
        for chunk in transport.fetch(blobs[-1]):
            assert isinstance(chunk, bytes)
            assert chunk

    def test_fetch_starts_at_an_offset(self, transport: Transport, blobs: list[Descriptor]) -> None:
        """From any offset come exactly the bytes after it."""
        for blob in blobs:
            whole = b"".join(transport.fetch(blob))
            for offset in (1, blob.size // 2, blob.size - 1):
                assert b"".join(transport.fetch(blob, offset)) == whole[offset:]

    def test_fetch_from_the_end_yields_nothing(
        self, transport: Transport, blobs: list[Descriptor]
    ) -> None:
        """A blob that is here already costs nothing more."""
        assert list(transport.fetch(blobs[-1], blobs[-1].size)) == []

    def test_fetch_refuses_an_offset_outside(
        self, transport: Transport, blobs: list[Descriptor]
    ) -> None:
        """An offset beyond the end is a mistake of the caller."""
        for offset in (-1, blobs[-1].size + 1):
            with pytest.raises(InvalidArgument):
                list(transport.fetch(blobs[-1], offset))

    def test_fetch_serves_several_threads(
        self, transport: Transport, blobs: list[Descriptor]
    ) -> None:
        """Parallel fetches do not disturb each other."""
        wanted = blobs * 8
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda blob: b"".join(transport.fetch(blob)), wanted))
        assert [digest_of(data) for data in found] == [blob.digest for blob in wanted]

    def test_an_abandoned_fetch_harms_nothing(
        self, transport: Transport, blobs: list[Descriptor]
    ) -> None:
        """A stream that is dropped half-way leaves the transport usable."""
        stream = iter(transport.fetch(blobs[-1]))
        next(stream)
        del stream
        assert digest_of(b"".join(transport.fetch(blobs[-1]))) == blobs[-1].digest

    def test_a_blob_the_source_lacks_is_said_to_be_missing(
        self, transport: Transport, resolved: Resolved
    ) -> None:
        """A digest from nowhere raises; it does not yield an empty blob."""
        absent = Descriptor("application/octet-stream", digest_of(b"nobody has this"), 15)
        with pytest.raises(TransportError):
            list(transport.fetch(absent))

    def test_a_missing_image_is_named(self, missing_transport: Transport) -> None:
        """The error is ImageNotFound, and says something."""
        with pytest.raises(ImageNotFound) as caught:
            missing_transport.resolve(host_platform())
        assert caught.value.message

    def test_close_can_be_repeated(self, transport: Transport, resolved: Resolved) -> None:
        """Whoever cleans up need not know whether somebody did so before."""
        transport.close()
        transport.close()
