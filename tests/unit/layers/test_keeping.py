"""A layer that is unpacked and kept while it is made, by a fork or by an interpreter of its own."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from plugrun.errors import HostileArchive, NoSpace, PlugrunError
from plugrun.interfaces.storage import WHITEOUT_OVERLAYFS
from plugrun.layers.keeping import keep_apart

from tests.unit.layers.made import Made, tar_of
from tests.unit.layers.test_workers import children

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
PATIENCE = 60
DATA = tar_of([Made("a/b", data="x" * 3_000_000), Made("c")])


@pytest.fixture(params=["fork", "interpreter"])
def kind(request) -> Iterator[str]:
    """With another thread here it may be no fork."""
    if request.param == "fork":
        # One that was joined takes a moment more to go.
        limit = time.monotonic() + PATIENCE
        while len(os.listdir("/proc/self/task")) > 1:
            assert time.monotonic() < limit
        yield request.param
        return
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    yield request.param
    over.set()
    other.join()


@pytest.fixture
def place(tmp_path) -> Iterator[tuple[int, str, str]]:
    (tmp_path / "tree").mkdir()
    before = set(children())
    with open(tmp_path / "kept", "wb") as kept:
        yield kept.fileno(), str(tmp_path / "tree"), WHITEOUT_OVERLAYFS
    assert set(children()) == before


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file(kind, place, tmp_path, compressed):
    (tmp_path / "source").write_bytes(gzip.compress(DATA) if compressed else DATA)
    keeper = keep_apart(os.open(tmp_path / "source", os.O_RDONLY | os.O_CLOEXEC), *place)
    told = keeper.result()
    keeper.end()
    assert (tmp_path / "kept").read_bytes() == DATA
    assert told.diff_id == f"sha256:{hashlib.sha256(DATA).hexdigest()}"
    assert (tmp_path / "tree/a/b").stat().st_size == 3_000_000


def test_a_pipe(kind, place, tmp_path):
    source, sink = os.pipe2(os.O_CLOEXEC)
    with open(sink, "wb") as writer:
        keeper = keep_apart(source, *place, sink)
        writer.write(DATA)
    assert keeper.result().diff_id == f"sha256:{hashlib.sha256(DATA).hexdigest()}"
    keeper.end()
    assert (tmp_path / "kept").read_bytes() == DATA


@pytest.mark.parametrize("size", [10, 30_000_000])
def test_a_blob_that_has_no_room_is_told_of(kind, place, tmp_path, size):
    """Also one so large that whoever reads it waits for whoever writes it, and the other way."""
    (tmp_path / "source").write_bytes(tar_of([Made("a", data="x" * size)]))
    source = os.open(tmp_path / "source", os.O_RDONLY | os.O_CLOEXEC)
    with open("/dev/full", "wb", buffering=0) as full:
        keeper = keep_apart(source, full.fileno(), *place[1:])
        with pytest.raises(NoSpace, match="the layer into the store"):
            keeper.result()
        keeper.end()


def test_who_writes_a_layer_that_is_refused_is_told(kind, place):
    source, sink = os.pipe2(os.O_CLOEXEC)
    with open(sink, "wb", buffering=0) as writer:
        keeper = keep_apart(source, *place, sink)
        writer.write(tar_of([Made("../x")])[:512])
        with pytest.raises(BrokenPipeError):
            while True:
                writer.write(bytes(1 << 16))
        with pytest.raises(HostileArchive):
            keeper.result()
        keeper.end()


def test_one_that_is_killed_is_told_of(kind, place):
    before = set(children())
    source, sink = os.pipe2(os.O_CLOEXEC)
    with open(sink, "wb", buffering=0):
        keeper = keep_apart(source, *place, sink)
        [process] = set(children()) - before
        os.kill(process, signal.SIGKILL)
        with pytest.raises(PlugrunError, match="was killed by signal 9"):
            keeper.result()
        keeper.end()


def test_one_that_is_given_up_ends(kind, place):
    source, sink = os.pipe2(os.O_CLOEXEC)
    with open(sink, "wb", buffering=0):
        keep_apart(source, *place, sink).end()
