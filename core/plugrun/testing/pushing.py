"""The contract of transports that take images; see ``plugrun.interfaces.transport``.

To use it, subclass and provide the fixtures::

    from plugrun.testing.pushing import PushSuite as Contract

    class TestMyTransport(Contract):
        @pytest.fixture
        def open_destination(self):   # () -> a transport to put images to, always the same place
            ...
        @pytest.fixture
        def name_of(self):            # tag -> a full name that images may have there
            ...
        @pytest.fixture
        def open_source(self):        # full name -> a transport for that image, from there
            ...
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from plugrun.errors import InvalidArgument, PlugrunError
from plugrun.interfaces.transport import LIST, PARALLEL, PULL, PUSH
from plugrun.model.descriptor import Descriptor, host_platform
from plugrun.model.image import CONFIG_OCI, INDEX_OCI, LAYER_TAR, MANIFEST_OCI
from plugrun.model.jsontext import dumps
from plugrun.model.record import record
from plugrun.testing.transport import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from plugrun.interfaces.transport import Collection, Destination

    Open = Callable[[], Destination]
    OpenSource = Callable[[str], Collection]
    NameOf = Callable[[str], str]

_CHUNK = 65536


@record
class Outgoing:
    """An image to put: its manifest, and its blobs in order, config first."""

    manifest: Descriptor
    raw: bytes
    blobs: tuple[tuple[Descriptor, bytes], ...]


def outgoing(*contents: bytes) -> Outgoing:
    """Return an image of layers with these bytes, whatever they are."""
    layers = [(_described(LAYER_TAR, data), data) for data in contents]
    host = host_platform()
    config_raw = dumps(
        {
            "os": host.os,
            "architecture": host.architecture,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [d.digest for d, _ in layers]},
        }
    ).encode()
    config = _described(CONFIG_OCI, config_raw)
    raw = dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_OCI,
            "config": _as_json(config),
            "layers": [_as_json(d) for d, _ in layers],
        }
    ).encode()
    return Outgoing(_described(MANIFEST_OCI, raw), raw, ((config, config_raw), *layers))


def _described(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type, digest_of(data), len(data))


def _as_json(blob: Descriptor) -> dict[str, object]:
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}


def _reader(data: bytes) -> Callable[[int], Iterator[bytes]]:
    return lambda at: (data[i : i + _CHUNK] for i in range(at, len(data), _CHUNK))


def put_image(transport: Destination, image: Outgoing, names: Iterable[str]) -> None:
    """Put what is missing, as a push does, and the manifest."""
    with ThreadPoolExecutor(4 if PARALLEL in transport.capabilities else 1) as pool:
        list(pool.map(lambda blob: _put(transport, *blob), image.blobs))
    transport.put_manifest(image.manifest, image.raw, names)


def _put(transport: Destination, blob: Descriptor, data: bytes) -> None:
    if not transport.has(blob):
        transport.put(blob, _reader(data))


def noise(seed: str, size: int) -> bytes:
    """Return bytes that are the same for the same seed, and do not compress."""
    return hashlib.shake_128(seed.encode()).digest(size)


class PushSuite:
    """Inherit, provide the fixtures, run. Each test starts with a destination that is empty."""

    @pytest.fixture
    def open_destination(self) -> Open:
        """Return what opens the destination, the same at each call."""
        raise NotImplementedError("a subclass provides the fixture `open_destination`")

    @pytest.fixture
    def name_of(self) -> NameOf:
        """Return what makes a full name of a tag."""
        raise NotImplementedError("a subclass provides the fixture `name_of`")

    @pytest.fixture
    def open_source(self) -> OpenSource:
        """Return what opens an image at the destination by its full name."""
        raise NotImplementedError("a subclass provides the fixture `open_source`")

    @pytest.fixture
    def image(self) -> Outgoing:
        """Return an image of two layers, one larger than any read."""
        return outgoing(noise("small", 1000), noise("big", 3_000_001))

    @pytest.fixture
    def destination(self, open_destination: Open) -> Iterator[Destination]:
        """Return the destination, opened once."""
        transport = open_destination()
        yield transport
        transport.close()

    def test_declares_that_it_takes_images(self, destination: Destination) -> None:
        """The word that the core looks for; what can be put can be pulled."""
        assert {PUSH, PULL} <= destination.capabilities

    def test_an_image_comes_back_as_it_went(
        self, destination: Destination, image: Outgoing, name_of: NameOf, open_source: OpenSource
    ) -> None:
        """The same manifest under its name, and the same blobs."""
        name = name_of("one")
        put_image(destination, image, [name])
        destination.finish()
        check_image(open_source(name), image, name)

    def test_several_images_share_their_layers(
        self, destination: Destination, image: Outgoing, name_of: NameOf, open_source: OpenSource
    ) -> None:
        """A blob that one image put is there for the next; both come back, under all names.

        A destination of one image takes no second one.
        """
        other = outgoing(noise("big", 3_000_001), noise("more", 70_000))
        shared = other.blobs[1][0]
        put_image(destination, image, [name_of("one"), name_of("alias")])
        assert destination.has(shared)
        if LIST not in destination.capabilities:
            with pytest.raises(InvalidArgument):
                put_image(destination, other, [name_of("two")])
                destination.finish()
            return
        put_image(destination, other, [name_of("two")])
        destination.finish()
        for tag, expected in (("one", image), ("alias", image), ("two", other)):
            check_image(open_source(name_of(tag)), expected, name_of(tag))

    def test_all_images_are_listed(
        self, destination: Destination, image: Outgoing, name_of: NameOf, open_source: OpenSource
    ) -> None:
        """Every name is told of once, with its own manifest; a list is that of its source."""
        source = open_source(name_of("one"))
        assert (LIST in source.capabilities) == (LIST in destination.capabilities)
        source.close()
        if LIST not in destination.capabilities:
            return
        other = outgoing(noise("other", 10))
        put_image(destination, image, [name_of("one"), name_of("alias")])
        put_image(destination, other, [name_of("two")])
        destination.finish()
        source = open_source(name_of("one"))
        found = {
            name: resolved.descriptor.digest
            for resolved in source.list(host_platform())
            for name in (resolved.name, *resolved.also)
        }
        source.close()
        assert found == {
            name_of("one"): image.manifest.digest,
            name_of("alias"): image.manifest.digest,
            name_of("two"): other.manifest.digest,
        }

    def test_an_index_goes_after_its_images(
        self, destination: Destination, image: Outgoing, name_of: NameOf, open_source: OpenSource
    ) -> None:
        """It is one image under its name, with what it names by digest; or it is refused."""
        other, name = outgoing(noise("other", 10)), name_of("all")
        manifests = (image.manifest, other.manifest)
        index_raw = dumps(
            {
                "schemaVersion": 2,
                "mediaType": INDEX_OCI,
                "manifests": [_as_json(manifest) for manifest in manifests],
            }
        ).encode()
        index = _described(INDEX_OCI, index_raw)
        put_image(destination, image, ())
        put_image(destination, other, ())
        try:
            destination.put_manifest(index, index_raw, [name])
        except InvalidArgument:
            return  # it has no place for several platforms
        destination.finish()
        source = open_source(name)
        resolved = source.resolve(host_platform())
        assert (resolved.name, resolved.descriptor, resolved.raw) == (name, index, index_raw)
        for each in (image, other):
            assert b"".join(source.fetch(each.manifest)) == each.raw
        if LIST in source.capabilities:
            assert [found.name for found in source.list(host_platform())] == [name]
        source.close()

    def test_has_tells_before_from_after(self, destination: Destination, image: Outgoing) -> None:
        """A blob is there once it was put, and putting it again does no harm."""
        blob, data = image.blobs[1]
        assert not destination.has(blob)
        destination.put(blob, _reader(data))
        assert destination.has(blob)
        destination.put(blob, _reader(data))
        assert destination.has(blob)

    def test_an_empty_blob_can_be_put(self, destination: Destination) -> None:
        """Nothing at all is content too."""
        blob = _described(LAYER_TAR, b"")
        destination.put(blob, _reader(b""))
        assert destination.has(blob)

    def test_a_reader_that_fails_is_heard(self, destination: Destination, image: Outgoing) -> None:
        """Its error comes out of ``put``; the blob is not there, and can be put after all."""
        blob, data = image.blobs[2]

        def failing(offset: int) -> Iterator[bytes]:
            yield data[offset : offset + 100_000]
            raise _ReadError("the reader failed")

        with pytest.raises(_ReadError):
            destination.put(blob, failing)
        assert not destination.has(blob)
        destination.put(blob, _reader(data))
        assert destination.has(blob)

    def test_a_manifest_without_its_blobs_is_refused(
        self, destination: Destination, image: Outgoing, name_of: NameOf
    ) -> None:
        """Nobody could use it."""
        with pytest.raises(PlugrunError):
            destination.put_manifest(image.manifest, image.raw, [name_of("one")])

    def test_nothing_is_there_without_finish(
        self, open_destination: Open, image: Outgoing, name_of: NameOf, open_source: OpenSource
    ) -> None:
        """Blobs without their manifest are no image, whoever looks."""
        transport = open_destination()
        for blob, data in image.blobs:
            transport.put(blob, _reader(data))
        transport.close()
        with pytest.raises(PlugrunError):
            open_source(name_of("one")).resolve(host_platform())

    def test_close_can_be_repeated(self, open_destination: Open) -> None:
        """Whoever cleans up need not know whether somebody did so before."""
        transport = open_destination()
        transport.close()
        transport.close()


class _ReadError(PlugrunError):
    """What a test's reader raises."""


def check_image(source: Collection, image: Outgoing, name: str) -> None:
    """Hold what a source has against what was put, and close it."""
    resolved = source.resolve(host_platform())
    assert (resolved.name, resolved.descriptor, resolved.raw) == (name, image.manifest, image.raw)
    for blob, data in image.blobs:
        assert b"".join(source.fetch(blob)) == data
        assert b"".join(source.fetch(blob, blob.size // 2)) == data[blob.size // 2 :]
    source.close()
