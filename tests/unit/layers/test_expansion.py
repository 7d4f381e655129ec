"""Bombs: what a few bytes may come to is bounded, in memory and on disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os

import pytest
import zstandard
from plugrun.errors import ConfigError, Corrupt, HostileArchive
from plugrun.interfaces.storage import WHITEOUT_UNLINK
from plugrun.layers.decompress import decompress
from plugrun.layers.expansion import BESIDES, TIMES, VARIABLE, largest
from plugrun.layers.unpack import unpack_layer

from tests.unit.layers.made import END, header, padded, pax

COMPRESS = {
    "gzip": gzip.compress,
    "gzip twice": lambda data: gzip.compress(data[: len(data) // 2]) * 2,
    "zstd": zstandard.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", TIMES * 7 + BESIDES),
        ("0", 0),
        ("500", 500),
        ("1k", 1024),
        ("20MiB", 20 << 20),
        ("3G", 3 << 30),
        ("1tb", None),
        ("2T", 2 << 40),
        ("-1", None),
        ("much", None),
        ("1e9", None),
        ("9" * 30, None),
    ],
)
def test_the_limit(text, size):
    if size is None:
        with pytest.raises(ConfigError, match=VARIABLE):
            largest(7, {VARIABLE: text})
    else:
        assert largest(7, {VARIABLE: text}) == size


@pytest.mark.parametrize("name", COMPRESS)
def test_a_bomb_is_cut_off(tmp_path, monkeypatch, name):
    monkeypatch.setenv(VARIABLE, "5m")
    (tmp_path / "blob").write_bytes(COMPRESS[name](bytes(20 << 20)))
    fd = os.open(tmp_path / "blob", os.O_RDONLY)
    made = 0
    with pytest.raises(HostileArchive, match=str(5 << 20)) as caught:
        for piece in decompress(fd):
            made += len(piece)
    os.close(fd)
    assert made <= 5 << 20
    assert VARIABLE in caught.value.hint


def test_what_is_not_compressed_has_no_limit(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1k")
    (tmp_path / "blob").write_bytes(header(b"f", size=9000) + padded(b"x" * 9000) + END)
    (tmp_path / "tree").mkdir()
    unpack_layer(str(tmp_path / "blob"), str(tmp_path / "tree"), WHITEOUT_UNLINK)
    assert (tmp_path / "tree" / "f").stat().st_size == 9000


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_layer_that_is_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "5m")
    tar = header(b"zeros", size=50 << 20) + bytes(50 << 20) + END
    (tmp_path / "blob").write_bytes(gzip.compress(tar, 1))
    (tmp_path / "tree").mkdir()
    with pytest.raises(HostileArchive):
        unpack_layer(str(tmp_path / "blob"), str(tmp_path / "tree"), WHITEOUT_UNLINK)
    assert sum(f.stat().st_size for f in (tmp_path / "tree").iterdir()) <= 5 << 20


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("size", [1 << 40, 1 << 62])
def test_a_sparse_bomb_is_a_hole_or_an_error(tmp_path, size):
    """No disk is taken for what is not stored."""
    data = pax(
        GNU__sparse__major=b"0",
        GNU__sparse__minor=b"1",
        GNU__sparse__size=str(size).encode(),
        GNU__sparse__map=b"0,3",
    )
    (tmp_path / "blob").write_bytes(data + header(b"f", size=3) + padded(b"abc") + END)
    (tmp_path / "tree").mkdir()
    try:
        unpack_layer(str(tmp_path / "blob"), str(tmp_path / "tree"), WHITEOUT_UNLINK)
    except Corrupt as error:
        assert size > 1 << 40, error
    taken = sum(f.stat().st_blocks for f in (tmp_path / "tree").iterdir())
    assert taken * 512 <= 1 << 20
