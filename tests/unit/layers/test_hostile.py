"""Layers that no honest tool writes: one clear error each, and nothing outside the root touched."""

from __future__ import annotations

import os
import stat

import pytest
from plugrun.errors import Corrupt, HostileArchive, PlugrunError
from plugrun.interfaces.storage import WHITEOUT_OVERLAYFS, WHITEOUT_UNLINK
from plugrun.layers.unpack import unpack_layer

from tests.unit.layers.made import END, Made, header, look, padded, pax, tar_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

FILE = header(b"file", size=3) + padded(b"abc")
NUL_NAME = pax(path=b"a\0b") + header(b"x")
DEVICE = {"major": b"0000000\0", "minor": b"0000000\0"}


def bad_sum() -> bytes:
    block = bytearray(header(b"x"))
    block[0] ^= 1
    return bytes(block)


def old_sparse(
    segments: list[tuple[int, int]], stored: int, real: int, more: bytes = b"\0"
) -> bytes:
    """Return GNU's own sparse format: the map lies where ustar has its prefix."""
    block = bytearray(header(b"s", b"S", stored, magic=b"ustar  \0"))
    text = b"".join(b"%011o\0%011o\0" % segment for segment in segments)
    block[386:482] = text.ljust(96, b"\0")
    block[482:483] = more
    block[483:495] = b"%011o\0" % real
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "parent": (tar_of([Made("../x")]), "no honest archive"),
    "parent within": (tar_of([Made("a/../../x")]), "no honest archive"),
    "parent behind a known folder": (tar_of([Made("a/b"), Made("a/..")]), "no honest archive"),
    "NUL in a name": (NUL_NAME, "NUL"),
    "no name": (header(b""), "no honest archive"),
    "endless name": (
        header(b"L", b"L", 5000) + padded(b"a/" * 2500) + header(b"x"),
        "no honest archive",
    ),
    "long part": (
        header(b"L", b"L", 300) + padded(b"a" * 300) + header(b"x"),
        "File name too long",
    ),
    "too deep": (tar_of([Made("a/" * 600 + "x")]), "too deep"),
    "symlink circle": (
        tar_of([Made("a", "symlink", "b"), Made("b", "symlink", "a"), Made("a/x")]),
        "too many symlinks",
    ),
    "symlink to nothing": (header(b"s", b"2"), "symlink to nothing"),
    "beneath a file": (tar_of([Made("a"), Made("a/b")]), "no folder"),
    "root as a file": (header(b"./"), "root by a file"),
    "root as a symlink": (
        header(b"./", b"2", linkname=b"/etc".ljust(100, b"\0")),
        "root by a file",
    ),
    "5000 levels": (pax(path=b"a/" * 5000 + b"x") + header(b"x"), "no honest archive"),
    "PAX size beyond the end": (
        pax(size=b"99999") + header(b"f", size=3) + padded(b"abc"),
        "ends in the middle",
    ),
    "PAX size that makes data a header": (
        pax(size=b"0") + header(b"f", size=512) + b"no header".ljust(512, b"x"),
        "number|checksum",
    ),
    "GNU long link that is huge": (
        header(b"K", b"K", 1 << 30) + header(b"l", b"2"),
        "extension header has",
    ),
    "GNU long name with a NUL and ..": (
        header(b"L", b"L", 9) + padded(b"../x\0more") + header(b"x"),
        "no honest archive",
    ),
    "hard link outside": (tar_of([Made("x", "link", "../../etc/passwd")]), "no honest archive"),
    "hard link through a symlink": (
        tar_of([Made("s", "symlink", "/../.."), Made("x", "link", "s/outside")]),
        "not in the layer",
    ),
    "hard link to nothing": (tar_of([Made("x", "link", "y")]), "not in the layer"),
    "hard link to the root": (tar_of([Made("x", "link", "/")]), "hard link to the root"),
    "hard link to a folder": (
        tar_of([Made("d", "folder"), Made("x", "link", "d")]),
        "hard link to a folder",
    ),
    "hard link to a whiteout": (
        tar_of([Made(".wh.w"), Made("x", "link", "w")]),
        "not in the layer",
    ),
    "hard link to what it replaces": (
        tar_of([Made("d/f"), Made("d", "link", "d/f")]),
        "linked to|not in the layer",
    ),
    "bare whiteout": (tar_of([Made(".wh.")]), "whiteout of no name"),
    "whiteout of .": (tar_of([Made("a/.wh..")]), "whiteout of no name"),
    "whiteout of ..": (tar_of([Made("a/.wh...")]), "whiteout of no name"),
    "beneath a whiteout": (tar_of([Made(".wh.a/b")]), "beneath a whiteout"),
    "whiteout device": (header(b"w", b"3", **DEVICE), "overlayfs deletes files with"),
    "opaque attribute": (
        pax(SCHILY__xattr__trusted__overlay__opaque=b"y") + header(b"d", b"5"),
        "overlayfs's own",
    ),
    "redirect": (
        pax(SCHILY__xattr__trusted__overlay__redirect=b"/etc") + header(b"d", b"5"),
        "overlayfs's own",
    ),
    "metacopy for users": (
        pax(SCHILY__xattr__user__overlay__metacopy=b"") + header(b"f"),
        "overlayfs's own",
    ),
    "opaque attribute of the root": (
        pax(SCHILY__xattr__trusted__overlay__opaque=b"y") + header(b"./", b"5"),
        "overlayfs's own",
    ),
    "attribute without name": (
        padded(b"") + header(b"p", b"x", 18) + padded(b"18 SCHILY.xattr.=\n") + header(b"f"),
        "attribute|length",
    ),
    "owner that means nobody": (header(b"f", uid=b"\x80" + bytes(3) + b"\xff" * 4), "owner"),
    "negative owner": (header(b"f", uid=b"\xff" * 8), "owner"),
    "negative size": (header(b"f", size=b"\xff" * 12), "size"),
    "endless size": (header(b"f", size=b"\x80" + b"\xff" * 11), "size"),
    "size that is no number": (header(b"f", size=b"00000000009\0"), "number"),
    "9 before a NUL": (header(b"f", size=b"9\0aaaaaaaaaa"), "number"),
    "unknown type": (header(b"f", b"V"), "unknown tar type"),
    "wrong checksum": (bad_sum(), "checksum"),
    "no tar": (b"what is this? " * 100, "number|checksum"),
    "data after zeros": (FILE + bytes(512) + FILE, "after a block of zeros"),
    "cut in the data": (header(b"f", size=4096) + bytes(512), "ends in the middle"),
    "cut after an extension": (pax(path=b"x"), "extension header"),
    "huge extension": (header(b"p", b"x", 1 << 30), "extension header has"),
    "PAX without length": (header(b"p", b"x", 6) + padded(b"path=a") + header(b"f"), "length"),
    "PAX length too long": (
        header(b"p", b"x", 11) + padded(b"99 path=ab\n") + header(b"f"),
        "length",
    ),
    "PAX length too short": (
        header(b"p", b"x", 10) + padded(b"3 path=ab\n") + header(b"f"),
        "length",
    ),
    "PAX number": (pax(size=b"0x10") + header(b"f"), "size"),
    "PAX negative number": (pax(uid=b"-1") + header(b"f"), "uid"),
    "PAX time": (pax(mtime=b"now") + header(b"f"), "time"),
    "PAX time too far": (pax(mtime=b"9" * 18) + header(b"f"), "time"),
    "old sparse out of order": (
        old_sparse([(512, 512), (0, 512)], 1024, 2048) + bytes(1024),
        "out of order",
    ),
    "old sparse beyond its size": (
        old_sparse([(4096, 512)], 512, 1024) + bytes(512),
        "does not fit",
    ),
    "old sparse without end": (
        old_sparse([(0, 0)], 0, 1 << 30, b"\1") + (b"00000000000\0" * 42 + b"\1" + bytes(7)) * 3000,
        "endless",
    ),
    "new sparse without size": (
        pax(GNU__sparse__major=b"1", GNU__sparse__minor=b"0") + header(b"f"),
        "without its size",
    ),
    "new sparse map without end": (
        pax(GNU__sparse__major=b"1", GNU__sparse__realsize=b"9")
        + header(b"f", size=512)
        + padded(b"9" * 3 + b"\n"),
        "sparse map",
    ),
    "0.1 sparse with half a pair": (
        pax(GNU__sparse__size=b"9", GNU__sparse__map=b"0,1,2") + header(b"f", size=3),
        "one half missing",
    ),
}


