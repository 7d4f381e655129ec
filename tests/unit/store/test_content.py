"""Blobs: whole and verified, or not there; what was interrupted goes on."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from plugrun.errors import Corrupt, DigestMismatch, InvalidArgument, NotFound
from plugrun.model.descriptor import Descriptor
from plugrun.store.content import ContentStore, digest_of

DATA = bytes(range(256)) * 5000
PATIENCE = 60


def described(data: bytes) -> Descriptor:
    return Descriptor("application/octet-stream", digest_of(data), len(data))


class Source:
    """Yields pieces from an offset on, and remembers what it was asked for."""

    def __init__(self, data: bytes, *, breaks_at: int | None = None) -> None:
        self.data = data
        self.breaks_at = breaks_at
        self.asked: list[int] = []

    def __call__(self, offset: int):
        self.asked.append(offset)
        for at in range(offset, len(self.data), 4096):
            if self.breaks_at is not None and at >= self.breaks_at:
                raise ConnectionError("it broke")
            yield self.data[at : at + 4096]


@pytest.fixture
def store(tmp_path):
    return ContentStore(str(tmp_path / "root"))


def partial(store: ContentStore, descriptor: Descriptor) -> str:
    return f"{store.root}/ingest/{descriptor.digest[7:]}"


def test_a_blob_comes_whole(store):
    told: list[int] = []
    store.ingest(described(DATA), Source(DATA), told.append)
    assert store.read(digest_of(DATA)) == DATA
    assert told[0] == 0
    assert told[-1] == len(DATA)
    assert list(store.walk()) == [digest_of(DATA)]
    assert os.listdir(f"{store.root}/ingest") == []
    state = os.stat(store.path(digest_of(DATA)))
    assert stat.S_IMODE(state.st_mode) == 0o600
    assert stat.S_IMODE(os.stat(f"{store.root}/blobs").st_mode) == 0o700
    with open(f"{store.root}/oci-layout", encoding="ascii") as file:
        assert file.read() == '{"imageLayoutVersion":"1.0.0"}'
    again = Source(DATA)
    store.ingest(described(DATA), again)
    assert again.asked == []


def test_an_empty_blob(store):
    store.ingest(described(b""), Source(b""))
    assert store.read(digest_of(b"")) == b""


def test_opening_a_store_touches_nothing(store):
    assert not store.has(digest_of(DATA))
    assert list(store.walk()) == []
    assert store.discard_partial() == 0
    assert store.remove(digest_of(DATA)) == 0
    with pytest.raises(NotFound):
        store.open(digest_of(DATA))
    assert not os.path.exists(store.root)


def test_an_interrupted_blob_goes_on(store):
    want = described(DATA)
    with pytest.raises(ConnectionError):
        store.receive(want, Source(DATA, breaks_at=500_000))
    have = os.stat(partial(store, want)).st_size
    assert have >= 500_000
    assert not store.has(want.digest)
    rest, told = Source(DATA), []
    store.ingest(want, rest, told.append)
    assert rest.asked == [have]
    assert told[0] == have
    assert store.read(want.digest) == DATA


@pytest.mark.parametrize("left", [b"other bytes" * 100, DATA + b"more", b"x" + DATA[1:]])
def test_a_partial_of_other_bytes_is_begun_anew_once(store, left):
    want = described(DATA)
    store.add(described(b"makes the folders"), b"makes the folders")
    with open(partial(store, want), "wb") as file:
        file.write(left)
    source = Source(DATA)
    store.ingest(want, source)
    assert len(source.asked) <= 2
    assert source.asked[-1:] == ([] if left.startswith(DATA) else [0])
    assert store.read(want.digest) == DATA


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (DATA[:-1] + b"x", "other content: its digest is sha256:"),
        (DATA + b"x", "more than the 1280000 bytes announced"),
        (DATA[:-1], "ended after 1279999 of 1280000 bytes"),
        (b"", "ended after (0|4096) of"),
    ],
)
@pytest.mark.parametrize("left", [0, 4096])
def test_wrong_bytes_leave_nothing(store, sent, words, left):
    want = described(DATA)
    store.add(described(b"makes the folders"), b"makes the folders")
    with open(partial(store, want), "wb") as file:
        file.write(DATA[:left])
    with pytest.raises(DigestMismatch, match=words):
        store.ingest(want, Source(sent))
    assert not os.path.exists(partial(store, want))
    assert not store.has(want.digest)


def test_never_more_bytes_on_disk_than_announced(store):
    want = Descriptor("", digest_of(DATA), 10_000)
    largest = 0

    def endless(offset: int):
        nonlocal largest
        while True:
            yield b"x" * 1000
            largest = max(largest, os.stat(partial(store, want)).st_size)

    with pytest.raises(DigestMismatch, match="more than the 10000 bytes"):
        store.receive(want, endless)
    assert largest == 10_000


def test_the_small_hash_is_the_large_one():
    assert digest_of(DATA) == f"sha256:{hashlib.sha256(DATA).hexdigest()}"


FULL = """
import os, sys
from plugrun.errors import NoSpace
from plugrun.linux import mounting, process
from plugrun.model.descriptor import Descriptor
from plugrun.store.content import ContentStore, digest_of
process.unshare(process.CLONE_NEWNS)
mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
mounting.mount("tmpfs", sys.argv[1], "tmpfs", 0, "size=1m")
store, data = ContentStore(sys.argv[1]), bytes(3 << 20)
try:
    store.add(Descriptor("", digest_of(data), len(data)), data)
