"""Plain, gzip and zstd: the same tree and the same DiffID; damage is told."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import zlib

import pytest
import zstandard
from plugrun.errors import Corrupt
from plugrun.interfaces.storage import WHITEOUT_UNLINK
from plugrun.layers.decompress import GZIP_MAGIC, PIECE, decompress
from plugrun.layers.unpack import Unpacked, unpack_layer

from tests.unit.layers.made import Made, look, tar_of

TAR = tar_of([Made(f"d/{n}", data=f"{n} " * 9000, uid=os.getuid()) for n in range(40)])
DIFF_ID = f"sha256:{hashlib.sha256(TAR).hexdigest()}"
HALF = len(TAR) // 2


def skippable(data: bytes) -> bytes:
    return b"\x5a\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def several(compress, count: int) -> bytes:
    step = -(-len(TAR) // count)
    return b"".join(compress(TAR[at : at + step]) for at in range(0, len(TAR), step))


BLOBS = {
    "plain": TAR,
    "gzip": gzip.compress(TAR, 1),
    "gzip, named": gzip.compress(TAR, 1)[:3] + b"\x08" + gzip.compress(TAR, 1)[4:10] + b"name\0"
    + gzip.compress(TAR, 1)[10:],
    "gzip, two members": several(gzip.compress, 2),
    "gzip, many members": several(gzip.compress, 700),
    "gzip, stored": gzip.compress(TAR, 0),
    "gzip, padded": gzip.compress(TAR, 1) + bytes(1 << 19),
    "gzip, padded between members": gzip.compress(TAR[:HALF]) + bytes(300_001)
    + gzip.compress(TAR[HALF:]),
    "zstd": zstandard.compress(TAR),
    "zstd, several frames": several(zstandard.compress, 9),
    "zstd, without sizes": zstandard.ZstdCompressor(write_content_size=False).compress(TAR),
    "xz": lzma.compress(TAR),
    "xz, two streams": several(lzma.compress, 2),
    "bzip2": bz2.compress(TAR),
    "bzip2, two streams": several(bz2.compress, 2),
    "zstd, skippable frames": skippable(b"table") + zstandard.compress(TAR) + skippable(b"toc"),
}  # fmt: skip


def unpack(tmp_path, data: bytes, name: str = "tree") -> Unpacked:
    blob = tmp_path / "blob"
    blob.write_bytes(data)
    (tmp_path / name).mkdir()
    return unpack_layer(str(blob), str(tmp_path / name), WHITEOUT_UNLINK)


@pytest.mark.parametrize("name", BLOBS)
def test_the_same_tree_and_diff_id(tmp_path, name):
    plain = unpack(tmp_path, TAR, "plain")
    found = unpack(tmp_path, BLOBS[name])
    assert found == plain
    assert found.diff_id == DIFF_ID
    assert found.bytes == sum(len(f"{n} " * 9000) for n in range(40))
    trees = [look(str(tmp_path / tree)) for tree in ("plain", "tree")]
    for tree in trees:
        del tree[""]  # whose time is that of its making
    assert {p: n[:3] + n[4:] for p, n in trees[0].items()} == {
        p: n[:3] + n[4:] for p, n in trees[1].items()
    }


def test_bytes_after_the_tars_end_count(tmp_path):
    data = TAR + b"whatever" * 5000
    found = unpack(tmp_path, gzip.compress(data))
    assert found.diff_id == f"sha256:{hashlib.sha256(data).hexdigest()}"


GZIP = gzip.compress(TAR, 1)
ZSTD = zstandard.compress(TAR)
FAULTY = {
    "gzip cut": (GZIP[:-100], "in the middle"),
    "gzip cut in its end": (GZIP[:-3], "in the middle"),
    "gzip cut in its header": (GZIP[:5], "in the middle"),
    "second member cut": (GZIP + GZIP[:200], "in the middle"),
    "gzip with other data after it": (GZIP + b"more", "other data after"),
    "gzip with one byte after it": (GZIP + b"m", "other data after"),
    "gzip with data after padding": (GZIP + bytes(1 << 19) + b"x", "other data after"),
    "gzip damaged": (GZIP[:3000] + bytes(200) + GZIP[3200:], "damaged|checksum"),
    "gzip with a wrong sum": (GZIP[:-8] + bytes(4) + GZIP[-4:], "damaged"),
    "gzip of another method": (GZIP_MAGIC + b"\x07" + GZIP[3:], "damaged"),
    "zstd cut": (ZSTD[: len(ZSTD) // 2], "in the middle|ends"),
    "zstd damaged": (ZSTD[:1000] + bytes(1200), "damaged|ends"),
    "xz cut": (lzma.compress(TAR)[:-40], "ends in the middle"),
    "bzip2 cut": (bz2.compress(TAR)[:-40], "ends in the middle"),
    "bzip2 damaged": (bz2.compress(TAR)[:-40] + bytes(40), "damaged"),
    "xz": (b"\xfd7zXZ\0" + bytes(range(256)) * 4, "compressed archive is damaged"),
    "zlib": (zlib.compress(TAR), "checksum|number"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_faults_are_told(tmp_path, name):
    data, words = FAULTY[name]
    with pytest.raises(Corrupt, match=words):
        unpack(tmp_path, data)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_bomb_comes_in_bounded_pieces(tmp_path, compress):
    (tmp_path / "bomb").write_bytes(compress(bytes(64 << 20)))
    fd = os.open(tmp_path / "bomb", os.O_RDONLY)
    try:
        assert max(len(piece) for piece in decompress(fd)) <= PIECE
    finally:
        os.close(fd)


def test_empty(tmp_path):
    assert unpack(tmp_path, b"").diff_id == f"sha256:{hashlib.sha256(b'').hexdigest()}"
    assert os.listdir(tmp_path / "tree") == []


def test_progress_is_of_the_blob(tmp_path):
    blob = tmp_path / "blob"
    blob.write_bytes(GZIP)
    (tmp_path / "tree").mkdir()
    told: list[int] = []
    unpack_layer(str(blob), str(tmp_path / "tree"), WHITEOUT_UNLINK, told.append)
    assert told == sorted(told)
    assert told[-1] == len(GZIP)


def test_an_xz_header_does_not_say_how_much_memory_is_taken(tmp_path):
    wanted = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]
    path = tmp_path / "blob"
    path.write_bytes(lzma.compress(TAR, filters=wanted))
    with open(path, "rb") as file, pytest.raises(Corrupt, match="Memory usage limit"):
        list(decompress(file.fileno()))