@pytest.fixture
def place(tmp_path):
    """A root within a folder that must not change, and a file that must not be reached."""
    os.chmod(tmp_path, 0o755)
    (tmp_path / "outside").write_text("untouched")
    (tmp_path / "root").mkdir()
    return tmp_path


def outside(place) -> dict[str, tuple]:
    return look(str(place), "root")


@pytest.mark.parametrize("style", [WHITEOUT_OVERLAYFS, WHITEOUT_UNLINK])
@pytest.mark.parametrize("name", HOSTILE)
def test_refused(place, name, style):
    data, words = HOSTILE[name]
    (place / "blob").write_bytes(data + END)
    before, umask = outside(place), os.umask(0o22)
    with pytest.raises(Corrupt, match=words) as caught:
        unpack_layer(str(place / "blob"), str(place / "root"), style)
    assert os.umask(umask) == 0o22
    assert outside(place) == before
    assert len(caught.value.message) < 500
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("style", [WHITEOUT_OVERLAYFS, WHITEOUT_UNLINK])
@pytest.mark.parametrize(
    "entries",
    [
        [Made("s", "symlink", "/"), Made("s/outside", data="pwned")],
        [Made("s", "symlink", "../../.."), Made("s/outside", data="pwned")],
        [Made("s", "symlink", ".."), Made("s/.wh.outside")],
        [Made("s", "symlink", ".."), Made("s/.wh..wh..opq")],
        [Made("s", "symlink", ".."), Made("s", "folder", mode=0o700)],
        [Made("outside", "symlink", "../outside"), Made("outside", data="pwned")],
        [Made("d/f"), Made("d", "symlink", ".."), Made("d/outside", data="pwned")],
        [Made("/outside", data="inside")],
        [Made("a", "symlink", "b"), Made("b", "symlink", ".."), Made("a/outside", "fifo")],
        [Made("x", "symlink", "../outside"), Made("y", "link", "x"), Made("y", data="pwned")],
        [Made("x", data="1"), Made("x", data="2"), Made("x", "folder"), Made("x", data="3")],
        [Made("d", "folder"), Made("d", "symlink", "../outside"), Made("d", "folder")],
    ],
)
def test_stays_inside(place, entries, style):
    (place / "blob").write_bytes(tar_of(entries))
    before = outside(place)
    unpack_layer(str(place / "blob"), str(place / "root"), style)
    assert outside(place) == before
    assert (place / "outside").read_text() == "untouched"


