"""Content by digest: what comes in is verified, resumed and never half there."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator

import pytest

from plugrun.errors import Corrupt, DigestMismatch, InvalidArgument, NoSpace, NotFound, Unreachable
from plugrun.model.descriptor import Descriptor
from plugrun.store.content import ContentStore, digest_of

DATA = bytes(range(256)) * 4096


def described(data: bytes, size: int | None = None) -> Descriptor:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Descriptor("application/octet-stream", digest, len(data) if size is None else size)


def aside(store: ContentStore, descriptor: Descriptor) -> str:
    return f"{store.root}/ingest/{descriptor.digest[7:]}"


@pytest.fixture
def store(tmp_path):
    return ContentStore(str(tmp_path / "root"))


def test_opening_touches_nothing(store):
    assert not store.has(described(DATA).digest)
    assert list(store.walk()) == []
    assert store.discard_partial() == 0
    assert store.remove(described(DATA).digest) == 0
    assert not os.path.exists(store.root)


def test_an_oci_layout_readable_by_its_owner_alone(store):
    old = os.umask(0)
    try:
        store.add(described(DATA), DATA)
    finally:
        os.umask(old)
    modes = {
        os.path.relpath(os.path.join(folder, name), store.root): os.lstat(
            os.path.join(folder, name)
        ).st_mode
        & 0o777
        for folder, folders, files in os.walk(store.root)
        for name in (*folders, *files)
    }
    blob = f"blobs/sha256/{described(DATA).digest[7:]}"
    assert modes == {
        "oci-layout": 0o600, "blobs": 0o700, "blobs/sha256": 0o700, "ingest": 0o700, blob: 0o600,
    }  # fmt: skip
    with open(f"{store.root}/oci-layout", encoding="ascii") as file:
        assert file.read() == '{"imageLayoutVersion":"1.0.0"}'


@pytest.mark.parametrize("data", [b"", b"x", DATA])
def test_what_came_in_can_be_read(store, data):
    store.add(described(data), data)
    assert store.has(described(data).digest, len(data))
    assert not store.has(described(data).digest, len(data) + 1)
    assert store.read(described(data).digest) == data
    assert list(store.walk()) == [described(data).digest]
    assert os.listdir(f"{store.root}/ingest") == []


def test_a_blob_that_is_here_is_not_fetched(store):
    store.add(described(DATA), DATA)
    store.ingest(described(DATA), lambda offset: pytest.fail("fetched again"))


def test_progress_counts_to_the_end(store):
    heard: list[int] = []
    store.receive(described(DATA), lambda offset: (DATA[:5], DATA[5:]), heard.append)
    assert heard == [0, 5, len(DATA)]


BAD = {
    "other bytes": lambda data: (b"?" * len(data),),
    "one byte more": lambda data: (data, b"?"),
    "far too many": lambda data: (data,) * 100,
    "one byte fewer": lambda data: (data[:-1],),
    "nothing": lambda data: (),
}


@pytest.mark.parametrize("chunks", BAD.values(), ids=BAD)
def test_anything_else_is_refused_and_removed(store, chunks):
    with pytest.raises(DigestMismatch, match=described(DATA).digest):
        store.ingest(described(DATA), lambda offset: chunks(DATA))
    assert list(store.walk()) == []
    assert os.listdir(f"{store.root}/ingest") == []


def test_never_more_bytes_on_disk_than_announced(store):
    largest = 0

    def endless(offset: int) -> Iterator[bytes]:
        nonlocal largest
        while True:
            yield b"x" * 1000
            largest = max(largest, os.stat(aside(store, descriptor)).st_size)

    descriptor = described(DATA, 10_000)
    with pytest.raises(DigestMismatch, match="more than the 10000 bytes"):
        store.receive(descriptor, endless)
    assert largest == 10_000


def broken(data: bytes) -> Iterator[bytes]:
    yield data
    raise Unreachable("it broke off")


def test_an_interrupted_blob_goes_on_where_it_stopped(store):
    with pytest.raises(Unreachable):
        store.ingest(described(DATA), lambda offset: broken(DATA[:1000]))
    assert os.stat(aside(store, described(DATA))).st_size == 1000
    offsets, heard = [], []

    def rest(offset: int) -> tuple[bytes, ...]:
        offsets.append(offset)
        return (DATA[offset:],)

    store.ingest(described(DATA), rest, heard.append)
    assert offsets == [1000]
    assert heard == [1000, len(DATA)]
    assert store.read(described(DATA).digest) == DATA


def test_a_whole_blob_aside_needs_no_source(store):
    store.receive(described(DATA), lambda offset: (DATA,))
    store.ingest(described(DATA), lambda offset: pytest.fail("fetched again"))
    assert store.read(described(DATA).digest) == DATA


@pytest.mark.parametrize("left", [b"?" * 1000, b"?" * (len(DATA) + 1)])
def test_a_wrong_start_is_thrown_away_once(store, left):
    store.add(described(b""), b"")
    with open(aside(store, described(DATA)), "wb") as file:
        file.write(left)
    offsets = []

    def fetch(offset: int) -> tuple[bytes, ...]:
        offsets.append(offset)
        return (DATA[offset:],)

    store.ingest(described(DATA), fetch)
    assert offsets[-1] == 0
    assert store.read(described(DATA).digest) == DATA


def test_many_threads_receive_their_first_blobs_at_once(tmp_path):
    blobs = [bytes([n]) * 1000 for n in range(16)]
    for attempt in range(20):
        store = ContentStore(str(tmp_path / str(attempt)))
        barrier = threading.Barrier(len(blobs))
        errors: list[BaseException] = []

        def work(data: bytes, store=store, barrier=barrier, errors=errors) -> None:
            barrier.wait()
            try:
                store.add(described(data), data)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(data,)) for data in blobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert len(list(store.walk())) == len(blobs)


def test_the_same_blob_at_once_is_fetched_once(store):
    fetched = []
    inside, go_on = threading.Event(), threading.Event()

    def slow(offset: int) -> Iterator[bytes]:
        fetched.append(offset)
        inside.set()
        assert go_on.wait(60)
        yield DATA

    first = threading.Thread(target=store.ingest, args=(described(DATA), slow))
    second = threading.Thread(target=store.ingest, args=(described(DATA), slow))
    first.start()
    assert inside.wait(60)
    second.start()
    go_on.set()
    first.join()
    second.join()
    assert fetched == [0]
    assert store.read(described(DATA).digest) == DATA


def test_a_damaged_document_is_not_handed_out(store):
    store.add(described(DATA), DATA)
    with open(store.path(described(DATA).digest), "r+b") as file:
        file.write(b"?")
    with pytest.raises(DigestMismatch, match="changed or damaged"):
        store.read(described(DATA).digest)


def test_a_large_document_is_not_read(store):
    store.add(described(DATA), DATA)
    with pytest.raises(Corrupt, match="over the limit of 100"):
        store.read(described(DATA).digest, 100)


def test_what_is_not_there(store):
    with pytest.raises(NotFound, match=described(DATA).digest):
        store.read(described(DATA).digest)


@pytest.mark.parametrize(
    "digest", ["", "sha256:..", "sha256:" + "../" * 21 + "x", "md5:" + "0" * 64]
)
def test_a_digest_is_no_way_out(store, digest):
    with pytest.raises(InvalidArgument):
        store.path(digest)


def test_removal(store):
    store.add(described(DATA), DATA)
    store.receive(described(b"x"), lambda offset: (b"x",))
    assert store.remove(described(DATA).digest) == len(DATA)
    assert store.remove(described(DATA).digest) == 0
    assert store.discard_partial() == 1
    assert list(store.walk()) == []


def test_the_small_hash_is_the_large_one():
    assert digest_of(DATA) == described(DATA).digest


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_leaves_nothing(tmp_path):
    root = str(tmp_path / "small")
    os.mkdir(root)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", root], check=True)
    try:
        store = ContentStore(root)
        with pytest.raises(NoSpace, match="no space left to store"):
            store.ingest(described(DATA), lambda offset: (DATA[:300_000], DATA[300_000:]))
        assert os.listdir(f"{root}/ingest") == []
        small = DATA[:200_000]
        store.add(described(small), small)
        assert store.read(described(small).digest) == small
    finally:
        subprocess.run(["umount", root], check=True)