except NoSpace as error:
    print(error.message, error.hint, os.listdir(f"{store.root}/ingest"), list(store.walk()))
small = b"fits again"
store.add(Descriptor("", digest_of(small), len(small)), small)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_full_disk(tmp_path):
    words = [sys.executable, "-c", FULL, tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert "no space left to store blob sha256:" in done.stdout
    assert "remove images" in done.stdout
    assert done.stdout.endswith("[] []\n")


def test_two_receivers_at_once_fetch_once(store):
    """The second waits and takes what the first got."""
    want = described(DATA)
    begun, go_on, comes = threading.Event(), threading.Event(), threading.Event()
    asked: list[str] = []

    def slow(offset: int):
        asked.append("first")
        begun.set()
        assert go_on.wait(PATIENCE)
        yield DATA[offset:]

    def never(offset: int):
        asked.append("second")
        yield DATA[offset:]

    def second() -> None:
        comes.set()
        ContentStore(store.root).ingest(want, never)

    first = threading.Thread(target=store.ingest, args=(want, slow))
    first.start()
    assert begun.wait(PATIENCE)
    other = threading.Thread(target=second)
    other.start()
    assert comes.wait(PATIENCE)
    go_on.set()
    for thread in (first, other):
        thread.join(PATIENCE)
    assert asked == ["first"]
    assert store.read(want.digest) == DATA
    assert os.listdir(f"{store.root}/ingest") == []


def test_many_threads_receive_their_first_blobs_at_once(tmp_path):
    """The threads of a pull into a new root make its folders between them."""
    blobs = [bytes([n]) * 1000 for n in range(16)]
    for attempt in range(20):
        store = ContentStore(str(tmp_path / str(attempt)))
        barrier = threading.Barrier(len(blobs))

        def add(data: bytes, store=store, barrier=barrier) -> None:
            barrier.wait(PATIENCE)
            store.add(described(data), data)

        with ThreadPoolExecutor(len(blobs)) as threads:
            list(threads.map(add, blobs))
        assert len(list(store.walk())) == len(blobs)


def test_a_lying_size_does_not_shorten_a_published_blob(store):
    """A descriptor of the same digest and another size is received after the right one."""
    want = described(DATA)
    store.ingest(want, Source(DATA))
    with pytest.raises(DigestMismatch):
        store.receive(Descriptor("", want.digest, 100), Source(DATA))
    assert store.read(want.digest) == DATA


def test_publishing_twice_is_nothing(store):
    store.receive(described(DATA), Source(DATA))
    store.publish(digest_of(DATA))
    store.publish(digest_of(DATA), durable=False)
    with pytest.raises(FileNotFoundError):
        store.publish(digest_of(b"never came"))


def test_received_is_where_it_is(store):
    want = described(DATA)
    path = store.receive(want, Source(DATA))
    assert store.received(want.digest) == path
    store.publish(want.digest)
    assert store.received(want.digest) == store.path(want.digest)
    assert store.receive(want, Source(b"")) == store.path(want.digest)
    assert os.listdir(f"{store.root}/ingest") == []


def test_damage_is_noticed_on_reading(store):
    store.add(described(DATA), DATA)
    with open(store.path(digest_of(DATA)), "r+b") as file:
        file.write(b"damaged")
    with pytest.raises(DigestMismatch, match="changed or damaged"):
        store.read(digest_of(DATA))


def test_a_blob_over_the_limit_is_not_read(store):
    store.add(described(DATA), DATA)
    with pytest.raises(Corrupt, match="over the limit of 100"):
        store.read(digest_of(DATA), 100)


def test_has_looks_at_the_size(store):
    store.add(described(DATA), DATA)
    assert store.has(digest_of(DATA))
    assert store.has(digest_of(DATA), len(DATA))
    assert not store.has(digest_of(DATA), 5)


def test_removing(store):
    store.add(described(DATA), DATA)
    assert store.remove(digest_of(DATA)) == len(DATA)
    assert store.remove(digest_of(DATA)) == 0
    with pytest.raises(ConnectionError):
        store.receive(described(DATA), Source(DATA, breaks_at=9000))
    assert store.discard_partial() == 1
    assert os.listdir(f"{store.root}/ingest") == []


@pytest.mark.parametrize("text", ["sha256:" + "A" * 64, "sha256:../../etc/passwd", "", "md5:0"])
def test_digests_that_are_none(store, text):
    for act in (store.path, store.has, store.open, store.read, store.publish, store.remove):
        with pytest.raises(InvalidArgument):
            act(text)


def test_a_symlink_in_the_way_is_not_followed(store, tmp_path):
    store.add(described(b"makes the folders"), b"makes the folders")
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    os.symlink(victim, partial(store, described(DATA)))
    with pytest.raises(OSError, match="symbolic links"):
        store.receive(described(DATA), Source(DATA))
    assert victim.read_text() == "untouched"