@pytest.mark.parametrize("style", [WHITEOUT_UNLINK])
def test_a_symlink_of_a_lower_layer_is_not_followed(place, style):
    os.symlink("..", place / "root" / "s")
    (place / "blob").write_bytes(tar_of([Made("s/outside", data="inside")]))
    before = outside(place)
    unpack_layer(str(place / "blob"), str(place / "root"), style)
    assert outside(place) == before
    assert (place / "root" / "s" / "outside").read_text() == "inside"
    assert stat.S_ISDIR(os.lstat(place / "root" / "s").st_mode)


def test_cut_anywhere_is_never_a_traceback(place):
    whole = tar_of(
        [Made("a/b", data="x" * 700), Made("s", "symlink", "a" * 200), Made("l", "link", "a/b")]
    )
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for length in range(1, end, 97):
        (place / "blob").write_bytes(whole[:length])
        root = place / f"root-{length}"
        root.mkdir()
        try:
            unpack_layer(str(place / "blob"), str(root), WHITEOUT_OVERLAYFS)
        except Corrupt:
            continue
        assert length % 512 == 0, length


@pytest.mark.parametrize("seed", range(40))
def test_damaged_anywhere_is_never_a_traceback(place, seed):
    """One byte wrong: an error of ours, or a tree (its DiffID will tell), and nothing outside."""
    import random

    chance = random.Random(seed)
    whole = bytearray(
        pax(path=b"a/long", mtime=b"1.5", SCHILY__xattr__user__x=b"1")
        + header(b"f", size=3)
        + padded(b"abc")
        + old_sparse([(0, 512), (1024, 512)], 1024, 2048)
        + bytes(1024)
        + tar_of([Made("a/b"), Made("l", "link", "a/b"), Made(".wh.z")])
    )
    for _ in range(4):
        whole[chance.randrange(len(whole))] = chance.randrange(256)
    (place / "blob").write_bytes(whole)
    before = outside(place)
    try:
        unpack_layer(str(place / "blob"), str(place / "root"), WHITEOUT_OVERLAYFS)
    except PlugrunError as error:
        assert isinstance(error, (Corrupt, HostileArchive)), error
    assert outside(place) == before
